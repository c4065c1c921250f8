"""Convolutions with normalisation, activation, dropout and pooling, in Basenji's four orders."""

import keras

from tfepi.layers import Scale
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.excite import squeeze_excite
from tfepi.models.blocks.steps import (
    activate,
    add,
    convolve,
    dense_layer,
    drop,
    normalize,
    pool,
)
from tfrecords_tools.errors import ConfigError


def conv_block(
    x,
    context: Context,
    *,
    filters=None,
    kernel_size=1,
    activation="relu",
    activation_end=None,
    stride=1,
    dilation_rate=1,
    l2_scale=0,
    dropout=0,
    conv_type="standard",
    pool_size=1,
    pool_type="max",
    norm_type=None,
    bn_momentum=0.99,
    norm_gamma=None,
    residual=False,
    kernel_initializer="he_normal",
    padding="same",
):
    """Add activation → convolution → norm → dropout → residual add → activation → pooling.

    The convolution has no bias under a norm. `padding` is that of the pooling.
    """
    inputs = x
    x = activate(x, context, activation)
    x = convolve(
        x,
        context,
        filters,
        kernel_size,
        strides=stride,
        dilation_rate=dilation_rate,
        use_bias=norm_type is None,
        conv_type=conv_type,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
    )
    x = normalize(x, context, norm_type, bn_momentum, norm_gamma)
    x = drop(x, context, dropout)
    if residual:
        x = add([inputs, x], context)
    x = activate(x, context, activation_end)
    return pool(x, context, pool_size, pool_type, padding)


def conv_nac(
    x,
    context: Context,
    *,
    filters=None,
    kernel_size=1,
    activation="relu",
    stride=1,
    dilation_rate=1,
    l2_scale=0,
    dropout=0,
    conv_type="standard",
    residual=False,
    pool_size=1,
    pool_type="max",
    norm_type=None,
    bn_momentum=0.99,
    kernel_initializer="he_normal",
    padding="same",
    se=False,
):
    """Add norm → activation → convolution → squeeze-excite → dropout → residual add → pooling.

    The convolution has a bias. `padding` is the convolution's and the pooling's.
    """
    inputs = x
    x = normalize(x, context, norm_type, bn_momentum)
    x = activate(x, context, activation)
    x = convolve(
        x,
        context,
        filters,
        kernel_size,
        strides=stride,
        dilation_rate=dilation_rate,
        padding=padding,
        conv_type=conv_type,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
    )
    if se:
        x = squeeze_excite(x, context)
    x = drop(x, context, dropout)
    if residual:
        x = add([inputs, x], context)
    return pool(x, context, pool_size, pool_type, padding)


def conv_dna(
    x,
    context: Context,
    *,
    filters=None,
    kernel_size=15,
    activation="relu",
    stride=1,
    l2_scale=0,
    residual=False,
    dropout=0,
    dropout_residual=0,
    pool_size=1,
    pool_type="max",
    norm_type=None,
    bn_momentum=0.99,
    use_bias=None,
    se=False,
    conv_type="standard",
    kernel_initializer="he_normal",
    padding="same",
):
    """Add the first convolution: → squeeze-excite → norm → activation → dropout → pooling.

    With `residual`, norm and activation give way to the addition of a scaled `conv_nac` of
    width 1, whose dropout is `dropout_residual`. `use_bias` None: a bias only without norm and
    residual. `padding` is that of the pooling.
    """
    if use_bias is None:
        use_bias = norm_type is None and not residual
    x = convolve(
        x,
        context,
        filters,
        kernel_size,
        strides=stride,
        use_bias=use_bias,
        conv_type=conv_type,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
    )
    if se:
        x = squeeze_excite(x, context)
    if residual:
        branch = conv_nac(
            x,
            context,
            activation=activation,
            l2_scale=l2_scale,
            dropout=dropout_residual,
            conv_type=conv_type,
            norm_type=norm_type,
            se=se,
            bn_momentum=bn_momentum,
            kernel_initializer=kernel_initializer,
        )
        branch = Scale(name=context.name("scale"), dtype=context.dtype)(branch)
        x = add([x, branch], context)
    else:
        x = normalize(x, context, norm_type, bn_momentum)
        x = activate(x, context, activation)
    x = drop(x, context, dropout)
    return pool(x, context, pool_size, pool_type, padding)


def conv_next(
    x,
    context: Context,
    *,
    filters=None,
    kernel_size=7,
    activation="relu",
    dense_expansion=2.0,
    dilation_rate=1,
    l2_scale=0,
    dropout=0,
    residual=False,
    pool_size=1,
    pool_type="max",
    kernel_initializer="he_normal",
    padding="same",
):
    """Add separable convolution → layer norm → dense → dropout → activation → dense.

    Then the residual add and pooling; `padding` is that of the pooling. The first dense layer
    has int(dense_expansion)·filters units. After ConvNeXt (Liu et al. 2022).

    Raises:
        ConfigError: dense_expansion is below 1.
    """
    if dense_expansion < 1:
        raise ConfigError(f"dense_expansion is {dense_expansion}, want at least 1 in conv_next")
    inputs = x
    filters = x.shape[-1] if filters is None else filters
    kernels = {"kernel_initializer": kernel_initializer, "l2_scale": l2_scale}
    x = convolve(
        x,
        context,
        filters,
        kernel_size,
        conv_type="separable",
        dilation_rate=dilation_rate,
        **kernels,
    )
    x = keras.layers.LayerNormalization(
        epsilon=1e-5, name=context.name("layer_norm"), dtype=context.dtype
    )(x)
    x = dense_layer(x, context, int(dense_expansion) * filters, **kernels)
    x = drop(x, context, dropout)
    x = activate(x, context, activation)
    x = dense_layer(x, context, filters, **kernels)
    if residual:
        x = add([inputs, x], context)
    return pool(x, context, pool_size, pool_type, padding)


BLOCKS = {
    "conv_block": conv_block,
    "conv_dna": conv_dna,
    "conv_nac": conv_nac,
    "conv_next": conv_next,
}
