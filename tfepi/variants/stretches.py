"""Stretches of the genome on a strand, and the tiles that share a window between neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval, bed_rows, merged

_STRANDS = ("+", "-", ".")
_LABELS = 3  # of a tile that several stretches share

Spans = tuple[tuple[int, int], ...]
"""Starts and ends, 0-based, half-open."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of a chromosome, 0-based, half-open.

    Attributes:
        chrom: chromosome.
        start: first base.
        end: the base behind the last.
        strand: "+" or "-", on which sequences are read.
        label: what it is called, or "".
    """

    chrom: str
    start: int
    end: int
    strand: str = "+"
    label: str = ""

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"


def bed_stretches(bed: str | Path, genome: Genome) -> list[Stretch]:
    """Return the intervals of a BED, on the strand of column 6; without one, or with ".", on +.

    Raises:
        InputFileError: no intervals, a damaged line, an unknown chromosome or strand, an
            interval past the end of its chromosome.
    """
    found = []
    for number, (i, columns) in enumerate(bed_rows(bed), 1):
        strand = columns[5].strip() if len(columns) > 5 else "."
        if strand not in _STRANDS:
            raise InputFileError(
                f"BED {bed} interval {number} ({i}) has strand {strand!r}: want +, - or ."
            )
        if i.end > genome.length(i.chrom):
            raise InputFileError(
                f"BED {bed}: interval {i} ends past the end of {i.chrom} "
                f"({genome.length(i.chrom)} bp in {genome.path}): is it of another build?"
            )
        found.append(Stretch(i.chrom, i.start, i.end, "-" if strand == "-" else "+", i.label))
    if not found:
        raise InputFileError(
            f"BED {bed} has no intervals: want lines of chromosome, start, end, or a VCF"
        )
    return found


def stretches_digest(stretches: Sequence[Stretch]) -> str:
    """Return the SHA-256 of stretches, to know them again."""
    lines = (f"{s}\t{s.strand}\t{s.label}\n" for s in stretches)
    return sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Tile:
    """Bases of stretches that lie near enough to share a window.

    Attributes:
        chrom: chromosome.
        strand: "+" or "-".
        spans: the bases, ascending and disjoint.
        label: of the stretches, joined by commas; the fourth and later ones as "…".
    """

    chrom: str
    strand: str
    spans: Spans
    label: str


def tiles(stretches: Sequence[Stretch], most: int) -> Iterator[Tile]:
    """Yield the bases of stretches, each once per strand, in tiles from one end of each to another.

    Args:
        stretches: in any order; they may overlap, and be empty.
        most: bp from the first base of a tile to its last.

    Yields:
        Tiles by strand and chromosome, in the order of the stretches, then by position.
    """
    places: dict[tuple[str, str], list[Stretch]] = {}
    for stretch in stretches:
        if stretch.start < stretch.end:
            places.setdefault((stretch.chrom, stretch.strand), []).append(stretch)
    for (chrom, strand), here in places.items():
        here.sort(key=lambda s: s.start)
        waiting, active = iter(here), []
        following = next(waiting)
        union = merged(Interval(chrom, s.start, s.end) for s in here)
        for spans in _cut(union[chrom], most):
            while following is not None and following.start < spans[-1][1]:
                active.append(following)
                following = next(waiting, None)
            active = [s for s in active if s.end > spans[0][0]]
            names = dict.fromkeys(
                s.label for s in active if s.label and _overlaps(spans, s.start, s.end)
            )
            shown = list(names)[:_LABELS] + ["…"] * (len(names) > _LABELS)
            yield Tile(chrom, strand, spans, ",".join(shown))


def _overlaps(spans: Spans, start: int, end: int) -> bool:
    return any(low < end and start < high for low, high in spans)


def _cut(spans: np.ndarray, most: int) -> Iterator[Spans]:
    """Yield merged spans in groups that reach over at most so many bp, long ones in even pieces."""
    pieces: list[tuple[int, int]] = []
    limit = 0
    for low, high in spans.tolist():
        while low < high:
            if pieces and low >= limit:
                yield tuple(pieces)
                pieces = []
            if not pieces:
                size = high - low
                limit = low + (-(-size // -(-size // most)) if size > most else most)
            stop = min(high, limit)
            pieces.append((low, stop))
            low = stop
    if pieces:
        yield tuple(pieces)
