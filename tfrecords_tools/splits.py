"""Contigs, their division among labels, and windows along them.

The division and the shuffling follow Basenji's algorithm and random streams, so that the same
options and seed give the same windows in the same order.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import (
    Interval,
    Regions,
    as_array,
    complement,
    covered_bases,
    intersect_array,
    merged,
)

CONTIG_LIMIT = 786_432
ABSTAIN_SHARE = 0.2
MINOR_OVERLAP = 0.1


@dataclass(frozen=True)
class Windowing:
    """The geometry of windows, in bp.

    Attributes:
        seq_length: the model's input.
        crop: left out at each end; windows are of the rest.
        bin_width: bp per target bin.
        stride_train: step in train and fold windows.
        stride_test: step in valid and test windows.
        snap: starts are multiples of this.

    Raises:
        ConfigError: lengths that do not divide or are not positive.
    """

    seq_length: int
    crop: int = 0
    bin_width: int = 128
    stride_train: int = 0
    stride_test: int = 0
    snap: int = 1

    def __post_init__(self):
        for name in ("seq_length", "bin_width", "snap"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, want at least 1")
        if self.crop < 0:
            raise ConfigError(f"crop is {self.crop}, want 0 or more bp")
        if self.window_length < self.bin_width:
            raise ConfigError(
                f"crop {self.crop} leaves {self.window_length} bp of the {self.seq_length}-bp "
                f"sequence, want at least one bin of {self.bin_width} bp"
            )
        if self.window_length % self.bin_width:
            raise ConfigError(
                f"the window of {self.window_length} bp (seq_length {self.seq_length} less twice "
                f"crop {self.crop}) is not a multiple of the bin width {self.bin_width}"
            )
        for name in ("stride_train", "stride_test"):
            if getattr(self, name) == 0:
                object.__setattr__(self, name, self.seq_length)
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)} bp, want at least 1")
        for name in ("seq_length", "stride_train", "stride_test"):
            if getattr(self, name) % self.snap:
                raise ConfigError(
                    f"{name} {getattr(self, name)} is not a multiple of snap {self.snap}"
                )

    @property
    def window_length(self) -> int:
        """Length of the part with targets, bp."""
        return self.seq_length - 2 * self.crop

    @property
    def target_length(self) -> int:
        """Number of target bins."""
        return self.window_length // self.bin_width

    def stride(self, label: str) -> int:
        """Return a label's step, bp."""
        return self.stride_test if label in ("valid", "test") else self.stride_train


def stride_bp(stride: float, seq_length: int) -> int:
    """Return a stride in bp; values up to 1 are fractions of the sequence length."""
    return round(stride * seq_length) if stride <= 1 else round(stride)


def make_contigs(
    chroms: dict[str, int],
    window_length: int,
    gaps: Sequence[Interval] = (),
    limit: Sequence[Interval] | None = None,
    contig_limit: int | None = CONTIG_LIMIT,
) -> list[Interval]:
    """Return the stretches that windows may lie in.

    Chromosomes less gaps, cut to `limit`, at least a window long; the longest is halved until
    none is above `contig_limit`.

    Args:
        chroms: chromosome → length, bp.
        window_length: bp.
        gaps: left out.
        limit: if given, only what lies in these.
        contig_limit: bp, or None not to cut.

    Raises:
        ConfigError: no contig is as long as a window.
    """
    gap_regions = merged(gaps)
    limit_regions = None if limit is None else merged(limit)
    contigs = []
    for chrom, length in chroms.items():
        spans = complement(gap_regions.get(chrom, np.zeros((0, 2), np.int64)), length)
        if limit_regions is not None:
            if chrom not in limit_regions:
                continue
            spans = intersect_array(spans, limit_regions[chrom])
        contigs += [Interval(chrom, s, e) for s, e in spans.tolist()]
    long_enough = [c for c in contigs if len(c) >= window_length]
    if not long_enough:
        longest = max(map(len, contigs), default=0)
        raise ConfigError(
            f"no contig holds a window of {window_length} bp: the longest is {longest} bp; "
            "use a shorter -l, a larger --crop, or other --gaps/--limit"
        )
    return _halved(long_enough, contig_limit) if contig_limit else long_enough


def _halved(contigs: list[Interval], contig_limit: int) -> list[Interval]:
    heap = [(-len(c), c) for c in contigs]
    heapq.heapify(heap)
    while -heap[0][0] > contig_limit:
        _, c = heapq.heappop(heap)
        middle = c.start + len(c) // 2
        for half in (Interval(c.chrom, c.start, middle), Interval(c.chrom, middle, c.end)):
            heapq.heappush(heap, (-len(half), half))
    return [c for _, c in heap]


def split_fractions(
    contigs: list[Interval], valid: float, test: float, seed: int
) -> dict[str, list[Interval]]:
    """Divide contigs by nucleotides, longest first, each drawn in proportion to what is lacking.

    A contig above a fifth of what a held-out label lacks does not go there.
    """
    for name, share in (("valid", valid), ("test", test), ("valid plus test", valid + test)):
        if not 0 <= share < 1:
            raise ConfigError(f"the {name} fraction is {share}, want at least 0 and below 1")
    rng = np.random.RandomState(seed)
    total = sum(map(len, contigs))
    lacking = [total * (1 - valid - test), valid * total, test * total]
    parts: list[list[Interval]] = [[], [], []]
    for contig in sorted(contigs, key=lambda c: (len(c), c), reverse=True):
        gap = [max(1, lacking[0]), max(0, lacking[1]), max(0, lacking[2])]
        for held_out in (1, 2):
            if len(contig) > ABSTAIN_SHARE * gap[held_out]:
                gap[held_out] = 0
        pick = int(rng.choice(3, 1, p=[g / sum(gap) for g in gap])[0])
        parts[pick].append(contig)
        lacking[pick] -= len(contig)
    return dict(zip(("train", "valid", "test"), parts, strict=True))


def split_folds(contigs: list[Interval], folds: int, seed: int) -> dict[str, list[Interval]]:
    """Divide contigs among folds of about equal nucleotides, longest first."""
    if folds < 2:
        raise ConfigError(f"folds is {folds}, want at least 2")
    rng = np.random.RandomState(seed)
    aim = math.ceil(sum(map(len, contigs)) / folds)
    filled = np.zeros(folds)
    parts: list[list[Interval]] = [[] for _ in range(folds)]
    for contig in sorted(contigs, key=lambda c: (len(c), c), reverse=True):
        gap = np.clip(aim - filled, 0, np.inf)
        pick = int(rng.choice(folds, p=gap / gap.sum()))
        parts[pick].append(contig)
        filled[pick] += len(contig)
    return {f"fold{i}": part for i, part in enumerate(parts)}


def split_chroms(
    contigs: list[Interval], valid: Sequence[str], test: Sequence[str]
) -> dict[str, list[Interval]]:
    """Divide contigs by chromosome lists; the rest is train.

    Raises:
        ConfigError: a chromosome that no contig is on, or one in both lists.
    """
    present = {c.chrom for c in contigs}
    for chrom in (*valid, *test):
        if chrom not in present:
            shown = ", ".join(sorted(present)[:6])
            if _is_number(chrom):
                raise ConfigError(
                    f"-v/-t has {chrom!r}: want two shares of at least 0 and below 1, or two lists "
                    f"of chromosomes; contigs are on {shown}"
                )
            raise ConfigError(
                f"chromosome {chrom!r} of -v/-t has no contig: contigs are on {shown}"
            )
    if both := set(valid) & set(test):
        raise ConfigError(f"chromosomes {sorted(both)} are in both -v and -t: choose one")
    parts: dict[str, list[Interval]] = {"train": [], "valid": [], "test": []}
    for c in contigs:
        parts["test" if c.chrom in test else "valid" if c.chrom in valid else "train"].append(c)
    return parts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def split_regions(contigs: list[Interval], labelled: list[Interval]) -> dict[str, list[Interval]]:
    """Divide contigs by a BED whose fourth column is the label; what it leaves out is left out.

    Raises:
        ConfigError: a row without label, a label that is no file name, or labels that overlap.
    """
    labels = list(dict.fromkeys(i.label for i in labelled))
    for label in labels:
        if not label or not label.replace("_", "").isalnum():
            raise ConfigError(f"the split BED has the label {label!r}: want letters and digits")
    order = [x for x in ("train", "valid", "test") if x in labels]
    order += [x for x in labels if x not in order]
    regions = {label: merged(i for i in labelled if i.label == label) for label in order}
    for a in order:
        for b in order[order.index(a) + 1 :]:
            for chrom in regions[a].keys() & regions[b].keys():
                common = intersect_array(regions[a][chrom], regions[b][chrom])
                if len(common):
                    raise ConfigError(
                        f"the split BED labels {chrom}:{common[0, 0]}-{common[0, 1]} "
                        f"both {a!r} and {b!r}: labels must not overlap"
                    )
    parts: dict[str, list[Interval]] = {}
    for label in order:
        parts[label] = [
            Interval(c.chrom, s, e)
            for c in contigs
            if c.chrom in regions[label]
            for s, e in intersect_array(
                np.array([[c.start, c.end]]), regions[label][c.chrom]
            ).tolist()
        ]
    return parts


def rejoin(contigs: list[Interval]) -> list[Interval]:
    """Join contigs that touch, chromosomes in order of first appearance."""
    by_chrom: dict[str, list[Interval]] = {}
    for c in contigs:
        by_chrom.setdefault(c.chrom, []).append(c)
    joined: list[Interval] = []
    for group in by_chrom.values():
        group.sort(key=lambda c: c.start)
        joined.append(group[0])
        for c in group[1:]:
            if joined[-1].end == c.start:
                joined[-1] = replace(joined[-1], end=c.end)
            else:
                joined.append(c)
    return joined


def make_windows(
    parts: dict[str, list[Interval]], windowing: Windowing, seed: int, sample: float = 1.0
) -> list[Interval]:
    """Return the windows of all labels, label by label, shuffled within each.

    Args:
        parts: label → rejoined contigs.
        windowing: geometry.
        seed: of the shuffle.
        sample: share of each label's windows to keep.
    """
    if not 0 < sample <= 1:
        raise ConfigError(f"sample is {sample}, want above 0 and at most 1")
    rng = random.Random(seed)
    windows: list[Interval] = []
    for label, contigs in parts.items():
        step, length = windowing.stride(label), windowing.window_length
        along = [
            Interval(c.chrom, start, start + length, label)
            for c in contigs
            for start in range(
                -(-c.start // windowing.snap) * windowing.snap, c.end - length + 1, step
            )
        ]
        rng.shuffle(along)
        if sample < 1:
            along = rng.sample(along, int(sample * len(along)))
        windows += along
    return windows


def unmappable_bins(windows: list[Interval], unmappable: Regions, bin_width: int) -> np.ndarray:
    """Return which bins unmappable regions touch: bool [windows, bins].

    A touch of less than a tenth of a bin at an interval's first or last bin does not count.
    """
    bins = len(windows[0]) // bin_width if windows else 0
    out = np.zeros((len(windows), bins), bool)
    minor = MINOR_OVERLAP * bin_width
    for row, window in enumerate(windows):
        spans = unmappable.get(window.chrom)
        if spans is None:
            continue
        inside = intersect_array(np.array([[window.start, window.end]]), spans) - window.start
        for start, end in inside.tolist():
            first, last = start // bin_width, -(-end // bin_width)
            if (first + 1) * bin_width - start < minor:
                first += 1
            if end - (last - 1) * bin_width < minor:
                last -= 1
            out[row, first:last] = True
    return out


def overlapping(windows: list[Interval], regions: Regions) -> np.ndarray:
    """Return which windows share at least a base with the regions: bool [windows]."""
    out = np.zeros(len(windows), bool)
    by_chrom: dict[str, list[int]] = {}
    for row, window in enumerate(windows):
        by_chrom.setdefault(window.chrom, []).append(row)
    for chrom, rows in by_chrom.items():
        if chrom in regions:
            out[rows] = covered_bases(as_array(windows[r] for r in rows), regions[chrom]) > 0
    return out
