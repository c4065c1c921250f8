"""Models whose heads hold a dispersion, for the loss negative_binomial."""

import keras

from tfepi.layers import Dispersion
from tfrecords_tools.errors import ConfigError, unknown


def with_dispersion(model: keras.Model, initial: float = 0.1) -> keras.Model:
    """Return a model that predicts the same and ends each head with a `Dispersion`.

    It shares the layers of the given one. The new layers are named head_dispersion, or
    head_NAME_dispersion where there are several heads.

    Args:
        model: functional.
        initial: dispersion at the start.

    Raises:
        ConfigError: a dispersion out of range.
    """

    def add(output, name):
        return Dispersion(initial, name=_layer_name(name), dtype="float32")(output)

    heads = model.output
    if isinstance(heads, dict):
        outputs = {name: add(output, name) for name, output in heads.items()}
    else:
        outputs = add(heads, None)
    return keras.Model(model.input, outputs, name=model.name)


def dispersion_of(model: keras.Model | None, head: str | None = None) -> Dispersion:
    """Return the layer that holds a head's dispersion.

    Args:
        model: of `with_dispersion`, or a part of it that ends in one head.
        head: output of the model, where it has several.

    Raises:
        ConfigError: no model, none with a dispersion, or no such head.
    """
    layers = [] if model is None else [x for x in model.layers if isinstance(x, Dispersion)]
    if not layers:
        raise ConfigError(
            "loss negative_binomial needs a model whose heads hold a dispersion: make it with "
            "tfepi.training.dispersion.with_dispersion"
        )
    if len(layers) == 1 and head is None:
        return layers[0]
    found = {layer.name: layer for layer in layers}.get(_layer_name(head))
    if found is None:
        raise unknown("head", str(head), list(model.output), f"of model {model.name!r}")
    return found


def _layer_name(head: str | None) -> str:
    return f"head_{head}_dispersion" if head else "head_dispersion"
