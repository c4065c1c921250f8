"""Does a distribution of whole numbers follow a power law in its tail?

The fit is by maximum likelihood, where the tail begins (xmin) by the smallest Kolmogorov–Smirnov
distance, and the test of fit by a semi-parametric bootstrap that fits each resample in the same
way. Source: Clauset, Shalizi and Newman 2009, SIAM Review 51:661 (§3.3, appendices B and D, §4.1).
Numbers are given as distinct values and how often each occurs.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import zeta
from scipy.stats import binomtest

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.progress import progress

FEWEST = 50  # values in the tail: with fewer, estimates are not to be trusted (§3.5)
CANDIDATES = 100  # of xmin, evenly among the distinct values
LEVEL = 0.95
P_FIT = 0.1  # a power law is rejected at or below (§4.1)
FEWEST_RESAMPLES = 20  # for intervals
_LOW, _HIGH = 1.01, 50.0  # exponents that are looked at
_STEP = 1e-3
_TABLE = 20_000  # values of a power law that are drawn exactly


@dataclass(frozen=True)
class PowerLaw:
    """A power law p(x) ∝ x^−alpha from xmin on.

    Attributes:
        xmin: where the tail begins.
        alpha: exponent.
        tail: number of values from xmin on.
        ks: largest distance of the two cumulative distributions in the tail.
    """

    xmin: int
    alpha: float
    tail: int
    ks: float


@dataclass(frozen=True)
class Fitted:
    """A power law, how sure it is and whether it fits.

    Attributes:
        law: the fit.
        alpha_interval: 95% interval of alpha over resamples, None of fewer than 20.
        xmin_interval: likewise.
        p: share of resamples of the law that lie at least as far from their own fit; None without
            resamples. It is a multiple of 1 / resamples.
        resamples: of each bootstrap.
    """

    law: PowerLaw
    alpha_interval: tuple[float, float] | None
    xmin_interval: tuple[float, float] | None
    p: float | None
    resamples: int

    @property
    def farther(self) -> int:
        """How many resamples of the law lie at least as far."""
        return round((self.p or 0) * self.resamples)

    @property
    def p_interval(self) -> tuple[float, float] | None:
        """The 95% interval of p that so many resamples leave (Clopper and Pearson), or None."""
        if self.p is None:
            return None
        ends = binomtest(self.farther, self.resamples).proportion_ci(LEVEL, "exact")
        return float(ends.low), float(ends.high)

    @property
    def rejected(self) -> bool | None:
        """Whether p is at most `P_FIT`; None where its interval holds that, or without p."""
        if self.p is None or self.p_interval[0] <= P_FIT < self.p_interval[1]:
            return None
        return self.p <= P_FIT

    @property
    def p_shown(self) -> str:
        """The p-value in words, with the resamples it is of; of none as far, its upper limit."""
        if self.p is None:
            return "fit not tested"
        if not self.farther:
            return f"p < {self.p_interval[1]:.2g}, none of {self.resamples} resamples"
        return f"p = {self.p:.2g}, {self.farther} of {self.resamples} resamples"


def counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values above 0, ascending, and how often each occurs: int64."""
    values = np.asarray(values)
    return np.unique(values[values > 0].astype(np.int64), return_counts=True)


def tail_sums(alpha: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return Hurwitz' ζ(alpha, x) = Σ (x + k)^−alpha over k = 0, 1, …: float64 [alphas, x].

    From 64 on, by the first terms of the Euler–Maclaurin series (relative error below 1e-9),
    which takes a sixth of the time of SciPy's.

    Args:
        alpha: exponents above 1.
        x: ascending, from 1.
    """
    alpha = np.asarray(alpha, float)[:, None]
    x = np.asarray(x, float)
    near = int(np.searchsorted(x, 64))
    found = np.empty((len(alpha), len(x)))
    found[:, :near] = zeta(alpha, x[:near])
    far = x[near:]
    a, power = alpha, np.exp(-alpha * np.log(far))
    terms = far / (a - 1) + 0.5 + a / (12 * far) * (1 - (a + 1) * (a + 2) / (60 * far**2))
    terms += a * (a + 1) * (a + 2) * (a + 3) * (a + 4) / (30240 * far**5)
    found[:, near:] = power * terms
    large = alpha[:, 0] > 20
    if large.any():
        found[large] = zeta(alpha[large], x)
    return found


def exponents(x: np.ndarray, count: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Return the maximum likelihood exponent of the tail from each of some values on.

    Newton's method on the derivative of ln ζ, which must be minus the mean of ln x.

    Args:
        x: distinct values, ascending.
        count: of each.
        begin: indices into x, each with a larger value behind it.
    """
    n = np.cumsum(count[::-1])[::-1][begin]
    mean = np.cumsum((count * np.log(x))[::-1])[::-1][begin] / n
    xmin = x[begin].astype(float)
    alpha = np.clip(1 + 1 / np.maximum(mean - np.log(xmin - 0.5), 1e-3), 1.1, _HIGH)
    for _ in range(40):
        around = [np.log(zeta(alpha + h, xmin)) for h in (-_STEP, 0, _STEP)]
        first = (around[2] - around[0]) / (2 * _STEP)
        second = (around[2] - 2 * around[1] + around[0]) / _STEP**2
        better = np.clip(alpha - (first + mean) / np.maximum(second, 1e-12), _LOW, _HIGH)
        done = np.abs(better - alpha).max() < 1e-7
        alpha = better
        if done:
            break
    return alpha


def distances(x: np.ndarray, count: np.ndarray, begin: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the Kolmogorov–Smirnov distance of each tail from its power law.

    Both cumulative distributions are steps at whole numbers, so that the largest distance is at a
    value that occurs or just before one.

    Args:
        x: distinct values, ascending.
        count: of each.
        begin: indices into x.
        alpha: exponent of each tail.
    """
    survival = tail_sums(alpha, x)  # of x, times a constant
    whole = survival[np.arange(len(begin)), begin][:, None]
    behind = survival - np.exp(-alpha[:, None] * np.log(x))
    below = np.concatenate([[0], np.cumsum(count)])
    n = (below[-1] - below[begin])[:, None]
    seen = (below[1:] - below[begin][:, None]) / n
    before = (below[:-1] - below[begin][:, None]) / n
    far = np.maximum(np.abs(seen - (1 - behind / whole)), np.abs(before - (1 - survival / whole)))
    return np.where(np.arange(len(x)) >= begin[:, None], far, 0).max(axis=1)


def fit(x: np.ndarray, count: np.ndarray, xmin: int | None = None) -> PowerLaw:
    """Fit a power law to the tail of a distribution.

    Args:
        x: distinct values, ascending, from 1.
        count: of each.
        xmin: where the tail begins; None: where the distance is smallest, among the values (at
            most `CANDIDATES`) from which on there are `FEWEST` or more.

    Raises:
        ConfigError: fewer than two distinct values or `FEWEST` values.
    """
    n = int(count.sum())
    if n < FEWEST or len(x) < 2:
        raise ConfigError(
            f"{n} values, {len(x)} of them distinct, are too few to fit a law: want {FEWEST} and 2"
        )
    if xmin is None:
        enough = np.flatnonzero(np.cumsum(count[::-1])[::-1] >= FEWEST)
        last = min(int(enough[-1]), len(x) - 2)
        begin = np.unique(np.linspace(0, last, min(CANDIDATES, last + 1)).round().astype(int))
    else:
        begin = np.array([min(int(np.searchsorted(x, xmin)), len(x) - 2)])
    alpha = exponents(x, count, begin)
    far = distances(x, count, begin, alpha)
    best = int(far.argmin())
    at = int(begin[best])
    return PowerLaw(int(x[at]), float(alpha[best]), int(count[at:].sum()), float(far[best]))


def draw(law: PowerLaw, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return random values of a power law, int64 [size].

    Values up to 20,000 above xmin are drawn exactly, by the inverse of their cumulative
    distribution; larger ones by the continuous law, rounded (Clauset et al., appendix D).
    """
    x = np.arange(law.xmin, law.xmin + _TABLE + 1)
    weight = np.exp(-law.alpha * np.log(x[:-1]))
    rest = tail_sums(np.array([law.alpha]), x[-1:])[0, 0]
    survival = np.cumsum(np.concatenate([[rest], weight[::-1]]))[::-1]  # of x
    survival /= survival[0]
    u = 1 - rng.random(size)
    number = np.searchsorted(-survival, -u, side="right") - 1
    drawn = x[number]
    far = number == len(x) - 1
    scaled = (x[-1] - 0.5) * (u[far] / survival[-1]) ** (-1 / (law.alpha - 1)) + 0.5
    drawn[far] = np.minimum(scaled, 1e15).astype(np.int64)
    return drawn


def resample(
    x: np.ndarray, count: np.ndarray, law: PowerLaw, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a data set as the law would give it: its tail drawn, what is below from the data."""
    n = int(count.sum())
    tail = int(rng.binomial(n, law.tail / n))
    body = x < law.xmin
    below = np.zeros(0, np.int64)
    if body.any():
        below = rng.multinomial(n - tail, count[body] / count[body].sum())
    drawn, times = counted(draw(law, tail, rng))
    kept = below > 0
    return np.concatenate([x[body][kept], drawn]), np.concatenate([below[kept], times])


def fit_and_test(
    values: np.ndarray, resamples: int, seed: int, label: str = "", quiet: bool = True
) -> Fitted:
    """Fit a power law, its intervals and its test of fit.

    Args:
        values: whole numbers; those below 1 are left out.
        resamples: of each bootstrap; 0 for none. The p-value is known to ± 1 / (2 √resamples).
        seed: of the random numbers.
        label: of the progress bar.
        quiet: no progress bar.

    Raises:
        ConfigError: too few values.
    """
    x, count = counted(values)
    law = fit(x, count)
    if not resamples:
        return Fitted(law, None, None, None, 0)
    rng = np.random.default_rng(seed)
    n = int(count.sum())
    farther, found = 0, []
    for _ in progress(range(resamples), unit="fit", label=label, quiet=quiet):
        farther += _refit(*resample(x, count, law, rng), law).ks >= law.ks
        again = rng.multinomial(n, count / n)
        found.append(_refit(x[again > 0], again[again > 0], law))
    intervals = (_interval([getattr(f, key) for f in found]) for key in ("alpha", "xmin"))
    return Fitted(law, *intervals, farther / resamples, resamples)


def _interval(values: list[float]) -> tuple[float, float] | None:
    """Return the 95% interval of resamples; of few it would be too narrow."""
    if len(values) < FEWEST_RESAMPLES:
        return None
    return tuple(np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)).tolist())


def _refit(x: np.ndarray, count: np.ndarray, law: PowerLaw) -> PowerLaw:
    """Fit a resample; one with a single distinct value is the law itself, at distance 0."""
    return fit(x, count) if len(x) > 1 else PowerLaw(law.xmin, law.alpha, law.tail, 0.0)
