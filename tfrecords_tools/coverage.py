"""First stage of a build: each track's bins for all windows, in files that a kill leaves usable.

A job is one track over one block of windows (neighbours on the genome). It reads the track in
long stretches, pools, and writes rows into the track's file `signal/{track}.f2`, float16
[windows, bins] in record order; its marker `done/{track}-{block}.json` follows. Input tracks are
numbered after the targets; their windows are the sequences with their context.
"""

import errno
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools import compat
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.input_tracks import padded_values
from tfrecords_tools.intervals import intersect_array
from tfrecords_tools.pooling import Pooling, extreme_count, extreme_limit, stretch_values
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import open_track

STRETCH = 1 << 22
BLOCK_SPAN = 1 << 26
MAX_JOBS = 512


@dataclass(frozen=True)
class SignalJob:
    """One track over one block of windows.

    Attributes:
        track: position of the target; of an input track, after all targets.
        block: number of the block.
        file: the track's file.
        pooling: how bases become bins.
        chroms: chromosome of each window of the block, sorted by position.
        starts: int64 [n] window starts, bp.
        rows: int64 [n] row of each window in record order.
        length: window length, bp.
        total: number of windows of the whole build.
        blacklist: chromosome → spans, merged unless `compat`.
        folder: the build's working folder.
        compat: tool whose arithmetic is followed, or None.
        ends: of an input track, chromosome → length, bp, beyond which its windows may reach;
            None of a target.
    """

    track: int
    block: int
    file: str
    pooling: Pooling
    chroms: tuple[tuple[str, int, int], ...]
    starts: np.ndarray
    rows: np.ndarray
    length: int
    total: int
    blacklist: dict[str, np.ndarray]
    folder: Path
    compat: str | None = None
    ends: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bins(self) -> int:
        """Bins per window."""
        return self.length // self.pooling.bin_width

    @property
    def marker(self) -> Path:
        """File that says that the job is done."""
        return self.folder / "done" / f"{self.track}-{self.block}.json"


def plan_jobs(plan, folder: Path) -> list[SignalJob]:
    """Return the jobs of a plan, track by track; they depend on the plan alone."""
    options = plan.options
    jobs = _jobs(plan, folder, plan.targets, options.bin_width, 0)
    if not plan.tracks:
        return jobs
    margin = options.crop + options.track_context
    wide = _jobs(plan, folder, plan.tracks, options.input_bin_width, margin)
    first = len(plan.targets)
    return jobs + [
        replace(job, track=first + job.track, blacklist={}, ends=plan.chroms) for job in wide
    ]


def _jobs(
    plan, folder: Path, targets: Sequence[Target], bin_width: int, margin: int
) -> list[SignalJob]:
    """Return the jobs of some tracks over the windows, these widened by a margin, bp."""
    order = sorted(range(len(plan.windows)), key=lambda i: plan.windows[i])
    windows = [plan.windows[i] for i in order]
    starts = np.array([w.start - margin for w in windows], np.int64)
    rows = np.array(order, np.int64)
    span = len(windows) * plan.options.windowing().stride_train
    blocks = max(1, min(span // BLOCK_SPAN, MAX_JOBS // len(targets)))
    edges = [len(windows) * b // blocks for b in range(blocks + 1)]
    jobs = []
    for track, target in enumerate(targets):
        pooling = Pooling(bin_width, target, target.nan or plan.options.nan)
        for block, (low, high) in enumerate(itertools.pairwise(edges)):
            chroms = _runs([w.chrom for w in windows[low:high]])
            jobs.append(
                SignalJob(
                    track,
                    block,
                    target.file,
                    pooling,
                    chroms,
                    starts[low:high],
                    rows[low:high],
                    len(windows[0]) + 2 * margin,
                    len(windows),
                    {c: plan.blacklist[c] for c, _, _ in chroms if c in plan.blacklist},
                    folder,
                    plan.options.compat,
                )
            )
    return jobs


def _runs(names: list[str]) -> tuple[tuple[str, int, int], ...]:
    """Return (chromosome, first, end) of each run of equal names."""
    edges = [0] + [i for i in range(1, len(names)) if names[i] != names[i - 1]] + [len(names)]
    return tuple((names[a], a, b) for a, b in itertools.pairwise(edges))


def signal_file(folder: Path, track: int) -> Path:
    """Return the path of a track's bins."""
    return folder / "signal" / f"{track}.f2"


def allocate(folder: Path, jobs: Sequence[SignalJob]) -> None:
    """Make each track's file with its final size, sparse where the file system can.

    The files are written with `pwrite`, since a full disk would end a process that writes to
    a memory map.
    """
    (folder / "signal").mkdir(parents=True, exist_ok=True)
    (folder / "done").mkdir(exist_ok=True)
    sizes = {job.track: job.total * job.bins * 2 for job in jobs}
    for track, size in sizes.items():
        path = signal_file(folder, track)
        if not path.exists() or path.stat().st_size != size:
            with open(path, "wb") as handle:
                handle.truncate(size)


def run_job(job: SignalJob) -> int:
    """Read one track over one block of windows and store its bins.

    Returns:
        The number of windows done.

    Raises:
        InputFileError: the track cannot be read, or its values do not suit the statistic.
        OSError: the disk is full.
    """
    track = open_track(job.file)
    summary = _Summary(job)
    with open(signal_file(job.folder, job.track), "r+b", buffering=0) as out:
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
                _store(out.fileno(), job.rows[first + low : first + high], bins)
        os.fsync(out.fileno())
    track.close()
    write_json(job.marker, summary.to_json())
    return len(job.starts)


def _check_label_signal(values: np.ndarray, job: SignalJob, chrom: str, begin: int) -> None:
    """Refuse infinite signal where it is to become labels, in which nothing would show it."""
    infinite = np.isinf(values)
    if job.pooling.target.threshold is not None and infinite.any():
        raise InputFileError(
            f"track {job.file} has the value {values[infinite][0]:g} at {chrom}:"
            f"{begin + int(infinite.argmax())}: a threshold wants finite signal; mend the track"
        )


def _store(file: int, rows: np.ndarray, bins: np.ndarray) -> None:
    """Write each window's bins at its row."""
    size = bins.shape[1] * bins.itemsize
    data = memoryview(bins.view(np.uint8)).cast("B")
    for number, offset in enumerate((rows * size).tolist()):
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
    """What a job tells of its values: the largest, counts, sums, clipped, missing."""

    def __init__(self, job: SignalJob):
        self._job = job
        self._keep = extreme_count(job.total * job.bins)
        self._largest = np.zeros(0, np.float16)
        self._finite = self._clipped = self._missing = 0
        self._sum = self._squares = 0.0

    def add(self, bins: np.ndarray) -> None:
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
        return {
            "largest": self._largest.astype(float).tolist(),
            "finite": self._finite,
            "missing": self._missing,
            "clipped": self._clipped,
            "sum": self._sum,
            "squares": self._squares,
        }


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


def summarise(jobs: list[SignalJob]) -> list[TrackSummary]:
    """Return each track's summary from the markers of its jobs."""
    parts: dict[int, list[dict]] = {}
    thresholds = {job.track: job.pooling.target.threshold is not None for job in jobs}
    for job in jobs:
        parts.setdefault(job.track, []).append(read_json(job.marker))
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
