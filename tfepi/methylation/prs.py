"""Polygenic scores: clumping and thresholding, and LD-shrunken effects, with or without priors.

Four methods, told apart by name:

- `ct`: SNPs are clumped, and those with p up to a threshold have their GWAS effect as weight;
- `ct_mrv`: the same with p divided by the prior variance of the SNP over the mean one (weighted
  p-values: Genovese, Roeder & Wasserman 2006, Biometrika 93:509);
- `inf`: the posterior mean of all effects of a block of SNPs, if each standardised effect is
  normal with variance h²/M: (R + λ I)⁻¹ β̂, λ = M / (N h²), R the correlations in the reference and
  β̂ = z / √N (LDpred-inf: Vilhjálmsson et al. 2015, American Journal of Human Genetics 97:576);
- `inf_mrv`: the same with variance c h²/M, c each SNP's prior: (R + λ diag(1/c))⁻¹ β̂.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tfepi.methylation.clumping import Pairs, clump
from tfepi.methylation.genotypes import Genotypes, centre, standardised
from tfepi.methylation.prs_snps import Snps
from tfrecords_tools.errors import ConfigError

METHODS = ("ct", "ct_mrv", "inf", "inf_mrv")
PRIORS = ("", "_mrv")
MOST_BLOCK_SNPS = 1000


@dataclass(frozen=True)
class PrsOptions:
    """What is tried, and how.

    Attributes:
        r2: bounds of r² for clumping.
        window_bp: how far apart SNPs of a clump may be.
        p: thresholds of the (weighted) p-value.
        h2: SNP heritabilities that λ is made from.
        block_bp: length of the blocks whose effects are estimated together.
        quantiles: of scores, between bins.
        tune_share: share of the first cohort on which thresholds and h2 are chosen.
        reference_people: most people of the reference that are used.
        resamples: for intervals.
        seed: of the division of the first cohort, and of the resampling.
    """

    r2: tuple[float, ...] = (0.1, 0.5)
    window_bp: int = 250_000
    p: tuple[float, ...] = (5e-8, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.5, 1.0)
    h2: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    block_bp: int = 1_000_000
    quantiles: tuple[float, ...] = (0.5, 0.8, 0.95)
    tune_share: float = 0.5
    reference_people: int = 5000
    resamples: int = 1000
    seed: int = 44

    def __post_init__(self):
        for name, values in (("r2", self.r2), ("p", self.p), ("h2", self.h2)):
            if not values or any(not 0 < v <= 1 for v in values):
                raise ConfigError(
                    f"{name} is {', '.join(map(str, values)) or 'empty'}: want numbers above 0 and "
                    "up to 1"
                )
        for name in ("window_bp", "block_bp", "reference_people"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: want at least 1")
        if not 0 < self.tune_share < 1:
            raise ConfigError(f"tune_share is {self.tune_share}: want a number between 0 and 1")
        if self.resamples and self.resamples < 20:
            raise ConfigError(
                f"resamples is {self.resamples}: want 0 for no intervals, or at least 20"
            )


@dataclass(frozen=True)
class Setting:
    """One score that is tried.

    Attributes:
        method: of `METHODS`.
        r2: for clumping; None of `inf`.
        p: threshold; None of `inf`.
        h2: None of `ct`.
    """

    method: str
    r2: float | None = None
    p: float | None = None
    h2: float | None = None

    def __str__(self) -> str:
        return f"h2 {self.h2:g}" if self.p is None else f"r2 {self.r2:g}, p {self.p:g}"


def settings(options: PrsOptions) -> list[Setting]:
    """Return every score that is tried, those of a method together."""
    found = []
    for prior in PRIORS:
        found += [Setting(f"ct{prior}", r, p) for r in options.r2 for p in options.p]
    for prior in PRIORS:
        found += [Setting(f"inf{prior}", h2=h) for h in options.h2]
    return found


@dataclass(frozen=True)
class Effects:
    """What the weights of all settings are made from, of the same SNPs.

    Attributes:
        kept: which SNPs clumping keeps, bool [SNPs, priors, r2].
        means: posterior mean effects per copy of A1, float32 [SNPs, priors, h2].
    """

    kept: np.ndarray
    means: np.ndarray


def effects(
    reference: Genotypes,
    snps: Snps,
    rows: slice,
    pairs: Pairs,
    prior: np.ndarray,
    options: PrsOptions,
    people: np.ndarray | None = None,
) -> Effects:
    """Return clumps and posterior means of a chromosome's SNPs.

    Args:
        reference: the genotypes for LD.
        snps: all SNPs.
        rows: of the chromosome.
        pairs: its SNPs in LD.
        prior: variance of each SNP's effect over the mean, of all SNPs, float64 [SNPs].
        options: the options.
        people: of the reference; None for all.
    """
    table = snps.table.iloc[rows]
    priors = (np.ones(len(table)), prior[rows])
    kept = [
        [clump(pairs.above(r2), table["log_p"].to_numpy() - np.log(c)) for r2 in options.r2]
        for c in priors
    ]
    penalties = [len(snps.table) / (snps.size * h2) for h2 in options.h2]
    marginal = snps.marginal[rows]
    means = np.empty((len(table), len(priors), len(penalties)), np.float32)
    column = table["column"].to_numpy()
    for block in ld_blocks(table["pos"].to_numpy(), options.block_bp):
        correlation = correlations(reference, column[block], people)
        for i, c in enumerate(priors):
            means[block, i] = posterior_means(correlation, marginal[block], c[block], penalties)
    means /= table["sd"].to_numpy()[:, None, None]
    return Effects(np.moveaxis(np.array(kept), -1, 0), means)


def correlations(
    reference: Genotypes, columns: np.ndarray, people: np.ndarray | None = None
) -> np.ndarray:
    """Return the correlations of SNPs, float64 [SNPs, SNPs].

    Args:
        reference: the genotypes.
        columns: numbers of the SNPs.
        people: numbers of those to use; None for all.
    """
    scaled = standardised(reference.dosages(columns, people))
    return (scaled.T @ scaled).astype(np.float64)


def ld_blocks(position: np.ndarray, block_bp: int) -> Iterator[slice]:
    """Yield stretches of consecutive SNPs, each shorter than a length, of at most 1,000 SNPs.

    Args:
        position: ascending, bp.
        block_bp: the length.
    """
    low = 0
    while low < len(position):
        reach = int(np.searchsorted(position, position[low] + block_bp, side="left"))
        high = min(reach, low + MOST_BLOCK_SNPS)
        yield slice(low, high)
        low = high


def posterior_means(
    correlation: np.ndarray,
    marginal: np.ndarray,
    prior: np.ndarray,
    penalties: Sequence[float],
) -> np.ndarray:
    """Return (R + λ diag(1/prior))⁻¹ β̂ for every λ: float64 [SNPs, penalties].

    Args:
        correlation: R, float64 [SNPs, SNPs].
        marginal: β̂, standardised marginal effects [SNPs].
        prior: variance of each effect over the mean, above 0 [SNPs].
        penalties: λ, each above 0.
    """
    found = np.empty((len(marginal), len(penalties)))
    for i, penalty in enumerate(penalties):
        shrunk = correlation + np.diag(penalty / prior)
        found[:, i] = cho_solve(cho_factor(shrunk, overwrite_a=True), marginal)
    return found


def weights(
    snps: Snps, found: Effects, prior: np.ndarray, chosen: Sequence[Setting], options: PrsOptions
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from row numbers of SNPs to weights per copy of A1, [rows, settings]."""
    beta, log_p = (snps.table[c].to_numpy() for c in ("beta", "log_p"))
    shift = np.log(prior)

    def of(rows: np.ndarray) -> np.ndarray:
        columns = np.empty((len(rows), len(chosen)), np.float32)
        for i, setting in enumerate(chosen):
            with_prior = setting.method.endswith("_mrv")
            if setting.p is None:
                columns[:, i] = found.means[rows, int(with_prior), options.h2.index(setting.h2)]
                continue
            kept = found.kept[rows, int(with_prior), options.r2.index(setting.r2)]
            rank = log_p[rows] - (shift[rows] if with_prior else 0)
            # a threshold of 1 is no threshold, though a weighted p-value can exceed it
            low = (rank <= np.log(setting.p)) | (setting.p == 1)
            columns[:, i] = np.where(kept & low, beta[rows], 0)
        return columns

    return of


@dataclass(frozen=True)
class CohortSnps:
    """Which SNPs of a score a cohort has.

    Attributes:
        rows: numbers of the score's SNPs, in the order of the cohort's file.
        columns: their numbers in the cohort's .bim.
        sign: −1 where the cohort's A1 is the score's A2, float32.
    """

    rows: np.ndarray
    columns: np.ndarray
    sign: np.ndarray


def cohort_scores(
    genotypes: Genotypes,
    snps: CohortSnps,
    weights_of: Callable[[np.ndarray], np.ndarray],
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[np.ndarray, int]:
    """Return everyone's scores: Σ weight × (dosage − its mean in the cohort).

    Missing genotypes take the mean, so they add 0.

    Args:
        genotypes: the cohort.
        snps: which of the score's SNPs it has.
        weights_of: of `weights`.
        advance: called with the number of SNPs of each block.

    Returns:
        float64 [people, settings], and the number of SNPs that do not vary in the cohort.
    """
    total, flat = np.zeros((len(genotypes), weights_of(snps.rows[:0]).shape[1])), 0
    for part, dosages in genotypes.blocks(snps.columns):
        centred, _ = centre(dosages)
        flat += int((~centred.any(axis=0)).sum())
        total += centred @ (weights_of(snps.rows[part]) * snps.sign[part, None])
        advance(part.stop - part.start)
    return total, flat
