"""INTERACT: the methylation of a CpG from the 2,001 bp around it, convolutions and a transformer.

Zhou et al. 2022 (github.com/LieberInstitute/INTERACT), and its version for cell types
(github.com/shizhonghan80/Cell-type-INTERACT). Where the released code differs from what is built
here is in docs/models_interact.md.
"""

from collections.abc import Mapping

import keras

from tfepi.layers import LearnedPosition, WeightNormDense
from tfepi.layers import activation as activation_layer
from tfepi.model_params import check_head_name
from tfrecords_tools.errors import ConfigError

# torch's default for nn.Conv1d and nn.Linear, in ±1/√fan-in; the head's matrices have it too.
_TORCH = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}


def interact(
    *,
    input_length: int = 2001,
    targets: int | Mapping[str, int] = 1,
    kernels: int = 400,
    kernel_size: int = 10,
    pool: int = 20,
    conv_dropout: float = 0.5,
    hidden: int = 512,
    layers: int = 8,
    attention_heads: int = 8,
    feed_forward: int = 2048,
    dropout: float = 0.1,
    positions: int = 1024,
    head_hidden: int = 512,
    head_dropout: float = 0.1,
    initializer_range: float = 0.02,
    dtype: str = "float32",
) -> keras.Model:
    """Return INTERACT as published, by default.

    Three convolutions with ReLU, each followed by layer norm over the whole map (positions and
    kernels; its weights are as many), max pooling, batch norm and dropout; a linear layer, learned
    positions, layer norm; post-norm transformer layers; a dense layer with tanh on the first
    token. The head is two weight-normalised dense layers and a sigmoid.

    Layers: conv1, conv1_norm, …, pool, pool_norm, embedding, position, position_norm,
    transformer0_attention, transformer0_attention_norm, transformer0_hidden, transformer0_output,
    transformer0_norm, …, first_token, pooler, head_hidden, head_logits, head; of several heads
    head_brain_hidden, …, head_brain, ….

    Args:
        input_length: bp; the C of the CpG is at input_length // 2.
        targets: number of outputs; of each head, by name, where there are several.
        kernels, kernel_size: of each convolution.
        pool: positions per token.
        conv_dropout: after pooling.
        hidden: channels of a token, a multiple of `attention_heads`.
        layers, attention_heads: of the transformer.
        feed_forward: units of a transformer layer's inner dense layer.
        dropout: of the tokens, the attention weights and what a residual connection adds.
        positions: rows of the position table, at least as many as tokens.
        head_hidden, head_dropout: of the head's inner layer.
        initializer_range: standard deviation of the first weights of embedding, positions and
            transformer. What a layer adds shrinks with its square times `hidden`: narrow
            models need more.
        dtype: precision policy of the trunk; the head is float32.

    Returns:
        Model from {"sequence": [batch, input_length, 4]} to [batch, 1, targets], or to a dict of
        such by head, in 0…1.

    Raises:
        ConfigError: sizes that do not fit each other, or a head's name that no layer can have.
    """
    inputs = keras.Input((input_length, 4), name="sequence")
    features = _convolutions(inputs, kernels, kernel_size, pool, dtype)
    tokens = _tokens(features, pool, conv_dropout, dtype)
    tokens = _embedded(tokens, hidden, positions, dropout, initializer_range, dtype)
    pooled = _transformer(
        tokens, layers, attention_heads, feed_forward, dropout, initializer_range, dtype
    )
    outputs = _heads(pooled, targets, head_hidden, head_dropout)
    return keras.Model(inputs={"sequence": inputs}, outputs=outputs, name="interact")


def interact_celltype(
    *,
    input_length: int = 2001,
    targets: int | Mapping[str, int] = 1,
    kernels: int = 512,
    kernel_size: int = 10,
    pool: int = 20,
    conv_dropout: float = 0.2,
    hidden: int = 512,
    layers: int = 8,
    attention_heads: int = 8,
    feed_forward: int = 2048,
    dropout: float = 0.02,
    positions: int = 1024,
    head_hidden: int = 512,
    head_dropout: float = 0.1,
    initializer_range: float = 0.02,
    dtype: str = "float32",
) -> keras.Model:
    """Return Cell-type-INTERACT as published, by default.

    `interact` with more kernels and less dropout, whose head also sees the largest value of each
    kernel over all positions after the third convolution's norm, with the convolutions' dropout.
    Further layers: max_pool, max_pool_dropout, pooled.

    Args:
        input_length, targets, kernels, kernel_size, pool, conv_dropout, hidden, layers,
        attention_heads, feed_forward, dropout, positions, head_hidden, head_dropout,
        initializer_range, dtype: as in `interact`.

    Returns:
        As `interact`.

    Raises:
        ConfigError: as `interact`.
    """
    inputs = keras.Input((input_length, 4), name="sequence")
    features = _convolutions(inputs, kernels, kernel_size, pool, dtype)
    largest = keras.layers.GlobalMaxPooling1D(keepdims=True, name="max_pool", dtype=dtype)(features)
    largest = keras.layers.Dropout(conv_dropout, name="max_pool_dropout", dtype=dtype)(largest)
    tokens = _tokens(features, pool, conv_dropout, dtype)
    tokens = _embedded(tokens, hidden, positions, dropout, initializer_range, dtype)
    pooled = _transformer(
        tokens, layers, attention_heads, feed_forward, dropout, initializer_range, dtype
    )
    pooled = keras.layers.Concatenate(name="pooled", dtype=dtype)([pooled, largest])
    outputs = _heads(pooled, targets, head_hidden, head_dropout)
    return keras.Model(inputs={"sequence": inputs}, outputs=outputs, name="interact_celltype")


def _normal(deviation: float) -> keras.initializers.Initializer:
    """Return N(0, deviation), a new one for each layer, which else would have the same values."""
    return keras.initializers.RandomNormal(stddev=deviation)


def _torch_uniform() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(**_TORCH)


def _convolutions(x, kernels: int, size: int, pool: int, dtype: str):
    """Return the map after three convolutions, [batch, length, kernels]."""
    length = x.shape[1] + 2 * ((size - 1) // 2 * 2 + size // 2) - 3 * (size - 1)
    if length < pool:
        raise ConfigError(
            f"interact: input_length {x.shape[1]} leaves {max(length, 0)} positions after the "
            f"convolutions, less than one token of {pool} (pool): use a longer sequence"
        )
    # Each side alike, as in torch: an even kernel shortens the first two maps by 1 and makes the
    # third 1 longer. Keras's "same" would pad the end more.
    for number, pad in enumerate(((size - 1) // 2, (size - 1) // 2, size // 2), 1):
        name = f"conv{number}"
        fan_in = x.shape[2] * size
        x = keras.layers.ZeroPadding1D(pad, name=f"{name}_pad", dtype=dtype)(x)
        x = keras.layers.Conv1D(
            kernels,
            size,
            activation="relu",
            kernel_initializer=_torch_uniform(),
            bias_initializer=keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5),
            name=name,
            dtype=dtype,
        )(x)
        x = keras.layers.LayerNormalization(
            axis=(1, 2), epsilon=1e-5, name=f"{name}_norm", dtype=dtype
        )(x)
    return x


def _tokens(x, pool: int, dropout: float, dtype: str):
    x = keras.layers.MaxPooling1D(pool, name="pool", dtype=dtype)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="pool_norm", dtype=dtype)(
        x
    )
    return keras.layers.Dropout(dropout, name="pool_dropout", dtype=dtype)(x)


def _norm(name: str, dtype: str) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(epsilon=1e-12, name=name, dtype=dtype)


def _dense(
    units: int, name: str, deviation: float, dtype: str, bias: bool = True
) -> keras.layers.Layer:
    return keras.layers.Dense(
        units, use_bias=bias, kernel_initializer=_normal(deviation), name=name, dtype=dtype
    )


def _embedded(x, hidden: int, positions: int, dropout: float, deviation: float, dtype: str):
    if x.shape[1] > positions:
        raise ConfigError(
            f"interact: {x.shape[1]} tokens for a position table of {positions}: use more "
            "positions, a larger pool or a shorter sequence"
        )
    if deviation <= 0:
        raise ConfigError(f"interact: initializer_range is {deviation}, want it above 0")
    x = _dense(hidden, "embedding", deviation, dtype, bias=False)(x)
    x = LearnedPosition(positions, _normal(deviation), name="position", dtype=dtype)(x)
    x = _norm("position_norm", dtype)(x)
    return keras.layers.Dropout(dropout, name="position_dropout", dtype=dtype)(x)


def _transformer(
    x, layers: int, heads: int, feed_forward: int, dropout: float, deviation: float, dtype: str
):
    """Return the pooled first token, [batch, 1, hidden], after the transformer's layers."""
    hidden = x.shape[2]
    if hidden % heads:
        raise ConfigError(
            f"interact: hidden {hidden} is no multiple of {heads} attention_heads: change either"
        )
    for number in range(layers):
        name = f"transformer{number}"
        attention = keras.layers.MultiHeadAttention(
            heads,
            hidden // heads,
            dropout=dropout,
            kernel_initializer=_normal(deviation),
            name=f"{name}_attention",
            dtype=dtype,
        )
        # With the weights, which Keras computes anyway: `models.attention_weights` finds them here.
        y, _ = attention(x, x, return_attention_scores=True)
        x = _add_and_norm(x, y, f"{name}_attention", dropout, dtype)
        y = _dense(feed_forward, f"{name}_hidden", deviation, dtype)(x)
        y = activation_layer("gelu_erf", f"{name}_gelu", dtype)(y)
        y = _dense(hidden, f"{name}_output", deviation, dtype)(y)
        x = _add_and_norm(x, y, name, dropout, dtype)
    x = keras.layers.Cropping1D((0, x.shape[1] - 1), name="first_token", dtype=dtype)(x)
    x = _dense(hidden, "pooler", deviation, dtype)(x)
    return activation_layer("tanh", "pooler_tanh", dtype)(x)


def _add_and_norm(x, y, name: str, dropout: float, dtype: str):
    y = keras.layers.Dropout(dropout, name=f"{name}_dropout", dtype=dtype)(y)
    x = keras.layers.Add(name=f"{name}_add", dtype=dtype)([x, y])
    return _norm(f"{name}_norm", dtype)(x)


def _heads(x, targets: int | Mapping[str, int], hidden: int, dropout: float):
    if not isinstance(targets, Mapping):
        return _head(x, "head", targets, hidden, dropout)
    for name in targets:
        check_head_name(name, "interact: targets")
    return {
        name: _head(x, f"head_{name}", count, hidden, dropout) for name, count in targets.items()
    }


def _head(x, name: str, targets: int, hidden: int, dropout: float):
    x = WeightNormDense(hidden, _torch_uniform(), name=f"{name}_hidden", dtype="float32")(x)
    x = activation_layer("relu", f"{name}_relu", "float32")(x)
    x = keras.layers.Dropout(dropout, name=f"{name}_dropout", dtype="float32")(x)
    x = WeightNormDense(targets, _torch_uniform(), name=f"{name}_logits", dtype="float32")(x)
    return activation_layer("sigmoid", name, "float32")(x)
