"""U-Net blocks, which join an earlier representation of twice the length, and upsampling."""

import keras

from tfepi.layers import Scale
from tfepi.models.blocks.arguments import forwards
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.steps import (
    activate,
    add,
    convolve,
    dense_layer,
    drop,
    normalize,
    regularizer,
)
from tfrecords_tools.errors import ConfigError


def _earlier(x, context: Context, stride: int):
    """Return the latest representation of twice the length, leaving out the very last.

    Raises:
        ConfigError: there is none, or the stride is not 2.
    """
    if stride != 2:
        raise ConfigError(f"stride is {stride}: U-Net blocks join twice the length, want 2")
    lengths = [r.shape[1] for r in context.representations[:-1]]
    wanted = 2 * x.shape[1]
    if wanted not in lengths:
        raise ConfigError(
            f"no earlier representation has length {wanted}, twice the length {x.shape[1]} here; "
            f"there are {', '.join(map(str, dict.fromkeys(lengths))) or 'none'}: pool by 2 before"
        )
    return context.representations[len(lengths) - 1 - lengths[::-1].index(wanted)]


def _upsample(x, context: Context, stride: int):
    return keras.layers.UpSampling1D(stride, name=context.name("upsample"), dtype=context.dtype)(x)


def unet_conv(
    x,
    context: Context,
    *,
    activation="relu",
    stride=2,
    l2_scale=0,
    dropout=0,
    norm_type=None,
    bn_momentum=0.99,
    kernel_size=1,
    kernel_initializer="he_normal",
    upsample_conv=False,
):
    """Add norm → activation → dense, upsampling and the same of the earlier one, their sum.

    Then a separable convolution and dropout. All dense layers and the convolution have as many
    channels as come in. `upsample_conv`: the input too goes through a dense layer.
    """
    kernels = {"kernel_initializer": kernel_initializer, "l2_scale": l2_scale}
    filters = x.shape[-1]
    earlier = _earlier(x, context, stride)
    x = normalize(x, context, norm_type, bn_momentum)
    earlier = normalize(earlier, context, norm_type, bn_momentum)
    x = activate(x, context, activation)
    earlier = activate(earlier, context, activation)
    if upsample_conv:
        x = dense_layer(x, context, filters, **kernels)
    earlier = dense_layer(earlier, context, filters, **kernels)
    x = add([_upsample(x, context, stride), earlier], context)
    x = convolve(x, context, filters, kernel_size, conv_type="separable", **kernels)
    return drop(x, context, dropout)


@forwards(unet_conv, without=["upsample_conv"])
def fpn_unet(x, context: Context, **block):
    """Add `unet_conv` with upsample_conv."""
    return unet_conv(x, context, upsample_conv=True, **block)


def fpn1_unet(
    x,
    context: Context,
    *,
    activation="relu",
    stride=2,
    l2_scale=0,
    dropout=0,
    norm_type=None,
    bn_momentum=0.99,
    kernel_size=1,
    kernel_initializer="he_normal",
):
    """Add norm → activation → dense, upsampling, the scaled earlier one, their sum.

    Then a separable convolution and dropout. The channels become the earlier one's.
    """
    kernels = {"kernel_initializer": kernel_initializer, "l2_scale": l2_scale}
    earlier = _earlier(x, context, stride)
    filters = earlier.shape[-1]
    x = normalize(x, context, norm_type, bn_momentum)
    x = activate(x, context, activation)
    x = dense_layer(x, context, filters, **kernels)
    x = _upsample(x, context, stride)
    earlier = Scale("ones", name=context.name("scale"), dtype=context.dtype)(earlier)
    x = add([x, earlier], context)
    x = convolve(x, context, filters, kernel_size, conv_type="separable", **kernels)
    return drop(x, context, dropout)


def unet_concat(
    x,
    context: Context,
    *,
    activation="relu",
    stride=2,
    l2_scale=0,
    dropout=0,
    norm_type=None,
    bn_momentum=0.99,
    kernel_size=1,
    kernel_initializer="he_normal",
):
    """Add the norm of the earlier one and that of the input, upsampled, side by side.

    Then activation → dense to 1.5 times the earlier one's channels → dropout → activation →
    convolution to the earlier one's channels → dropout → addition of the earlier one.
    """
    kernels = {"kernel_initializer": kernel_initializer, "l2_scale": l2_scale}
    inputs = earlier = _earlier(x, context, stride)
    x = normalize(x, context, norm_type, bn_momentum)
    earlier = normalize(earlier, context, norm_type, bn_momentum)
    x = _upsample(x, context, stride)
    x = keras.layers.Concatenate(name=context.name("concat"), dtype=context.dtype)([earlier, x])
    x = activate(x, context, activation)
    x = dense_layer(x, context, int(1.5 * inputs.shape[-1]), **kernels)
    x = drop(x, context, dropout)
    x = activate(x, context, activation)
    x = convolve(x, context, inputs.shape[-1], kernel_size, **kernels)
    x = drop(x, context, dropout)
    return add([inputs, x], context)


@forwards(unet_concat)
def upsample_unet(x, context: Context, **block):
    """Add Basenji's older name of `unet_concat`."""
    return unet_concat(x, context, **block)


def tconv_nac(
    x,
    context: Context,
    *,
    filters=None,
    kernel_size=1,
    activation="relu",
    stride=1,
    l2_scale=0,
    dropout=0,
    norm_type=None,
    bn_momentum=0.99,
    kernel_initializer="he_normal",
):
    """Add norm → activation → transposed convolution to stride times the length → dropout."""
    x = normalize(x, context, norm_type, bn_momentum)
    x = activate(x, context, activation)
    x = keras.layers.Conv1DTranspose(
        x.shape[-1] if filters is None else filters,
        kernel_size,
        strides=stride,
        padding="same",
        kernel_initializer=kernel_initializer,
        kernel_regularizer=regularizer(l2_scale),
        name=context.name("transposed_conv"),
        dtype=context.dtype,
    )(x)
    return drop(x, context, dropout)


BLOCKS = {
    "fpn1_unet": fpn1_unet,
    "fpn_unet": fpn_unet,
    "tconv_nac": tconv_nac,
    "unet_concat": unet_concat,
    "unet_conv": unet_conv,
    "upsample_unet": upsample_unet,
}
