"""A learned factor per channel."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfepi")
class Scale(keras.layers.Layer):
    """Multiply each channel by a learned factor.

    Args:
        initializer: of the factors; with "zeros" a residual branch starts switched off.
    """

    geometry = "pointwise"

    def __init__(self, initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        """Make one factor per channel of the last axis."""
        self.scale = self.add_weight(
            name="scale", shape=(input_shape[-1],), initializer=self.initializer
        )

    def call(self, inputs):
        """Return the scaled tensor, [..., channels]."""
        return ops.multiply(inputs, self.scale)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the arguments."""
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "initializer": initializer}
