"""Losses that leave missing values out.

Each is the mean over an example's observed values, then over the batch, so that how examples
are put into batches does not matter. NaN in the truth is missing: it takes part in no sum, and the
prediction there has the gradient 0. Where nothing is missing, the values are those of Basenji and
Baskerville (its `metrics.py`; docs/training.md says where theirs differ).

Truth and prediction are [batch, bins, targets], and so are weights, which "mse" and "bce" take.
"""

import keras
import numpy as np
from keras import ops

from tfepi.layers import Dispersion
from tfepi.train_params import LOSS_KEYS, TrainParams
from tfepi.training.dispersion import dispersion_of
from tfrecords_tools.errors import ConfigError

EPSILON = 1e-7


def observed(y_true, y_pred):
    """Return which entries are observed (1 or 0), and truth and prediction with 0 elsewhere."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    seen = ops.logical_not(ops.isnan(y_true))
    zeros = ops.zeros_like(y_pred)
    truth, prediction = ops.where(seen, y_true, zeros), ops.where(seen, y_pred, zeros)
    return ops.cast(seen, y_pred.dtype), truth, prediction


def mean_where(values, seen, weight=1.0):
    """Return each example's mean of the values where seen is 1: [batch]; 0 where it nowhere is.

    Weights are factors on the values; the mean is over the number that is seen all the same.
    """
    axes = tuple(range(1, len(values.shape)))
    total = ops.sum(values * seen * weight, axis=axes)
    return total / ops.maximum(ops.sum(seen, axis=axes), 1.0)


def poisson_terms(truth, prediction):
    """Return Poisson's negative log likelihood less its constant: ŷ − y·log(ŷ + 1e-7)."""
    return prediction - truth * ops.log(prediction + EPSILON)


@keras.saving.register_keras_serializable(package="tfepi")
class Poisson(keras.losses.Loss):
    """Poisson negative log likelihood less its constant: ŷ − y·log(ŷ + 1e-7)."""

    def call(self, y_true, y_pred):
        """Return [batch]."""
        seen, y, p = observed(y_true, y_pred)
        return mean_where(poisson_terms(y, p), seen)


class _Weighable(keras.losses.Loss):
    """A loss of terms, one a value, each of which may have a weight: Σ weight·term / observed.

    The sum is over an example's observed values and is divided by their number, not by the sum of
    the weights: a value that was measured badly counts less, and no other more for it.
    """

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the mean over the batch; weights are [batch, bins, targets], or [batch]."""
        # Keras multiplies weights with an example's loss, in which the values are lost.
        truth = y_true if sample_weight is None else (y_true, sample_weight)
        return super().__call__(truth, y_pred)

    def call(self, y_true, y_pred):
        """Return [batch]; the truth may be a pair with the weights."""
        weight = 1.0
        if isinstance(y_true, tuple):
            y_true, weight = y_true
            if len(weight.shape) == 1:
                weight = ops.reshape(weight, (-1, 1, 1))
        seen, y, p = observed(y_true, y_pred)
        return mean_where(self.terms(y, p), seen, weight)


@keras.saving.register_keras_serializable(package="tfepi")
class MeanSquaredError(_Weighable):
    """Squared error (ŷ − y)²."""

    def terms(self, y, p):
        """Return a term for each value."""
        return ops.square(p - y)


@keras.saving.register_keras_serializable(package="tfepi")
class BinaryCrossentropy(_Weighable):
    """Cross-entropy of probabilities, which are kept within [1e-7, 1 − 1e-7]."""

    def terms(self, y, p):
        """Return a term for each value."""
        p = ops.clip(p, EPSILON, 1 - EPSILON)
        return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))


@keras.saving.register_keras_serializable(package="tfepi")
class NegativeBinomial(keras.losses.Loss):
    """Negative log likelihood of counts with mean ŷ and variance ŷ + α·ŷ², less its constant.

    (y + 1/α)·log(1 + α·ŷ) − y·log(ŷ + 1e-7) − log[α^y·Γ(y + 1/α) / Γ(1/α)]; the constant is
    log Γ(y + 1). With α → 0 it is the Poisson loss. (NB2 of Cameron and Trivedi 1986.) α is a
    weight per target, trained with the others.

    Args:
        layer: holds α; None is a loss that was read from a file, which cannot be called.
    """

    def __init__(self, layer: Dispersion | None = None, **kwargs):
        super().__init__(**kwargs)
        self._layer = layer  # no part of the configuration: the model has it

    def call(self, y_true, y_pred):
        """Return [batch].

        Raises:
            ConfigError: the loss was read from a file.
        """
        if self._layer is None:
            raise ConfigError(
                "this negative_binomial loss has lost its model's dispersion: load the model with "
                "compile=False, then compile it with make_loss(train, model)"
            )
        seen, y, p = observed(y_true, y_pred)
        dispersion = ops.cast(self._layer.dispersion, p.dtype)
        terms = (y + 1 / dispersion) * ops.log1p(dispersion * p) - y * ops.log(p + EPSILON)
        return mean_where(terms - log_rising_factorial(y, dispersion), seen)


def log_rising_factorial(y, dispersion):
    """Return log[α^y·Γ(y + 1/α) / Γ(1/α)]; for a whole y it is Σ log(1 + α·k) over k < y.

    Γ's arguments are raised by 4, from where three terms of Stirling's series are right to 1e-7
    (Abramowitz and Stegun 6.1.15 and 6.1.41); the difference of the two is taken term by term,
    so that nothing cancels where α is small. Keras has no log Γ.

    Args:
        y: at least 0, of any shape.
        dispersion: α, from 1e-6 to 1e4; broadcast with y.
    """
    a = 1 / dispersion + 4

    def series(x):
        square = ops.square(x)
        return (1 / 12 - (1 / 360 - 1 / (1260 * square)) / square) / x

    value = (a + y - 0.5) * ops.log1p(y / a) - y + series(a + y) - series(a)
    value = value + y * ops.log1p(4 * dispersion)
    for k in range(4):
        value = value - ops.log1p(dispersion * y / (1 + dispersion * k))
    return value


class _Specificity(keras.losses.Loss):
    """A loss with a term for how targets differ from each other in a bin.

    Args:
        spec_weight: weight of that term.
    """

    def __init__(self, spec_weight: float = 1, **kwargs):
        super().__init__(**kwargs)
        self.spec_weight = spec_weight

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "spec_weight": self.spec_weight}


@keras.saving.register_keras_serializable(package="tfepi")
class MeanSquaredErrorUDot(_Specificity):
    """Squared error less the product of truth and prediction about their means over targets.

    (ŷ − y)² − w·(y − ȳ)(ŷ − mean ŷ), the means over the observed targets of a bin.
    """

    def call(self, y_true, y_pred):
        """Return [batch]."""
        seen, y, p = observed(y_true, y_pred)
        count = ops.maximum(ops.sum(seen, axis=-1, keepdims=True), 1.0)
        centred = [v - ops.sum(v, axis=-1, keepdims=True) / count for v in (y, p)]
        return mean_where(ops.square(p - y) - self.spec_weight * centred[0] * centred[1], seen)


@keras.saving.register_keras_serializable(package="tfepi")
class PoissonKL(_Specificity):
    """Poisson plus the divergence of the targets' shares in each bin.

    poisson + w·mean over bins of Σ_t q·log(q / q̂); q is the share of y + 1e-7 in its sum over the
    bin's observed targets, not below 1e-7. A bin without any observed target does not count.
    """

    def call(self, y_true, y_pred):
        """Return [batch]."""
        seen, y, p = observed(y_true, y_pred)
        q, q_hat = _shares(y, seen), _shares(p, seen)
        divergence = ops.sum(seen * q * ops.log(q / q_hat), axis=-1)
        poisson = mean_where(poisson_terms(y, p), seen)
        return poisson + self.spec_weight * mean_where(divergence, ops.max(seen, axis=-1))


def _shares(values, seen):
    raised = (values + EPSILON) * seen
    total = ops.sum(raised, axis=-1, keepdims=True)
    return ops.clip(raised / ops.where(total == 0, ops.ones_like(total), total), EPSILON, 1.0)


@keras.saving.register_keras_serializable(package="tfepi")
class PoissonMultinomial(keras.losses.Loss):
    """Multinomial of a target's bins, given their sum, plus a weighted Poisson of that sum.

    With y and ŷ multiplied by the bin's weight w, and sums over a target's observed bins l,

        [Σ_l −(y + ε)·log((ŷ + ε) / Σŷ) + total_weight·(Σŷ − Σy·log(Σŷ + ε))] / Σw,  ε = 1e-7,

    then the mean over targets; one without any observed bin does not count. With total_weight 1
    and no window it is the Poisson loss. (Linder et al. 2025, Borzoi, Methods.)

    Args:
        total_weight: weight of the term for the sum.
        weight_range: weight of the middle bin over that of the outermost, at least 1.
        weight_exp: exponent of `position_weights`.
    """

    def __init__(
        self,
        total_weight: float = 1,
        weight_range: float = 1,
        weight_exp: float = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.total_weight = total_weight
        self.weight_range, self.weight_exp = weight_range, weight_exp

    def call(self, y_true, y_pred):
        """Return [batch]."""
        seen, y, p = observed(y_true, y_pred)
        weights = position_weights(y_pred.shape[-2], self.weight_range, self.weight_exp)
        weights = ops.convert_to_tensor(weights[:, None], dtype=p.dtype)
        y, p = y * weights, p * weights
        y_sum, p_sum = ops.sum(y, axis=-2), ops.sum(p, axis=-2)
        # A target predicted to be 0 everywhere would have the log of 0.
        log_sum = ops.log(ops.maximum(p_sum, EPSILON))
        log_shares = ops.log(p + EPSILON) - ops.expand_dims(log_sum, -2)
        multinomial = -ops.sum(seen * (y + EPSILON) * log_shares, axis=-2)
        value = multinomial + self.total_weight * poisson_terms(y_sum, p_sum)
        total = ops.sum(seen * weights, axis=-2)
        counts = ops.max(seen, axis=-2)
        return mean_where(value / ops.where(counts > 0, total, ops.ones_like(total)), counts)

    def get_config(self):
        """Return the arguments."""
        return {
            **super().get_config(),
            "total_weight": self.total_weight,
            "weight_range": self.weight_range,
            "weight_exp": self.weight_exp,
        }


def position_weights(bins: int, weight_range: float, weight_exp: float) -> np.ndarray:
    """Return each bin's weight [bins]: exp(−(|pos| / σ)^exp) over its largest.

    pos is the bin's distance from the middle, and σ such that the outermost has 1 / range.
    """
    if weight_range == 1 or bins == 1:
        return np.ones(bins)
    distance = np.abs(np.arange(bins) - (bins - 1) / 2)
    sigma = distance.max() / np.log(weight_range) ** (1 / weight_exp)
    weights = np.exp(-((distance / sigma) ** weight_exp))
    return weights / weights.max()


LOSSES = {
    "poisson": Poisson,
    "mse": MeanSquaredError,
    "bce": BinaryCrossentropy,
    "mse_udot": MeanSquaredErrorUDot,
    "poisson_kl": PoissonKL,
    "poisson_mn": PoissonMultinomial,
    "negative_binomial": NegativeBinomial,
}


def make_loss(
    train: TrainParams | str, model: keras.Model | None = None, head: str | None = None
) -> keras.losses.Loss:
    """Return the loss of a train section, or a loss by its name with its keys' defaults.

    Args:
        train: the section, or a name.
        model: what is trained; negative_binomial reads the dispersion that
            `tfepi.training.dispersion.with_dispersion` gave it.
        head: output of the model, where it has several.

    Raises:
        ConfigError: unknown name, or negative_binomial without a dispersion.
    """
    if isinstance(train, str):
        train = TrainParams(loss=train)
    if train.loss == "negative_binomial":
        return NegativeBinomial(dispersion_of(model, head), name=train.loss)
    keys = {key: getattr(train, key) for key in LOSS_KEYS[train.loss]}
    return LOSSES[train.loss](name=train.loss, **keys)
