"""Transformer blocks: attention over all positions, or over windows, and two dense layers."""

import keras

from tfepi.layers.attention import MultiheadAttention
from tfepi.models.blocks.arguments import check_arguments, forwards
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.steps import activate, add, dense_layer, drop, normalize
from tfrecords_tools.errors import ConfigError, unknown


def _transformer(
    x,
    context: Context,
    windows: tuple[int, ...],
    *,
    key_size,
    heads=1,
    dense_expansion=2.0,
    content_position_bias=True,
    dropout=0.25,
    attention_dropout=0.05,
    position_dropout=0.01,
    l2_scale=0,
    mha_l2_scale=0,
    num_position_features=None,
    qkv_width=1,
    mha_initializer="he_normal",
    kernel_initializer="he_normal",
    seqlen_train=None,
):
    """Add a block whose attention stays within windows of these relative lengths."""
    channels = x.shape[-1]
    if channels % heads:
        raise ConfigError(
            f"transformer: {channels} channels cannot be divided among {heads} heads: "
            "choose another number of heads"
        )
    attention = MultiheadAttention(
        heads=heads,
        key_size=key_size,
        value_size=channels // heads,
        position_features=num_position_features,
        scale_length=seqlen_train,
        content_position_bias=content_position_bias,
        attention_dropout=attention_dropout,
        position_dropout=position_dropout,
        qkv_width=qkv_width,
        kernel_initializer=mha_initializer,
        l2_scale=mha_l2_scale,
        name=context.name("attention"),
        dtype=context.dtype,
    )
    branch = normalize(x, context, "layer")
    branch = _attend(branch, context, attention, windows)
    branch = drop(branch, context, dropout)
    x = add([x, branch], context)
    if not dense_expansion:
        return x
    if dense_expansion * channels < 1:
        raise ConfigError(
            f"dense_expansion is {dense_expansion}: of {channels} channels it leaves no units"
        )

    kernels = {"l2_scale": l2_scale, "kernel_initializer": kernel_initializer}
    branch = normalize(x, context, "layer")
    branch = dense_layer(branch, context, int(dense_expansion * channels), **kernels)
    branch = drop(branch, context, dropout)
    branch = activate(branch, context, "relu")
    branch = dense_layer(branch, context, channels, **kernels)
    branch = drop(branch, context, dropout)
    return add([x, branch], context)


def _attend(x, context: Context, attention: MultiheadAttention, windows: tuple[int, ...]):
    if len(windows) == 1:
        return attention(x)
    length, parts = x.shape[1], sum(windows)
    if length % parts:
        raise ConfigError(
            f"swin_transformer: {length} positions cannot be divided by {parts}: "
            "change seq_length or the pooling before it"
        )
    start, outputs = 0, []
    for window in windows:
        end = start + window * length // parts
        piece = keras.layers.Cropping1D(
            (start, length - end), name=context.name("window"), dtype=context.dtype
        )(x)
        outputs.append(attention(piece))
        start = end
    return keras.layers.Concatenate(axis=1, name=context.name("windows"), dtype=context.dtype)(
        outputs
    )


@forwards(_transformer, without=("windows",))
def transformer(x, context: Context, **options):
    """Add x + attention(layer norm), then x + dense(ReLU(dense(layer norm))).

    The first dense layer has int(dense_expansion·channels) units; 0 leaves both out. Dropout
    follows attention and either dense layer. Values have channels / heads channels per head.
    `num_position_features`: None is as many as a value has channels. `seqlen_train`: length that
    position features are scaled to, where it is not the input's. Basenji takes `activation` and
    `out_size` too, uses the one nowhere and fails with the other: they are errors here.
    """
    return _transformer(x, context, (1,), **options)


@forwards(_transformer, without=("windows", "seqlen_train"))
def swin_transformer(x, context: Context, **options):
    """Add two transformers: attention within halves, then within quarter, half and quarter.

    The windows of one transformer share its weights (after Liu et al. 2021, Swin).
    """
    x = _transformer(x, context, (1, 1), **options)
    return _transformer(x, context, (1, 2, 1), **options)


BLOCK_TYPES = {"transformer": transformer, "swin": swin_transformer}


@forwards(_transformer, without=("windows",))
def transformer_tower(x, context: Context, *, repeat=2, block_type="transformer", **options):
    """Add `repeat` blocks of a type: "transformer", or "swin" for `swin_transformer`.

    Basenji takes an unknown type as "transformer"; its "transformer2" and "lambda" fail there.
    """
    if block_type not in BLOCK_TYPES:
        raise unknown("block_type", block_type, BLOCK_TYPES, "of transformer_tower")
    block = BLOCK_TYPES[block_type]
    check_arguments(block, block_type, options)
    for _ in range(repeat):
        x = block(x, context, **options)
    return x


BLOCKS = {
    "swin_transformer": swin_transformer,
    "transformer": transformer,
    "transformer_tower": transformer_tower,
}
