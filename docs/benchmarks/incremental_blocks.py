"""Small models with each block of trunks, to compare incremental and whole predictions.

Not among them: factor_inverse, a matrix from a file at each position.
"""

from collections.abc import Callable

import keras
from incremental_models import make_model, parse_params

_FIRST = {"name": "conv_dna", "filters": 12, "kernel_size": 9}
_TOWER = {
    "name": "conv_tower",
    "filters_init": 12,
    "filters_end": 16,
    "kernel_size": 5,
    "pool_size": 2,
    "repeat": 3,
}
_ATTENTION = {"key_size": 4, "heads": 2, "num_position_features": 4}
_UP = {"kernel_size": 3}
_TRUNKS = {
    "conv_block": [
        {"filters": 8, "kernel_size": 7, "stride": 2, "pool_size": 4},
        {"residual": True, "kernel_size": 3, "dilation_rate": 2},
    ],
    "conv_block, separable": [
        {"filters": 8, "kernel_size": 7, "conv_type": "separable", "norm_type": "layer"},
        {"filters": 6, "kernel_size": 3, "pool_size": 2, "pool_type": "softmax"},
    ],
    "conv_block, valid": [{"filters": 8, "kernel_size": 6, "padding": "valid", "pool_size": 3}],
    "conv_dna": [{"filters": 8, "kernel_size": 4, "stride": 3, "pool_size": 2}],
    "conv_dna, gated": [{"filters": 16, "kernel_size": 5, "se": True}],
    "conv_nac": [
        {"filters": 8, "kernel_size": 5, "pool_size": 3},
        {"residual": True, "dilation_rate": 3, "kernel_size": 3, "conv_type": "separable"},
        {"filters": 6, "stride": 2, "pool_type": "softmax", "pool_size": 2},
    ],
    "conv_next": [
        {"residual": True, "dense_expansion": 2.7},
        {"filters": 8, "kernel_size": 3, "dilation_rate": 2, "pool_size": 2},
    ],
    "dense_block": [{"residual": True, "norm_gamma": "ones"}, {"flatten": True, "units": 7}],
    "dense_nac": [{"residual": True}, {"flatten": True, "units": 7}],
    "dilated_dense": [_TOWER, {"filters": 6, "rate_mult": 1.5, "repeat": 3}],
    "dilated_residual": [_TOWER, {"filters": 6, "rate_mult": 1.75, "repeat": 4, "round": True}],
    "dilated_residual_nac": [_TOWER, {"filters": 6, "rate_mult": 1.5, "repeat": 3}],
    "global_context": [_TOWER, {}],
    "squeeze_excite": [_TOWER, {"bottleneck_ratio": 2}],
    "wheeze_excite": [_TOWER, {"pool_size": 5}],
    "Conv1D": [{"filters": 8, "kernel_size": 6, "strides": 2}],
    "Cropping1D": [_TOWER, {"cropping": [3, 3]}],
    "Dense": [_TOWER, {"units": 5, "activation": "tanh"}],
    "Flatten": [_TOWER, {}],
    "center_average": [_TOWER, {"center": 4}],
    "center_slice": [_TOWER, {"center": 10}],
    "concat_position": [{"transform": "reversed"}, _TOWER],
    "exp": [_TOWER, {"base": 2.5, "minus": 1}],
    "conv_tower": [{"filters_init": 12, "filters_end": 18, "divisible_by": 3, "repeat": 3}],
    "conv_tower_nac": [{"filters_init": 12, "filters_end": 16, "kernel_size": 5, "repeat": 3}],
    "convnext_tower": [{"filters_init": 12, "filters_end": 16, "kernel_size": 5, "repeat": 3}],
    "res_tower": [{"filters_init": 12, "filters_end": 16, "repeat": 3, "num_convs": 3}],
    "swin_transformer": [_TOWER, _ATTENTION],
    "transformer": [_TOWER, _ATTENTION],
    "transformer_tower": [_TOWER, {**_ATTENTION, "repeat": 2}],
    "fpn_unet": [_TOWER, {**_UP}, {"name": "fpn1_unet", "kernel_size": 5}],
    "tconv_nac": [
        {"name": "conv_block", "filters": 8, "pool_size": 8},
        {"filters": 6, "kernel_size": 5, "stride": 2},
        {"kernel_size": 4, "stride": 2},
    ],
    "unet_concat": [_TOWER, _UP, {}],
    "unet_conv": [_TOWER, {**_UP, "upsample_conv": True}, _UP],
    "upsample_unet": [_TOWER, _UP],
}


def _model(name: str) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        block = name.partition(",")[0]
        section = {
            "seq_length": 1536,
            "activation": "gelu",
            "norm_type": "batch",
            "trunk": [_FIRST, *({"name": block, **given} for given in _TRUNKS[name])],
            "head": {"name": "final", "units": 3, "activation": "softplus"},
        }
        return make_model(parse_params({"model": section}).model, None)

    return build


BLOCKS = {f"block {name}": _model(name) for name in _TRUNKS}
