"""Enformer: expression, chromatin and accessibility in 896 bins from 196,608 bp.

Avsec et al. 2021 (Nature Methods 18:1196), with the settings of the released code where the paper
does not give them: docs/models_enformer.md.
"""

from collections.abc import Mapping

import keras
import numpy as np

from tfepi.layers import BatchNorm, MultiheadAttention, SoftmaxPool1D
from tfepi.layers import activation as activation_layer
from tfepi.model_params import check_head_name
from tfrecords_tools.errors import ConfigError

HEADS = {"human": 5313, "mouse": 1643}
_EPSILON = 1e-5  # of batch and layer norm; Keras has 1e-3
_POOLINGS = 7


def enformer(
    *,
    input_length: int = 196_608,
    channels: int = 1536,
    width_rounding: int = 128,
    transformer_layers: int = 11,
    attention_heads: int = 8,
    key_size: int = 64,
    target_length: int = 896,
    output_heads: int | Mapping[str, int] = HEADS,
    dropout: float = 0.4,
    attention_dropout: float = 0.05,
    position_dropout: float = 0.01,
    final_dropout: float = 0.05,
    dtype: str = "float32",
) -> keras.Model:
    """Return Enformer as published, by default: 251,221,292 parameters.

    A stem and six blocks of convolutions, each ending in softmax pooling by 2; transformer layers
    on bins of 128 bp; the middle bins; a pointwise convolution to twice the channels; a dense
    layer with softplus for each head. The widths of the blocks grow geometrically from half of
    `channels` to all.

    Layers: stem_conv, stem_pointwise_norm, stem_pointwise_conv, stem_pool; tower1_norm,
    tower1_conv, tower1_pointwise_norm, tower1_pointwise_conv, tower1_pool, …, tower6_pool;
    transformer0_attention_norm, transformer0_attention, transformer0_norm, transformer0_hidden,
    transformer0_output, …; crop, final_norm, final_conv, trunk (the values that heads read);
    head, or head_human_dense, head_human, …. What a residual block gives is …_add.

    Args:
        input_length: bp, a multiple of 128.
        channels: of the transformer; a multiple of attention_heads and of 6·attention_heads.
        width_rounding: widths of the blocks are rounded to multiples of this (half to even).
        transformer_layers, attention_heads: of the transformer.
        key_size: channels of queries and keys, per head.
        target_length: bins of the output, at most input_length / 128.
        output_heads: number of outputs; of each head, by name, where there are several.
        dropout: after attention and after either dense layer of a transformer layer.
        attention_dropout: of the attention weights.
        position_dropout: of the position features.
        final_dropout: before the heads.
        dtype: precision policy of the trunk; heads are float32.

    Returns:
        Model from {"sequence": [batch, input_length, 4]} to [batch, target_length, outputs], or
        to a dict of such by head.

    Raises:
        ConfigError: sizes that do not fit each other, or a head's name that no layer can have.
    """
    _check(input_length, channels, attention_heads, target_length)
    inputs = keras.Input((input_length, 4), name="sequence")
    widths = tower_widths(channels, width_rounding)
    x = _conv(channels // 2, 15, "stem_conv", dtype)(inputs)
    x = _pointwise_and_pool(x, "stem", dtype)
    for number, width in enumerate(widths, 1):
        name = f"tower{number}"
        x = _normed(x, name, dtype)
        x = _conv(width, 5, f"{name}_conv", dtype)(x)
        x = _pointwise_and_pool(x, name, dtype)
    for number in range(transformer_layers):
        name = f"transformer{number}"
        y = _layer_norm(f"{name}_attention_norm", dtype)(x)
        y = MultiheadAttention(
            heads=attention_heads,
            key_size=key_size,
            value_size=channels // attention_heads,
            position_features=channels // attention_heads,
            position_basis="enformer",
            attention_dropout=attention_dropout,
            position_dropout=position_dropout,
            name=f"{name}_attention",
            dtype=dtype,
        )(y)
        x = _residual(x, y, f"{name}_attention", dropout, dtype)
        y = _layer_norm(f"{name}_norm", dtype)(x)
        y = _dense(2 * channels, f"{name}_hidden", dtype)(y)
        y = _drop(y, f"{name}_hidden", dropout, dtype)
        y = activation_layer("relu", f"{name}_relu", dtype)(y)
        y = _dense(channels, f"{name}_output", dtype)(y)
        x = _residual(x, y, name, dropout, dtype)
    cropped = (x.shape[1] - target_length) // 2
    x = keras.layers.Cropping1D(cropped, name="crop", dtype=dtype)(x)
    x = _normed(x, "final", dtype)
    x = _conv(2 * channels, 1, "final_conv", dtype)(x)
    x = _drop(x, "final", final_dropout, dtype)
    x = activation_layer("gelu_sigmoid", "trunk", dtype)(x)
    outputs = _heads(x, output_heads)
    return keras.Model(inputs={"sequence": inputs}, outputs=outputs, name="enformer")


def tower_widths(channels: int, rounding: int) -> list[int]:
    """Return the channels of the six blocks after the stem.

    Args:
        channels: of the last; the first has half as many.
        rounding: widths are multiples of this.

    Raises:
        ConfigError: a width would be 0.
    """
    first = channels // 2
    growth = np.exp(np.log(channels / first) / (_POOLINGS - 2))
    # Python rounds halves to even, as the released code does.
    widths = [round(first * growth**i / rounding) * rounding for i in range(_POOLINGS - 1)]
    if not widths[0]:
        raise ConfigError(
            f"enformer: width_rounding {rounding} leaves the first block of {first} channels "
            f"none: use at most {first}"
        )
    if widths[-1] != channels:
        raise ConfigError(
            f"enformer: channels is {channels}, no multiple of width_rounding {rounding}: change "
            "either"
        )
    return widths


def _check(length: int, channels: int, heads: int, target_length: int) -> None:
    bin_width = 2**_POOLINGS
    if length % bin_width:
        low = length // bin_width * bin_width
        raise ConfigError(
            f"enformer: input_length {length} is no multiple of {bin_width}, the bp of a bin: "
            f"use {low or bin_width} or {low + bin_width}"
        )
    if channels % (6 * heads):
        raise ConfigError(
            f"enformer: channels {channels} is no multiple of {6 * heads}, 6 for each of the "
            f"{heads} attention_heads: their position features are of six kinds"
        )
    bins = length // bin_width
    if target_length > bins or (bins - target_length) % 2:
        raise ConfigError(
            f"enformer: target_length {target_length} of the {bins} bins that input_length "
            f"{length} makes: want at most {bins}, and as many left out at either end"
        )


def _truncated(fan_in: int) -> keras.initializers.Initializer:
    """Return Sonnet's default, whose standard deviation is not corrected for the truncation."""
    return keras.initializers.TruncatedNormal(stddev=fan_in**-0.5)


def _conv(filters: int, size: int, name: str, dtype: str):
    def add(x):
        return keras.layers.Conv1D(
            filters,
            size,
            padding="same",
            kernel_initializer=_truncated(size * x.shape[-1]),
            name=name,
            dtype=dtype,
        )(x)

    return add


def _dense(units: int, name: str, dtype: str):
    def add(x):
        return keras.layers.Dense(
            units, kernel_initializer=_truncated(x.shape[-1]), name=name, dtype=dtype
        )(x)

    return add


def _layer_norm(name: str, dtype: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name, dtype=dtype)


def _drop(x, name: str, rate: float, dtype: str):
    if not rate:
        return x
    return keras.layers.Dropout(rate, name=f"{name}_dropout", dtype=dtype)(x)


def _normed(x, name: str, dtype: str):
    """Add batch norm and GELU."""
    x = BatchNorm(momentum=0.9, epsilon=_EPSILON, name=f"{name}_norm", dtype=dtype)(x)
    return activation_layer("gelu_sigmoid", f"{name}_gelu", dtype)(x)


def _residual(x, y, name: str, rate: float, dtype: str):
    y = _drop(y, name, rate, dtype)
    return keras.layers.Add(name=f"{name}_add", dtype=dtype)([x, y])


def _pointwise_and_pool(x, name: str, dtype: str):
    y = _normed(x, f"{name}_pointwise", dtype)
    y = _conv(x.shape[-1], 1, f"{name}_pointwise_conv", dtype)(y)
    x = keras.layers.Add(name=f"{name}_add", dtype=dtype)([x, y])
    return SoftmaxPool1D(2, per_channel=True, name=f"{name}_pool", dtype=dtype)(x)


def _heads(x, outputs: int | Mapping[str, int]):
    if not isinstance(outputs, Mapping):
        return _head(x, "head", outputs)
    for name in outputs:
        check_head_name(name, "enformer: output_heads")
    return {name: _head(x, f"head_{name}", count) for name, count in outputs.items()}


def _head(x, name: str, outputs: int):
    x = _dense(outputs, f"{name}_dense", "float32")(x)
    return keras.layers.Activation("softplus", name=name, dtype="float32")(x)
