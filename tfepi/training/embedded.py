"""Training heads on kept values of the trunk, which is not trained."""

from pathlib import Path

import keras

from tfepi.models.trunk import trunk_end, trunk_of, weights_sha256
from tfepi.params import Params
from tfepi.training.embedded_params import open_embeddings
from tfrecords_tools.data import Data
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.errors import ConfigError


def head_model(model: keras.Model, layer: str, output) -> keras.Model:
    """Return the model from a layer's values to an output, of the same layers."""
    return keras.Model(model.get_layer(layer).output, output, name=f"{model.name}_heads")


def matching_embeddings(
    folder: str | Path, model: keras.Model, params: Params, data: Data, labels: tuple[str, ...]
) -> Embeddings:
    """Return a folder of embeddings after checking that heads can be trained on it.

    Args:
        folder: of `tfepi_embed.py`.
        model: as it will be trained: its weights are those it starts from.
        params: params.json.
        data: the records.
        labels: of training and validation.

    Raises:
        InputFileError: no such folder, or a damaged one.
        ConfigError: as `open_embeddings`; embeddings of another trunk, or a trunk that is trained.
    """
    found = open_embeddings(folder, params, [data], labels)
    trunk_end(model, found.layer)
    trunk = trunk_of(model, found.layer)
    moving = [x.name for x in trunk.layers if x.trainable_weights]
    if moving:
        raise ConfigError(
            f"--embeddings {folder} holds what layer {found.layer!r} gave, but layer {moving[0]!r} "
            'before it is to be trained: set "transfer": {"mode": "linear"}, or freeze all layers '
            "up to it"
        )
    if weights_sha256(trunk) != found.trunk_sha256:
        raise ConfigError(
            f"the embeddings in {folder} were made by another trunk than the one that --from "
            "names: name the model they are of, or embed again with this one"
        )
    return found
