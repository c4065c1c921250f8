"""Whether the REF of sites is what the genome holds there."""

from collections import Counter

import numpy as np

from tfepi.allelic.counts import Sites
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome, missing_chrom

MOST_WRONG = 0.2
"""Share of sites that disagree with the genome from which they are likely of another one."""
_LEAST_WRONG = 3  # of fewer no share is told
_MOVED = 0.8  # share that agrees with the genome one base on: they are counted from elsewhere


def sites_of_genome(sites: Sites, genome: Genome) -> tuple[Sites, dict[str, int]]:
    """Return the sites whose REF the genome holds, and why others are left out.

    Args:
        sites: to look up.
        genome: the FASTA.

    Returns:
        The sites, and reason → number of rows.

    Raises:
        InputFileError: more than a fifth disagree, or none is left; positions that agree when
            moved by one base are told of.
    """
    held, gone = held_bases(sites, genome)
    ok = held == sites.ref
    wrong = int((~ok).sum())
    if wrong == len(sites) or (wrong >= _LEAST_WRONG and wrong > MOST_WRONG * len(sites)):
        raise InputFileError(_refusal(sites, genome, held, wrong))
    gone["REF is not what the genome holds"] += int(((held != "") & ~ok).sum())
    return sites.rows(ok), {why: n for why, n in gone.items() if n}


def held_bases(sites: Sites, genome: Genome, moved: int = 0) -> tuple[np.ndarray, Counter[str]]:
    """Return the genome's base at each site, "" where it has no such place, and why it has none."""
    held, gone = np.full(len(sites), "", "U1"), Counter()
    letters = np.array(list("ACGTN"))
    for chrom in np.unique(sites.chrom).tolist():
        rows = np.flatnonzero(sites.chrom == chrom)
        if chrom not in genome.chroms:
            gone["on a chromosome that the genome lacks"] += len(rows)
            continue
        place = sites.position[rows] + moved
        inside = (place >= 0) & (place < genome.chroms[chrom])
        gone["beyond the chromosome's end"] += int((~inside).sum())
        rows, place = rows[inside], place[inside]
        if len(rows):
            spans = [(chrom, int(p), int(p) + 1) for p in place]
            held[rows] = letters[genome.windows(spans)[:, 0]]
    return held, gone


def _refusal(sites: Sites, genome: Genome, held: np.ndarray, wrong: int) -> str:
    first = int(np.flatnonzero(held != sites.ref)[0])
    place = f"{sites.chrom[first]}:{sites.position[first] + 1}"
    if not held[first] and sites.chrom[first] not in genome.chroms:
        why = missing_chrom(str(sites.chrom[first]), genome.chroms, f"FASTA {genome.path}")
    else:
        has = held[first] or "no such place"
        why = f"{place} has REF {sites.ref[first]}, the genome {has}"
    text = f"{wrong} of {len(sites)} sites disagree with the genome ({why})"
    for moved in (-1, 1):
        if (held_bases(sites, genome, moved)[0] == sites.ref).mean() > _MOVED:
            return (
                f"{text}, and agree when they are moved by {moved:+d}: positions count from "
                f"{'1' if moved < 0 else '0'} in this file; say so with --base or --columns"
            )
    return f"{text}: the counts are likely of another genome, or of other names of chromosomes"
