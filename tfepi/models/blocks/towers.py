"""Towers: a convolution block again and again, each time shorter and wider."""

import math

from tfepi.layers import Scale
from tfepi.models.blocks.arguments import forwards
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.conv import conv_block, conv_nac, conv_next
from tfepi.models.blocks.steps import add, drop, pool
from tfrecords_tools.errors import ConfigError


def tower_filters(
    filters_init: float,
    filters_end: float | None,
    filters_mult: float | None,
    divisible_by: int,
    repeat: int,
) -> list[int]:
    """Return the channels of each step of a tower.

    They grow by filters_mult, or by the factor that leads from filters_init to filters_end, and
    are rounded to multiples of divisible_by.

    Raises:
        ConfigError: both or none of filters_end and filters_mult, or a step without channels.
    """
    if (filters_end is None) == (filters_mult is None):
        raise ConfigError(
            f"filters_end is {filters_end} and filters_mult is {filters_mult}: a tower needs "
            "one of the two"
        )
    if filters_mult is None:
        steps = max(repeat - 1, 1)
        filters_mult = math.exp(math.log(filters_end / filters_init) / steps)
    widths, width = [], filters_init
    for step in range(1, repeat + 1):
        if not 0.5 < width / divisible_by < math.inf:
            raise ConfigError(
                f"step {step} of {repeat} comes to {width:g} filters, to be rounded to a multiple "
                f"of divisible_by {divisible_by}: change filters_init, filters_mult or divisible_by"
            )
        widths.append(round(width / divisible_by) * divisible_by)
        width *= filters_mult
    return widths


@forwards(conv_block, without=["filters"])
def conv_tower(
    x,
    context: Context,
    *,
    filters_init,
    filters_end=None,
    filters_mult=None,
    divisible_by=1,
    repeat=1,
    **block,
):
    """Add `repeat` conv_blocks."""
    for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
        x = conv_block(x, context, filters=filters, **block)
        context.representations.append(x)
    return x


@forwards(conv_nac, without=["filters"])
def conv_tower_nac(
    x,
    context: Context,
    *,
    filters_init,
    filters_end=None,
    filters_mult=None,
    divisible_by=1,
    repeat=1,
    **block,
):
    """Add `repeat` conv_nacs."""
    for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
        x = conv_nac(x, context, filters=filters, **block)
        context.representations.append(x)
    return x


@forwards(conv_nac, without=["filters"])
def res_tower(
    x,
    context: Context,
    *,
    filters_init,
    filters_end=None,
    filters_mult=None,
    kernel_size=1,
    dropout=0,
    pool_size=2,
    pool_type="max",
    divisible_by=1,
    repeat=1,
    num_convs=2,
    **block,
):
    """Add `repeat` times a conv_nac, a scaled branch of num_convs − 1 more, and pooling.

    kernel_size is the first convolution's, the others have width 1; dropout ends the branch.
    The representation is the one before pooling. Pooling has padding "same".
    """
    for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
        x = trunk = conv_nac(x, context, filters=filters, kernel_size=kernel_size, **block)
        for _ in range(1, num_convs):
            x = conv_nac(x, context, filters=filters, **block)
        x = drop(x, context, dropout)
        if num_convs > 1:
            x = _add_scaled(trunk, x, context)
        context.representations.append(x)
        x = pool(x, context, pool_size, pool_type)
    return x


@forwards(conv_next, without=["filters", "padding"])
def convnext_tower(
    x,
    context: Context,
    *,
    filters_init,
    filters_end=None,
    filters_mult=None,
    kernel_size=1,
    dropout=0,
    pool_size=2,
    pool_type="max",
    divisible_by=1,
    repeat=1,
    num_convs=2,
    **block,
):
    """Add `repeat` times a conv_next, a scaled branch of num_convs − 1 more, and pooling.

    The representation is the one after pooling. Pooling has padding "same".
    """
    for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
        step = {"filters": filters, "kernel_size": kernel_size, "dropout": dropout, **block}
        x = trunk = conv_next(x, context, **step)
        for _ in range(1, num_convs):
            x = conv_next(x, context, **step)
        if num_convs > 1:
            x = _add_scaled(trunk, x, context)
        x = pool(x, context, pool_size, pool_type)
        context.representations.append(x)
    return x


def _add_scaled(trunk, branch, context: Context):
    branch = Scale(name=context.name("scale"), dtype=context.dtype)(branch)
    return add([trunk, branch], context)


BLOCKS = {
    "conv_tower": conv_tower,
    "conv_tower_nac": conv_tower_nac,
    "convnext_tower": convnext_tower,
    "res_tower": res_tower,
}
