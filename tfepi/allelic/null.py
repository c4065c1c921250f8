"""How reads of REF are distributed where no allele is favoured, and how rare a count is then.

Without imbalance REF is expected in a share m of the reads, and the reads of n are binomial with m,
or beta-binomial where sites differ more than reads drawn one by one would. With a background of B
copies of the major for each of the minor allele (aneuploidy) m is B/(1 + B) or 1/(1 + B): REF may
be on the major or on the minor one, which is not known, so that the reads follow the equal mixture
of both (Abramov et al. 2021, Nature Communications 12:2751).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import gammaln
from scipy.stats import false_discovery_control

from tfrecords_tools.errors import ConfigError

TESTS = ("binomial", "betabinomial")
_TIES = 1 + 1e-7  # probabilities closer than rounding are equal, as in scipy's binomtest
FAIR = 0.5


def expected_ratios(dosage: np.ndarray, centre: float = FAIR) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the higher share of REF reads that are expected without imbalance.

    A bias of mapping towards REF multiplies the odds of REF: they are c/(1 − c) · B^±1.

    Args:
        dosage: B of each site, [sites].
        centre: c, the expected share at B = 1.

    Raises:
        ConfigError: a centre outside of (0, 1).
    """
    if not 0 < centre < 1:
        raise ConfigError(f"centre is {centre}: want a share of REF reads between 0 and 1")
    dosage = np.asarray(dosage, float)
    odds = centre / (1 - centre)
    return odds / (odds + dosage), odds * dosage / (odds * dosage + 1)


def read_probabilities(reads: int, ratios: Sequence[float], theta: float = 0.0) -> np.ndarray:
    """Return the probability of 0, 1, …, n reads of REF: float64 [n + 1].

    Args:
        reads: n.
        ratios: expected shares of REF, each as likely.
        theta: overdispersion, rho / (1 − rho), where rho is the correlation of two reads of a
            site; at 0 reads are binomial.
    """
    number = np.arange(reads + 1)
    chosen = gammaln(reads + 1) - gammaln(number + 1) - gammaln(reads - number + 1)
    found = np.zeros(reads + 1)
    whole = rising(1.0, theta, reads)[-1]
    for ratio in ratios:
        ups, downs = rising(ratio, theta, reads), rising(1 - ratio, theta, reads)
        found += np.exp(chosen + ups + downs[::-1] - whole)
    return found / len(ratios)


def rising(start: float, step: float, count: int) -> np.ndarray:
    """Return log Π (start + i·step) over i < k for k = 0 … count: float64 [count + 1].

    A beta-binomial's probability is C(n, k) Π(m + iθ) Π(1 − m + iθ) / Π(1 + iθ), which is the
    binomial's at θ = 0: no limit has to be taken.
    """
    if not step:
        return np.arange(count + 1) * np.log(start)
    return np.concatenate([[0.0], np.cumsum(np.log(start + step * np.arange(count)))])


def p_values(
    ref_reads: np.ndarray,
    reads: np.ndarray,
    dosage: np.ndarray,
    theta: float | np.ndarray = 0.0,
    centre: float = FAIR,
) -> np.ndarray:
    """Return exact two-sided p-values: the probability of counts no more likely than the observed.

    Args:
        ref_reads, reads: of REF and of both alleles, int [sites].
        dosage: of the background, [sites].
        theta: overdispersion (`read_probabilities`), one or [sites].
        centre: expected share of REF at dosage 1.

    Returns:
        float64 [sites], at most 1.
    """
    found = np.ones(len(reads))
    for n, ratios, t, rows in _cases(reads, dosage, theta, centre):
        each = read_probabilities(n, ratios, t)
        rarest_first = np.sort(each)
        at = np.searchsorted(rarest_first, each[ref_reads[rows]] * _TIES, side="right")
        found[rows] = np.cumsum(rarest_first)[at - 1]
    return np.minimum(found, 1.0)


def expected_histogram(
    reads: np.ndarray,
    dosage: np.ndarray,
    edges: np.ndarray,
    theta: float | np.ndarray = 0.0,
    centre: float = FAIR,
) -> np.ndarray:
    """Return how many sites without imbalance have a share of REF in each bin: float64 [bins].

    Args:
        reads: of both alleles, above 0, int [sites].
        dosage, theta, centre: as of `p_values`.
        edges: of the bins of shares, as of `np.histogram`.
    """
    found = np.zeros(len(edges) - 1)
    for n, ratios, t, rows in _cases(reads, dosage, theta, centre):
        each = read_probabilities(n, ratios, t)
        found += len(rows) * np.histogram(np.arange(n + 1) / n, edges, weights=each)[0]
    return found


def _cases(
    reads: np.ndarray, dosage: np.ndarray, theta: float | np.ndarray, centre: float
) -> Iterator[tuple[int, tuple[float, ...], float, np.ndarray]]:
    """Yield reads, expected shares and overdispersion that sites have in common, and their rows."""
    if not len(reads):
        return
    low, high = expected_ratios(dosage, centre)
    theta = np.broadcast_to(np.asarray(theta, float), low.shape)
    cases, of = np.unique(np.stack([reads, low, high, theta]), axis=1, return_inverse=True)
    order = np.argsort(of.ravel(), kind="stable")
    cuts = np.searchsorted(of.ravel()[order], np.arange(1, cases.shape[1]))
    for (n, a, b, t), rows in zip(cases.T, np.split(order, cuts), strict=True):
        yield int(n), (a,) if a == b else (a, b), t, rows


def q_values(p: np.ndarray) -> np.ndarray:
    """Return the false discovery rates of Benjamini & Hochberg 1995: float64 [sites]."""
    return false_discovery_control(p, method="bh") if len(p) else np.zeros(0)


def directions(ratio: np.ndarray, dosage: np.ndarray, centre: float = FAIR) -> np.ndarray:
    """Return which allele is favoured: 1 REF, −1 ALT, 0 neither or not known, int8 [sites].

    REF is favoured where its share exceeds both shares that the dosage may lead one to expect; in
    between, it depends on which allele is the major one. At dosage 1 and centre 0.5 this is
    whether the ratio is above 0.5.

    Args:
        ratio: share of REF reads, [sites].
        dosage, centre: as of `expected_ratios`.
    """
    low, high = expected_ratios(dosage, centre)
    return ((ratio > high).astype(np.int8) - (ratio < low)).astype(np.int8)
