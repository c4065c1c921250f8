"""Padding by reflection at the sequence's ends."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfepi")
class SymmetricPadding1D(keras.layers.Layer):
    """Continue a sequence at both ends with its mirror image: (b a) a b c (c b).

    Args:
        padding: positions added at each end; at most the sequence's length.

    Raises:
        ConfigError: a negative padding, or a sequence shorter than it.
    """

    geometry = "local"
    mirrored = True

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        if padding < 0:
            raise ConfigError(f"symmetric padding of {padding} positions, want 0 or more")
        self.padding = padding

    @property
    def reach(self):
        """Extent, stride and positions before of the window."""
        return (1, 1, self.padding)

    def build(self, input_shape):
        """Compare the padding with the length, where it is known."""
        length = input_shape[1]
        if length is not None and length < self.padding:
            raise ConfigError(
                f"symmetric padding of {self.padding} positions, the sequence has only {length}"
            )

    def call(self, inputs):
        """Return [batch, length + 2·padding, channels] of [batch, length, channels]."""
        ends = (self.padding, self.padding)
        return ops.pad(inputs, ((0, 0), ends, (0, 0)), mode="symmetric")

    def compute_output_shape(self, input_shape):
        """Return the input's shape, longer by both ends."""
        batch, length, channels = input_shape
        return batch, None if length is None else length + 2 * self.padding, channels

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "padding": self.padding}
