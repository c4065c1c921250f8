"""What four losses say of the variance around a predicted value, with fitted parameters.

Values need not be counts: a target may be a mean, a share of reads or scaled. So the Poisson law is
the quasi-Poisson one, variance φ·μ, and the negative binomial's is φ·μ + α·μ²; φ = 1 is counts. A
Gaussian on logs is one of log(1 + y), whose variance there, s², gives (exp(s²) − 1)·(1 + μ)² on the
scale of y if its mean is μ (moments of the log-normal law).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

LAWS = ("poisson", "negative_binomial", "gaussian", "gaussian_log1p")
_LOWEST = 0.01  # of the mean prediction: no prediction counts as lower than that
_MOST = 100_000  # positions that the shape of the negative binomial's curve is fitted to
_RANGE = 1e6  # largest α·μ/φ at the mean, and its inverse


@dataclass(frozen=True)
class Law:
    """A law of the variance.

    Attributes:
        name: one of `LAWS`.
        scale: φ of the counting laws, the variance of the Gaussian, exp(s²) − 1 on logs.
        dispersion: α of the negative binomial.
        determined: whether the values say what φ of the negative binomial is; not where α·μ² alone
            describes them as well (`loss_fit.fit_losses`): φ may then be anything down to 0.
    """

    name: str
    scale: float
    dispersion: float = 0.0
    determined: bool = True

    def variance(self, predicted: np.ndarray) -> np.ndarray:
        """Return the variance at predicted values."""
        return self.scale * _shape(self.name, predicted) + self.dispersion * predicted**2


def _shape(name: str, predicted: np.ndarray) -> np.ndarray:
    if name == "gaussian":
        return np.ones_like(predicted)
    return (1 + predicted) ** 2 if name == "gaussian_log1p" else predicted


def raised(predicted: np.ndarray) -> np.ndarray:
    """Return predictions of at least a hundredth of their mean.

    Where the counting laws say that there is next to no variance, a few positions would decide.
    """
    return np.maximum(predicted, _LOWEST * predicted.mean())


def defined(name: str, predicted: np.ndarray) -> bool:
    """Tell whether a law gives variances: that of counts from 0, that of logs from above −1."""
    if name == "gaussian":
        return True
    if name == "gaussian_log1p":
        return bool(predicted.min() > -1)
    return bool(predicted.min() >= 0 and predicted.max() > 0)


def fitted_law(
    name: str, observed: np.ndarray, predicted: np.ndarray, dispersion: float | None = None
) -> Law:
    """Return a law with the parameters of the highest pseudo-likelihood.

    That is the likelihood of a normal with the law's mean and variance (Carroll and Ruppert 1982,
    Annals of Statistics 10:429): a scale is the mean of (y − μ)² over the variance without it.

    Args:
        name: of the law, which is defined for these values.
        observed: y [positions].
        predicted: μ, `raised`, likewise.
        dispersion: of the negative binomial, as a model learned it for counts: φ is then 1.
    """
    square = (observed - predicted) ** 2
    if name != "negative_binomial":
        return Law(name, _scale(square, _shape(name, predicted)))
    if dispersion is not None:
        return Law(name, 1.0, dispersion)
    every = max(1, len(square) // _MOST)
    some, mean = square[::every], predicted[::every]

    def loss(log_curve: float) -> float:
        shape = mean * (1 + np.exp(log_curve) * mean)
        return np.log(_scale(some, shape)) + np.log(shape).mean()

    middle, width = -np.log(mean.mean()), np.log(_RANGE)
    found = minimize_scalar(loss, bounds=(middle - width, middle + width), method="bounded")
    curve = float(np.exp(found.x))
    scale = _scale(square, predicted * (1 + curve * predicted))
    return Law(name, scale, scale * curve)


def quadratic_law(observed: np.ndarray, predicted: np.ndarray) -> Law:
    """Return the negative binomial of φ = 0, variance α·μ², with the fitting α (`fitted_law`)."""
    return Law("negative_binomial", 0.0, _scale((observed - predicted) ** 2, predicted**2), False)


def _scale(square: np.ndarray, shape: np.ndarray) -> float:
    return max(float((square / shape).mean()), np.finfo(float).tiny)


def score(law: Law, observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the log density of a normal with the law's mean and variance, of each position.

    Over many positions it is highest for the true mean and variance, whatever else the law says
    (Dawid and Sebastiani 1999, Annals of Statistics 27:65), so counts, scaled means and zeros are
    compared alike.
    """
    variance = law.variance(predicted)
    return -0.5 * (np.log(2 * np.pi * variance) + (observed - predicted) ** 2 / variance)
