"""Dense layers with normalisation, activation and dropout, and the last layer of a head."""

from tfepi.models.blocks.context import Context
from tfepi.models.blocks.keras_layers import keras_activation
from tfepi.models.blocks.steps import activate, add, dense_layer, drop, flatten_length, normalize


def dense_block(
    x,
    context: Context,
    *,
    units=None,
    activation="relu",
    activation_end=None,
    flatten=False,
    dropout=0,
    l2_scale=0,
    l1_scale=0,
    residual=False,
    norm_type=None,
    bn_momentum=0.99,
    norm_gamma=None,
    kernel_initializer="he_normal",
):
    """Add activation → flatten → dense → norm → dropout → residual add → activation.

    The dense layer has no bias under a norm. `flatten` joins all positions: [batch, 1,
    length·channels]. `norm_gamma` None is "zeros" with `residual`, else "ones".
    """
    inputs = x
    x = activate(x, context, activation)
    if flatten:
        x = flatten_length(x, context)
    x = dense_layer(
        x,
        context,
        inputs.shape[-1] if units is None else units,
        use_bias=norm_type is None,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
        l1_scale=l1_scale,
    )
    x = normalize(x, context, norm_type, bn_momentum, norm_gamma or _gamma(residual))
    x = drop(x, context, dropout)
    if residual:
        x = add([inputs, x], context)
    return activate(x, context, activation_end)


def dense_nac(
    x,
    context: Context,
    *,
    units=None,
    activation="relu",
    flatten=False,
    dropout=0,
    l2_scale=0,
    l1_scale=0,
    residual=False,
    norm_type=None,
    bn_momentum=0.99,
    norm_gamma=None,
    kernel_initializer="he_normal",
):
    """Add norm → activation → flatten → dense (with a bias) → dropout → residual add.

    `flatten` and `norm_gamma` as in `dense_block`.
    """
    inputs = x
    x = normalize(x, context, norm_type, bn_momentum, norm_gamma or _gamma(residual))
    x = activate(x, context, activation)
    if flatten:
        x = flatten_length(x, context)
    x = dense_layer(
        x,
        context,
        inputs.shape[-1] if units is None else units,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
        l1_scale=l1_scale,
    )
    x = drop(x, context, dropout)
    return add([inputs, x], context) if residual else x


def final(
    x,
    context: Context,
    *,
    units,
    activation="linear",
    flatten=False,
    kernel_initializer="he_normal",
    l2_scale=0,
    l1_scale=0,
):
    """Add flatten → dense with an activation of Keras, whose "gelu" is the exact one."""
    if flatten:
        x = flatten_length(x, context)
    return dense_layer(
        x,
        context,
        units,
        activation=keras_activation(activation),
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
        l1_scale=l1_scale,
    )


def dense(
    x,
    context: Context,
    *,
    units,
    activation="linear",
    kernel_initializer="he_normal",
    l2_scale=0,
    l1_scale=0,
):
    """Add Basenji's older form of `final`."""
    return final(
        x,
        context,
        units=units,
        activation=activation,
        kernel_initializer=kernel_initializer,
        l2_scale=l2_scale,
        l1_scale=l1_scale,
    )


def _gamma(residual: bool) -> str:
    return "zeros" if residual else "ones"


BLOCKS = {"dense": dense, "dense_block": dense_block, "dense_nac": dense_nac, "final": final}
