"""The middle of a sequence."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


class _Center(keras.layers.Layer):
    """A layer of the middle positions of its input.

    Args:
        center: positions; of an odd rest, one more is left out on the right.
    """

    def __init__(self, center: int, **kwargs):
        super().__init__(**kwargs)
        self.center = center

    def build(self, input_shape):
        """Check the length.

        Raises:
            ConfigError: there are fewer positions than asked for, or none are.
        """
        if not 0 < self.center <= input_shape[1]:
            raise ConfigError(f"center is {self.center}, want 1 to the length {input_shape[1]}")
        self.left_out = (input_shape[1] - self.center) // 2

    def middle(self, inputs):
        """Return the middle positions."""
        start = (inputs.shape[1] - self.center) // 2
        return inputs[:, start : start + self.center, :]

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "center": self.center}


@keras.saving.register_keras_serializable(package="tfepi")
class CenterSlice(_Center):
    """Keep the middle positions."""

    geometry = "local"

    @property
    def reach(self):
        """Extent, stride and positions before of the window."""
        return (1, 1, -self.left_out)

    def call(self, inputs):
        """Return [batch, center, channels] of [batch, length, channels]."""
        return self.middle(inputs)

    def compute_output_shape(self, input_shape):
        """Return the shape of the middle."""
        return (input_shape[0], self.center, input_shape[2])


@keras.saving.register_keras_serializable(package="tfepi")
class CenterAverage(_Center):
    """Average the middle positions."""

    geometry = "global"

    def call(self, inputs):
        """Return [batch, 1, channels] of [batch, length, channels]."""
        return ops.mean(self.middle(inputs), axis=1, keepdims=True)

    def compute_output_shape(self, input_shape):
        """Return the shape of one position."""
        return (input_shape[0], 1, input_shape[2])
