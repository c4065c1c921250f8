"""Activations that published models use, with the variants of GELU that they differ in."""

import keras
from keras import ops

from tfrecords_tools.errors import unknown

GELU_VARIANTS = ("tanh", "erf", "sigmoid")
ACTIVATIONS = (
    "relu",
    "gelu",
    "gelu_erf",
    "gelu_sigmoid",
    "polyrelu",
    "sigmoid",
    "tanh",
    "exp",
    "softplus",
    "linear",
)


class _Pointwise(keras.layers.Layer):
    geometry = "pointwise"

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfepi")
class Gelu(_Pointwise):
    """Gaussian error linear unit, x·Φ(x), exact or approximated (Hendrycks & Gimpel 2016).

    Args:
        variant: "tanh" (0.5 x (1 + tanh(√(2/π)(x + 0.044715 x³)))), today's Basenji;
            "erf", exact; "sigmoid" (x·σ(1.702 x)), Enformer's and Basenji's before October 2022.
    """

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

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "variant": self.variant}


@keras.saving.register_keras_serializable(package="tfepi")
class PolyReLU(_Pointwise):
    """Basenji's max(0, (x − 2)³)."""

    def call(self, inputs):
        """Return the activation of a tensor of any shape."""
        return ops.relu(ops.power(inputs - 2, 3))


@keras.saving.register_keras_serializable(package="tfepi")
class Softplus(_Pointwise):
    """Basenji's ln(1 + eˣ), with x clipped to ±limit.

    Args:
        limit: largest absolute input.
    """

    def __init__(self, limit: float = 10_000, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, inputs):
        """Return the activation of a tensor of any shape."""
        return ops.softplus(ops.clip(inputs, -self.limit, self.limit))

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "limit": self.limit}


@keras.saving.register_keras_serializable(package="tfepi")
class Exp(_Pointwise):
    """Basenji's baseˣ − minus.

    Args:
        base: of the power; None is e.
        minus: subtracted; None is nothing.
    """

    def __init__(self, base: float | None = None, minus: float | None = None, **kwargs):
        super().__init__(**kwargs)
        self.base = base
        self.minus = minus

    def call(self, inputs):
        """Return the function of a tensor of any shape."""
        if self.base is None:
            y = ops.exp(inputs)
        else:
            y = ops.power(ops.cast(self.base, inputs.dtype), inputs)
        return y if self.minus is None else y - ops.cast(self.minus, inputs.dtype)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "base": self.base, "minus": self.minus}


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
    settings = {"name": layer_name, "dtype": dtype}
    match name:
        case "relu":
            return keras.layers.ReLU(**settings)
        case "linear" | "sigmoid" | "tanh":
            return keras.layers.Activation(name, **settings)
        case "gelu":
            return Gelu("tanh", **settings)
        case "gelu_erf":
            return Gelu("erf", **settings)
        case "gelu_sigmoid":
            return Gelu("sigmoid", **settings)
        case "polyrelu":
            return PolyReLU(**settings)
        case "exp":
            return Exp(**settings)
        case "softplus":
            return Softplus(**settings)
    raise unknown("activation", name, ACTIVATIONS)
