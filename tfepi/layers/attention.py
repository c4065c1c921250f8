"""Multi-head self-attention with relative positions, as in Basenji and Enformer."""

import keras
from keras import ops

from tfepi.layers.relative_position import BASES, position_features
from tfrecords_tools.errors import ConfigError, unknown


def relative_shift(logits):
    """Pick, for each query, the logits of its distances to the keys (Dai et al. 2019, app. B).

    Args:
        logits: [heads, batch, T, 2·T − 1], the last axis over the distances −T + 1 … T − 1.

    Returns:
        [heads, batch, T, T]: at (query i, key j) the logit of distance j − i.
    """
    heads, _, length, distances = logits.shape
    if length == 1:
        return logits
    # Row i starts at T − 1 − i: in the flattened matrix that is T − 1 + i·(2·T − 2).
    flat = ops.reshape(logits, (heads, -1, length * distances))
    flat = flat[:, :, length - 1 : length - 1 + length * (distances - 1)]
    return ops.reshape(flat, (heads, -1, length, distances - 1))[..., :length]


@keras.saving.register_keras_serializable(package="tfepi")
class MultiheadAttention(keras.layers.Layer):
    """Self-attention whose logits know the distance from query to key.

    With q = x·Wq / √key_size, k = x·Wk, v = x·Wv and r = f·Wr for the features f of each
    distance, the logit of query i and key j is (q_i + u)·k_j + (q_i + w)·r_{j−i}; softmax over
    the keys, then a dense layer that starts at zero (Dai et al. 2019; Avsec et al. 2021,
    methods, "Model architecture"). Softmax is in float32 under any mixed precision.

    Weights, in this order, which is that of Basenji's layer in its .h5 files: content_bias (u)
    and position_bias (w), both [1, heads, 1, key_size]; query, key and value kernels
    [channels, heads·size], or with qkv_width > 1 a depthwise [width, channels, 1] and a
    pointwise [1, channels, heads·size] kernel each; output kernel [heads·value_size,
    heads·value_size] and bias; position kernel [position_features, heads·key_size], if there
    are position features.

    Args:
        heads: number of heads.
        key_size: channels of queries and keys, per head.
        value_size: channels of values, per head; the output has heads·value_size.
        position_features: number of features of a distance; None is value_size, rounded down to
            an even number; 0 leaves positions out.
        position_basis: what they are, "basenji" or "enformer"
            (`relative_position.position_features`).
        symmetric: features of |distance| only, not of its sign.
        scale_length: length that the features' widths are scaled to; None is the input's own.
        content_position_bias: False leaves q_i out of the positional term.
        attention_dropout: rate for the attention weights.
        position_dropout: rate for the position features; the batch shares what is dropped.
        qkv_width: positions that queries, keys and values see, by a separable convolution.
        kernel_initializer: of all but the output layer, u and w included.
        l2_scale: L2 penalty of all kernels.

    Raises:
        ConfigError: a size below 1, an unknown basis, a number of features that it cannot have, a
            rate outside [0, 1), an input of unknown length.
    """

    geometry = "global"

    def __init__(
        self,
        heads: int,
        key_size: int,
        value_size: int,
        position_features: int | None = None,
        symmetric: bool = False,
        scale_length: int | None = None,
        content_position_bias: bool = True,
        attention_dropout: float = 0.0,
        position_dropout: float = 0.0,
        qkv_width: int = 1,
        kernel_initializer="he_normal",
        l2_scale: float = 0.0,
        position_basis: str = "basenji",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if position_features is None:
            position_features = value_size // 2 * 2
        self.heads = heads
        self.key_size = key_size
        self.value_size = value_size
        self.position_features = position_features
        self.symmetric = symmetric
        self.scale_length = scale_length
        self.content_position_bias = content_position_bias
        self.attention_dropout = attention_dropout
        self.position_dropout = position_dropout
        self.qkv_width = qkv_width
        # Kept as a config: one instance would give all weights of a shape the same values.
        self.kernel_initializer = keras.initializers.serialize(
            keras.initializers.get(kernel_initializer)
        )
        self.l2_scale = l2_scale
        self.position_basis = position_basis
        self._check()
        self.seed_generator = keras.random.SeedGenerator()

    def _check(self) -> None:
        sizes = ("heads", "key_size", "value_size", "qkv_width")
        lowest = dict.fromkeys(sizes, 1) | {"position_features": 0}
        if self.scale_length is not None:
            lowest["scale_length"] = 1
        for name, least in lowest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"attention: {name} is {value!r}, want a whole number >= {least}")
        if self.position_basis not in BASES:
            raise unknown("position_basis", self.position_basis, BASES)
        if not self.symmetric and self.position_features % 2:
            raise ConfigError(
                f"attention: {self.position_features} position features, want an even number: "
                "half of them carry the sign of the distance"
            )
        for name in ("attention_dropout", "position_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"attention: {name} is {getattr(self, name)!r}, want 0 <= rate < 1"
                )

    def build(self, input_shape):
        """Create the weights."""
        if len(input_shape) != 3 or input_shape[1] is None:
            raise ConfigError(
                f"attention: input of shape {tuple(input_shape)}, want [batch, length, channels] "
                "of known length"
            )
        key_width, value_width = self.heads * self.key_size, self.heads * self.value_size
        bias = (1, self.heads, 1, self.key_size)
        self.content_bias = self._weight("content_bias", bias, penalty=False)
        self.position_bias = self._weight("position_bias", bias, penalty=False)
        self.query = self._projection("query", input_shape[-1], key_width)
        self.key = self._projection("key", input_shape[-1], key_width)
        self.value = self._projection("value", input_shape[-1], value_width)
        output = (value_width, value_width)
        self.output_kernel = self._weight("output_kernel", output, initializer="zeros")
        self.output_bias = self._weight(
            "output_bias", (value_width,), penalty=False, initializer="zeros"
        )
        if self.position_features:
            self.position_kernel = self._weight(
                "position_kernel", (self.position_features, key_width)
            )

    def _weight(self, name, shape, penalty=True, initializer=None):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.get(initializer or self.kernel_initializer),
            regularizer=keras.regularizers.L2(self.l2_scale) if penalty and self.l2_scale else None,
        )

    def _projection(self, name, channels, width) -> list:
        if self.qkv_width == 1:
            return [self._weight(f"{name}_kernel", (channels, width))]
        return [
            self._weight(f"{name}_depthwise_kernel", (self.qkv_width, channels, 1)),
            self._weight(f"{name}_pointwise_kernel", (1, channels, width)),
        ]

    def call(self, inputs, training=False, return_attention_scores=False):
        """Return [batch, length, heads·value_size] of [batch, length, channels].

        With `return_attention_scores` also the weights before dropout, float32 [batch, heads,
        length, length], whose rows (of the position that looks) have the sum 1.
        """
        length = inputs.shape[1]
        # Heads come first: position keys then meet the queries of all examples in one product
        # per head, and their gradient needs no sum over copies.
        query = self._per_head(self._project(inputs, self.query), length, (2, 0, 1, 3))
        key = self._per_head(self._project(inputs, self.key), length, (2, 0, 3, 1))
        value = self._per_head(self._project(inputs, self.value), length, (2, 0, 1, 3))
        query = query * self.key_size**-0.5
        bias = (self.heads, 1, 1, self.key_size)
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        logits = ops.matmul(query + ops.reshape(self.content_bias, bias), key)
        logits = ops.cast(logits, wide)
        if self.position_features:
            positions = self._position_logits(query, length, training)
            logits = logits + ops.cast(positions, wide)
        scores = ops.softmax(logits, axis=-1)
        weights = ops.cast(scores, self.compute_dtype)
        if training and self.attention_dropout:
            weights = keras.random.dropout(
                weights, self.attention_dropout, seed=self.seed_generator
            )
        output = ops.transpose(ops.matmul(weights, value), (1, 2, 0, 3))
        output = ops.reshape(output, (-1, length, self.heads * self.value_size))
        output = ops.matmul(output, self.output_kernel) + self.output_bias
        if return_attention_scores:
            return output, ops.cast(ops.transpose(scores, (1, 0, 2, 3)), "float32")
        return output

    def _project(self, inputs, kernels):
        if len(kernels) == 1:
            return ops.matmul(inputs, kernels[0])
        return ops.separable_conv(inputs, *kernels, padding="same")

    def _per_head(self, projected, length, order):
        """Return [batch, length, heads·size] as [batch, length, heads, size], axes in order."""
        size = projected.shape[-1] // self.heads
        split = ops.reshape(projected, (-1, length, self.heads, size))
        return ops.transpose(split, order)

    def _position_logits(self, query, length, training):
        """Return the positional term, [heads, batch or 1, length, length]."""
        features = ops.convert_to_tensor(
            position_features(
                self.position_basis,
                length,
                self.position_features,
                self.scale_length,
                self.symmetric,
            ),
            dtype=self.compute_dtype,
        )
        if training and self.position_dropout:
            features = keras.random.dropout(
                features, self.position_dropout, seed=self.seed_generator
            )
        distances = 2 * length - 1
        keys = ops.matmul(features, self.position_kernel)
        keys = ops.reshape(keys, (distances, self.heads, self.key_size))
        keys = ops.transpose(keys, (1, 2, 0))
        bias = ops.reshape(self.position_bias, (self.heads, 1, self.key_size))
        if self.content_position_bias:
            queries = ops.reshape(query, (self.heads, -1, self.key_size)) + bias
            logits = ops.reshape(ops.matmul(queries, keys), (self.heads, -1, length, distances))
        else:
            logits = ops.matmul(bias, keys)[:, None]
            logits = ops.broadcast_to(logits, (self.heads, 1, length, distances))
        return relative_shift(logits)

    def compute_output_shape(self, input_shape):
        """Return the input's shape with heads·value_size channels."""
        return (*input_shape[:-1], self.heads * self.value_size)

    def compute_output_spec(self, inputs, training=False, return_attention_scores=False):
        """Return what `call` does, without values."""
        output = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        batch, length, _ = output.shape
        if return_attention_scores:
            return output, keras.KerasTensor((batch, self.heads, length, length), "float32")
        return output

    def get_config(self):
        """Return the arguments."""
        names = (
            "heads",
            "key_size",
            "value_size",
            "position_features",
            "symmetric",
            "scale_length",
            "content_position_bias",
            "attention_dropout",
            "position_dropout",
            "qkv_width",
            "kernel_initializer",
            "l2_scale",
            "position_basis",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
