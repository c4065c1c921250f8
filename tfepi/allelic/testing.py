"""The tests of a sample's sites: which are imbalanced, and what the counts look like together."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfepi.allelic.counts import Sites
from tfepi.allelic.dispersion import FEWEST, Overdispersion, overdispersion
from tfepi.allelic.null import (
    FAIR,
    TESTS,
    directions,
    expected_ratios,
    p_values,
    q_values,
)
from tfepi.allelic.reference_bias import ReferenceBias, reference_bias
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.number_text import number_of

OBSERVED = "observed"
BACKGROUND, EVERY = "background", "all"
_log = logging.getLogger(__name__)
_CLEAR = 0.001  # p below which counts are said to be overdispersed, or biased
_LEAST_BIAS = 0.005  # of the share of REF, that is worth a warning however many the reads
WASP = (
    "remap the reads with the other allele put in and keep those that map to the same place (WASP: "
    "van de Geijn et al. 2015, Nature Methods 12:1061)"
)


@dataclass(frozen=True)
class HowTested:
    """How imbalance is tested.

    Attributes:
        reads: sites with more reads than this are tested.
        test: "binomial" or "betabinomial".
        centre: expected share of REF reads at dosage 1; "observed" for the most likely one.
        dosage: whether the background's dosage counts.
        per_dosage: an overdispersion for each dosage that has enough sites, not one for all.
        dispersion: "background", that of sites besides imbalanced ones, or "all", as if every site
            varied alike (`dispersion`).

    Raises:
        ConfigError: a value out of range.
    """

    reads: int = 20
    test: str = "binomial"
    centre: float | str = FAIR
    dosage: bool = True
    per_dosage: bool = False
    dispersion: str = BACKGROUND

    def __post_init__(self):
        if self.reads < 0:
            raise ConfigError(f"reads is {self.reads}: want 0 or more")
        if self.test not in TESTS:
            raise unknown("test", self.test, TESTS)
        if self.dispersion not in (BACKGROUND, EVERY):
            raise unknown("dispersion", self.dispersion, (BACKGROUND, EVERY))
        if self.centre != OBSERVED and not (
            isinstance(self.centre, int | float) and 0 < self.centre < 1
        ):
            raise ConfigError(
                f"centre is {self.centre!r}: want {OBSERVED!r}, or a share between 0 and 1"
            )
        if self.per_dosage and self.test != "betabinomial":
            raise ConfigError(
                "an overdispersion per dosage is only used by --test betabinomial: ask for that, "
                "or leave --per_dosage out"
            )


@dataclass(frozen=True)
class SitesTested:
    """Sites with more reads than asked for, tested.

    Attributes:
        sites: those tested.
        p, q: two-sided, and false discovery rate, float64 [sites].
        direction: which allele is favoured (`null.directions`), int8 [sites].
        low, high: expected shares of REF without imbalance, float64 [sites].
        centre: that was used.
        overdispersion: of all sites together, None of too few.
        by_dosage: the same of each dosage that has sites enough, where there are several.
        bias: towards REF over all sites, None of too few.
        few_reads: how many sites were not tested.
        theta: overdispersion that the tests allow for, float64 [sites].
    """

    sites: Sites
    p: np.ndarray
    q: np.ndarray
    direction: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centre: float
    overdispersion: Overdispersion | None
    by_dosage: Mapping[float, Overdispersion]
    bias: ReferenceBias | None
    few_reads: int
    theta: np.ndarray

    @property
    def imbalance(self) -> np.ndarray:
        """|REF / (REF + ALT) − 0.5|, float64 [sites]."""
        return np.abs(self.sites.ratio - FAIR)

    def favouring(self, which: np.ndarray | None = None) -> dict[str, int]:
        """Return how many sites favour REF, ALT and none.

        Args:
            which: of the sites, bool [sites]; None for all.
        """
        chosen = self.direction if which is None else self.direction[which]
        return {n: int((chosen == d).sum()) for n, d in (("REF", 1), ("ALT", -1), ("none", 0))}

    def dosages(self) -> dict[float, int]:
        """Return dosage → number of sites with it, ascending."""
        values, counts = np.unique(self.sites.dosage, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))


def sites_tested(sites: Sites, testing: HowTested) -> SitesTested:
    """Test the sites of a sample that have enough reads.

    Args:
        sites: of one sample, or summed over samples.
        testing: how.

    Raises:
        InputFileError: no site has enough reads.
        ConfigError: too few sites for an overdispersion that is asked for.
    """
    if not testing.dosage:
        sites = _without_dosage(sites)
    enough = sites.reads > testing.reads
    if not enough.any():
        raise InputFileError(
            f"no site of {len(sites)} has more than {testing.reads} reads: the deepest has "
            f"{int(sites.reads.max(initial=0))}; ask for fewer with --reads"
        )
    deep = sites.rows(enough)
    bias = reference_bias(deep)
    centre = FAIR if testing.centre == OBSERVED else float(testing.centre)
    if testing.centre == OBSERVED:
        if bias is None:
            raise ConfigError(
                f"the observed share of REF cannot be told from {number_of(len(deep), 'site')}: "
                "leave --centre out"
            )
        centre = bias.centre
    spread, by_dosage = _overdispersions(deep, centre, testing.dispersion == BACKGROUND)
    theta = _theta(deep, testing, spread, by_dosage)
    p = p_values(deep.ref_reads, deep.reads, deep.dosage, theta, centre)
    low, high = expected_ratios(deep.dosage, centre)
    return SitesTested(
        deep,
        p,
        q_values(p),
        directions(deep.ratio, deep.dosage, centre),
        low,
        high,
        centre,
        spread,
        by_dosage,
        bias,
        int((~enough).sum()),
        theta,
    )


def _without_dosage(sites: Sites) -> Sites:
    return replace(sites, dosage=np.ones(len(sites)))


def _overdispersions(
    sites: Sites, centre: float, background: bool
) -> tuple[Overdispersion | None, dict[float, Overdispersion]]:
    if len(sites) < FEWEST:
        return None, {}
    values, of = np.unique(sites.dosage, return_inverse=True)
    each = {}
    for number, value in enumerate(values.tolist()):
        rows = of == number
        if len(values) > 1 and rows.sum() >= FEWEST:
            each[value] = overdispersion(sites.rows(rows), centre, background)
    return overdispersion(sites, centre, background), each


def _theta(
    sites: Sites,
    testing: HowTested,
    spread: Overdispersion | None,
    by_dosage: Mapping[float, Overdispersion],
) -> np.ndarray:
    """Return the overdispersion of the null hypothesis of each site."""
    if testing.test == "binomial":
        return np.zeros(len(sites))
    if spread is None:
        raise ConfigError(
            f"overdispersion cannot be estimated of {number_of(len(sites), 'site')}: use --test "
            "binomial"
        )
    theta = np.full(len(sites), spread.theta)
    for value, own in by_dosage.items() if testing.per_dosage else ():
        theta[sites.dosage == value] = own.theta
    return theta


def warn(tested: SitesTested, testing: HowTested, of: str = "") -> list[str]:
    """Log what makes p-values of these counts doubtful, and return it.

    Args:
        tested: the tested sites.
        testing: how they were tested.
        of: name of the sample, for the messages.
    """
    found = []
    spread, bias = tested.overdispersion, tested.bias
    if testing.test == "binomial" and spread is not None and spread.p < _CLEAR:
        found.append(
            f"counts vary more than a binomial's (rho {spread.rho:.3g}, p {spread.p:.2g}): "
            "binomial p-values are too small; --test betabinomial allows for it"
        )
    if bias is not None and testing.centre != OBSERVED:
        away = bias.centre - tested.centre
        low, high = bias.interval
        outside = not low <= tested.centre <= high
        one_sided = tested.centre == FAIR and bias.sign_p < _CLEAR
        if abs(away) >= _LEAST_BIAS and ((outside and bias.p < _CLEAR) or one_sided):
            towards = "REF" if away > 0 else "ALT"
            advice = (
                f"{WASP}, or test against the observed share with --centre observed"
                if away > 0
                else "check that the columns of REF and ALT are not mixed up"
            )
            found.append(
                f"counts look biased towards {towards}: a share of REF of {bias.centre:.3f} is "
                f"most likely ({bias.above} sites above 0.5, {bias.below} below; p "
                f"{min(bias.p, bias.sign_p):.2g}): {advice}"
            )
    for text in found:
        _log.warning("%s%s", f"{of}: " if of else "", text)
    return found
