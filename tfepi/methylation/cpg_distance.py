"""How far variants are from the nearest CpG."""

import numpy as np
import pandas as pd

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome, encode
from tfrecords_tools.progress import progress

_SAME_BASE = 0.9


def cpg_distance(genome: Genome, variants: pd.DataFrame, quiet: bool = True) -> np.ndarray:
    """Return how far each variant's first base is from the nearest CpG's C: float64 [variants], bp.

    Args:
        genome: that the variants were scored on.
        variants: columns chrom, pos (1-based), ref.
        quiet: no progress bar.

    Returns:
        NaN on a chromosome without CpG.

    Raises:
        InputFileError: the genome has no such chromosome or position, or its bases are other
            than REF of more than 10% of the variants.
    """
    distance = np.full(len(variants), np.nan)
    chrom = variants["chrom"].astype("category").cat
    ref = variants["ref"].astype("category").cat
    first_base = encode("".join(str(a)[0] for a in ref.categories))[ref.codes]
    same = 0
    place = variants["pos"].to_numpy(np.int64) - 1
    for number, name in enumerate(progress(chrom.categories, unit="chromosome", quiet=quiet)):
        rows = np.flatnonzero(chrom.codes == number)
        if not len(rows):
            continue
        length = genome.length(str(name))
        if place[rows].max() >= length:
            raise InputFileError(
                f"a variant at {name}:{place[rows].max() + 1} lies beyond the {length} bp of it "
                f"in {genome.path}: name the genome that the variants were scored on"
            )
        base = genome.indices(str(name), 0, length)
        same += int((base[place[rows]] == first_base[rows]).sum())
        c = np.flatnonzero((base[:-1] == 1) & (base[1:] == 2))
        if len(c):
            after = np.searchsorted(c, place[rows])
            left, right = c[np.maximum(after - 1, 0)], c[np.minimum(after, len(c) - 1)]
            distance[rows] = np.minimum(abs(place[rows] - left), abs(right - place[rows]))
    if same < _SAME_BASE * len(variants):
        raise InputFileError(
            f"the base of {genome.path} is REF of {same / len(variants):.1%} of the variants: name "
            "the genome that they were scored on"
        )
    return distance
