"""First stage of a build: each track's bins for all windows, in files that a kill leaves usable.

A job is one track over one block of windows (neighbours on the genome). It reads the track in
long stretches, pools, and writes the block's file (`signal_files`); its marker
`done/{track}-{block}.json` follows. Input tracks are numbered after the targets; their windows are
the sequences with their context.
"""

import base64
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrecords_tools import compat
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.input_tracks import padded_values
from tfrecords_tools.intervals import intersect_array
from tfrecords_tools.pooling import extreme_count, extreme_limit, stretch_values
from tfrecords_tools.signal_jobs import SignalJob
from tfrecords_tools.tracks import open_track

STRETCH = 1 << 22


def run_job(job: SignalJob) -> dict:
    """Read one track over one block of windows and store its bins.

    The file is written with `pwrite`, since a full disk would end a process that writes to a
    memory map.

    Returns:
        What its marker tells.

    Raises:
        InputFileError: the track cannot be read, or its values do not suit the statistic.
        OSError: the disk is full.
    """
    track = open_track(job.file)
    summary = _Summary(job)
    with atomic_path(job.path) as part, open(part, "wb", buffering=0) as out:
        out.truncate(len(job) * job.bins * 2)
        for chrom, first, end in job.chroms:
            black = job.blacklist.get(chrom, np.zeros((0, 2), np.int64))
            for low, high in _stretches(job.starts[first:end], job.length):
                starts = job.starts[first + low : first + high]
                begin, stop = int(starts[0]), int(starts[-1]) + job.length
                windows = (starts - begin, job.length, job.pooling)
                if job.ends is not None:
                    row, length = job.pooling.target, job.ends[chrom]
                    values = padded_values(track, row, chrom, begin, stop, length)
                    bins = stretch_values(values, *windows, black)
                elif job.compat:
                    values = compat.read(track, chrom, begin, stop, job.compat)
                    bins = compat.stretch_values(values, *windows, black - begin, job.compat)
                else:
                    values = track.values(chrom, begin, stop)
                    _check_label_signal(values, job, chrom, begin)
                    inside = intersect_array(np.array([[begin, stop]]), black) - begin
                    bins = stretch_values(values, *windows, inside)
                summary.add(bins)
                _store(out.fileno(), job.ranks[first + low : first + high], bins)
    track.close()
    return summary.to_json()


def _check_label_signal(values: np.ndarray, job: SignalJob, chrom: str, begin: int) -> None:
    """Refuse infinite signal where it is to become labels, in which nothing would show it."""
    infinite = np.isinf(values)
    if job.pooling.target.threshold is not None and infinite.any():
        raise InputFileError(
            f"track {job.file} has the value {values[infinite][0]:g} at {chrom}:"
            f"{begin + int(infinite.argmax())}: a threshold wants finite signal; mend the track"
        )


def _store(file: int, ranks: np.ndarray, bins: np.ndarray) -> None:
    """Write each window's bins at its place."""
    size = bins.shape[1] * bins.itemsize
    data = memoryview(bins.view(np.uint8)).cast("B")
    for number, offset in enumerate((ranks * size).tolist()):
        row = data[number * size : (number + 1) * size]
        if os.pwrite(file, row, offset) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _stretches(starts: np.ndarray, length: int) -> list[tuple[int, int]]:
    """Cut sorted windows into runs that are read at once: close together, at most STRETCH bp."""
    runs, first = [], 0
    for i in range(1, len(starts)):
        gap = starts[i] - (starts[i - 1] + length)
        if gap > length or starts[i] + length - starts[first] > max(STRETCH, length):
            runs.append((first, i))
            first = i
    return [*runs, (first, len(starts))]


class _Summary:
    """What a job tells of its values: the largest, counts, sums, clipped, missing.

    And which of its windows have no value at all and, where it is asked, a positive bin.
    """

    def __init__(self, job: SignalJob):
        self._job = job
        self._keep = extreme_count(job.total * job.bins)
        self._largest = np.zeros(0, np.float16)
        self._finite = self._clipped = self._missing = 0
        self._sum = self._squares = 0.0
        self._unseen: list[np.ndarray] = []
        self._positive: list[np.ndarray] = []

    def add(self, bins: np.ndarray) -> None:
        self._unseen.append(np.isnan(bins).all(axis=1))
        if self._job.positive:
            self._positive.append((bins > 0).any(axis=1))
        flat = bins.ravel()
        missing = np.isnan(flat)
        if missing.any():
            flat = flat[~missing]
            self._missing += int(missing.sum())
        self._finite += flat.size
        target = self._job.pooling.target
        limit = np.float16(65504.0 if target.clip is None else min(target.clip, 65504.0))
        self._clipped += int((flat >= limit).sum())
        wide = flat.astype(np.float32)
        self._sum += float(wide.sum(dtype=np.float64))
        self._squares += float(np.square(wide).sum(dtype=np.float64))
        if flat.size > self._keep:
            flat = np.partition(flat, flat.size - self._keep)[-self._keep :]
        merged = np.sort(np.concatenate([self._largest, flat]))
        self._largest = merged[-self._keep :] if self._keep else merged[:0]

    def to_json(self) -> dict:
        found = {
            "largest": self._largest.astype(float).tolist(),
            "finite": self._finite,
            "missing": self._missing,
            "clipped": self._clipped,
            "sum": self._sum,
            "squares": self._squares,
        }
        for name, parts in (("unseen", self._unseen), ("positive", self._positive)):
            which = np.concatenate(parts) if parts else np.zeros(0, bool)
            if which.any():
                found[name] = base64.b64encode(np.packbits(which).tobytes()).decode()
        return found


def told_windows(marker: dict, name: str, count: int) -> np.ndarray:
    """Return which windows of a job's block its marker tells: bool [count], in genome order.

    Args:
        marker: of the job.
        name: "unseen", those without any value, or "positive".
        count: windows of the block.
    """
    if name not in marker:
        return np.zeros(count, bool)
    bits = np.frombuffer(base64.b64decode(marker[name]), np.uint8)
    return np.unpackbits(bits, count=count).astype(bool)


@dataclass(frozen=True)
class TrackSummary:
    """A track over the whole build.

    Attributes:
        limit: the 99.99999th percentile, to which values are clipped; of a target with a
            threshold 1, so that labels stay as they are.
        mean: of the bins that have a value.
        sd: their standard deviation.
        missing_share: share of bins without value.
        clipped: number of bins at the hard limit.
    """

    limit: float
    mean: float
    sd: float
    missing_share: float
    clipped: int


def summarise(jobs: Sequence[SignalJob], markers: Sequence[dict]) -> list[TrackSummary]:
    """Return each track's summary from what the markers of its jobs tell."""
    parts: dict[int, list[dict]] = {}
    thresholds = {job.track: job.pooling.target.threshold is not None for job in jobs}
    for job, marker in zip(jobs, markers, strict=True):
        parts.setdefault(job.track, []).append(marker)
    found = []
    for track in sorted(parts):
        blocks = parts[track]
        finite = sum(b["finite"] for b in blocks)
        missing = sum(b["missing"] for b in blocks)
        largest = np.concatenate([np.array(b["largest"]) for b in blocks])
        mean = sum(b["sum"] for b in blocks) / max(finite, 1)
        variance = sum(b["squares"] for b in blocks) / max(finite, 1) - mean**2
        limit = compat.extreme_limit if jobs[0].compat else extreme_limit
        summary = TrackSummary(
            1.0 if thresholds[track] else limit(largest, finite),
            mean,
            max(variance, 0.0) ** 0.5,
            missing / max(finite + missing, 1),
            sum(b["clipped"] for b in blocks),
        )
        found.append(summary)
    return found
