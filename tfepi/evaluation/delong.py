"""AUROC with DeLong's variance, and of two scores of the same things the difference.

DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837), by ranks as Sun & Xu 2014 (IEEE Signal
Processing Letters 21:1389).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class DeLong:
    """AUROC of scores with their covariance.

    Attributes:
        auroc: [scores].
        covariance: of these, [scores, scores].
    """

    auroc: np.ndarray
    covariance: np.ndarray

    def interval(self, score: int = 0, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval of a score's AUROC, cut to [0, 1]."""
        half = norm.ppf((1 + level) / 2) * np.sqrt(self.covariance[score, score])
        value = self.auroc[score]
        return float(max(0, value - half)), float(min(1, value + half))

    def difference(self, first: int, second: int) -> tuple[float, float, float]:
        """Return AUROC of the first less that of the second, its standard error and two-sided p.

        p is 1 where neither differs nor varies.
        """
        apart = float(self.auroc[first] - self.auroc[second])
        c = self.covariance
        error = float(np.sqrt(max(0, c[first, first] + c[second, second] - 2 * c[first, second])))
        p = 2 * norm.sf(abs(apart) / error) if error else float(apart == 0)
        return apart, error, float(p)


def delong(truth: np.ndarray, scores: np.ndarray) -> DeLong:
    """Return AUROC of scores that tell positives from negatives; ties count half.

    Args:
        truth: bool or 0/1 [n].
        scores: [n], or [scores, n] of the same things; higher for positives.

    Raises:
        ConfigError: fewer than two positives or negatives, or a score that is no number.
    """
    positive = np.asarray(truth).astype(bool)
    scores = np.atleast_2d(np.asarray(scores, float))
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise ConfigError(f"DeLong's variance wants two positives and two negatives, not {m}, {n}")
    if np.isnan(scores).any():
        raise ConfigError("a score is no number: leave those out first")
    among_all = rankdata(scores, axis=1)
    above = (among_all[:, positive] - rankdata(scores[:, positive], axis=1)) / n
    below = 1 - (among_all[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return DeLong(above.mean(axis=1), covariance)
