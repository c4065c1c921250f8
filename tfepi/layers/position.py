"""The position as a channel."""

import keras
import numpy as np
from keras import ops

from tfrecords_tools.errors import ConfigError, unknown

TRANSFORMS = ("abs", "reversed")


@keras.saving.register_keras_serializable(package="tfepi")
class ConcatPosition(keras.layers.Layer):
    """Put the position relative to the middle before the channels.

    Position i of L is i − ⌈L/2⌉.

    Args:
        transform: None, "abs" (distance from the middle) or "reversed".
        power: whole, 1 or more: to which the position is raised.
    """

    geometry = "pointwise"

    def __init__(self, transform: str | None = None, power: int = 1, **kwargs):
        super().__init__(**kwargs)
        if transform is not None and transform not in TRANSFORMS:
            raise unknown("transform", transform, TRANSFORMS)
        if power != int(power) or power < 1:
            raise ConfigError(f"power is {power}, want a whole number from 1")
        self.transform = transform
        self.power = int(power)

    def build(self, input_shape):
        """Compute the positions.

        Raises:
            ConfigError: the layer's precision cannot hold them.
        """
        length = input_shape[1]
        positions = np.arange(length) + (-length // 2)
        if self.transform == "abs":
            positions = np.abs(positions)
        elif self.transform == "reversed":
            positions = positions[::-1]
        self.positions = positions.astype(np.float64) ** self.power
        if self.compute_dtype == "float16" and np.abs(self.positions).max() > 65504:
            raise ConfigError(
                f"positions to the power {self.power} reach {np.abs(self.positions).max():.0f}, "
                "above float16's largest number: use bfloat16 or float32"
            )

    def call(self, inputs):
        """Return [batch, length, 1 + channels] of [batch, length, channels]."""
        column = ops.convert_to_tensor(self.positions[None, :, None], dtype=inputs.dtype)
        column = ops.broadcast_to(column, (ops.shape(inputs)[0], *column.shape[1:]))
        return ops.concatenate([column, inputs], axis=-1)

    def at(self, inputs, positions):
        """Return what `call` gives of some positions only.

        Args:
            inputs: [batch, width, channels].
            positions: of these, int [batch, width]; beyond the ends those of the last one.
        """
        table = ops.convert_to_tensor(self.positions, dtype=inputs.dtype)
        column = ops.take(table, ops.clip(positions, 0, len(self.positions) - 1))
        return ops.concatenate([ops.expand_dims(column, -1), inputs], axis=-1)

    def compute_output_shape(self, input_shape):
        """Return the shape with one channel more."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "transform": self.transform, "power": self.power}
