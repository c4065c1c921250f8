"""The steps that blocks are made of: activation, normalisation, dropout, pooling, kernels.

Basenji takes an unknown norm_type as none, an unknown pool_type as max and an unknown conv_type
as standard; here they are errors.
"""

import keras

from tfepi.layers import SoftmaxPool1D, activation
from tfepi.models.blocks.context import Context
from tfrecords_tools.errors import ConfigError, unknown

NORM_TYPES = ("batch", "batch-sync", "layer")
# Keras 2's defaults, which published weights were trained with.
BATCH_EPSILON = 1e-3
LAYER_EPSILON = 1e-3


def activate(x, context: Context, name: str | None):
    """Add an activation; nothing for None and "linear"."""
    if name in (None, "linear"):
        return x
    return activation(name, context.name("activation"), context.dtype)(x)


def normalize(x, context: Context, norm_type: str | None, bn_momentum=0.99, norm_gamma=None):
    """Add a normalisation.

    Args:
        x: [batch, length, channels].
        context: of the block.
        norm_type: None, "batch", "batch-sync" (statistics over all replicas), "layer".
        bn_momentum: of batch norm's moving averages.
        norm_gamma: initializer of the scales; None is "ones". Basenji hands None on to Keras 2,
            which then draws small random numbers.
    """
    if norm_type is None:
        return x
    if norm_type not in NORM_TYPES:
        raise unknown("norm_type", norm_type, NORM_TYPES)
    gamma = norm_gamma or "ones"
    if norm_type == "layer":
        return keras.layers.LayerNormalization(
            epsilon=LAYER_EPSILON,
            gamma_initializer=gamma,
            name=context.name("layer_norm"),
            dtype=context.dtype,
        )(x)
    return keras.layers.BatchNormalization(
        momentum=bn_momentum,
        epsilon=BATCH_EPSILON,
        gamma_initializer=gamma,
        synchronized=norm_type == "batch-sync",
        name=context.name("batch_norm"),
        dtype=context.dtype,
    )(x)


def drop(x, context: Context, rate: float):
    """Add dropout; nothing for a rate of 0."""
    if not rate:
        return x
    return keras.layers.Dropout(rate, name=context.name("dropout"), dtype=context.dtype)(x)


def add(tensors, context: Context):
    """Add tensors up.

    Raises:
        ConfigError: they are of different shapes.
    """
    try:
        return keras.layers.Add(name=context.name("add"), dtype=context.dtype)(tensors)
    except ValueError:
        shapes = " and ".join(f"{t.shape[1]} positions × {t.shape[2]} channels" for t in tensors)
        raise ConfigError(
            f"{shapes} cannot be added: a residual block keeps the length, and has as many filters "
            "or units as channels come in"
        ) from None


def flatten_length(x, context: Context):
    """Reshape [batch, length, channels] to [batch, 1, length·channels]."""
    shape = (1, x.shape[1] * x.shape[2])
    return keras.layers.Reshape(shape, name=context.name("flatten"), dtype=context.dtype)(x)


def pool(x, context: Context, pool_size: int, pool_type: str = "max", padding: str = "same"):
    """Add pooling; nothing for a pool_size of 1.

    Args:
        x: [batch, length, channels].
        context: of the block.
        pool_size: positions a window.
        pool_type: "max", or "softmax" (`SoftmaxPool1D`).
        padding: of max pooling, "same" or "valid".
    """
    if pool_type not in ("max", "softmax"):
        raise unknown("pool_type", pool_type, ("max", "softmax"))
    if pool_size > x.shape[1]:
        raise ConfigError(f"pool_size is {pool_size}, want at most the length {x.shape[1]} here")
    if pool_size == 1:
        return x
    settings = {"name": context.name("pool"), "dtype": context.dtype}
    if pool_type == "softmax":
        return SoftmaxPool1D(pool_size, **settings)(x)
    return keras.layers.MaxPooling1D(pool_size, padding=padding, **settings)(x)


def regularizer(l2_scale: float = 0, l1_scale: float = 0):
    """Return the penalty l1·Σ|w| + l2·Σw² of a kernel, or None."""
    if not l2_scale and not l1_scale:
        return None
    return keras.regularizers.L1L2(l1=l1_scale, l2=l2_scale)


def convolve(
    x,
    context: Context,
    filters: int,
    kernel_size: int,
    *,
    conv_type: str = "standard",
    kernel_initializer: str = "he_normal",
    l2_scale: float = 0,
    padding: str = "same",
    **settings,
):
    """Add a convolution.

    Args:
        x: [batch, length, channels].
        context: of the block.
        filters: channels out; None keeps their number.
        kernel_size: positions.
        conv_type: "standard", or "separable": over positions, then over channels. Basenji's
            separable ones disregard kernel_initializer and l2_scale; both kernels get them here.
        kernel_initializer: of the kernels.
        l2_scale: L2 penalty of the kernels.
        padding: "same" or "valid".
        settings: of the Keras layer.

    Raises:
        ConfigError: an unknown conv_type, or both a stride and a dilation.
    """
    stride, dilation = settings.get("strides", 1), settings.get("dilation_rate", 1)
    if stride > 1 and dilation > 1:
        raise ConfigError(
            f"stride is {stride} and dilation_rate is {dilation}: only one can be above 1"
        )
    settings = {
        "filters": x.shape[-1] if filters is None else filters,
        "kernel_size": kernel_size,
        "padding": padding,
        "dtype": context.dtype,
        **settings,
    }
    penalty = regularizer(l2_scale)
    if conv_type == "standard":
        return keras.layers.Conv1D(
            kernel_initializer=kernel_initializer,
            kernel_regularizer=penalty,
            name=context.name("conv"),
            **settings,
        )(x)
    if conv_type == "separable":
        return keras.layers.SeparableConv1D(
            depthwise_initializer=kernel_initializer,
            pointwise_initializer=kernel_initializer,
            depthwise_regularizer=penalty,
            pointwise_regularizer=penalty,
            name=context.name("separable_conv"),
            **settings,
        )(x)
    raise unknown("conv_type", conv_type, ("standard", "separable"))


def dense_layer(
    x,
    context: Context,
    units: int,
    *,
    kernel_initializer: str = "he_normal",
    l2_scale: float = 0,
    l1_scale: float = 0,
    **settings,
):
    """Add a dense layer over channels.

    Args:
        x: [batch, length, channels].
        context: of the block.
        units: channels out; None keeps their number.
        kernel_initializer: of the kernel.
        l2_scale, l1_scale: penalties of the kernel.
        settings: of the Keras layer.
    """
    return keras.layers.Dense(
        x.shape[-1] if units is None else units,
        kernel_initializer=kernel_initializer,
        kernel_regularizer=regularizer(l2_scale, l1_scale),
        name=context.name("dense"),
        dtype=context.dtype,
        **settings,
    )(x)
