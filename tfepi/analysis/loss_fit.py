"""Which loss fits a target: laws of the variance compared on values they were not fitted to.

A loss weighs residuals by the variance it assumes (Wedderburn 1974, Biometrika 61:439): squared
error by none, Poisson by μ, negative binomial by φ·μ + α·μ², squared error of logs by (1 + μ)². The
law that describes the residuals best is that of the loss that weighs them best. The windows are
those of a test, and each half of the genome's blocks is scored with parameters fitted to the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, log_ndtr, xlogy

from tfepi.analysis.variance_laws import (
    LAWS,
    Law,
    defined,
    fitted_law,
    quadratic_law,
    raised,
    score,
)
from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, estimate, multiplicities

_LOSSES = {"poisson": "poisson", "gaussian": "mse", "gaussian_log1p": "mse of log(1 + y)"}
_NOTHING = 1e-3  # nats a position: no difference, however sure
_NEAR_1 = 1.25  # a φ that a target need not be divided by
UNDETERMINED = (
    "φ is undetermined: α·μ² alone describes the residuals as well, so no divisor is given"
)
BLOCKS = 20
RESAMPLES = 1000


@dataclass(frozen=True)
class LossFit:
    """How well each law fits a target.

    Attributes:
        laws: name → law fitted to all positions; None where it cannot be of such values.
        scores: name → mean score of held-out positions, nats, with its interval.
        best: the law with the highest score, or Poisson's where the negative binomial, of which it
            is the case α = 0, is not told apart from it.
        margins: name of every other law → how much more the best one scores, with its interval.
        probability: name → mean log probability of held-out counts, None where values are none.
    """

    laws: dict[str, Law | None]
    scores: dict[str, dict]
    best: str
    margins: dict[str, dict]
    probability: dict[str, float] | None

    @property
    def alike(self) -> list[str]:
        """Names of the laws that are not told apart from the best: their margin may be 0."""
        return [name for name, margin in self.margins.items() if _may_be_0(margin)]

    @property
    def loss(self) -> str:
        """The loss that assumes the best law; that of the negative binomial is of counts, φ = 1."""
        if self.best != "negative_binomial":
            return _LOSSES[self.best]
        if self.divisor is None:
            return "negative_binomial, divisor undetermined"
        return "negative_binomial" + ("" if self.divisor == 1 else f" of y / {self.divisor:.3g}")

    @property
    def divisor(self) -> float | None:
        """What the target is to be divided by for the loss; None where its φ is undetermined.

        It is 1 of other losses, and where φ is so near 1 that the target need not be divided.
        """
        law = self.laws[self.best]
        if self.best != "negative_binomial":
            return 1.0
        if not law.determined:
            return None
        return 1.0 if 1 / _NEAR_1 < law.scale < _NEAR_1 else law.scale

    def to_json(self) -> dict:
        """Return a JSON value."""
        laws = {
            n: None
            if w is None
            else {"scale": w.scale if w.determined else None, "dispersion": w.dispersion}
            for n, w in self.laws.items()
        }
        return {
            "best": self.best,
            "loss": self.loss,
            "divisor": self.divisor,
            "note": UNDETERMINED if self.divisor is None else None,
            "not_told_apart": self.alike,
            "laws": laws,
            "score": self.scores,
            "margin": self.margins,
            "log_probability": self.probability
            and {n: p if np.isfinite(p) else None for n, p in self.probability.items()},
        }


def _may_be_0(margin: dict) -> bool:
    return margin["interval"] is None or margin["interval"][0] <= 0 or margin["value"] < _NOTHING


def stretches(positions: int, count: int = BLOCKS) -> np.ndarray:
    """Return numbers of contiguous stretches of positions: int64 [positions]."""
    return np.arange(positions) * count // positions


def _halves(block: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield which positions a law is fitted to and which are scored: other blocks, if any."""
    if not block.any():
        every = np.ones(len(block), bool)
        yield every, every
        return
    for half in (0, 1):
        yield block % 2 != half, block % 2 == half


def fit_losses(
    observed: np.ndarray,
    predicted: np.ndarray,
    blocks: np.ndarray | None = None,
    dispersion: float | None = None,
    seed: int = 44,
) -> LossFit:
    """Compare the laws on one target.

    A negative binomial that is not told apart from that of φ = 0 has an undetermined φ.

    Args:
        observed: y, no NaN [positions].
        predicted: μ, likewise.
        blocks: number of the block of the genome of each position; None: twenty stretches.
        dispersion: of the negative binomial, as learned; None: fitted.
        seed: of the resampling of blocks.
    """
    blocks = stretches(len(observed)) if blocks is None else blocks
    _, block = np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    mean = raised(predicted)
    laws: dict[str, Law | None] = dict.fromkeys(LAWS)
    sums = {}
    counts = bool(
        (observed % 1 == 0).all() and observed.min() >= 0 and defined("poisson", predicted)
    )
    probability = dict.fromkeys(LAWS, 0.0) if counts else None
    for name in LAWS:
        if not defined(name, predicted):
            continue
        learned = dispersion if name == "negative_binomial" else None
        laws[name] = fitted_law(name, observed, mean, learned)
        held = np.empty(len(observed))
        for fitted, scored in _halves(block):
            law = fitted_law(name, observed[fitted], mean[fitted], learned)
            held[scored] = score(law, observed[scored], mean[scored])
            if counts:
                mass = _log_probability(name, law, observed, mean, scored, fitted, learned)
                probability[name] += float(mass.sum()) / len(observed)
        sums[name] = np.bincount(block, held, count)
    size = np.bincount(block, minlength=count).astype(float)
    drawn = multiplicities(count, RESAMPLES, seed) if count >= FEWEST_BLOCKS else None

    def over_blocks(total: np.ndarray) -> dict:
        resampled = None if drawn is None else drawn @ total / (drawn @ size)
        return estimate(total.sum() / size.sum(), resampled)

    law = laws["negative_binomial"]
    if law is not None and dispersion is None:
        held = np.empty(len(observed))
        for fitted, scored in _halves(block):
            held[scored] = score(
                quadratic_law(observed[fitted], mean[fitted]), observed[scored], mean[scored]
            )
        gained = over_blocks(sums["negative_binomial"] - np.bincount(block, held, count))
        laws["negative_binomial"] = replace(law, determined=not _may_be_0(gained))
    best = max(sums, key=lambda name: sums[name].sum())
    if best == "negative_binomial" and _may_be_0(over_blocks(sums[best] - sums["poisson"])):
        best = "poisson"
    margins = {n: over_blocks(sums[best] - s) for n, s in sums.items() if n != best}
    scores = {n: over_blocks(s) for n, s in sums.items()}
    return LossFit(laws, scores, best, margins, probability)


def fitted_dispersion(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the dispersion of a negative binomial of counts by moments, at least 0.

    It is the slope, without intercept, of ((y - μ)² - y) / μ on μ (Cameron and Trivedi 1990,
    Journal of Econometrics 46:347): the sum of (y - μ)² - y over the sum of μ².
    """
    excess = (observed - predicted) ** 2 - observed
    scale = (predicted**2).sum()
    return float(max(excess.sum() / scale, 0)) if scale > 0 else 0.0


def _log_probability(
    name: str,
    law: Law,
    observed: np.ndarray,
    mean: np.ndarray,
    scored: np.ndarray,
    fitted: np.ndarray,
    dispersion: float | None,
) -> np.ndarray:
    """Return the log probability of each scored count.

    That of a Gaussian is the mass from y − ½ to y + ½, so that all laws give probabilities of the
    same things. The counting laws are those of counts, φ = 1.
    """
    y, mu = observed[scored], mean[scored]
    if name == "poisson":
        return xlogy(y, mu) - mu - gammaln(y + 1)
    if name == "negative_binomial":
        alpha = dispersion
        if alpha is None:
            alpha = fitted_dispersion(observed[fitted], mean[fitted])
        return negative_binomial_log(y, mu, alpha)
    ends = np.stack([y - 0.5, y + 0.5])
    if name == "gaussian":
        z = (ends - mu) / np.sqrt(law.scale)
    else:
        away = np.log1p(observed[fitted]) - np.log1p(mean[fitted])
        variance = log_variance(away)
        z = (np.log1p(ends) - np.log1p(mu) + variance / 2) / np.sqrt(variance)
    return _log_mass(z[0], z[1])


def log_variance(away: np.ndarray) -> float:
    """Return s² of the most likely normal law N(−s²/2, s²) of differences of logs.

    Its mean on the scale of y is the predicted one: s² = 2·(sqrt(1 + mean of d²) − 1).
    """
    variance = 2 * (np.sqrt(1 + np.mean(away**2)) - 1)
    return max(float(variance), np.finfo(float).tiny)


def _log_mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return log(Φ(high) − Φ(low)), computed in the tail where both lie in one."""
    right = low > 0
    low, high = np.where(right, -high, low), np.where(right, -low, high)
    top, bottom = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):
        return top + np.log1p(-np.exp(np.minimum(bottom - top, 0)))


def negative_binomial_log(y: np.ndarray, mean: np.ndarray, dispersion: float) -> np.ndarray:
    """Return log probabilities of a negative binomial with variance μ + α·μ²; α = 0 is Poisson."""
    if dispersion < 1e-8:
        return xlogy(y, mean) - mean - gammaln(y + 1)
    size = 1 / dispersion
    rising = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
    return rising - size * np.log1p(dispersion * mean) + xlogy(y, mean / (mean + size))
