"""The jobs of a build's second stage: each shard of records, from bins and sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools import compat
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.manifest import shard_entry
from tfrecords_tools.plan import Plan
from tfrecords_tools.records import RecordWriter, sequence_features
from tfrecords_tools.signal_files import SignalFiles, WorkFolders
from tfrecords_tools.signal_jobs import Stage
from tfrecords_tools.workers import absolute

SEQUENCE_BYTES = 1 << 26


@dataclass(frozen=True)
class ShardJob:
    """One shard: its windows, and where their bins are.

    Attributes:
        path: of the shard.
        label: of its windows.
        windows: in the order of the records.
        unmappable: bool [windows, bins], or None.
        limits: to which each target is clipped.
        plan_options: of the build.
        fasta: the genome.
        folder: the working folder.
        targets: where the targets' bins over the windows lie.
        tracks: the same of the input tracks, or None without.
    """

    path: Path
    label: str
    windows: tuple[Interval, ...]
    unmappable: np.ndarray | None
    limits: tuple[float, ...]
    plan_options: BuildOptions
    fasta: str
    folder: Path
    targets: SignalFiles
    tracks: SignalFiles | None = None

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def marker(self) -> Path:
        """File with the shard's manifest entry."""
        return self.folder / "done" / f"{self.path.name}.json"


def shard_jobs(
    plan: Plan,
    rows: np.ndarray,
    stage: Stage,
    limits: Sequence[float],
    folders: WorkFolders,
    records: WorkFolders,
) -> list[ShardJob]:
    """Return the jobs of a plan's shards.

    Args:
        plan: of the records that are written.
        rows: of its windows among those of the first stage.
        stage: the first.
        limits: to which each target is clipped.
        folders: working folders, of which each has some of the jobs.
        records: folders of the shards' files.
    """
    named = plan.shards()
    found = []
    for number, (name, label, first, end) in enumerate(named):
        mine = rows[first:end]
        found.append(
            ShardJob(
                records.of(number, len(named)) / name,
                label,
                plan.windows[first:end],
                None if plan.unmappable is None else plan.unmappable[first:end],
                tuple(limits),
                plan.options,
                absolute(plan.fasta),
                folders.of(number, len(named)),
                stage.targets.over(mine),
                None if stage.tracks is None else stage.tracks.over(mine),
            )
        )
    return found


def write_shard(job: ShardJob) -> dict:
    """Write one shard; return its manifest entry."""
    options = job.plan_options
    targets, tracks = _shard_targets(job), _shard_tracks(job)
    with (
        Genome(job.fasta, job.folder) as genome,
        atomic_path(job.path) as part,
        RecordWriter(part, compressed=options.encoding == "index") as writer,
    ):
        group = max(1, SEQUENCE_BYTES // options.seq_length)
        for row in range(len(job.windows)):
            if row % group == 0:
                sequences = genome.windows(
                    [
                        (w.chrom, w.start - options.crop, w.end + options.crop)
                        for w in job.windows[row : row + group]
                    ]
                )
            indices = sequences[row % group]
            features = sequence_features(indices, options.encoding)
            features["target"] = targets[row].tobytes()
            if options.unmappable_store and job.unmappable is not None:
                features["umap"] = job.unmappable[row].tobytes()
            if tracks is not None:
                features["tracks"] = tracks[row].tobytes()
            writer.write(features)
    return shard_entry(job.path, job.label, len(job.windows))


def _shard_targets(job: ShardJob) -> np.ndarray:
    """Return float16 [records, bins, targets]: extremes clipped, unmappable clipped, rounded."""
    options = job.plan_options
    count, bins = len(job.windows), options.windowing().target_length
    out = np.empty((count, bins, len(job.limits)), np.float16)
    for track, limit in enumerate(job.limits):
        part = job.targets.read(track)
        out[:, :, track] = np.clip(part, np.float16(-limit), np.float16(limit))
    quantile = options.unmappable_clip
    if options.compat:
        quantile = compat.six_decimals(quantile)
    if job.unmappable is not None and quantile < 1:
        for row in np.flatnonzero(job.unmappable.any(axis=1)):
            if options.compat:
                compat.limit_unmappable(out[row], job.unmappable[row], quantile)
                continue
            wide = out[row].astype(np.float32)
            ceiling = np.nanquantile(wide, quantile, axis=0)
            mask = job.unmappable[row]
            out[row, mask] = np.minimum(wide[mask], ceiling)
    if options.decimals is not None:
        out = np.around(out.astype(np.float32), options.decimals).astype(np.float16)
    if np.isinf(out).any():
        raise InputFileError(f"shard {job.path.name} has infinite targets: check clip and scale")
    return out


def _shard_tracks(job: ShardJob) -> np.ndarray | None:
    """Return float16 [records, track bins, input tracks], or None without."""
    if job.tracks is None:
        return None
    shape = (len(job.windows), job.plan_options.track_length, job.tracks.count)
    out = np.empty(shape, np.float16)
    for track in range(job.tracks.count):
        out[:, :, track] = job.tracks.read(track)
    return out
