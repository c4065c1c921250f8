"""Windows along contigs: their geometry, their order, and what they touch.

The shuffling follows Basenji's algorithm and random streams, so that the same options and seed
give the same windows in the same order.
"""

import random
import zlib
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import (
    Interval,
    Regions,
    as_array,
    covered_bases,
    intersect_array,
)

MINOR_OVERLAP = 0.1
HELD_OUT_LABELS = ("valid", "test")


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
        return self.stride_test if label in HELD_OUT_LABELS else self.stride_train


def stride_bp(stride: float, seq_length: int) -> int:
    """Return a stride in bp; values up to 1 are fractions of the sequence length."""
    return round(stride * seq_length) if stride <= 1 else round(stride)


def make_windows(
    parts: dict[str, list[Interval]],
    windowing: Windowing,
    seed: int,
    sample: float = 1.0,
    spare: int = 0,
    drawn: int | None = None,
) -> list[Interval]:
    """Return the windows of all labels, label by label, shuffled within each.

    Args:
        parts: label → rejoined contigs.
        windowing: geometry.
        seed: of the shuffle.
        sample: share of each label's windows to keep.
        spare: bp that must follow a window in its contig.
        drawn: windows to draw (`random_windows`) of each label but valid and test, in place of
            a stride and a sample.
    """
    if not 0 < sample <= 1:
        raise ConfigError(f"sample is {sample}, want above 0 and at most 1")
    rng = random.Random(seed)
    windows: list[Interval] = []
    for label, contigs in parts.items():
        if drawn is not None and label not in HELD_OUT_LABELS:
            windows += random_windows(contigs, label, windowing, seed, drawn)
            continue
        step, length = windowing.stride(label), windowing.window_length
        along = [
            Interval(c.chrom, start, start + length, label)
            for c in contigs
            for start in range(
                -(-c.start // windowing.snap) * windowing.snap, c.end - length - spare + 1, step
            )
        ]
        rng.shuffle(along)
        if sample < 1:
            along = rng.sample(along, int(sample * len(along)))
        windows += along
    return windows


def random_windows(
    contigs: list[Interval], label: str, windowing: Windowing, seed: int, count: int
) -> list[Interval]:
    """Return windows of a label drawn from all that its contigs hold, each as likely, none twice.

    A chromosome's share is that of its possible starts. The draw depends on the seed and the
    label alone.

    Raises:
        ConfigError: the contigs hold fewer.
    """
    snap, length = windowing.snap, windowing.window_length
    firsts = [-(-c.start // snap) * snap for c in contigs]
    starts = [
        max(0, (c.end - length - first) // snap + 1)
        for c, first in zip(contigs, firsts, strict=True)
    ]
    ends = np.cumsum(starts)
    if count > ends[-1]:
        raise ConfigError(
            f"--random is {count}, but the contigs of {label} hold {ends[-1]} windows of {length} "
            "bp: draw fewer, or leave it out"
        )
    stream = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(label.encode()),))
    draws = np.random.default_rng(stream).choice(int(ends[-1]), count, replace=False)
    found = []
    for draw, row in zip(draws.tolist(), np.searchsorted(ends, draws, "right"), strict=True):
        start = firsts[row] + (draw - int(ends[row]) + starts[row]) * snap
        found.append(Interval(contigs[row].chrom, start, start + length, label))
    return found


def unmappable_bins(windows: list[Interval], unmappable: Regions, bin_width: int) -> np.ndarray:
    """Return which bins unmappable regions touch: bool [windows, bins].

    A touch of less than a tenth of a bin at an interval's first or last bin does not count.
    """
    bins = len(windows[0]) // bin_width if windows else 0
    out = np.zeros((len(windows), bins), bool)
    for row, window in enumerate(windows):
        spans = unmappable.get(window.chrom)
        if spans is None:
            continue
        inside = intersect_array(np.array([[window.start, window.end]]), spans) - window.start
        mark_unmappable(out[row], inside, bin_width)
    return out


def mark_unmappable(bins: np.ndarray, spans: np.ndarray, bin_width: int) -> None:
    """Set those of a window's bins, bool [bins], that spans [n, 2] touch enough."""
    minor = MINOR_OVERLAP * bin_width
    for start, end in spans.tolist():
        first, last = start // bin_width, -(-end // bin_width)
        if (first + 1) * bin_width - start < minor:
            first += 1
        if end - (last - 1) * bin_width < minor:
            last -= 1
        bins[first:last] = True


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
