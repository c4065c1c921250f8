"""Where the original tools lay windows, for data that must equal theirs (`--compat`).

They pass intervals to `bedtools intersect` unmerged, forget one contig when they halve the long
ones, and (Baskerville) want a base to spare behind a contig's last window.
"""

import heapq
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval, as_array, complement, merged
from tfrecords_tools.pooling import BLACKLIST_MARGIN
from tfrecords_tools.splits import holding
from tfrecords_tools.windows import mark_unmappable

SPARE = {"basenji": 0, "hound": 1, "hound_old": 1}
_FINEST_BIN, _BIN_STEP = 14, 3  # bits of bedtools' bins, and between its levels


def make_contigs(
    chroms: dict[str, int],
    window_length: int,
    gaps: Sequence[Interval],
    cuts: Sequence[Sequence[Interval]],
    contig_limit: int | None,
) -> list[Interval]:
    """Return the stretches that windows may lie in.

    As `splits.make_contigs`, but intervals of a cut that overlap make contigs that overlap, and
    the longest contig that needs no halving is forgotten.

    Args:
        chroms: chromosome → length, bp.
        window_length: bp.
        gaps: left out.
        cuts: one after the other, only what lies in these.
        contig_limit: bp, or None not to cut.

    Raises:
        ConfigError: no contig is as long as a window, or only the one that is forgotten.
    """
    closed = merged(gaps)
    contigs = [
        Interval(chrom, start, end)
        for chrom, length in chroms.items()
        for start, end in complement(closed.get(chrom, np.zeros((0, 2), np.int64)), length).tolist()
    ]
    for cut in cuts:
        contigs = _inside(contigs, cut)
    contigs = holding(contigs, window_length)
    if contig_limit is None:
        return contigs
    heap: list[tuple[int, Interval]] = []
    for c in contigs:  # one by one: their order in the heap becomes the chromosomes' order
        heapq.heappush(heap, (-len(c), c))
    while True:
        size, c = heapq.heappop(heap)
        if -size <= contig_limit:
            break
        middle = c.start + len(c) // 2
        for half in (Interval(c.chrom, c.start, middle), Interval(c.chrom, middle, c.end)):
            heapq.heappush(heap, (-len(half), half))
    if not heap:
        raise ConfigError(
            f"--compat forgets the longest contig, as the original tools do, and {c} is the only "
            "one: use a smaller --break, or leave --compat out"
        )
    return [c for _, c in heap]


def _inside(contigs: Sequence[Interval], cut: Sequence[Interval]) -> list[Interval]:
    """Return each contig's overlaps with the intervals of a cut, in bedtools' order."""
    by_chrom: dict[str, list[Interval]] = {}
    for i in cut:
        by_chrom.setdefault(i.chrom, []).append(i)
    spans = {chrom: as_array(found) for chrom, found in by_chrom.items()}
    out = []
    for c in contigs:
        found = spans.get(c.chrom, np.zeros((0, 2), np.int64))
        touching = found[(found[:, 0] < c.end) & (found[:, 1] > c.start)].tolist()
        for start, end in sorted(touching, key=_bedtools_bin):
            out.append(Interval(c.chrom, max(c.start, start), min(c.end, end)))
    return out


def _bedtools_bin(span: list[int]) -> tuple[int, int]:
    """Return level and number of the smallest of bedtools' bins that holds an interval."""
    level, shift = 0, _FINEST_BIN
    while span[0] >> shift != (span[1] - 1) >> shift:
        level, shift = level + 1, shift + _BIN_STEP
    return level, span[0] >> shift


def unmerged(intervals: Iterable[Interval], margin: int = 0) -> dict[str, np.ndarray]:
    """Return chromosome → spans [n, 2], widened, sorted by start, not merged."""
    found: dict[str, list[tuple[int, int]]] = {}
    for i in intervals:
        found.setdefault(i.chrom, []).append((max(0, i.start - margin), i.end + margin))
    return {chrom: np.array(sorted(spans), np.int64) for chrom, spans in found.items()}


def blacklist(intervals: Iterable[Interval]) -> dict[str, np.ndarray]:
    """Return chromosome → blacklisted spans [n, 2] with their margin."""
    return unmerged(intervals, BLACKLIST_MARGIN)


def unmappable_bins(
    windows: Sequence[Interval], unmappable: Iterable[Interval], bin_width: int
) -> np.ndarray:
    """Return which bins unmappable intervals touch, each by itself: bool [windows, bins].

    Of windows that are laid twice, the last alone is marked.
    """
    out = np.zeros((len(windows), len(windows[0]) // bin_width), bool)
    spans = unmerged(unmappable)
    reach = {chrom: np.maximum.accumulate(s[:, 1]) for chrom, s in spans.items()}
    last = {(w.chrom, w.start): row for row, w in enumerate(windows)}
    for (chrom, start), row in last.items():
        if chrom in spans:
            end = windows[row].end
            first = np.searchsorted(reach[chrom], start, side="right")
            near = spans[chrom][first : np.searchsorted(spans[chrom][:, 0], end)]
            inside = np.clip(near[near[:, 1] > start], start, end) - start
            mark_unmappable(out[row], inside, bin_width)
    return out


def refuse_overlap(windows: Sequence[Interval]) -> None:
    """Refuse windows that share a base: Basenji blacklists a BED track in place.

    Raises:
        ConfigError: two windows do.
    """
    for a, b in itertools.pairwise(sorted(windows)):
        if a.chrom == b.chrom and b.start < a.end:
            raise ConfigError(
                f"windows {a} and {b} overlap: with a blacklist (-b) and a BED track, what "
                "--compat basenji gives would depend on their order; use --compat hound, or a "
                "stride as long as a window"
            )
