"""Targets from the components of a factorization."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfepi")
class FactorInverse(keras.layers.Layer):
    """Multiply by a fixed matrix of components, which is saved with the model.

    Args:
        targets: columns of the matrix.
    """

    geometry = "pointwise"

    def __init__(self, targets: int, **kwargs):
        super().__init__(**kwargs)
        self.targets = targets

    def build(self, input_shape):
        """Make the matrix, [components, targets], which does not train."""
        self.components = self.add_weight(
            name="components",
            shape=(input_shape[-1], self.targets),
            initializer="zeros",
            trainable=False,
        )

    def call(self, inputs):
        """Return [batch, length, targets] of [batch, length, components]."""
        return ops.matmul(inputs, self.components)

    def compute_output_shape(self, input_shape):
        """Return the shape with the targets as channels."""
        return (*input_shape[:-1], self.targets)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "targets": self.targets}
