"""Whether counts favour REF over all sites together, as mapping to a reference makes them."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, chi2

from tfepi.allelic.counts import Sites
from tfepi.allelic.dispersion import FEWEST
from tfepi.allelic.likelihood import GRID, MOST_THETA, Likelihood, maximum, profile_interval
from tfepi.allelic.null import FAIR

_BOUNDS = (0.02, 0.98)
_ROUNDS = 50


@dataclass(frozen=True)
class ReferenceBias:
    """Whether reads of REF are more than expected over all sites together.

    Attributes:
        ratio: of all reads, REF / (REF + ALT).
        median: of the sites' ratios.
        centre: the share of REF at dosage 1 that is most likely, with an overdispersion of all
            sites.
        interval: of that, by the profile of the likelihood.
        p: of 0.5, by the likelihood ratio.
        above, below: sites with a ratio above and below 0.5.
        sign_p: of as many above as below, two-sided binomial: a test that no few deep sites decide.
    """

    ratio: float
    median: float
    centre: float
    interval: tuple[float, float]
    p: float
    above: int
    below: int
    sign_p: float

    def to_json(self) -> dict:
        """Return the JSON value."""
        return asdict(self) | {"interval": list(self.interval)}


def reference_bias(sites: Sites, level: float = 0.95) -> ReferenceBias | None:
    """Return how far counts favour REF; None of fewer sites than `dispersion.FEWEST`.

    Args:
        sites: with reads.
        level: of the interval.
    """
    if len(sites) < FEWEST:
        return None
    likelihood = Likelihood(sites)
    centre, (theta, fair) = FAIR, maximum(lambda t: likelihood(FAIR, t), GRID, MOST_THETA)
    value = fair
    for _ in range(_ROUNDS):  # each in turn: neither can lower the likelihood
        before = value
        centre = _best_centre(likelihood, theta)
        near = np.array([theta / 1.5, theta, theta * 1.5]) if theta else GRID[:4]
        theta, value = maximum(lambda t, c=centre: likelihood(c, t), near, near[-1] * 1.5)
        if value - before < 1e-6:
            break

    def profile(c: float) -> float:
        near = theta * np.array([0.7, 0.85, 1.0, 1.2, 1.5]) if theta else GRID[:4]
        return max(likelihood(c, t) for t in near)

    above, below = int((sites.ratio > FAIR).sum()), int((sites.ratio < FAIR).sum())
    return ReferenceBias(
        float(sites.ref_reads.sum() / sites.reads.sum()),
        float(np.median(sites.ratio)),
        centre,
        profile_interval(profile, centre, value, _BOUNDS, level),
        float(chi2.sf(2 * max(0.0, value - fair), 1)),
        above,
        below,
        float(binomtest(above, above + below).pvalue) if above + below else 1.0,
    )


def _best_centre(likelihood: Likelihood, theta: float) -> float:
    found = minimize_scalar(
        lambda c: -likelihood(c, theta),
        bounds=_BOUNDS,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(found.x)
