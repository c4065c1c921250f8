"""Training regions that differ between cell types, where a model of several has most to learn."""

from collections.abc import Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.input_tracks import AVERAGE
from tfrecords_tools.intervals import Interval, Regions, merge_array
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import Track, open_track

VARIABLE_SHARE = 0.1
LEAST_BIN = 128
_CHUNK = 1 << 22


def compared(
    targets: Sequence[Target], tracks: Sequence[Target], hold_out: Sequence[str] = ()
) -> list[list[Target]]:
    """Return the groups of tracks that are compared, each of several cell types.

    Args:
        targets: compared mark by mark, where there are no input tracks.
        tracks: input tracks; an average among them is no cell type.
        hold_out: cell types that do not count.

    Raises:
        ConfigError: no two cell types are left.
    """
    groups: dict[str | None, list[Target]] = {}
    for row in tracks or targets:
        if row.cell not in (None, AVERAGE, *hold_out):
            groups.setdefault(None if tracks else row.mark, []).append(row)
    found = [group for group in groups.values() if len(group) > 1]
    if not found:
        without = f" without {', '.join(hold_out)}" if hold_out else ""
        raise ConfigError(
            f"--regions variable compares cell types, and {'--tracks' if tracks else 'the targets'}"
            f"{without} have no two of them: name each track's in a column 'cell'"
        )
    return found


def variable_regions(
    groups: Sequence[Sequence[Target]],
    training: Sequence[Interval],
    others: Sequence[Interval],
    bin_width: int,
    share: float = VARIABLE_SHARE,
) -> Regions:
    """Return the bins that differ most between cell types, merged.

    A bin's value in a cell type is log(1 + mean over its bases with a value); its spread the
    largest value less the smallest over the cell types of a group, and the largest of all groups.

    Args:
        groups: tracks of several cell types each (`compared`).
        training: contigs whose bins make the threshold: the 1 - `share` quantile of their spread.
        others: further contigs, whose bins are held against the same threshold.
        bin_width: bp; bins are at least `LEAST_BIN`, and start at each contig's start.
        share: of the training contigs' bins.

    Returns:
        Merged regions; a bin's spread must be above the threshold and above 0.
    """
    width = max(bin_width, LEAST_BIN)
    opened = [[open_track(row.file) for row in group] for group in groups]
    spreads = {
        kind: [
            (c.chrom, low, _spread(opened, c.chrom, low, min(low + step, c.end), width))
            for step in [_CHUNK // width * width]
            for c in contigs
            for low in range(c.start, c.end - width + 1, step)
        ]
        for kind, contigs in (("training", training), ("others", others))
    }
    for track in (t for group in opened for t in group):
        track.close()
    values = np.concatenate([v for _, _, v in spreads["training"]])
    threshold = np.float32(0)
    if len(values):
        threshold = max(threshold, np.quantile(values.astype(np.float32), 1 - share))
    spans: dict[str, list[np.ndarray]] = {}
    for chrom, low, found in (*spreads["training"], *spreads["others"]):
        at = low + np.flatnonzero(found.astype(np.float32) > threshold) * width
        spans.setdefault(chrom, []).append(np.stack([at, at + width], axis=1))
    return {c: m for c, s in spans.items() if len(m := merge_array(np.concatenate(s)))}


def _spread(
    groups: Sequence[Sequence[Track]], chrom: str, start: int, end: int, width: int
) -> np.ndarray:
    """Return the spread of whole bins from `start`, float16: little memory for a whole genome."""
    bins = (end - start) // width
    widest = np.zeros(bins, np.float32)
    for group in groups:
        least, most = np.full(bins, np.inf, np.float32), np.full(bins, -np.inf, np.float32)
        for track in group:
            x = track.values(chrom, start, start + bins * width).reshape(bins, width)
            seen = ~np.isnan(x)
            total = np.where(seen, np.maximum(x, 0), 0).sum(axis=1)
            count = seen.sum(axis=1)
            mean = np.log1p(total / np.maximum(count, 1))
            np.minimum(least, mean, out=least, where=count > 0)
            np.maximum(most, mean, out=most, where=count > 0)
        with np.errstate(invalid="ignore"):
            widest = np.maximum(widest, np.where(np.isfinite(least), most - least, 0))
    return widest.astype(np.float16)
