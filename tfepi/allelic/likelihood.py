"""How likely the counts of all sites are by the expected share of REF and by overdispersion."""

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, gammaln, logit
from scipy.stats import chi2

from tfepi.allelic.counts import Sites
from tfepi.allelic.null import expected_ratios, rising

GRID = np.concatenate([[0.0], np.geomspace(1e-4, 3.0, 24)])
"""Of theta, where a maximum is looked for first."""
MOST_THETA = 50.0  # a rho of 0.98


class Likelihood:
    """Log-likelihood of the counts of a table: beta-binomials, with a dosage mixtures of two.

    Args:
        sites: with reads of both alleles.

    Attributes:
        times: how often each distinct case (dosage, reads of REF and of ALT) is there.
    """

    def __init__(self, sites: Sites):
        cases, self.times = np.unique(
            np.stack([sites.dosage, sites.ref_reads, sites.alt_reads]), axis=1, return_counts=True
        )
        self._dosage, self._of = np.unique(cases[0], return_inverse=True)
        self._ref, self._alt = cases[1].astype(np.int64), cases[2].astype(np.int64)
        reads = self._ref + self._alt
        self._most = int(reads.max())
        self._chosen = gammaln(reads + 1) - gammaln(self._ref + 1) - gammaln(self._alt + 1)

    def cases(self, centre: float, theta: float, effect: float = 0.0) -> np.ndarray:
        """Return the log-likelihood of each distinct case, float64 [cases].

        Args:
            centre: share of REF at dosage 1.
            theta: overdispersion, as of `null.read_probabilities`.
            effect: log odds by which every site favours one allele or, as likely, the other.
        """
        whole = rising(1.0, theta, self._most)
        total = self._chosen - whole[self._ref + self._alt]
        shifted = [expit(logit(centre) + e) for e in ((effect, -effect) if effect else (0.0,))]
        ends = np.concatenate([expected_ratios(self._dosage, c) for c in shifted])
        for number, ratios in enumerate(ends.T):
            rows = self._of == number
            each = [
                rising(m, theta, self._most)[self._ref[rows]]
                + rising(1 - m, theta, self._most)[self._alt[rows]]
                for m in np.unique(ratios)
            ]
            total[rows] += np.logaddexp.reduce(each) - np.log(len(each))
        return total

    def __call__(self, centre: float, theta: float) -> float:
        """Return the log-likelihood of all sites (`cases`)."""
        return float(self.cases(centre, theta) @ self.times)


def maximum(function, grid: np.ndarray, most: float) -> tuple[float, float]:
    """Return where a function of one number is largest, and its value there.

    Args:
        function: to maximise; the best point of the grid is refined between its neighbours.
        grid: ascending.
        most: where the search ends beyond the last point of the grid.
    """
    values = [function(x) for x in grid]
    best = int(np.argmax(values))
    low, high = grid[max(0, best - 1)], grid[best + 1] if best + 1 < len(grid) else most
    found = minimize_scalar(
        lambda x: -function(x), bounds=(low, high), method="bounded", options={"xatol": 1e-6}
    )
    if -found.fun > values[best]:
        return float(found.x), float(-found.fun)
    return float(grid[best]), float(values[best])


def profile_interval(
    profile, best: float, value: float, bounds: tuple[float, float], level: float
) -> tuple[float, float]:
    """Return where twice the loss of log-likelihood reaches the quantile of a chi-squared.

    Args:
        profile: log-likelihood of a parameter, the others at their best.
        best: the most likely value.
        value: its log-likelihood.
        bounds: of the parameter.
        level: of the interval.
    """
    least = value - chi2.ppf(level, 1) / 2

    def loss(x: float) -> float:
        return profile(x) - least

    low, high = bounds
    below = low if best <= low or loss(low) >= 0 else brentq(loss, low, best, xtol=1e-6)
    above = high if best >= high or loss(high) >= 0 else brentq(loss, best, high, xtol=1e-5)
    return float(below), float(above)
