"""Basenji's blocks: functions that add layers, with the original arguments and defaults.

A module of blocks has a dict `BLOCKS`, from the name in params.json to the function.
"""

from tfepi.models.blocks import (
    conv,
    dense,
    dilated,
    excite,
    keras_layers,
    small,
    towers,
    transformer,
    unet,
)
from tfepi.models.blocks.context import Context, creation_order

_MODULES = (conv, dense, dilated, excite, keras_layers, small, towers, transformer, unet)
BLOCKS = {name: block for module in _MODULES for name, block in module.BLOCKS.items()}
# Blocks of contact maps (Akita), and one that cannot be built with the original either.
REFUSED = dict.fromkeys(
    (
        "Cropping2D",
        "concat_dist_2d",
        "concat_to_2d",
        "conv_block_2d",
        "cropping_2d",
        "dilated_residual_2d",
        "one_to_two",
        "symmetrize_2d",
        "upper_tri",
    ),
    "works on contact maps, which are not supported: only models along the sequence are",
) | {
    "concat_unet": "joins tensors of different lengths, which fails in the original too: "
    "use unet_concat"
}

__all__ = ["BLOCKS", "REFUSED", "Context", "creation_order"]
