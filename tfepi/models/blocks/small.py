"""Blocks of one layer each, without weights that train."""

import numpy as np

from tfepi.layers import CenterAverage, CenterSlice, ConcatPosition, Exp, FactorInverse
from tfepi.models.blocks.context import Context
from tfrecords_tools.errors import ConfigError, InputFileError, why_unread


def center_average(x, context: Context, *, center):
    """Add the average of the middle `center` positions."""
    return CenterAverage(center, name=context.name("center"), dtype=context.dtype)(x)


def center_slice(x, context: Context, *, center):
    """Add the middle `center` positions."""
    return CenterSlice(center, name=context.name("center"), dtype=context.dtype)(x)


def concat_position(x, context: Context, *, transform="abs", power=1):
    """Add the position as a channel before the others."""
    name = context.name("position")
    return ConcatPosition(transform, power, name=name, dtype=context.dtype)(x)


def exp(x, context: Context, *, base=None, minus=None):
    """Add baseˣ − minus; None: e, and nothing."""
    return Exp(base, minus, name=context.name("exp"), dtype=context.dtype)(x)


def factor_inverse(x, context: Context, *, components_file):
    """Add the product with the matrix [components, targets] of a .npy file.

    Raises:
        InputFileError: the file is missing, or no .npy file of numbers.
        ConfigError: the matrix has other than one row per channel.
    """
    try:
        with open(components_file, "rb") as handle:
            components = np.load(handle, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or why_unread(error)
        raise InputFileError(
            f"components_file {components_file!r} cannot be read: {reason}; want a .npy file"
        ) from None
    if getattr(components, "ndim", None) != 2 or len(components) != x.shape[-1]:
        raise ConfigError(
            f"components_file {components_file!r} has shape "
            f"{getattr(components, 'shape', None)}, want one row for each of {x.shape[-1]} channels"
        )
    layer = FactorInverse(components.shape[1], name=context.name("factor"), dtype=context.dtype)
    x = layer(x)
    layer.components.assign(components)
    return x


BLOCKS = {
    "center_average": center_average,
    "center_slice": center_slice,
    "concat_position": concat_position,
    "exp": exp,
    "factor_inverse": factor_inverse,
}
