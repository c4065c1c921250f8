"""Pooling by a learned weighted mean."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfepi")
class SoftmaxPool1D(keras.layers.Layer):
    """Pool windows of positions by a mean whose weights are a softmax of learned logits.

    Logits are a linear function of the channels at a position: one of each position for all
    channels, Basenji's form, or one for each channel, Enformer's (Avsec et al. 2021, methods,
    "Model architecture"), which starts close to max pooling.

    Args:
        pool_size: positions a window; the length must be a multiple.
        init_gain: a channel's weight in its own logit at the start, the others' is 0; of one
            logit for all the first channel's.
        per_channel: a logit for each channel.
    """

    geometry = "local"

    def __init__(
        self,
        pool_size: int = 2,
        init_gain: float = 2.0,
        per_channel: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.init_gain = init_gain
        self.per_channel = per_channel

    @property
    def reach(self):
        """Extent, stride and positions before of the window."""
        return (self.pool_size, self.pool_size, 0)

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
            shape=(input_shape[-1], input_shape[-1] if self.per_channel else 1),
            initializer=keras.initializers.Identity(self.init_gain),
        )

    def call(self, inputs):
        """Return [batch, length / pool_size, channels] of [batch, length, channels]."""
        _, length, channels = inputs.shape
        windows = ops.reshape(inputs, (-1, length // self.pool_size, self.pool_size, channels))
        if self.pool_size == 2:
            # A softmax of two is a sigmoid of their difference, which is linear in the inputs'
            # difference: half the products and half the memory.
            second = windows[:, :, 1]
            change = windows[:, :, 0] - second
            return second + change * ops.sigmoid(ops.matmul(change, self.kernel))
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
            "per_channel": self.per_channel,
        }
