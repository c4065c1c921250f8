"""A simulated trait that acts through methylation in the brain, and cohorts that have it.

A causal variant changes the trait, per copy of ALT, in proportion to its true change of beta at
the CpG of the brain that it changes most. The sign of the proportion is drawn for each: more
methylation at one CpG raises the trait, at another it lowers it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bed_reader import create_bed

from tfepi.simulate.methylation import BRAIN
from tfepi.simulate.methylation_contig import Contig
from tfepi.simulate.methylation_haplotypes import people
from tfepi.simulate.methylation_settings import TRAIT_STREAM, MethylationSimulation
from tfepi.simulate.methylation_variants import largest
from tfrecords_tools.files import atomic_path, write_text
from tfrecords_tools.progress import progress

CAUSAL_APART = 80_000
SMALLEST_EFFECT, SMALLEST_FREQUENCY = 0.08, 0.05
_CHOICE, _COHORTS, _NOISE = range(3)


@dataclass(frozen=True)
class Causal:
    """A variant that acts on the trait.

    Attributes:
        contig: number of its chromosome.
        variant: number on it.
        identifier: of the variant.
        effect: change of the trait per copy of ALT.
    """

    contig: int
    variant: int
    identifier: str
    effect: float


def choose_causal(contigs: list[Contig], settings: MethylationSimulation) -> list[Causal]:
    """Return the causal variants, with effects in units of beta.

    They lie at least 80 kb apart, have a minor allele frequency of at least 0.05 in the first
    ancestry, and change a beta of the brain by at least 0.08.

    Args:
        contigs: the chromosomes.
        settings: what to simulate.
    """
    found = []
    for number, contig in enumerate(contigs):
        rng = settings.rng(TRAIT_STREAM, _CHOICE, number)
        wanted = settings.share_up_to(settings.causal, number + 1) - len(found)
        diff = np.array([largest(contig.landscape, e, BRAIN).diff for e in contig.effects])
        frequency = contig.frequencies[0]
        common = np.minimum(frequency, 1 - frequency) >= SMALLEST_FREQUENCY
        able = np.flatnonzero(common & (np.abs(diff) >= SMALLEST_EFFECT))
        positions, chosen = contig.positions, []
        for variant in rng.permutation(able).tolist():
            if len(chosen) == wanted:
                break
            if all(abs(positions[variant] - positions[k]) >= CAUSAL_APART for k in chosen):
                chosen.append(variant)
        for variant in sorted(chosen):
            effect = float(diff[variant]) * (1 if rng.random() < 0.5 else -1)
            found.append(Causal(number, variant, contig.identifiers[variant], effect))
    return found


@contextlib.contextmanager
def _plink(prefix: Path, contigs: list[Contig], ids: list[str]) -> Iterator:
    """Open a PLINK 1 file set for dosages of ALT, variant by variant; all files at once."""
    variants = [
        (c.name, i, v) for c in contigs for i, v in zip(c.identifiers, c.variants, strict=True)
    ]
    properties = {
        "fid": ids,
        "iid": ids,
        "pheno": ["-9"] * len(ids),
        "chromosome": [chrom for chrom, _, _ in variants],
        "sid": [identifier for _, identifier, _ in variants],
        "bp_position": [v.pos + 1 for _, _, v in variants],
        "allele_1": [v.alt for _, _, v in variants],
        "allele_2": [v.ref for _, _, v in variants],
    }
    with contextlib.ExitStack() as stack:
        bed, bim, fam = (
            stack.enter_context(atomic_path(f"{prefix}.{suffix}"))
            for suffix in ("bed", "bim", "fam")
        )
        counts = {"iid_count": len(ids), "sid_count": len(variants), "num_threads": 1}
        with create_bed(
            bed, properties=properties, bim_location=bim, fam_location=fam, **counts
        ) as w:
            yield w


def write_cohort(
    folder: Path,
    name: str,
    ancestry: int,
    count: int,
    contigs: list[Contig],
    causal: list[Causal],
    settings: MethylationSimulation,
    quiet: bool,
) -> np.ndarray:
    """Write a cohort's genotypes and return its genetic values: float64 [people].

    Args:
        folder: where.
        name: of the cohort.
        ancestry: number among `ANCESTRIES`.
        count: people.
        contigs: the chromosomes.
        causal: variants that act on the trait.
        settings: what to simulate.
        quiet: no progress bar.
    """
    values = np.zeros(count)
    with _plink(folder / name, contigs, identifiers(name, count)) as writer:
        bar = progress(contigs, unit="chromosome", label=name, quiet=quiet)
        for number, contig in enumerate(bar):
            key = (_COHORTS, number, *name.encode())
            rng = settings.rng(TRAIT_STREAM, *key)
            haplotypes = people(contig.pools[ancestry], contig.genetic, count, rng)
            dosage = np.ascontiguousarray(haplotypes.sum(axis=1, dtype=np.int8).T)
            for row in dosage:
                writer.write(row)
            for one in causal:
                if one.contig == number:
                    values += one.effect * dosage[one.variant]
    return values


def identifiers(name: str, count: int) -> list[str]:
    """Return the names of a cohort's people."""
    return [f"{name}{n + 1}" for n in range(count)]


def write_phenotypes(
    folder: Path, name: str, values: np.ndarray, settings: MethylationSimulation
) -> np.ndarray:
    """Write a cohort's trait and return it: float64 [people].

    Args:
        folder: where.
        name: of the cohort.
        values: genetic values, in units of the trait.
        settings: what to simulate.
    """
    rng = settings.rng(TRAIT_STREAM, _NOISE, *name.encode())
    noise = np.sqrt(1 - settings.heritability) * rng.standard_normal(len(values))
    rows = [
        f"{i}\t{i}\t{y:.6f}\n"
        for i, y in zip(identifiers(name, len(values)), values + noise, strict=True)
    ]
    write_text(folder / f"{name}.pheno", "FID\tIID\tPHENO\n" + "".join(rows))
    return values + noise
