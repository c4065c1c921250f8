"""Gates and shifts of channels by what the whole sequence, or a wide window, holds."""

from dataclasses import replace

import keras

from tfepi.layers.symmetric_padding import SymmetricPadding1D
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.steps import activate, add, dense_layer, normalize
from tfrecords_tools.errors import ConfigError, unknown

SCALE_FUNCTIONS = ("sigmoid", "tanh")
_GLOROT = "glorot_uniform"  # Keras's default, which Basenji leaves in these blocks


def squeeze_excite(
    x,
    context: Context,
    *,
    activation="relu",
    bottleneck_ratio=8,
    additive=False,
    norm_type=None,
    bn_momentum=0.9,
    kernel_initializer=_GLOROT,
    use_bias=True,
    scale_fun="sigmoid",
):
    """Add activation → mean over positions → dense, ReLU → dense → norm → gate of the channels.

    The first dense layer has channels // bottleneck_ratio units. The gate is scale_fun of the
    result, times the activated input; with `additive`, the result is added instead. The norm's
    scales start at zero. After Hu et al. (2018).
    """
    if scale_fun not in SCALE_FUNCTIONS:
        raise unknown("scale_fun", scale_fun, SCALE_FUNCTIONS, "of squeeze_excite")
    channels = x.shape[-1]
    units = _bottleneck("squeeze_excite", channels, bottleneck_ratio)
    # The same names wherever it stands, in convolution blocks too: weights are found by them.
    context = replace(context, prefix=f"{context.prefix}_se")
    kernels = {"kernel_initializer": kernel_initializer, "use_bias": use_bias}
    x = activate(x, context, activation)
    gate = keras.layers.GlobalAveragePooling1D(
        keepdims=True, name=context.name("pool"), dtype=context.dtype
    )(x)
    gate = dense_layer(gate, context, units, activation="relu", **kernels)
    gate = dense_layer(gate, context, channels, **kernels)
    gate = normalize(gate, context, norm_type, bn_momentum, "zeros")
    if additive:
        return add([x, gate], context)
    return _scale(x, gate, context, scale_fun)


def wheeze_excite(x, context: Context, *, pool_size):
    """Add mean over a window at each position → dense, ReLU → dense, ReLU → sigmoid → gate.

    The window, an odd number of positions, continues at the ends with the sequence's mirror
    image; the first dense layer has channels // 4 units. The second ReLU, Basenji's, keeps
    gates at 0.5 or above.
    """
    if pool_size % 2 == 0:
        raise ConfigError(f"pool_size is {pool_size}, want an odd number")
    channels = x.shape[-1]
    units = _bottleneck("wheeze_excite", channels, 4)
    gate = SymmetricPadding1D(pool_size // 2, name=context.name("pad"), dtype=context.dtype)(x)
    # In bfloat16 the sum over a hundred positions is off by a percent.
    gate = keras.layers.AveragePooling1D(
        pool_size, strides=1, padding="valid", name=context.name("pool"), dtype="float32"
    )(gate)
    kernels = {"kernel_initializer": _GLOROT, "activation": "relu"}
    gate = dense_layer(gate, context, units, **kernels)
    gate = dense_layer(gate, context, channels, **kernels)
    return _scale(x, gate, context, "sigmoid")


def global_context(x, context: Context):
    """Add to every position a summary: attention-weighted mean → dense → norm, ReLU → dense.

    A dense layer with one unit and a softmax over positions weight the mean; the first dense
    layer after it has channels // 4 units. After Cao et al. (2019).
    """
    channels = x.shape[-1]
    units = _bottleneck("global_context", channels, 4)
    weights = dense_layer(x, context, 1, kernel_initializer=_GLOROT)
    weights = keras.layers.Softmax(axis=1, name=context.name("softmax"), dtype="float32")(weights)
    summary = keras.layers.Dot(axes=1, name=context.name("mean"), dtype=context.dtype)([weights, x])
    summary = dense_layer(summary, context, units, kernel_initializer=_GLOROT)
    summary = normalize(summary, context, "layer")
    summary = activate(summary, context, "relu")
    summary = dense_layer(summary, context, channels, kernel_initializer=_GLOROT)
    return add([x, summary], context)


def _bottleneck(block: str, channels: int, ratio: int) -> int:
    if ratio > channels:
        raise ConfigError(
            f"{block}: {channels} channels cannot be reduced {ratio}-fold: it needs {ratio} or more"
        )
    return channels // ratio


def _scale(x, gate, context: Context, function: str):
    gate = keras.layers.Activation(function, name=context.name("gate"), dtype=context.dtype)(gate)
    return keras.layers.Multiply(name=context.name("scale"), dtype=context.dtype)([x, gate])


BLOCKS = {
    "global_context": global_context,
    "squeeze_excite": squeeze_excite,
    "wheeze_excite": wheeze_excite,
}
