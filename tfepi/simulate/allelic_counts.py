"""Allele counts at simulated heterozygous sites, of which it is known which are imbalanced.

Of each site the log odds of REF are those of mapping (a bias towards REF), of the background (REF
on the major or on the minor allele, by chance) and, at some, of an allelic effect of either sign.
Reads are beta-binomial with the share that these odds make. A predicted ratio is the allelic
effect, with noise, as odds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from tfepi.allelic.counts import Sites
from tfrecords_tools.errors import ConfigError

_STREAM = 8  # spawn key: this module's own random stream
_GAP = 2_000  # bp between sites, on average
_PER_CHROMOSOME = 1_000
_COMPLEMENTS = {"A": "CGT", "C": "AGT", "G": "ACT", "T": "ACG"}


@dataclass(frozen=True)
class AllelicDesign:
    """What is planted.

    Attributes:
        sites: number of heterozygous sites.
        imbalanced: share of them with an allelic effect.
        effect: its size, in log odds of REF; 1.1 is a ratio of 0.75 or 0.25.
        spread: standard deviation of the size, log odds.
        reads: median of a site, and `deviation` that of its natural logarithm.
        deviation: of the logarithm of reads.
        rho: correlation of two reads of a site.
        bias: log odds of REF by mapping alone, everywhere.
        dosages: background dosages, each as frequent.
        noise: standard deviation of predicted log odds about the effect's.

    Raises:
        ConfigError: a share outside of [0, 1], or a number that is too small.
    """

    sites: int = 5_000
    imbalanced: float = 0.1
    effect: float = 1.1
    spread: float = 0.0
    reads: float = 80.0
    deviation: float = 0.6
    rho: float = 0.0
    bias: float = 0.0
    dosages: tuple[float, ...] = (1.0,)
    noise: float = 1.0

    def __post_init__(self):
        for name in ("imbalanced", "rho"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: want 0 or more, below 1")
        if self.sites < 1 or self.reads <= 0 or not self.dosages or min(self.dosages) < 1:
            raise ConfigError(
                f"{self.sites} sites with {self.reads} reads at dosages {self.dosages}: want at "
                "least one site, reads above 0 and dosages of 1 or more"
            )


@dataclass(frozen=True)
class SimulatedCounts:
    """Sites with what was planted in them.

    Attributes:
        sites: with counts.
        effect: log odds of REF by the allelic effect, 0 where there is none, float64 [sites].
        predicted: REF / (REF + ALT) as a model would have it, float64 [sites].
    """

    sites: Sites
    effect: np.ndarray
    predicted: np.ndarray


def simulate_counts(design: AllelicDesign, seed: int = 44) -> SimulatedCounts:
    """Return sites with counts, spread over chromosomes chr1, chr2, … of a thousand each.

    Args:
        design: what is planted.
        seed: of all random numbers.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    n = design.sites
    size = rng.normal(design.effect, design.spread, n) * rng.choice([-1, 1], n)
    effect = np.where(rng.random(n) < design.imbalanced, size, 0.0)
    dosage = rng.choice(np.array(design.dosages, float), n)
    phase = rng.choice([-1, 1], n)
    share = expit(effect + design.bias + phase * np.log(dosage))
    reads = np.maximum(1, np.exp(rng.normal(np.log(design.reads), design.deviation, n)))
    reads = np.round(reads).astype(np.int64)
    if design.rho:
        total = 1 / design.rho - 1
        share = rng.beta(share * total, (1 - share) * total)
    ref_reads = rng.binomial(reads, share)
    ref = rng.choice(list("ACGT"), n)
    alt = np.array([_COMPLEMENTS[r][k] for r, k in zip(ref, rng.integers(0, 3, n), strict=True)])
    number = np.arange(n)
    chrom = np.char.add("chr", (number // _PER_CHROMOSOME + 1).astype(str))
    position = number % _PER_CHROMOSOME * _GAP + rng.integers(0, _GAP, n)
    predicted = expit(effect + rng.normal(0, design.noise, n))
    sites = Sites(
        chrom,
        position.astype(np.int64),
        ref,
        alt,
        ref_reads.astype(np.int64),
        reads - ref_reads,
        dosage,
        np.full(n, ""),
    )
    order = np.lexsort((sites.position, sites.chrom))
    return SimulatedCounts(sites.rows(order), effect[order], predicted[order])
