"""Pooling by a learned weighted mean."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfepi")
class SoftmaxPool1D(keras.layers.Layer):
    """Pool windows of positions by a mean whose weights are a softmax of learned logits.

    One logit per position, shared by all channels: Basenji's form of attention pooling.

    Args:
        pool_size: positions a window; the length must be a multiple.
        init_gain: the first channel's weight in the logit at the start, the others' is 0.
    """

    geometry = "local"

    def __init__(self, pool_size: int = 2, init_gain: float = 2.0, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.init_gain = init_gain
        self.stride = pool_size

    def build(self, input_shape):
        """Make the logit's kernel.

        Raises:
            ConfigError: the length is no multiple of the window.
        """
        if input_shape[1] % self.pool_size:
            raise ConfigError(
                f"softmax pooling: length {input_shape[1]} is no multiple of pool_size "
                f"{self.pool_size}; choose another seq_length or pool_size"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], 1),
            initializer=keras.initializers.Identity(self.init_gain),
        )

    def call(self, inputs):
        """Return [batch, length / pool_size, channels] of [batch, length, channels]."""
        _, length, channels = inputs.shape
        windows = ops.reshape(inputs, (-1, length // self.pool_size, self.pool_size, channels))
        weights = ops.softmax(ops.matmul(windows, self.kernel), axis=-2)
        return ops.sum(windows * weights, axis=-2)

    def compute_output_shape(self, input_shape):
        """Return the pooled shape."""
        batch, length, channels = input_shape
        return (batch, length // self.pool_size, channels)

    def get_config(self):
        """Return the arguments."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "init_gain": self.init_gain,
        }
