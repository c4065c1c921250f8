"""Associations of a simulated trait: summary statistics, loci and credible sets.

The posterior of a variant for being the only causal one of its locus is its approximate Bayes
factor over the sum of the locus (Wakefield 2009, Genetic Epidemiology 33:79; Maller et al. 2012,
Nature Genetics 44:1294): with the slope's variance V, its prior variance W = 0.15² and z,

    ABF = √(V / (V + W)) · exp(z² W / (2 (V + W))).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bed_reader import open_bed

from tfepi.simulate.methylation_mqtl import regressions
from tfrecords_tools.progress import progress

RARE = 0.01
SIGNIFICANT = 5e-8
LOCUS_HALF = 25_000
CLUMP, CLUMP_R2 = 250_000, 0.05
PRIOR_VARIANCE = 0.15**2
COVERED = 0.99
_BLOCK = 1_000


@dataclass(frozen=True)
class Gwas:
    """Associations of the variants that are common in a cohort; each an array [variants].

    Attributes:
        variant: number of the variant among all of the genome.
        frequency: of ALT.
        beta: change of the trait per copy of ALT.
        error: standard error of that.
        p: two-sided.
    """

    variant: np.ndarray
    frequency: np.ndarray
    beta: np.ndarray
    error: np.ndarray
    p: np.ndarray


def one_dosage(bed: Path, variant: int) -> np.ndarray:
    """Return the dosages of one variant of a PLINK 1 file: float64 [people]."""
    with open_bed(bed, num_threads=1) as genotypes:
        return genotypes.read(np.s_[:, variant], dtype="float64")[:, 0]


def run_gwas(bed: Path, trait: np.ndarray, quiet: bool) -> Gwas:
    """Return the marginal association of a trait with each variant of a PLINK 1 file.

    Args:
        bed: path of the .bed.
        trait: of its people, float64 [people].
        quiet: no progress bar.
    """
    nothing = np.zeros(0)
    parts = [(np.zeros(0, np.int64), nothing, nothing, nothing, nothing)]
    with open_bed(bed, num_threads=1) as genotypes:
        blocks = range(0, genotypes.sid_count, _BLOCK)
        for low in progress(blocks, unit=f"{_BLOCK} variants", label="GWAS", quiet=quiet):
            block = genotypes.read(np.s_[:, low : low + _BLOCK], dtype="int8").T.astype(np.float64)
            frequency = block.mean(axis=1) / 2
            common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= RARE)
            found = regressions(block[common], trait)
            parts.append((low + common, frequency[common], *found))
    return Gwas(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Locus:
    """A stretch of the genome around its most significant variant.

    Attributes:
        chrom: number of the chromosome.
        start: 0-based, of the stretch [start, end).
        end: of the stretch.
        lead: number of its most significant variant in the GWAS.
        members: numbers of its variants in the GWAS, ascending, int64 [n].
        pip: posterior of each for being the causal one, float64 [n].
    """

    chrom: int
    start: int
    end: int
    lead: int
    members: np.ndarray
    pip: np.ndarray

    def credible(self) -> np.ndarray:
        """Return the fewest members whose posteriors sum to 0.99, by descending posterior."""
        order = np.argsort(-self.pip, kind="stable")
        enough = int(np.searchsorted(np.cumsum(self.pip[order]), COVERED)) + 1
        return order[:enough]


def find_loci(
    gwas: Gwas,
    chroms: np.ndarray,
    positions: np.ndarray,
    lengths: list[int],
    dosages: Callable[[int], np.ndarray],
) -> list[Locus]:
    """Return the loci in the order of the genome: 25 kb to either side of their leads.

    A lead has p < 5·10⁻⁸, lies 50 kb or more from every lead of smaller p, and has r² < 0.05 with
    those within 250 kb.

    Args:
        gwas: associations.
        chroms: number of the chromosome of each variant of the GWAS, ascending, int64 [n].
        positions: 0-based, of each, int64 [n].
        lengths: of the chromosomes, bp.
        dosages: returns those of a variant of the GWAS, by its number in it.
    """
    leads: list[int] = []
    for k in np.argsort(gwas.p, kind="stable").tolist():
        if gwas.p[k] >= SIGNIFICANT:
            break
        apart = np.where(chroms[leads] == chroms[k], np.abs(positions[leads] - positions[k]), CLUMP)
        if (apart < 2 * LOCUS_HALF).any():
            continue
        linked = [leads[j] for j in np.flatnonzero(apart < CLUMP)]
        if any(np.corrcoef(dosages(k), dosages(j))[0, 1] ** 2 >= CLUMP_R2 for j in linked):
            continue
        leads.append(k)
    loci = []
    for lead in sorted(leads):
        chrom, at = int(chroms[lead]), int(positions[lead])
        start, end = max(0, at - LOCUS_HALF), min(lengths[chrom], at + LOCUS_HALF + 1)
        inside = (chroms == chrom) & (positions >= start) & (positions < end)
        members = np.flatnonzero(inside)
        pip = posteriors(gwas.beta[members], gwas.error[members])
        loci.append(Locus(chrom, start, end, lead, members, pip))
    return loci


def posteriors(beta: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the posterior of each variant of a locus for being its only causal one.

    Args:
        beta: slopes, float64 [n].
        error: their standard errors, float64 [n].
    """
    variance = error**2
    shrink = PRIOR_VARIANCE / (variance + PRIOR_VARIANCE)
    log_factor = 0.5 * (np.log1p(-shrink) + shrink * beta**2 / variance)
    factor = np.exp(log_factor - log_factor.max())
    return factor / factor.sum()
