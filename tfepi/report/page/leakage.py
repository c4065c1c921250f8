"""Leakage between splits: windows of one that share bases with windows of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tfrecords_tools.intervals import Interval, as_array, covered_bases, merge_array


@dataclass(frozen=True)
class Shared:
    """What two splits share.

    Attributes:
        first, second: labels.
        windows: of the second.
        bins: windows of the second with a base in their bins that bins of the first hold too.
        sequence: windows of the second whose sequences overlap sequences of the first.
    """

    first: str
    second: str
    windows: int
    bins: int
    sequence: int


def shared_windows(windows: Sequence[Interval], crop: int) -> list[Shared]:
    """Return what each pair of splits shares, in the order of the labels.

    Args:
        windows: the bins of each window, 0-based, half-open, labelled by split.
        crop: bp of sequence beyond either end of the bins.
    """
    by_label: dict[str, dict[str, list[Interval]]] = {}
    for window in windows:
        by_label.setdefault(window.label, {}).setdefault(window.chrom, []).append(window)
    arrays = {
        label: {chrom: as_array(found) for chrom, found in by_chrom.items()}
        for label, by_chrom in by_label.items()
    }
    return [
        Shared(
            a,
            b,
            sum(map(len, arrays[b].values())),
            _touching(arrays[a], arrays[b], 0),
            _touching(arrays[a], arrays[b], crop),
        )
        for a, b in combinations(arrays, 2)
    ]


def _touching(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], margin: int
) -> int:
    """Return how many spans of the second touch one of the first, both widened by the margin."""
    widen = np.array([-margin, margin])
    return sum(
        int((covered_bases(spans + widen, merge_array(first[chrom] + widen)) > 0).sum())
        for chrom, spans in second.items()
        if chrom in first
    )
