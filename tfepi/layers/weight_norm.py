"""A dense layer whose matrix has a length and a direction of its own."""

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError


@keras.saving.register_keras_serializable(package="tfepi")
class WeightNormDense(keras.layers.Layer):
    """Multiply by gain · kernel / ‖kernel‖ and add a bias (Salimans & Kingma 2016, eq. 2).

    One gain and one norm, Frobenius's, belong to the whole matrix, as with torch's
    `weight_norm(dim=None)`; at the start the gain is the norm, so that the matrix is the kernel.

    Args:
        units: outputs.
        kernel_initializer: of the kernel; the bias begins at 0.
    """

    geometry = "pointwise"

    def __init__(self, units: int, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if not isinstance(units, int) or isinstance(units, bool) or units < 1:
            raise ConfigError(f"units is {units!r}, want a whole number >= 1")
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        """Make the kernel, [channels, units], the bias and the gain."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.gain = self.add_weight(
            name="gain",
            shape=(),
            initializer=lambda shape, dtype: ops.cast(ops.norm(self.kernel), dtype),
        )

    def call(self, inputs):
        """Return [..., units] of [..., channels]."""
        scale = self.gain / ops.norm(self.kernel)
        return ops.matmul(inputs, self.kernel) * scale + self.bias

    def compute_output_shape(self, input_shape):
        """Return the shape with the units as channels."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """Return the arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
