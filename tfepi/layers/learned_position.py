"""A learned vector for each position."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfepi")
class LearnedPosition(keras.layers.Layer):
    """Add row i of a table to position i, counted from the start.

    Args:
        positions: rows of the table; more than the sequence has are left unread.
        initializer: of the table.
    """

    geometry = "pointwise"

    def __init__(self, positions: int, initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        if not isinstance(positions, int) or isinstance(positions, bool) or positions < 1:
            raise ConfigError(f"positions is {positions!r}, want a whole number >= 1")
        self.positions = positions
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Make the table, [positions, channels].

        Raises:
            ConfigError: a sequence of unknown length, or longer than the table.
        """
        length = input_shape[1] if len(input_shape) == 3 else None
        if length is None:
            raise ConfigError(
                f"{self.name} has an input of shape {tuple(input_shape)}, want [batch, length, "
                "channels] of known length"
            )
        if length > self.positions:
            raise ConfigError(
                f"{self.name} has {length} positions for a table of {self.positions}: use more "
                "positions or a shorter sequence"
            )
        self.table = self.add_weight(
            name="table", shape=(self.positions, input_shape[2]), initializer=self.initializer
        )

    def call(self, inputs):
        """Return [batch, length, channels]."""
        return inputs + self.table[: inputs.shape[1]]

    def at(self, inputs, positions):
        """Return what `call` gives of some positions only.

        Args:
            inputs: [batch, width, channels].
            positions: of these, int [batch, width]; beyond the ends those of the last one.
        """
        return inputs + ops.take(self.table, ops.clip(positions, 0, self.positions - 1), axis=0)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the arguments."""
        return {
            **super().get_config(),
            "positions": self.positions,
            "initializer": keras.initializers.serialize(self.initializer),
        }
