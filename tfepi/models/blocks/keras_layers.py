"""Keras layers that params.json names as such, with Keras's own arguments and defaults.

The model-wide settings do not reach them, as in Basenji.
"""

import inspect
import re
from collections.abc import Callable

import keras

from tfepi.models.blocks.context import Context
from tfrecords_tools.errors import unknown

# Arguments that no original has, or that have only one sensible value here.
_LEFT_OUT = ("self", "data_format", "lora_rank", "lora_alpha", "quantization_config")
# Those whose formula is the same in Keras 2 and 3.
ACTIVATIONS = (
    "elu",
    "exponential",
    "gelu",
    "linear",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
)


def keras_activation(name: str | None) -> str | None:
    """Return the name of an activation inside a Keras layer, after a check.

    Raises:
        ConfigError: unknown name.
    """
    if name is not None and name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return name


def keras_reason(error: Exception) -> str:
    """Return what Keras says without its colours, frames and lists of arguments."""
    text = re.sub(r"\x1b\[\d+m|Exception encountered when calling \S+\s", "", str(error))
    return " ".join(text.partition("Arguments received by")[0].split())


def _layer_block(layer: type, part: str) -> Callable:
    """Return the block that adds one Keras layer."""

    def block(x, context: Context, **arguments):
        if "activation" in arguments:
            keras_activation(arguments["activation"])
        return layer(**arguments, name=context.name(part), dtype=context.dtype)(x)

    block.__doc__ = f"Add Keras's {layer.__name__}."
    own = list(inspect.signature(block).parameters.values())[:2]
    theirs = [
        p.replace(kind=p.KEYWORD_ONLY)
        for p in inspect.signature(layer.__init__).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in _LEFT_OUT
    ]
    block.__signature__ = inspect.Signature([*own, *theirs])
    return block


BLOCKS = {
    "Conv1D": _layer_block(keras.layers.Conv1D, "conv"),
    "Cropping1D": _layer_block(keras.layers.Cropping1D, "crop"),
    "Dense": _layer_block(keras.layers.Dense, "dense"),
    "Flatten": _layer_block(keras.layers.Flatten, "flatten"),
}
