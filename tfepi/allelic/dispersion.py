"""How much more counts of balanced sites vary than reads drawn one by one.

By maximum likelihood over all sites. Truly imbalanced sites vary more than others, for another
reason: taken for overdispersion, they would hide themselves. So by default some of the sites, at
most half, may have an effect to either side and an overdispersion of their own, and that of the
others is what tests allow for. Such sites are supposed only where they make the counts as much more
likely as Schwarz's criterion asks for (1978, Annals of Statistics 6:461); else, and with
`background` False, all sites have one overdispersion.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import chi2

from tfepi.allelic.counts import Sites
from tfepi.allelic.likelihood import GRID, MOST_THETA, Likelihood, maximum, profile_interval
from tfepi.allelic.null import FAIR
from tfrecords_tools.errors import ConfigError

FEWEST = 20
"""Sites below which no overdispersion is estimated."""
# Theta of imbalanced sites, and log odds of their effects, to either side.
_LARGER = np.geomspace(0.01, 2.0, 12)
_EFFECTS = (0.0, 0.5, 0.8, 1.1, 1.4, 1.8, 2.3)
_KEPT = 24  # kinds of effects that the last search is among
_MOST_SHARE = 0.5
_PARAMETERS = 3  # of those sites: their share, effect and overdispersion
_BISECTIONS = 12


@dataclass(frozen=True)
class Overdispersion:
    """What reads of a site have in common besides the expected ratio.

    Attributes:
        rho: correlation of two reads of a site: the variance of k of n reads is
            n m (1 − m) (1 + (n − 1) rho).
        interval: of rho, by the profile of the likelihood.
        p: of rho = 0, by the likelihood ratio; half a chi-squared, since 0 is the edge of what
            rho can be (Self & Liang 1987, JASA 82:605).
        others: share of sites with effects, as truly imbalanced ones have.
        rho_others: their overdispersion; None where there are none.
        sites: number of them.
    """

    rho: float
    interval: tuple[float, float]
    p: float
    others: float
    rho_others: float | None
    sites: int

    @property
    def theta(self) -> float:
        """As `null.p_values` takes it."""
        return self.rho / (1 - self.rho)

    def to_json(self) -> dict:
        """Return the JSON value."""
        return asdict(self) | {"interval": list(self.interval)}


def overdispersion(
    sites: Sites, centre: float = FAIR, background: bool = True, level: float = 0.95
) -> Overdispersion:
    """Return the overdispersion of the counts of sites.

    Args:
        sites: with reads; at least `FEWEST`.
        centre: expected share of REF at dosage 1.
        background: some sites may vary more than the others, whose overdispersion is returned;
            else all vary alike.
        level: of the interval.

    Raises:
        ConfigError: too few sites.
    """
    if len(sites) < FEWEST:
        raise ConfigError(
            f"overdispersion cannot be estimated of {len(sites)} sites: want {FEWEST} or more, or "
            "the binomial test"
        )
    likelihood = Likelihood(sites)

    def profile(theta: float) -> float:
        return likelihood(centre, theta)

    others = None
    theta, value = maximum(profile, GRID, MOST_THETA)
    if background:
        mixed = _Others(likelihood, centre)
        at, best = maximum(lambda t: mixed.best(t)[0], GRID, MOST_THETA)
        if 2 * (best - value) > _PARAMETERS * np.log(len(sites)):
            others, theta, value = mixed, at, best

            def profile(theta: float) -> float:
                return mixed.best(theta)[0]

    ends = profile_interval(profile, theta, value, (0.0, MOST_THETA), level)
    ratio = 2 * max(0.0, value - profile(0.0))
    share, larger = others.best(theta)[1:] if others is not None else (0.0, 0.0)
    return Overdispersion(
        rho_of(theta),
        (rho_of(ends[0]), rho_of(ends[1])),
        0.5 * float(chi2.sf(ratio, 1)) if ratio > 0 else 1.0,
        share,
        rho_of(larger) if share else None,
        len(sites),
    )


def rho_of(theta: float) -> float:
    """Return the correlation of two reads of a site."""
    return theta / (1 + theta)


class _Others:
    """The likelihood where a share of sites has effects, and with them counts of another spread."""

    def __init__(self, likelihood: Likelihood, centre: float):
        self._likelihood, self._centre = likelihood, centre
        kinds = [(e, t) for e in _EFFECTS for t in _LARGER]
        self._larger = np.array([t for _, t in kinds])
        self._favours = np.array([e > 0 for e, _ in kinds])
        self._cases = np.stack([likelihood.cases(centre, t, e) for e, t in kinds])
        best = max(GRID[::3], key=lambda theta: self.best(theta)[0])
        order = np.argsort(-self._values(best)[0], kind="stable")[:_KEPT]  # the rest never is best
        self._larger, self._favours = self._larger[order], self._favours[order]
        self._cases = self._cases[order]

    def best(self, theta: float) -> tuple[float, float, float]:
        """Return the log-likelihood at an overdispersion, the others' best share and theta."""
        values, shares = self._values(theta)
        alone = float(self._likelihood.cases(self._centre, theta) @ self._likelihood.times)
        best = int(np.argmax(values))
        if values[best] <= 0:
            return alone, 0.0, 0.0
        return alone + float(values[best]), float(shares[best]), float(self._larger[best])

    def _values(self, theta: float) -> tuple[np.ndarray, np.ndarray]:
        """Return what each kind of effect adds to the log-likelihood, and its best share."""
        times = self._likelihood.times
        own = self._likelihood.cases(self._centre, theta)
        more = np.expm1(np.minimum(self._cases - own, 600.0))  # ratio of likelihoods − 1
        low, high = np.zeros(len(more)), np.full(len(more), _MOST_SHARE)
        for _ in range(_BISECTIONS):  # the slope falls with the share
            middle = (low + high) / 2
            slope = (more / (1 + middle[:, None] * more)) @ times
            low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
        values = np.log1p(low[:, None] * more) @ times
        return np.where(self._favours | (self._larger > theta), values, -np.inf), low
