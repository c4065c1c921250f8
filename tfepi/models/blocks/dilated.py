"""Towers of dilated convolutions that keep the length."""

import math
from collections.abc import Iterator

import keras

from tfepi.layers import Scale
from tfepi.models.blocks.arguments import forwards
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.conv import conv_block, conv_nac
from tfepi.models.blocks.steps import add
from tfrecords_tools.errors import ConfigError

_SHORTENS = ("stride", "pool_size", "pool_type")


def _dilations(rate_mult: float, repeat: int, whole: bool = False) -> Iterator[int]:
    """Yield 1, rate_mult, rate_mult²… as whole numbers; with `whole`, each from the last one."""
    rate = 1.0
    for step in range(1, repeat + 1):
        if not 0.5 < rate < math.inf:
            raise ConfigError(
                f"rate_mult is {rate_mult}: the dilation of step {step} of {repeat} comes to "
                f"{rate:g}, want at least 1"
            )
        yield round(rate)
        rate *= rate_mult
        if whole:
            rate = round(rate)


@forwards(conv_block, without=[*_SHORTENS, "padding", "norm_gamma"])
def dilated_residual(
    x,
    context: Context,
    *,
    filters,
    kernel_size=3,
    rate_mult=2,
    dropout=0,
    repeat=1,
    conv_type="standard",
    norm_type=None,
    round=False,
    **block,
):
    """Add `repeat` times a dilated conv_block to `filters`, one of width 1 back, and their input.

    The way back ends in dropout and starts switched off: its norm's scale is zero, or without a
    norm a learned `Scale` is. conv_type is the dilated convolution's. `round`: dilations are
    rounded before they are multiplied, not only when they are used.
    """
    for dilation in _dilations(rate_mult, repeat, round):
        inputs = x
        x = conv_block(
            x,
            context,
            filters=filters,
            kernel_size=kernel_size,
            dilation_rate=dilation,
            conv_type=conv_type,
            norm_type=norm_type,
            norm_gamma="ones",
            **block,
        )
        x = conv_block(
            x,
            context,
            filters=inputs.shape[-1],
            dropout=dropout,
            norm_type=norm_type,
            norm_gamma="zeros",
            **block,
        )
        if norm_type is None:
            x = Scale(name=context.name("scale"), dtype=context.dtype)(x)
        x = add([inputs, x], context)
    return x


@forwards(conv_nac, without=_SHORTENS)
def dilated_residual_nac(
    x,
    context: Context,
    *,
    filters,
    kernel_size=3,
    rate_mult=2,
    dropout=0,
    repeat=1,
    **block,
):
    """Add `repeat` times a dilated conv_nac to `filters`, one of width 1 back, and their input.

    dropout ends the way back.
    """
    for dilation in _dilations(rate_mult, repeat):
        inputs = x
        x = conv_nac(
            x, context, filters=filters, kernel_size=kernel_size, dilation_rate=dilation, **block
        )
        x = conv_nac(x, context, filters=inputs.shape[-1], dropout=dropout, **block)
        x = add([inputs, x], context)
    return x


@forwards(conv_block, without=[*_SHORTENS, "padding", "dropout"])
def dilated_dense(
    x,
    context: Context,
    *,
    filters,
    kernel_size=3,
    rate_mult=2,
    conv_type="standard",
    repeat=1,
    **block,
):
    """Add `repeat` times a dilated conv_block to `filters`, whose channels join its input's."""
    for dilation in _dilations(rate_mult, repeat):
        grown = conv_block(
            x,
            context,
            filters=filters,
            kernel_size=kernel_size,
            dilation_rate=dilation,
            conv_type=conv_type,
            **block,
        )
        x = keras.layers.Concatenate(name=context.name("concat"), dtype=context.dtype)([x, grown])
    return x


BLOCKS = {
    "dilated_dense": dilated_dense,
    "dilated_residual": dilated_residual,
    "dilated_residual_nac": dilated_residual_nac,
}
