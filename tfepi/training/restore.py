"""Starting from weights that were trained before: of the whole model, or of its trunk."""

from pathlib import Path

import keras

from tfepi.model_params import BASENJI
from tfepi.models.layer_names import is_head
from tfepi.predictors import is_h5, load_keras
from tfepi.pretrained.basenji import assign_h5
from tfepi.pretrained.enformer_files import open_weights
from tfepi.pretrained.sources import published_kind
from tfrecords_tools.errors import ConfigError


def restore_weights(model: keras.Model, path: str | Path, trunk: bool = False) -> None:
    """Give a model the weights of another of the same layers.

    Args:
        model: what to fill.
        path: a .keras file, a run folder (its best), a Basenji .h5, or a published Enformer
            (`enformer_files.open_weights`).
        trunk: leave the heads as they are.

    Raises:
        InputFileError: no such model, or damaged.
        ConfigError: the first layer that differs, both shapes; of a published Enformer the
            arrays that are missing or left over, or the first that differs; Borzoi's weights of
            torch.
    """
    if is_h5(path):
        assign_h5(model, path, trunk)
    elif published_kind(path) is not None and model.name == BASENJI:
        raise ConfigError(
            f"{path} has the names of torch: make a .keras of it with tfepi_convert.py, and start "
            "from that"
        )
    elif published_kind(path) is not None:
        open_weights(path).fill(model, trunk)
    else:
        copy_weights(load_keras(path), model, trunk, str(path))


def copy_weights(source: keras.Model, model: keras.Model, trunk: bool, where: str) -> None:
    """Copy weights layer by layer, by the layers' names.

    Raises:
        ConfigError: the first layer that differs, both shapes.
    """
    theirs = {layer.name: layer for layer in source.layers if layer.weights}
    ours = [x for x in model.layers if x.weights and not (trunk and is_head(x.name))]
    for layer in ours:
        if layer.name not in theirs:
            raise ConfigError(
                f"layer {layer.name} of params.json is not in {where}: start from a model of "
                f"the same {'trunk' if trunk else 'layers'}{'' if trunk else ', or use --head new'}"
            )
        shapes = [[tuple(w.shape) for w in x.weights] for x in (layer, theirs[layer.name])]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"layer {layer.name} has weights {shapes[0]} in params.json and {shapes[1]} in "
                f"{where}: start from a model of the same layers"
                + ("" if trunk else ", or only from its trunk with --head new")
            )
    extra = sorted(
        n for n in theirs if not (trunk and is_head(n)) and n not in {x.name for x in ours}
    )
    if extra:
        raise ConfigError(f"layer {extra[0]} of {where} is not in params.json: they differ")
    for layer in ours:
        layer.set_weights(theirs[layer.name].get_weights())
