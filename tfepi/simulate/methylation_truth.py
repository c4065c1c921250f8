"""What truth.json says of simulated methylation."""

from dataclasses import asdict

import numpy as np

from tfepi.simulate import methylation as law
from tfepi.simulate import methylation_haplotypes as haplotypes
from tfepi.simulate.methylation import BRAIN, EFFECTS, TISSUES
from tfepi.simulate.methylation_array import Probes
from tfepi.simulate.methylation_contig import COMMON, Contig
from tfepi.simulate.methylation_gwas import (
    CLUMP,
    CLUMP_R2,
    COVERED,
    LOCUS_HALF,
    PRIOR_VARIANCE,
    SIGNIFICANT,
)
from tfepi.simulate.methylation_mqtl import CAUSAL, NOISE
from tfepi.simulate.methylation_settings import MethylationSimulation
from tfepi.simulate.methylation_trait import Causal
from tfepi.simulate.methylation_writing import ARRAY_NOISE
from tfepi.simulate.motifs import ALL_MOTIFS

FORMAT = "tfepi-simulated-methylation"
FORMAT_VERSION = 1


def genome_truth(
    settings: MethylationSimulation,
    contigs: list[Contig],
    probes: list[Probes],
    factors: np.ndarray,
) -> dict:
    """Return what is known of genome, tissues, people and measurements.

    Args:
        settings: what was simulated.
        contigs: the chromosomes.
        probes: of the array on each.
        factors: the subjects', float64 [subjects, motifs].
    """
    frequency = np.concatenate([c.frequencies for c in contigs], axis=1)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "settings": asdict(settings),
        "motifs": ALL_MOTIFS,
        "effects": EFFECTS,
        "tissues": [asdict(t) for t in TISSUES],
        "island": {
            "effect": law.ISLAND_EFFECT,
            "density": law.ISLAND_DENSITY,
            "half_width": law.DENSITY_HALF_WIDTH,
        },
        "profile": {"near": law.NEAR, "far": law.FAR, "near_share": law.NEAR_SHARE},
        "reach": law.REACH,
        "cpgs": sum(len(c.landscape.cpgs) for c in contigs),
        "probes": sum(len(p.cpgs) for p in probes),
        "variants": sum(len(c.variants) for c in contigs),
        "array": {"noise": ARRAY_NOISE, "factors": factors.tolist()},
        "mqtl": {"noise": NOISE, "causal_beta": CAUSAL},
        "population": {
            "ancestries": list(haplotypes.ANCESTRIES),
            "haplotypes": haplotypes.POOL,
            "crossover": haplotypes.CROSSOVER,
            "segment": haplotypes.SEGMENT,
            "common": COMMON,
            "fst": fst(*frequency),
        },
    }


def fst(first: np.ndarray, second: np.ndarray) -> float:
    """Return F_ST of two ancestries from frequencies in their pools (Hudson's estimator).

    As the ratio of sums over variants (Bhatia et al. 2013, Genome Research 23:1514).

    Args:
        first: frequencies in one, float64 [variants].
        second: in the other.
    """
    apart = (first - second) ** 2
    for frequency in (first, second):
        apart = apart - frequency * (1 - frequency) / (haplotypes.POOL - 1)
    between = first * (1 - second) + second * (1 - first)
    return float(apart.sum() / between.sum()) if between.sum() else 0.0


def trait_truth(
    causal: list[Causal],
    values: dict[str, np.ndarray],
    trait: dict[str, np.ndarray],
    loci: int,
    scale: float,
) -> dict:
    """Return what is known of the trait.

    Args:
        causal: variants that act on it.
        values: cohort → genetic values, float64 [people].
        trait: cohort → the trait, float64 [people].
        loci: how many were found.
        scale: change of the trait per change of beta, without its sign.
    """
    return {
        "tissue": BRAIN.name,
        "per_beta": scale,
        "causal": {c.identifier: c.effect for c in causal},
        "heritability": {n: float(v.var() / trait[n].var()) for n, v in values.items()},
        "significant": SIGNIFICANT,
        "loci": loci,
        "locus_half": LOCUS_HALF,
        "clump": {"bp": CLUMP, "r2": CLUMP_R2},
        "prior_variance": PRIOR_VARIANCE,
        "credible": COVERED,
    }
