"""Adaptive gradient clipping (Brock et al. 2021, section 4.1), as Basenji's `agc_clip` does it."""

import keras
from keras import ops

WEIGHT_NORM_FLOOR = 1e-3  # lets units that are still zero move
GRADIENT_NORM_FLOOR = 1e-6


def unit_norms(values):
    """Return the L2 norm of each unit of a variable, shaped to broadcast with it.

    A vector is one unit. In a matrix and a 1-D convolution the units are all but the first axis
    (so of a kernel [width, input, output] each pair of input and output), in kernels of more axes
    the last one: as in the original tools.
    """
    rank = len(values.shape)
    axes = None if rank < 2 else 0 if rank < 4 else tuple(range(rank - 1))
    return ops.sqrt(ops.sum(ops.square(values), axis=axes, keepdims=True))


def clip_by_unit_norms(gradient, variable, clip: float):
    """Return the gradient with no unit's norm above `clip` times the norm of its weights."""
    largest = ops.maximum(unit_norms(variable), WEIGHT_NORM_FLOOR) * clip
    norms = unit_norms(gradient)
    clipped = gradient * (largest / ops.maximum(norms, GRADIENT_NORM_FLOOR))
    return ops.where(norms < largest, gradient, clipped)


class _AdaptiveClipping:
    """Clips gradients by their units' norms before anything else an optimiser does with them.

    Args:
        agc_clip: largest norm of a unit's gradient, as a share of the norm of its weights; None
            clips nothing.
    """

    def __init__(self, agc_clip: float | None, **kwargs):
        super().__init__(**kwargs)
        self.agc_clip = agc_clip

    def apply(self, grads, trainable_variables=None):
        """Update variables by their gradients, None for a variable without one."""
        variables = trainable_variables
        if variables is None:
            variables = self._trainable_variables  # as Keras's own apply does
        if self.agc_clip is not None:
            grads = [
                g if g is None else clip_by_unit_norms(g, v, self.agc_clip)
                for g, v in zip(grads, variables, strict=True)
            ]
        super().apply(grads, trainable_variables)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "agc_clip": self.agc_clip}


@keras.saving.register_keras_serializable(package="tfepi")
class ClippedSGD(_AdaptiveClipping, keras.optimizers.SGD):
    """SGD with adaptive gradient clipping."""


@keras.saving.register_keras_serializable(package="tfepi")
class ClippedAdam(_AdaptiveClipping, keras.optimizers.Adam):
    """Adam with adaptive gradient clipping."""


@keras.saving.register_keras_serializable(package="tfepi")
class ClippedAdamW(_AdaptiveClipping, keras.optimizers.AdamW):
    """AdamW with adaptive gradient clipping."""


ADAPTIVELY_CLIPPED = {
    keras.optimizers.SGD: ClippedSGD,
    keras.optimizers.Adam: ClippedAdam,
    keras.optimizers.AdamW: ClippedAdamW,
}
