"""Activations, with the variants of GELU that published models differ in."""

import keras
from keras import ops

from tfrecords_tools.errors import unknown

GELU_VARIANTS = ("tanh", "erf", "sigmoid")
ACTIVATIONS = ("relu", "gelu", "gelu_erf", "gelu_sigmoid", "linear")


@keras.saving.register_keras_serializable(package="tfepi")
class Gelu(keras.layers.Layer):
    """Gaussian error linear unit, x·Φ(x), exact or approximated (Hendrycks & Gimpel 2016).

    Args:
        variant: "tanh" (0.5 x (1 + tanh(√(2/π)(x + 0.044715 x³)))), today's Basenji;
            "erf", exact; "sigmoid" (x·σ(1.702 x)), Enformer's and Basenji's before October 2022.
    """

    geometry = "pointwise"

    def __init__(self, variant: str = "tanh", **kwargs):
        super().__init__(**kwargs)
        if variant not in GELU_VARIANTS:
            raise unknown("GELU variant", variant, GELU_VARIANTS)
        self.variant = variant

    def call(self, inputs):
        """Return the activation of a tensor of any shape."""
        if self.variant == "sigmoid":
            return inputs * ops.sigmoid(ops.cast(1.702, inputs.dtype) * inputs)
        return ops.gelu(inputs, approximate=self.variant == "tanh")

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "variant": self.variant}


def activation(
    name: str, layer_name: str | None = None, dtype: str | None = None
) -> keras.layers.Layer:
    """Return the layer of an activation's name; "gelu" is the tanh approximation.

    Args:
        name: one of `ACTIVATIONS`.
        layer_name: the layer's own name.
        dtype: precision policy.

    Raises:
        ConfigError: unknown name.
    """
    if name == "relu":
        return keras.layers.ReLU(name=layer_name, dtype=dtype)
    if name == "linear":
        return keras.layers.Activation("linear", name=layer_name, dtype=dtype)
    variants = {"gelu": "tanh", "gelu_erf": "erf", "gelu_sigmoid": "sigmoid"}
    if name not in variants:
        raise unknown("activation", name, ACTIVATIONS)
    return Gelu(variants[name], name=layer_name, dtype=dtype)
