"""The part of a model before one of its layers' outputs: what its heads read."""

import hashlib

import keras
import numpy as np

from tfepi.models.layer_names import is_head
from tfrecords_tools.errors import ConfigError, unknown


def trunk_end(model: keras.Model, layer: str | None = None) -> keras.layers.Layer:
    """Return a layer by name, or the one whose output all heads read.

    Args:
        model: functional; layers of heads have names that start with "head".
        layer: its name.

    Raises:
        ConfigError: an unknown name, a layer whose output is not [positions, channels], or heads
            that read several layers.
    """
    if layer is None:
        before = {
            tensor._keras_history.operation
            for head in model.layers
            if is_head(head.name)
            for tensor in keras.tree.flatten(head.input)
        }
        ends = [x for x in model.layers if x in before and not is_head(x.name)]
        if len(ends) != 1:
            names = ", ".join(x.name for x in ends) or "no layer"
            raise ConfigError(f"the heads of model {model.name!r} read {names}: name one layer")
        found = ends[0]
    else:
        names = {x.name: x for x in model.layers}
        if layer not in names:
            raise unknown("layer", layer, names)
        found = names[layer]
    shape = tuple(found.output.shape)[1:]
    if len(shape) != 2 or None in shape:
        raise ConfigError(
            f"layer {found.name!r} gives values of shape {shape}: want [positions, channels]"
        )
    return found


def trunk_of(model: keras.Model, layer: str) -> keras.Model:
    """Return the model from the inputs to a layer's output, of the same layers."""
    return keras.Model(model.input, model.get_layer(layer).output, name=f"{model.name}_trunk")


def weights_sha256(model: keras.Model) -> str:
    """Return a hash of a model's weights and of their shapes, in their order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight)
        digest.update(str((values.shape, values.dtype.name)).encode())
        digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()
