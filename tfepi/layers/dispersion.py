"""The learned dispersion of counts."""

import math

import keras
from keras import ops

from tfrecords_tools.errors import ConfigError

LOWEST, HIGHEST = 1e-6, 1e4


def _within_bounds(log_dispersion):
    """Keep a weight where the loss is accurate in float32, whatever an optimiser's step."""
    return ops.clip(log_dispersion, math.log(LOWEST), math.log(HIGHEST))


@keras.saving.register_keras_serializable(package="tfepi")
class Dispersion(keras.layers.Layer):
    """Hold a dispersion α per target; the values, which are means μ, pass unchanged.

    The loss `tfepi.training.losses.NegativeBinomial` reads it: variance μ + α·μ². The weight is
    log α [targets].

    Args:
        initial: α at the start, of every target.

    Raises:
        ConfigError: not from 1e-6 to 1e4.
    """

    geometry = "pointwise"

    def __init__(self, initial: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        if not LOWEST <= initial <= HIGHEST:
            raise ConfigError(f"dispersion is {initial}, want {LOWEST:g} to {HIGHEST:g}")
        self.initial = initial

    def build(self, input_shape):
        """Make one dispersion per target of the last axis."""
        self.log_dispersion = self.add_weight(
            name="log_dispersion",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(math.log(self.initial)),
            constraint=_within_bounds,
        )

    @property
    def dispersion(self):
        """The dispersions, [targets]."""
        return ops.exp(self.log_dispersion)

    def call(self, inputs):
        """Return the values."""
        return inputs

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "initial": self.initial}
