"""Whether the REF of sites is what the genome holds there."""

from collections import Counter

import numpy as np

from tfepi.allelic.counts import Sites
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome, missing_chrom

MOST_WRONG = 0.2
"""Share of sites that disagree with the genome from which they are likely of another one."""
_LEAST_WRONG = 3  # of fewer no share is told
_SWAP_ROWS = "REF and ALT are swapped there, with their reads or without: mend these rows"
_MOST = 0.8  # share that agrees moved by a base, or with ALT, from which that is what is wrong


def sites_of_genome(sites: Sites, genome: Genome) -> tuple[Sites, dict[str, int]]:
    """Return the sites whose REF the genome holds, and why others are left out.

    Args:
        sites: to look up.
        genome: the FASTA.

    Returns:
        The sites, and reason → number of rows.

    Raises:
        InputFileError: more than a fifth disagree, or none is left; positions that agree when
            moved by one base, and REF and ALT that are swapped, are told of.
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
    swapped = int((held == sites.alt).sum())
    if swapped > _MOST * wrong:
        back = _columns_swapped(sites) if swapped > _MOST * len(sites) else _SWAP_ROWS
        return f"{text}, and {swapped} of them have as ALT what it holds: {back}"
    for moved in (-1, 1):
        if (held_bases(sites, genome, moved)[0] == sites.ref).mean() > _MOST:
            return f"{text}, and agree when they are moved by {moved:+d}: {_moved(sites, moved)}"
    return f"{text}: the counts are likely of another genome, or of other names of chromosomes"


def _columns_swapped(sites: Sites) -> str:
    """Return what to do where REF and ALT of all sites are swapped."""
    advice = (
        f"--columns ref={layout.columns['alt']},alt={layout.columns['ref']}"
        for layout in sites.layouts
        if layout.columns
    )
    given = " or ".join(dict.fromkeys(advice)) or "mend the file"
    return f"REF and ALT are swapped: {given}; see whether their reads are swapped too"


def _moved(sites: Sites, moved: int) -> str:
    """Return what is wrong with positions that agree with the genome so far on, and what to do."""
    found = []
    for layout in sites.layouts:
        base = layout.base - moved
        place = next((k for k in ("pos0", "pos1", "pos") if k in layout.columns), None)
        if place is None or base not in (0, 1):
            found.append(f"positions are one too {'high' if moved < 0 else 'low'}; mend the file")
            continue
        option = f"--columns pos{base}={layout.columns[place]}"
        option = f"--base {base}" if place == "pos" else option
        found.append(f"positions count from {base} in this file; say {option}")
    return ", or ".join(dict.fromkeys(found)) or "positions count from elsewhere"
