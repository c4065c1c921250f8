"""The bins of windows as disjoint stretches: a base has the mean over the windows that cover it."""

from collections.abc import Iterable, Iterator

import numpy as np

Spans = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Chromosome, starts, ends and values of disjoint stretches, ascending."""

_BINS = 1 << 15  # values held at once
_OVERLAPPING_BINS = 1 << 14  # the same where each may be cut at many edges


def windows_at_once(bins: int, overlapping: bool) -> int:
    """Return how many windows of so many bins a block should have, for memory to stay small."""
    return max(1, (_OVERLAPPING_BINS if overlapping else _BINS) // bins)


def averaged(
    blocks: Iterable[tuple[str, np.ndarray, np.ndarray]], bin_width: int
) -> Iterator[Spans]:
    """Yield disjoint stretches with the mean of all finite values that cover them.

    Args:
        blocks: chromosome, starts [windows] and values [windows, bins], by chromosome and start.
        bin_width: bp.
    """
    held = None
    for chrom, start, values in blocks:
        if held is not None:
            same = held[0] == chrom
            done, rest = _split(*held[1:], int(start[0]) if same else None)
            yield held[0], *done
            held = (chrom, *rest) if same else None
        first = (start[:, None] + bin_width * np.arange(values.shape[1])).ravel()
        mine = (first, first + bin_width, values.ravel())
        if held is not None:
            mine = tuple(np.concatenate(pair) for pair in zip(held[1:], mine, strict=True))
        held = (chrom, *mine)
    if held is not None:
        yield held[0], *_split(*held[1:], None)[0]


def _split(start: np.ndarray, end: np.ndarray, values: np.ndarray, limit: int | None):
    """Return what lies before `limit`, made disjoint, and what lies behind it, as it is."""
    if limit is None:
        return _disjoint(start, end, values), None
    before, behind = start < limit, end > limit
    done = _disjoint(start[before], np.minimum(end[before], limit), values[before])
    return done, (np.maximum(start[behind], limit), end[behind], values[behind])


def _disjoint(start: np.ndarray, end: np.ndarray, values: np.ndarray):
    if (start[1:] >= end[:-1]).all():
        return start, end, values
    kept = np.isfinite(values)
    start, end, values = start[kept], end[kept], values[kept]
    edges = np.unique(np.concatenate([start, end]))
    low, high = np.searchsorted(edges, start), np.searchsorted(edges, end)
    count = high - low  # stretches between edges that each value covers
    place = np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())
    total = np.bincount(place, np.repeat(values.astype(np.float64), count), len(edges))
    over = np.bincount(place, minlength=len(edges))
    covered = np.flatnonzero(over)
    return edges[covered], edges[covered + 1], total[covered] / over[covered]
