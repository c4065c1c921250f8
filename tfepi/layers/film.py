"""A vector that scales and shifts channels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfepi")
class FiLM(keras.layers.Layer):
    """Scale and shift each channel by linear functions of a vector; at first by nothing.

    x·(1 + γ(c)) + β(c) with γ and β linear in c and zero at the start (Perez et al. 2018, eq. 2
    and §7.2). Weights: kernel [size of c, 2·channels], γ's columns first, and bias [2·channels].
    """

    geometry = "pointwise"

    def build(self, input_shape):
        """Make γ and β of [(batch, positions, channels), (batch, size of c)]."""
        (_, _, channels), (_, size) = input_shape
        self.kernel = self.add_weight(
            name="kernel", shape=(size, 2 * channels), initializer="zeros"
        )
        self.bias = self.add_weight(name="bias", shape=(2 * channels,), initializer="zeros")

    def call(self, inputs):
        """Return [batch, positions, channels] of [x, c]."""
        x, condition = inputs
        both = ops.expand_dims(ops.matmul(condition, self.kernel) + self.bias, 1)
        scale, shift = ops.split(both, 2, axis=-1)
        return x * (1 + scale) + shift

    def compute_output_shape(self, input_shape):
        """Return x's shape."""
        return tuple(input_shape[0])
