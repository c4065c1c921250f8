"""Genomic intervals: 0-based, half-open; set operations on sorted arrays.

A set of regions is a dict from chromosome to an int64 array [n, 2] of starts and ends,
sorted and disjoint ("merged").
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

Regions = dict[str, np.ndarray]


@dataclass(frozen=True, order=True)
class Interval:
    """A stretch of a chromosome, 0-based, half-open; `label` is a BED's fourth column."""

    chrom: str
    start: int
    end: int
    label: str = ""

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"


def read_bed(path: str | Path) -> list[Interval]:
    """Read the first three columns, and the fourth as label, of a BED file (plain or gzip).

    Raises:
        InputFileError: as `bed_rows`.
    """
    return [interval for interval, _ in bed_rows(path)]


def bed_rows(path: str | Path) -> Iterator[tuple[Interval, list[str]]]:
    """Yield each interval of a BED file (plain or gzip), labelled by column 4, and its columns.

    Raises:
        InputFileError: missing file, no text, damaged gzip, or a line that is no interval (with
            its number).
    """
    path = existing(path, "BED file")
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        try:
            start, end = int(fields[1]), int(fields[2])
        except (IndexError, ValueError):
            raise InputFileError(
                f"{path} line {number} is no BED interval: {line.strip()[:60]!r}; "
                "want chromosome, start, end"
            ) from None
        if not 0 <= start <= end:
            raise InputFileError(
                f"{path} line {number} has start {start} and end {end}: want 0 <= start <= end"
            )
        label = fields[3].strip() if len(fields) > 3 else ""
        yield Interval(fields[0], start, end, label), fields


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or (by its first bytes) gzip."""
    with open(path, "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    if path.suffix == ".gz" and not packed and path.stat().st_size:
        raise InputFileError(f"{path} is not gzip-compressed: compress it, or drop the .gz")
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8") as handle:
            yield from handle
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(f"{path} is damaged gzip ({error}): fetch or write it again") from None
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{path} is no text ({error.reason} at byte {error.start}): want a BED, plain or gzip"
        ) from None


def write_bed(path: Path, intervals: Iterable[Interval]) -> None:
    """Write intervals as BED, with the label as fourth column where there is one."""
    with open(path, "w") as handle:
        for i in intervals:
            handle.write(f"{i.chrom}\t{i.start}\t{i.end}" + (f"\t{i.label}\n" if i.label else "\n"))


def merged(intervals: Iterable[Interval], gap: int = 0) -> Regions:
    """Return the union of intervals; those at most `gap` bp apart are joined."""
    by_chrom: dict[str, list[tuple[int, int]]] = {}
    for i in intervals:
        if i.end > i.start:
            by_chrom.setdefault(i.chrom, []).append((i.start, i.end))
    return {c: merge_array(np.array(v, np.int64), gap) for c, v in by_chrom.items()}


def merge_array(spans: np.ndarray, gap: int = 0) -> np.ndarray:
    """Merge [n, 2] starts and ends (any order) into sorted disjoint ones."""
    if not len(spans):
        return np.zeros((0, 2), np.int64)
    spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.r_[True, spans[1:, 0] > reach[:-1] + gap]
    last = np.r_[first[1:], True]
    return np.stack([spans[first, 0], reach[last]], axis=1)


def complement(spans: np.ndarray, length: int) -> np.ndarray:
    """Return what merged spans leave uncovered of [0, length)."""
    edges = np.r_[0, np.clip(spans, 0, length).ravel(), length].reshape(-1, 2)
    return edges[edges[:, 1] > edges[:, 0]]


def intersect_array(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersections of each span of `a` (any order) with merged spans `b`.

    The result follows the order of `a`, then position: [k, 2].
    """
    first = np.searchsorted(b[:, 1], a[:, 0], side="right")
    last = np.searchsorted(b[:, 0], a[:, 1], side="left")
    count = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(a)), count)
    hit = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[row]
    out = np.stack([np.maximum(a[row, 0], b[hit, 0]), np.minimum(a[row, 1], b[hit, 1])], axis=1)
    return out[out[:, 1] > out[:, 0]]


def covered_bases(spans: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return how many bases of each span [n, 2] lie in merged regions [m, 2]: int64 [n]."""
    if not len(regions):
        return np.zeros(len(spans), np.int64)
    total = np.r_[0, np.cumsum(regions[:, 1] - regions[:, 0])]

    def below(position: np.ndarray) -> np.ndarray:
        index = np.searchsorted(regions[:, 0], position, side="right")
        inside = np.where(index > 0, regions[np.maximum(index - 1, 0), 1] - position, 0)
        return total[index] - np.maximum(inside, 0)

    return below(spans[:, 1]) - below(spans[:, 0])


def as_array(intervals: Iterable[Interval]) -> np.ndarray:
    """Return starts and ends of intervals as int64 [n, 2]."""
    return np.array([(i.start, i.end) for i in intervals], np.int64).reshape(-1, 2)


def iterate(regions: Regions) -> Iterator[Interval]:
    """Yield the intervals of a set of regions, chromosome by chromosome."""
    for chrom, spans in regions.items():
        for start, end in spans.tolist():
            yield Interval(chrom, start, end)
