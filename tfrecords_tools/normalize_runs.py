"""Signal of a whole genome as runs of equal values, written to a bigWig stretch by stretch."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from tfrecords_tools.bigwig import BigWigWriter
from tfrecords_tools.files import atomic_path

STRETCH = 1 << 20
Runs = tuple[np.ndarray, np.ndarray]


def stretches(length: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the stretches of a chromosome of `length` bp, in order."""
    for low in range(0, length, STRETCH):
        yield low, min(low + STRETCH, length)


def runs_of(values: np.ndarray, start: int) -> Runs:
    """Return starts (int64 [n]) and values [n] of the runs of equal values; NaN equals NaN.

    Args:
        values: one per base.
        start: position of the first.
    """
    first = _changes(values)
    return first + start, values[first]


def joined(blocks: Iterable[Runs], length: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield starts, ends and values of runs, equal ones joined also from one block to the next.

    Args:
        blocks: starts and values of runs that follow one another without gap, from base 0.
        length: of the chromosome, bp; the end of the last run.
    """
    starts, values = np.zeros(0, np.int64), np.zeros(0, np.float32)
    for more_starts, more_values in blocks:
        starts, values = np.append(starts, more_starts), np.append(values, more_values)
        first = _changes(values)
        starts, values = starts[first], values[first]
        yield starts[:-1], starts[1:], values[:-1]
        starts, values = starts[-1:], values[-1:]
    yield starts, np.array([length]), values


def write_bigwig(
    path: Path, chroms: dict[str, int], blocks: Callable[[str, int], Iterable[Runs]], runs: int
) -> None:
    """Write a bigWig atomically; runs of NaN are left out.

    Args:
        path: the file.
        chroms: chromosome → length, bp.
        blocks: gives a chromosome's runs, by its name and length, as `joined` takes them.
        runs: about how many there are in all, which decides how fine the zoom levels are.
    """
    width = max(1, sum(chroms.values()) // max(runs, 1))
    with atomic_path(path) as part, BigWigWriter(part, chroms, width) as writer:
        for chrom in sorted(chroms, key=str.encode):
            for starts, ends, values in joined(blocks(chrom, chroms[chrom]), chroms[chrom]):
                if len(starts):
                    writer.add(chrom, starts, ends, values)


def _changes(values: np.ndarray) -> np.ndarray:
    """Return where a value differs from the one before it, and 0."""
    new = values[1:] != values[:-1]
    new &= ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.r_[True, new]) if len(values) else np.zeros(0, np.int64)
