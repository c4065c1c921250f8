"""What the arguments of blocks mean: the same in every block, with the exceptions below."""

_MEANINGS = {
    "activation": "before the convolution or dense layer, or where the order of layers has it",
    "activation_end": "activation after the residual addition",
    "additive": "add the norm's result to the activated input instead of multiplying it by a gate",
    "attention_dropout": "of the attention weights",
    "base": "of the power; null is e",
    "block_type": "`transformer` or `swin`",
    "bn_momentum": "of batch norm's moving averages",
    "bottleneck_ratio": "the first dense layer has channels // this units",
    "center": "positions in the middle",
    "components_file": "`.npy` file of the matrix [components, targets]",
    "content_position_bias": "false: the positional term of attention does not depend on the query",
    "conv_type": "`standard` or `separable`",
    "cropping": "positions left out at either end, or a list of both",
    "dense_expansion": "the first dense layer has int(this) times the units",
    "dilation_rate": "of the convolution",
    "divisible_by": "filters are rounded to multiples of it",
    "dropout": "share of values that are dropped in training",
    "dropout_residual": "of the residual branch",
    "filters": "channels of the convolution; null: as many as come in",
    "filters_end": "filters of the last step, in place of `filters_mult`",
    "filters_init": "filters of the first step",
    "filters_mult": "factor on the filters from step to step, in place of `filters_end`",
    "flatten": "join all positions: [bins, channels] becomes [1, bins · channels]",
    "heads": "of attention; the channels must divide by it",
    "kernel_initializer": "Keras initializer of the kernels",
    "kernel_size": "width of the convolution, positions",
    "key_size": "channels of a query and a key, per head",
    "l1_scale": "penalty l1 · Σ|w| of kernels",
    "l2_scale": "penalty l2 · Σw² of kernels",
    "mha_initializer": "Keras initializer of attention's kernels",
    "mha_l2_scale": "penalty of attention's kernels",
    "minus": "subtracted at the end",
    "norm_gamma": "initializer of the norm's scale; null: see the text",
    "norm_type": "`batch`, `batch-sync`, `layer` or null",
    "num_convs": "convolutions of a step; with 1 there is no branch",
    "num_position_features": "features of a distance, an even number; null: the value size, made "
    "even; 0: none",
    "padding": "`same` or `valid`; what it is of, the text says",
    "pool_size": "positions that are pooled into one; 1: no pooling",
    "pool_type": "`max`, or `softmax`, a mean with learned weights",
    "position_dropout": "of the position features, one draw a batch",
    "power": "of the position, a whole number",
    "qkv_width": "positions that queries, keys and values see",
    "rate_mult": "factor on the dilation from step to step",
    "repeat": "steps",
    "residual": "add the input",
    "round": "round the dilation before it is multiplied on",
    "scale_fun": "`sigmoid` or `tanh`",
    "se": "a `squeeze_excite` with its defaults after the convolution",
    "seqlen_train": "length, in positions of this block, that position features are scaled to; "
    "null: the input's",
    "stride": "of the convolution, positions",
    "strides": "of the convolution, positions",
    "transform": "of the position: `abs`, `reversed` or null",
    "units": "of the dense layer; null: as many as come in",
    "upsample_conv": "the input too goes through a dense layer before it is upsampled",
    "use_bias": "a bias; null: where there is no norm",
}
_EXCEPTIONS = {
    ("tconv_nac", "stride"): "factor by which the length grows",
    ("unet_conv", "stride"): "of the upsampling; nothing but 2 is possible",
    ("fpn_unet", "stride"): "of the upsampling; nothing but 2 is possible",
    ("fpn1_unet", "stride"): "of the upsampling; nothing but 2 is possible",
    ("unet_concat", "stride"): "of the upsampling; nothing but 2 is possible",
    ("upsample_unet", "stride"): "of the upsampling; nothing but 2 is possible",
    ("wheeze_excite", "pool_size"): "positions of the mean, an odd number",
    ("final", "activation"): "of the dense layer, by Keras's names",
    ("dense", "activation"): "of the dense layer, by Keras's names",
}
_KERAS = "as in Keras"


def meaning_of(block: str, argument: str) -> str:
    """Return what an argument of a block means; of Keras's own layers, that it is theirs."""
    if block[0].isupper():
        return _KERAS
    return _EXCEPTIONS.get((block, argument)) or _MEANINGS[argument]
