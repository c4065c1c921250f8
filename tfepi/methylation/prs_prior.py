"""Prior variances of SNP effects from scores of variants, learned from the GWAS alone.

SNPs are put into bins of their score, and each bin's effects are taken to be normal with a variance
v_b of its own. The v_b are those under which the GWAS's z-scores, given the LD of the reference,
are likeliest (empirical Bayes): with β̂ = z / √N, R the correlations of a block of SNPs and
S = (R + diag(1 / (N v)))⁻¹, the posterior of the block's effects has the mean Sβ̂ and the covariance
S / N, and

    v_b ← Σ (Sβ̂)²_j / Σ (1 − S_jj / (N v_b)),  sums over the SNPs j of the bin,

is repeated (MacKay 1992, Neural Computation 4:415, Eq. 4.18 and following). The mean χ² of a bin
would not do: LD spreads an effect over its neighbours, whatever their scores. No phenotype of a
cohort is used.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from tfrecords_tools.errors import ConfigError

UNSCORED = 0  # the bin of SNPs without score
LEAST_PRIOR = 0.1
_START = 0.3
STEPS = 20
_SETTLED = 0.05
_SIGNAL = 3.0
_SMALLEST = 1e-4
_FAINTEST = 1e-9  # of the variance of all SNPs together; associations may be none at all


@dataclass(frozen=True)
class ScoreBins:
    """SNPs by their score.

    Attributes:
        of: bin of each SNP, int64 [SNPs]; 0 has no score, the others rise with the score.
        edges: lowest score of bins 2, 3, ….
        names: of the bins.
    """

    of: np.ndarray
    edges: tuple[float, ...]
    names: tuple[str, ...]

    @property
    def counts(self) -> np.ndarray:
        """SNPs in each bin."""
        return np.bincount(self.of, minlength=len(self.names))


def score_bins(scores: np.ndarray, quantiles: tuple[float, ...]) -> ScoreBins:
    """Return the bins of scores between quantiles of those that are no NaN.

    Args:
        scores: float [SNPs]; NaN has no score.
        quantiles: ascending, between 0 and 1.

    Raises:
        ConfigError: quantiles out of order, or no score at all.
    """
    if any(not 0 < q < 1 for q in quantiles) or list(quantiles) != sorted(set(quantiles)):
        raise ConfigError(
            f"score quantiles are {', '.join(map(str, quantiles))}: want rising numbers between "
            "0 and 1"
        )
    known = ~np.isnan(scores)
    if not known.any():
        raise ConfigError(
            "no SNP of the GWAS has a score: are the scores of the same assembly and chromosomes?"
        )
    edges = np.unique(np.quantile(scores[known], quantiles)) if quantiles else np.zeros(0)
    of = np.zeros(len(scores), np.int64)
    of[known] = 1 + np.searchsorted(edges, scores[known], side="right")
    shown = [f"{e:.4g}" for e in edges]
    names = ["any"]
    if shown:
        between = [f"{a} to {b}" for a, b in itertools.pairwise(shown)]
        names = [f"below {shown[0]}", *between, f"{shown[-1]} or more"]
    return ScoreBins(of, tuple(edges.tolist()), ("no score", *names))


@dataclass(frozen=True)
class Enrichment:
    """What the GWAS says of each bin.

    Attributes:
        h2: Σ of the variances over all SNPs; with the LD of few people it is too high.
        of: variance in each bin over the mean of all SNPs, float64 [bins]; NaN of a bin without
            SNPs.
        error: standard error of `of`: a jackknife over blocks, one step from the solution, so
            rather too small.
        support: log-likelihood less that of no effects at all, in nats.
    """

    h2: float
    of: np.ndarray
    error: np.ndarray
    support: float

    @property
    def signal(self) -> bool:
        """Whether the GWAS has more than chance would give."""
        return self.support > _SIGNAL

    def prior(self, bins: ScoreBins) -> np.ndarray:
        """Return each SNP's prior variance over the mean one: float64 [SNPs], of mean 1.

        No bin has less than a tenth of the mean, since an estimate near 0 would remove its SNPs
        altogether. Without signal all have the same.
        """
        if not self.signal:
            return np.ones(len(bins.of))
        value = np.maximum(np.nan_to_num(self.of, nan=1.0), LEAST_PRIOR)[bins.of]
        return value / value.mean()


def learn_variances(
    blocks: Sequence[slice | np.ndarray],
    correlation: Callable[[int], np.ndarray],
    marginal: np.ndarray,
    size: float,
    bins: ScoreBins,
    advance: Callable[[], object] = lambda: None,
) -> Enrichment:
    """Return the variance of effects in each bin.

    Args:
        blocks: rows of SNPs whose effects are estimated together; all SNPs, or some of them.
        correlation: number of a block → R, float64 [SNPs of the block, the same].
        marginal: β̂ of all SNPs.
        size: N, people behind the GWAS.
        bins: of all SNPs.
        advance: called after each block of each step.
    """
    number, count = len(bins.names), len(marginal)
    seen = np.zeros(number, np.int64)
    for rows in blocks:
        seen += np.bincount(bins.of[rows], minlength=number)
    variance = np.full(number, _START / count)
    for step in range(STEPS):
        sums = np.zeros((len(blocks), 2, number))
        support = 0.0
        for i, rows in enumerate(blocks):
            own = bins.of[rows]
            sums[i], part = _moments(
                correlation(i), marginal[rows], size, variance[own], own, number
            )
            support += part
            advance()
        total = sums.sum(axis=0)
        ratio = np.where(seen > 0, total[0] / np.maximum(total[1] * variance, 1e-300), 1)
        settled = np.abs(np.log(np.maximum(ratio, 1e-300))) < _SETTLED
        small = variance <= _SMALLEST * variance.max()
        if (settled | small).all() or step == STEPS - 1:
            break
        variance = variance * ratio
        variance = np.maximum(variance, max(_SMALLEST * variance.max(), _FAINTEST / count))
    counts = np.where(seen > 0, bins.counts, 0)
    each = _relative(total[None] - sums, counts)
    spread = each - each.mean(axis=0)
    error = np.sqrt((len(blocks) - 1) / len(blocks) * (spread**2).sum(axis=0))
    mean = (variance * counts).sum() / max(1, counts.sum())
    missing = seen == 0
    return Enrichment(
        float(mean * count),
        np.where(missing, np.nan, variance / mean),
        np.where(missing, np.nan, error),
        float(support),
    )


def _moments(
    correlation: np.ndarray,
    marginal: np.ndarray,
    size: float,
    variance: np.ndarray,
    own: np.ndarray,
    number: int,
) -> tuple[np.ndarray, float]:
    """Return the two sums of a block for each bin, [2, bins], and its log-likelihood."""
    shrunk = correlation.copy()
    shrunk[np.diag_indices(len(shrunk))] += 1 / (size * variance)
    factor, lower = cho_factor(shrunk, lower=True, overwrite_a=True)
    mean = cho_solve((factor, lower), marginal)
    determinant = 2 * np.log(np.diagonal(factor)).sum() + np.log(size * variance).sum()
    inverse = np.diagonal(dpotri(factor, lower=1)[0])
    sums = np.stack(
        [
            np.bincount(own, weights, number)
            for weights in (mean**2, 1 - inverse / (size * variance))
        ]
    )
    return sums, (size * marginal @ mean - determinant) / 2


def _relative(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the variances that sums [blocks, 2, bins] give, over their mean: [blocks, bins]."""
    found = sums[:, 0] / np.maximum(sums[:, 1], 1e-300)
    found = np.where(counts > 0, found, 0)
    mean = (found * counts).sum(axis=1, keepdims=True) / max(1, counts.sum())
    return found / np.maximum(mean, 1e-300)
