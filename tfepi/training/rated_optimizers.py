"""Optimisers in which a weight has a learning rate, and a weight decay, of its own.

As with the parameter groups of torch: a factor on the learning rate of a weight is also one on
its decay, which is learning rate × weight decay × weight.
"""

import keras
from keras import ops

from tfepi.training.gradient_clipping import ClippedAdam, ClippedAdamW, ClippedSGD


class _Rated:
    """Gives weights factors on their learning rate, and leaves some out of weight decay.

    Both are kept by the paths of the weights, so that they are saved with the optimiser.

    Args:
        rates: path of a weight → factor on its learning rate; 1 for the others.
        undecayed: paths of the weights without weight decay.
    """

    def __init__(self, rates: dict[str, float] | None = None, undecayed=(), **kwargs):
        super().__init__(**kwargs)
        self.rates, self.undecayed = dict(rates or {}), tuple(undecayed)

    def build(self, variables):
        """Create the state of the weights that are to be trained."""
        if self.built:
            return
        left_out = set(self.undecayed)
        self.exclude_from_weight_decay(var_list=[v for v in variables if v.path in left_out])
        self._factors = [self.rates.get(v.path, 1.0) for v in variables]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Decay a weight and move it, both at its own rate."""
        factor = self._factors[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        if factor != 1:
            rate = rate * factor
        if self.weight_decay is not None and self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        """Do nothing: Keras would decay all weights at one rate; `update_step` does it."""

    def get_config(self):
        """Return the arguments."""
        return {
            **super().get_config(),
            "rates": dict(self.rates),
            "undecayed": list(self.undecayed),
        }


@keras.saving.register_keras_serializable(package="tfepi")
class RatedSGD(_Rated, ClippedSGD):
    """SGD with a learning rate for each weight."""


@keras.saving.register_keras_serializable(package="tfepi")
class RatedAdam(_Rated, ClippedAdam):
    """Adam with a learning rate for each weight."""


@keras.saving.register_keras_serializable(package="tfepi")
class RatedAdamW(_Rated, ClippedAdamW):
    """AdamW with a learning rate, and a weight decay, for each weight."""


RATED = {
    keras.optimizers.SGD: RatedSGD,
    keras.optimizers.Adam: RatedAdam,
    keras.optimizers.AdamW: RatedAdamW,
}
