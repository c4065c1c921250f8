"""Existing records to shorter windows and wider bins, without genome or tracks.

Targets are untransformed, pooled and transformed again. What a hard clip or the rounding to
float16 took before is lost: bins at the hard clip are counted.
"""

import logging
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools import transforms
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter, claim_output, source_files
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.output import run_record
from tfrecords_tools.pooling import KEEP_MIN_SHARE
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import (
    check_places,
    chosen_labels,
    placed_records,
    window_counts,
)
from tfrecords_tools.records import check_writing, sequence_features
from tfrecords_tools.target_summary import TargetSums
from tfrecords_tools.targets import Target
from tfrecords_tools.windows import Windowing, stride_bp

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RewindowOptions:
    """What windows to make.

    Attributes:
        seq_length: of a new window, bp.
        bin_width: of its bins, bp; a multiple of the records'.
        crop: bp without targets at each end of a new window.
        stride: bp between new windows, or, up to 1, a share of seq_length; None lays their parts
            with targets end to end.
        style: of the targets' transforms (`transforms.STYLES`).
        encoding: of the new sequences.
        records_per_shard: most records of a new shard.
        decimals: round targets to so many, or None.
        shuffle_mib: size of the buffer in which each label's windows are shuffled, MiB; 0 keeps
            the order of the records.
        seed: of the shuffle.
    """

    seq_length: int
    bin_width: int
    crop: int = 0
    stride: float | None = None
    style: str = "current"
    encoding: str = "index"
    records_per_shard: int = 256
    decimals: int | None = None
    shuffle_mib: float = 64
    seed: int = 44

    def __post_init__(self):
        check_writing(self.encoding, self.records_per_shard, self.decimals)
        if self.stride is not None and not 0 < self.stride < math.inf:
            raise ConfigError(
                f"--stride is {self.stride:g}, want above 0: up to 1 a share of -l, else bp; leave "
                "it out to lay windows end to end"
            )
        if not 0 <= self.shuffle_mib < math.inf:
            raise ConfigError(f"the shuffle buffer is {self.shuffle_mib:g} MiB, want 0 or more")


@dataclass(frozen=True)
class Layout:
    """Where new windows lie in an old record, and how old bins become new ones.

    Attributes:
        windowing: lengths of the new windows.
        offsets: int [windows], starts of their parts with targets in the old one, in old bins.
        ratio: old bins per new bin.
        old_bin: width of an old bin, bp.
        old_crop: bp without targets at each end of an old record.
        track_width: bp per bin of the input tracks, 0 without.
        track_length: bins of the new records' input tracks, which keep the old context.
    """

    windowing: Windowing
    offsets: np.ndarray
    ratio: int
    old_bin: int
    old_crop: int
    track_width: int = 0
    track_length: int = 0

    def sequence_start(self, offset: int) -> int:
        """Return the base of the old sequence at which a new window's sequence starts."""
        return self.old_crop + offset * self.old_bin - self.windowing.crop


def lay_out(data: Data, options: RewindowOptions) -> Layout:
    """Return where the new windows of every record lie.

    Raises:
        ConfigError: lengths that do not divide, no room for a window, or windows that would cut
            bins of the input tracks.
    """
    old = data.pool_width
    if options.bin_width < 1 or options.bin_width % old:
        raise ConfigError(
            f"bin width {options.bin_width} is not a multiple of the records' {old}: "
            "bins can be joined, not cut"
        )
    windowing = Windowing(options.seq_length, options.crop, options.bin_width)
    stride = windowing.window_length
    if options.stride is not None:
        stride = stride_bp(options.stride, options.seq_length)
    if stride < 1 or stride % old:
        raise ConfigError(
            f"stride {stride} bp is not a multiple of the records' {old}-bp bins: use "
            f"{max(1, round(stride / old)) * old}"
        )
    first = max(0, -(-(options.crop - data.crop_bp) // old))
    room = min(
        data.target_length * old - windowing.window_length,
        data.seq_length - data.crop_bp - options.crop - windowing.window_length,
    )
    offsets = np.arange(first, room // old + 1, stride // old)
    if not len(offsets):
        raise ConfigError(
            f"no window of {options.seq_length} bp with crop {options.crop} fits into records of "
            f"{data.seq_length} bp with crop {data.crop_bp}: their bins cover "
            f"{data.target_length * old} bp; use a smaller -l, or a --crop that leaves less"
        )
    ratio = options.bin_width // old
    layout = Layout(windowing, offsets, ratio, old, data.crop_bp)
    if not data.tracks:
        return layout
    width = data.track_width
    starts = [layout.sequence_start(offset) for offset in offsets.tolist()]
    for what, bp in (
        ("a sequence", options.seq_length),
        *(("a new window that starts at base", start) for start in starts),
    ):
        if bp % width:
            raise ConfigError(
                f"{what} {bp} does not suit the records' input tracks, whose bins of {width} bp "
                f"are kept whole: use an -l, a crop and a --stride that are multiples of {width}"
            )
    bins = data.track_length - (data.seq_length - options.seq_length) // width
    return replace(layout, track_width=width, track_length=bins)


def rewindow(
    data: Data,
    out: str | Path,
    options: RewindowOptions,
    labels: list[str] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write new windows of existing records as a data folder.

    Args:
        data: the records.
        out: the folder.
        options: what windows.
        labels: which; by default all that have records.
        overwrite: remove what is there.
        quiet: no progress bar.

    Returns:
        The new folder's manifest; `source.clipped_bins` has, by target, the bins of the old
        records that are at the hard clip.

    Raises:
        ConfigError: lengths that do not divide, a target without inverse, an unknown label.
        InputFileError: records whose places are not known, a damaged shard, a value of which
            the statistic cannot take a root.
        UnfinishedError: the folder has results.
    """
    labels = chosen_labels(data, labels or [])
    transforms.check_style(options.style, data.targets)
    layout = lay_out(data, options)
    counts = window_counts(data.folder)
    check_places(data, labels, counts)
    folder = claim_output(out, data, overwrite)
    clipped = TargetSums(data.targets, options.style)
    facts = {"seed": options.seed, "data_sha256": data.manifest_sha256}
    with (
        run_record(folder, source_files(data), **facts) as record,
        DataWriter.like(
            data,
            folder,
            layout.windowing,
            encoding=options.encoding,
            records_per_shard=options.records_per_shard,
            style=options.style,
            track_width=layout.track_width,
            track_length=layout.track_length,
        ) as writer,
    ):
        for label in labels:
            placed = placed_records(data, label)
            bar = progress(placed, total=counts[label], unit="record", label=label, quiet=quiet)
            new = _new_windows(data, bar, layout, options, clipped)
            for window, features in shuffled(new, options, label):
                writer.write(label, window, features)
        names = (t.identifier for t in data.targets)
        found = {n: c for n, c in zip(names, clipped.at_clip.tolist(), strict=True) if c}
        for name, count in found.items():
            bins = "bin" if count == 1 else "bins"
            log.warning("%s: %d %s at the hard clip: what was above is unknown", name, count, bins)
        how = {"made_by": "rewindow", "options": asdict(options) | {"labels": labels}}
        source = {"folder": str(data.folder), "clipped_bins": found}
        return writer.finish(how | {"inputs": record["inputs"], "source": source})


def _new_windows(
    data: Data, placed: Iterable, layout: Layout, options: RewindowOptions, clipped: TargetSums
) -> Iterator[tuple[Interval, dict[str, bytes]]]:
    """Yield (window, features) of the new windows in the order of the records."""
    length = layout.windowing.window_length
    for window, shard, number, features in placed:
        indices = data.sequence(features, shard, number)
        values = data.target(features, shard, number)
        clipped.add(values)
        try:
            targets = rewindowed(values, layout, data.targets, options.style)
        except InputFileError as error:
            raise InputFileError(f"shard {shard} record {number}: {error}") from None
        if options.decimals is not None:
            targets = np.around(targets.astype(np.float32), options.decimals).astype(np.float16)
        mask = features.get("umap")
        for row, offset in enumerate(layout.offsets.tolist()):
            first = layout.sequence_start(offset)
            sequence = indices[first : first + layout.windowing.seq_length]
            made = sequence_features(sequence, options.encoding)
            made["target"] = targets[row].tobytes()
            if mask is not None:
                made["umap"] = _unmappable(mask, offset, layout)
            if data.has_coverage:  # of a record's only bin, which stays in the middle
                made["coverage"] = features["coverage"]
            if data.tracks:
                bin_ = first // layout.track_width
                cut = data.track_values(features, shard, number)[bin_ : bin_ + layout.track_length]
                made["tracks"] = cut.tobytes()
            start = window.start + offset * layout.old_bin
            yield Interval(window.chrom, start, start + length, window.label), made


def _unmappable(mask: bytes, offset: int, layout: Layout) -> bytes:
    """Return which new bins hold an unmappable old one, as a record stores it."""
    bins = layout.windowing.target_length
    old = np.frombuffer(mask, np.uint8)[offset : offset + bins * layout.ratio]
    return old.reshape(bins, layout.ratio).any(axis=1).tobytes()


def rewindowed(
    values: np.ndarray, layout: Layout, targets: tuple[Target, ...], style: str
) -> np.ndarray:
    """Return the targets of a record's new windows.

    Args:
        values: float16 [old bins, targets].
        layout: where the new windows lie.
        targets: how each was made.
        style: of their transforms.

    Returns:
        float16 [windows, new bins, targets].

    Raises:
        InputFileError: an infinite value, or one of which the statistic cannot take a root.
    """
    bins = layout.windowing.target_length
    out = np.empty((len(layout.offsets), bins, len(targets)), np.float16)
    for column, target in enumerate(targets):
        stored = values[:, column].astype(np.float64)
        transforms.check_stored(stored, target, style)
        x = transforms.inverse(stored, target, style)
        spans = np.lib.stride_tricks.sliding_window_view(x, bins * layout.ratio)[layout.offsets]
        pooled = pool(spans.reshape(-1, layout.ratio), target, style)
        out[:, :, column] = transforms.forward(pooled, target, style).reshape(-1, bins)
    return out


def pool(x: np.ndarray, target: Target, style: str) -> np.ndarray:
    """Join old bins to new ones by the target's statistic.

    Args:
        x: float64 [new bins, ratio] on the scale of the track; NaN is a missing bin.
        target: of which `sum_stat` counts.
        style: of its transforms.

    Returns:
        float64 [new bins]; NaN where fewer than half of the old bins have a value; elsewhere the
        missing ones take the mean of the others.
    """
    base = target.sum_stat.partition("_")[0]
    found = ~np.isnan(x)
    count = found.sum(axis=1)
    if base == "max":  # of the scaled values: a negative scale makes the largest the least
        sign = np.sign(target.scale) if style == "current" else 1
        y = sign * np.where(found, sign * x, -np.inf).max(axis=1)
    else:
        y = np.where(found, x, 0).sum(axis=1) / np.maximum(count, 1)
        if base == "sum":
            y *= x.shape[1]
    return np.where((count > 0) & (count >= KEEP_MIN_SHARE * x.shape[1]), y, np.nan)


def shuffled(items: Iterable, options: RewindowOptions, label: str) -> Iterator:
    """Yield items in an order that the seed fixes, from a buffer of limited size.

    The order within a label does not depend on which other labels there are.
    """
    rng = np.random.default_rng(
        np.random.SeedSequence(options.seed, spawn_key=(zlib.crc32(label.encode()),))
    )
    held, most = [], 0
    for item in items:
        most = most or int(options.shuffle_mib * 2**20) // sum(map(len, item[1].values()))
        if not most:
            yield item
        elif len(held) < most:
            held.append(item)
        else:
            place = rng.integers(most)
            yield held[place]
            held[place] = item
    for place in rng.permutation(len(held)).tolist():
        yield held[place]
