"""The part of a model that ends in one head."""

from dataclasses import replace

import keras

from tfepi.spec import ModelSpec


def only_head(
    model: keras.Model, spec: ModelSpec, name: str | None
) -> tuple[keras.Model, ModelSpec]:
    """Return the part of a model that ends in one head, and its contract.

    Args:
        model: of one head, or of a dict by head.
        spec: its contract.
        name: of the head; None of a model of one.

    Raises:
        ConfigError: no such head, or several and none named.
    """
    chosen = spec.head(name)
    if isinstance(model.output, dict):
        model = keras.Model(model.input, model.output[chosen.name], name=model.name)
    return model, replace(spec, heads=(chosen,))
