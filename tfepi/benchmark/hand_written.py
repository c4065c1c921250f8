"""The preset transformer_unet_small written by hand in Keras, to time the params-built one by.

Written as one would from the papers (convolutions with Keras layers, attention after Dai et al.
2019 and Avsec et al. 2021 with einsum), without this package's layers or blocks.
"""

import keras
import numpy as np
from keras import ops

FILTERS = (32, 40, 48, 64)
HEADS, KEY, FEATURES = 4, 16, 16
L2 = 1e-6


class Attention(keras.layers.Layer):
    """Multi-head attention with relative positions, as in the papers."""

    def __init__(self, heads, key_size, value_size, features, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.key_size, self.value_size = heads, key_size, value_size
        self.features = features
        self.dropout = keras.layers.Dropout(0.05)
        self.position_dropout = keras.layers.Dropout(0.01)

    def build(self, shape):
        def weight(name, shape, start="he_normal", penalty=True):
            regularizer = keras.regularizers.L2(L2) if penalty else None
            return self.add_weight(
                name=name, shape=shape, initializer=start, regularizer=regularizer
            )

        key_width, value_width = self.heads * self.key_size, self.heads * self.value_size
        self.u = weight("u", (1, self.heads, 1, self.key_size), penalty=False)
        self.w = weight("w", (1, self.heads, 1, self.key_size), penalty=False)
        self.q = weight("q", (shape[-1], key_width))
        self.k = weight("k", (shape[-1], key_width))
        self.v = weight("v", (shape[-1], value_width))
        self.o = weight("o", (value_width, value_width), "zeros")
        self.b = weight("b", (value_width,), "zeros", penalty=False)
        self.r = weight("r", (self.features, key_width))

    def _split(self, x, size):
        x = ops.reshape(x, (-1, x.shape[1], self.heads, size))
        return ops.transpose(x, (0, 2, 1, 3))

    def call(self, x, training=False):
        length = x.shape[1]
        q = self._split(ops.matmul(x, self.q), self.key_size) * self.key_size**-0.5
        k = self._split(ops.matmul(x, self.k), self.key_size)
        v = self._split(ops.matmul(x, self.v), self.value_size)
        positions = ops.convert_to_tensor(position_features(length, self.features))
        positions = self.position_dropout(positions[None], training=training)
        r = self._split(ops.matmul(positions, self.r), self.key_size)
        logits = ops.einsum("bhik,bhjk->bhij", q + self.u, k)
        far = ops.einsum("bhik,hjk->bhij", q + self.w, r[0])
        far = ops.pad(far, [[0, 0], [0, 0], [0, 0], [1, 0]])
        far = ops.reshape(far, (-1, self.heads, 2 * length, length))[:, :, 1:]
        far = ops.reshape(far, (-1, self.heads, length, 2 * length - 1))[..., :length]
        weights = self.dropout(ops.softmax(logits + far), training=training)
        out = ops.einsum("bhij,bhjv->bihv", weights, v)
        out = ops.reshape(out, (-1, length, self.heads * self.value_size))
        return ops.matmul(out, self.o) + self.b


def position_features(length: int, features: int) -> np.ndarray:
    """Return central-mask features [2·length − 1, features] of signed distances."""
    distance = np.arange(1 - length, length)[:, None]
    widths = (length + 1.0) ** (np.arange(1, features // 2 + 1) / (features // 2)) - 1
    mask = (np.abs(distance) < widths).astype("float32")
    return np.concatenate([mask, np.sign(distance) * mask], axis=1).astype("float32")


def transformer_unet_small(targets: int, length: int) -> keras.Model:
    """Return the model for sequences of `length` bp; the middle half of its bins remains."""
    penalty = keras.regularizers.L2(L2)
    lecun = {"kernel_initializer": "lecun_normal", "kernel_regularizer": penalty}
    separable = {
        "depthwise_initializer": "lecun_normal",
        "pointwise_initializer": "lecun_normal",
        "depthwise_regularizer": penalty,
        "pointwise_regularizer": penalty,
    }

    def norm(x):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)

    def gelu(x):
        return keras.layers.Activation(lambda v: keras.activations.gelu(v, approximate=True))(x)

    def transformer(x):
        y = keras.layers.LayerNormalization(epsilon=1e-3)(x)
        y = Attention(HEADS, KEY, x.shape[-1] // HEADS, FEATURES)(y)
        x = x + keras.layers.Dropout(0.1)(y)
        y = keras.layers.LayerNormalization(epsilon=1e-3)(x)
        y = keras.layers.Dense(2 * x.shape[-1], kernel_regularizer=penalty)(y)
        y = keras.layers.ReLU()(keras.layers.Dropout(0.1)(y))
        y = keras.layers.Dense(x.shape[-1], kernel_regularizer=penalty)(y)
        return x + keras.layers.Dropout(0.1)(y)

    def join(x, skip):
        x, skip = norm(x), norm(skip)
        skip = keras.layers.Dense(x.shape[-1], **lecun)(gelu(skip))
        x = keras.layers.UpSampling1D(2)(gelu(x)) + skip
        return keras.layers.SeparableConv1D(x.shape[-1], 3, padding="same", **separable)(x)

    inputs = keras.Input((length, 4), name="sequence")
    x = keras.layers.Conv1D(24, 11, padding="same", **lecun)(inputs)
    x = keras.layers.MaxPooling1D(4, padding="same")(x)
    for filters in FILTERS:
        before = keras.layers.Conv1D(filters, 5, padding="same", **lecun)(gelu(norm(x)))
        x = keras.layers.MaxPooling1D(2, padding="same")(before)
    skips = [x, before]
    x = keras.layers.Conv1D(64, 5, padding="same", use_bias=False, **lecun)(gelu(x))
    x = keras.layers.MaxPooling1D(2, padding="same")(norm(x))
    x = transformer(transformer(x))
    for skip in skips:
        x = join(x, skip)
    x = keras.layers.Cropping1D(x.shape[1] // 4)(x)
    x = keras.layers.Dense(targets, activation="softplus", **lecun)(gelu(x))
    return keras.Model({"sequence": inputs}, x)
