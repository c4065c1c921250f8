"""Peaks: read, united, and found again among the bins of a data folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.specificity.cluster_file import PeakClusters
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.intervals import Interval, Regions, merged, read_bed

RULES = ("overlap", "centre")
_SHOWN = 3  # names of chromosomes in a message


@dataclass(frozen=True)
class PeakBins:
    """Which peak each bin of some windows belongs to.

    Attributes:
        peak: number of the peak, -1 for none, int64 [windows, bins].
        cluster: number of that peak's cluster, -1 for none, int64 [windows, bins].
    """

    peak: np.ndarray
    cluster: np.ndarray


def peak_bins(
    peaks: PeakClusters,
    windows: Sequence[Interval],
    bins: int,
    bin_width: int,
    rule: str = "overlap",
) -> PeakBins:
    """Return the peak, and its cluster, that each bin of a label's windows belongs to.

    A bin belongs to one peak at most; a peak may have several bins.

    Args:
        peaks: disjoint peaks with clusters.
        windows: without crop, as `Data.windows(label)` and `Layout.windows` have them.
        bins: of each window.
        bin_width: bp.
        rule: "overlap": the peak that covers most of the bin (the first of equals), if it covers
            at least half of the bin or the bin at least half of the peak, so that a peak narrower
            than a bin has one; "centre": the peak that holds the bin's middle base.

    Raises:
        ConfigError: an unknown rule, or peaks that overlap each other.
        InputFileError: no peak is on a chromosome of the windows.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    chrom = np.array([w.chrom for w in windows], str)
    start = np.array([w.start for w in windows], np.int64)[:, None] + bin_width * np.arange(bins)
    found = np.full(start.shape, -1, np.int64)
    names = set(chrom.tolist())
    if not names & set(peaks.chrom.tolist()):
        mine, theirs = (", ".join(sorted(x)[:_SHOWN]) for x in (set(peaks.chrom.tolist()), names))
        raise InputFileError(
            f"no peak lies on a chromosome of the windows: the clusters have {mine}, the data "
            f"{theirs}; cluster peaks of the same genome, with the same names of chromosomes"
        )
    for name in names:
        numbers = np.flatnonzero(peaks.chrom == name)
        if not len(numbers):
            continue
        spans = np.stack([peaks.start[numbers], peaks.end[numbers]], axis=1)
        if (spans[1:, 0] < spans[:-1, 1]).any():
            first = int(np.flatnonzero(spans[1:, 0] < spans[:-1, 1])[0])
            raise ConfigError(
                f"peaks {name}:{spans[first, 0]}-{spans[first, 1]} and "
                f"{name}:{spans[first + 1, 0]}-{spans[first + 1, 1]} overlap: clusters are of "
                "disjoint peaks; unite them with tfepi_specificity.py clusters"
            )
        rows = np.flatnonzero(chrom == name)
        of = _at_centre if rule == "centre" else _most_covered
        at = of(start[rows].ravel(), bin_width, spans)
        found[rows] = np.where(at >= 0, numbers[np.maximum(at, 0)], -1).reshape(len(rows), bins)
    cluster = np.where(found >= 0, peaks.cluster[np.maximum(found, 0)], -1)
    return PeakBins(found, cluster)


def _at_centre(start: np.ndarray, width: int, spans: np.ndarray) -> np.ndarray:
    """Return the span that holds each bin's middle base, -1 for none."""
    middle = start + width // 2
    at = np.searchsorted(spans[:, 0], middle, side="right") - 1
    return np.where((at >= 0) & (middle < spans[np.maximum(at, 0), 1]), at, -1)


def _most_covered(start: np.ndarray, width: int, spans: np.ndarray) -> np.ndarray:
    """Return the span that covers most of each bin and at least half of it or of itself, or -1."""
    row, hit, shared = overlaps(start, width, spans)
    enough = 2 * shared >= np.minimum(width, spans[hit, 1] - spans[hit, 0])
    row, hit, shared = row[enough], hit[enough], shared[enough]
    order = np.lexsort((hit, -shared, row))
    row, hit = row[order], hit[order]
    best = np.r_[True, row[1:] != row[:-1]] if len(row) else np.zeros(0, bool)
    found = np.full(len(start), -1, np.int64)
    found[row[best]] = hit[best]
    return found


def overlaps(
    start: np.ndarray, width: int, spans: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pair of a bin and a span that overlap, and by how much.

    Args:
        start: of bins, int [n], any order.
        width: of a bin, bp.
        spans: sorted, disjoint starts and ends, int [m, 2].

    Returns:
        Number of the bin, number of the span and bases shared, int64 [k] each, by bin and span.
    """
    first = np.searchsorted(spans[:, 1], start, side="right")
    last = np.searchsorted(spans[:, 0], start + width, side="left")
    count = np.maximum(last - first, 0)
    row = np.repeat(np.arange(len(start)), count)
    hit = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[row]
    low = np.maximum(start[row], spans[hit, 0])
    return row, hit, np.minimum(start[row] + width, spans[hit, 1]) - low


def read_peaks(path: str | Path) -> Regions:
    """Return a BED's peaks, those that overlap or touch joined.

    Raises:
        InputFileError: as `read_bed`, or no peak.
    """
    regions = merged(read_bed(path))
    if not regions:
        raise InputFileError(f"{path} has no peak: name a BED that has some")
    return regions


def union(sets: Sequence[Regions]) -> list[Interval]:
    """Return the union of sets of peaks as disjoint peaks, sorted by place."""
    everything = [
        Interval(c, int(a), int(b)) for s in sets for c, spans in s.items() for a, b in spans
    ]
    joined = merged(everything)
    return [Interval(c, int(a), int(b)) for c in sorted(joined) for a, b in joined[c]]


def on_chroms(peaks: Sequence[Interval], chroms: Sequence[str]) -> list[Interval]:
    """Return the peaks on some chromosomes.

    Raises:
        ConfigError: there are none.
    """
    found = [p for p in peaks if p.chrom in chroms]
    if not found:
        own = list(dict.fromkeys(p.chrom for p in peaks))
        raise ConfigError(
            f"no peak is on {', '.join(chroms)}: --chroms names others than the peaks' "
            f"({', '.join(own[:_SHOWN])}{', …' * (len(own) > _SHOWN)})"
        )
    return found


def open_in(peaks: Sequence[Interval], sets: Sequence[Regions]) -> np.ndarray:
    """Return which peaks overlap a peak of each set: bool [peaks, sets]."""
    found = np.zeros((len(peaks), len(sets)), bool)
    chrom = np.array([p.chrom for p in peaks], str)
    spans = np.array([(p.start, p.end) for p in peaks], np.int64).reshape(-1, 2)
    for column, regions in enumerate(sets):
        for name, own in regions.items():
            rows = np.flatnonzero(chrom == name)
            before = np.searchsorted(own[:, 0], spans[rows, 1], side="left")
            past = np.searchsorted(own[:, 1], spans[rows, 0], side="right")
            found[rows, column] = before > past
    return found
