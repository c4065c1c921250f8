"""The values that an argument may have, by its name: it means the same in every block."""

import math

import keras

from tfepi.model_params import is_whole
from tfrecords_tools.errors import ConfigError, unknown

PADDINGS = ("same", "valid")
INITIALIZERS = (
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
)


def _number(v) -> bool:
    return isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)


# What is wanted, in words and as a condition, of which arguments.
_WANTED = (
    (
        "a whole number of at least 1",
        is_whole,
        "bottleneck_ratio center dilation_rate divisible_by filters groups heads kernel_size "
        "key_size num_convs pool_size power qkv_width repeat seqlen_train stride strides units",
    ),
    ("a whole number of at least 0", lambda v: is_whole(v, 0), "num_position_features"),
    (
        "a number above 0",
        lambda v: _number(v) and v > 0,
        "base filters_end filters_init filters_mult rate_mult",
    ),
    (
        "a number of at least 0",
        lambda v: _number(v) and v >= 0,
        "dense_expansion l1_scale l2_scale mha_l2_scale",
    ),
    (
        "a number of at least 0 and below 1",
        lambda v: _number(v) and 0 <= v < 1,
        "attention_dropout bn_momentum dropout dropout_residual position_dropout",
    ),
    ("a number", _number, "minus"),
    (
        "true or false",
        lambda v: isinstance(v, bool),
        "additive content_position_bias flatten residual round se upsample_conv use_bias",
    ),
    (
        "a whole number of at least 0, or a list of two",
        lambda v: (
            all(is_whole(i, 0) for i in v) if isinstance(v, (list, tuple)) else is_whole(v, 0)
        ),
        "cropping",
    ),
    ("the name of a file", lambda v: isinstance(v, str), "components_file"),
)
_KINDS = {name: (want, holds) for want, holds, names in _WANTED for name in names.split()}
_INITIALIZED = ("kernel_initializer", "mha_initializer", "norm_gamma")


def check_value(name: str, value: object) -> None:
    """Check the value of an argument, other than null.

    Names of an activation, a norm, a pooling and the like are left to the step that reads them.

    Raises:
        ConfigError: a value that the argument cannot have.
    """
    if name in _KINDS:
        want, holds = _KINDS[name]
        if not holds(value):
            raise ConfigError(f"{name} is {value!r}, want {want}")
    elif name == "padding" and value not in PADDINGS:
        raise unknown(name, value, PADDINGS)
    elif name in _INITIALIZED:
        try:
            keras.initializers.get(value)
        except (ValueError, TypeError):
            raise unknown(name, value, INITIALIZERS) from None
