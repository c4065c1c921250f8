"""The SNPs of the LD reference, chromosome by chromosome, from its .bim files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.joining import plain_chromosome
from tfepi.association.reference_snps import Chromosome, of_bims, read_bim
from tfepi.heritability.assembly import Assembly
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing


def check_bims(bims: Sequence[str | Path]) -> list[Path]:
    """Return the paths of .bim files, which LDSC finds by a name without its suffix.

    Raises:
        InputFileError: missing, or with another suffix.
    """
    paths = [existing(path, ".bim file") for path in bims]
    for path in paths:
        if path.suffix != ".bim":
            raise InputFileError(f"{path} does not end in .bim: give the reference's .bim files")
    return paths


def scored_chromosomes(
    bims: Sequence[Path], scores: pd.DataFrame | None
) -> dict[str, Chromosome] | None:
    """Return the chromosomes of .bim files by name, each SNP with its variant; None of no scores.

    Args:
        bims: .bim files.
        scores: variants to find among the SNPs, as `of_bims` wants them.

    Raises:
        InputFileError: as `of_bims`.
    """
    return None if scores is None else {c.name: c for c in of_bims(bims, scores)}


def reference_chromosomes(
    bims: Sequence[Path], assembly: Assembly, scored: Mapping[str, Chromosome] | None = None
) -> Iterator[tuple[str, Path, Chromosome]]:
    """Yield the plain name, the .bim file and the SNPs of each chromosome, in order of the files.

    Without scores one file at a time is in memory.

    Args:
        bims: .bim files.
        assembly: that they are of.
        scored: as of `scored_chromosomes`.

    Raises:
        InputFileError: a file that cannot be used, two chromosomes in one, one in two, or
            positions beyond a chromosome's end.
    """
    seen: dict[str, Path] = {}
    for path in bims:
        snps = read_bim(path)
        names = [str(name) for name in snps["chrom"].unique()]
        if len(names) > 1:
            raise InputFileError(
                f"{path} holds chromosomes {', '.join(names[:5])}: give one .bim file for each "
                "chromosome, as LDSC reads its reference"
            )
        name = plain_chromosome(names[0])
        if name in seen:
            raise InputFileError(f"{path} and {seen[name]} both have chromosome {name}: give one")
        seen[name] = path
        assembly.check_end(name, int(snps["pos"].max()), str(path))
        if scored is None:
            yield name, path, Chromosome(names[0], snps, np.full(len(snps), -1), {})
        else:
            yield name, path, scored[names[0]]
