"""Genome and tracks to TFRecord shards: resumable, parallel, the same bytes however it ran.

Two stages of independent jobs: tracks → bins (`coverage`), then bins and sequence → shards.
Every job's result is a whole file; a killed build goes on from those.
"""

import logging
import shutil
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools import compat, coverage
from tfrecords_tools.build_folder import WORK, check_same, check_unbegun, claim_build
from tfrecords_tools.errors import InputFileError, TfepiError
from tfrecords_tools.files import (
    atomic_path,
    read_json,
    remove_parts,
    write_json,
)
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.manifest import (
    read_manifest,
    shard_entry,
    write_contigs,
    write_layout,
    write_manifest,
)
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import claim_folder, run_record
from tfrecords_tools.plan import Plan
from tfrecords_tools.pooled_bins import balance, check_observed
from tfrecords_tools.records import RecordWriter, sequence_features
from tfrecords_tools.workers import check_workers, run_jobs, worker_pool

SEQUENCE_BYTES = 1 << 26
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardJob:
    """One shard: its windows, and where their bins are.

    Attributes:
        path: of the shard.
        label: of its windows.
        rows: int64 [windows], where their bins are among those of the first stage.
        windows: in the order of the records.
        unmappable: bool [windows, bins], or None.
        limits: to which each target is clipped.
        plan_options: of the build.
        fasta: the genome.
        total: windows of the first stage.
        folder: the build's working folder.
        tracks: how many input tracks.
    """

    path: Path
    label: str
    rows: np.ndarray
    windows: tuple[Interval, ...]
    unmappable: np.ndarray | None
    limits: tuple[float, ...]
    plan_options: object
    fasta: str
    total: int
    folder: Path
    tracks: int = 0

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def marker(self) -> Path:
        """File with the shard's manifest entry."""
        return self.folder / "done" / f"{self.path.name}.json"


def build(
    plan: Plan,
    out: str | Path,
    workers: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write a data folder.

    Args:
        plan: what to write.
        out: the folder.
        workers: processes, unless an executor is given; 1 works in this process.
        executor: any concurrent.futures.Executor whose workers see the same file system.
        resume: go on where a build of the same plan stopped.
        overwrite: remove what is there.
        quiet: no progress bars.

    Returns:
        The manifest.

    Raises:
        UnfinishedError: the folder has results, or a build that was stopped, and neither
            resume nor overwrite was asked for; or resume with other inputs or options.
        InputFileError: a track or the genome cannot be read.
        ConfigError: workers is below 1.
    """
    check_workers(workers)
    out = Path(out)
    check_unbegun(out, resume, overwrite)
    fingerprint = plan.fingerprint()
    if done := claim_build(out, fingerprint, resume, overwrite):
        log.info("%s is complete already", out)
        return done
    work = out / WORK
    with run_record(out, fingerprint["inputs"], seed=plan.options.seed, workers=workers):
        _begin(work, fingerprint)
        for folder in (out, out / "tfrecords", work / "done"):
            remove_parts(folder)
        jobs = coverage.plan_jobs(plan, work)
        coverage.allocate(work, jobs)
        with worker_pool(executor, workers) as pool:
            run_jobs(pool, coverage.run_job, jobs, "coverage", "window", quiet)
            tracks = coverage.summarise(jobs)
            try:
                check_observed(plan, work, tracks)
                written, rows = balance(plan, work)
            except TfepiError:
                shutil.rmtree(work)  # nothing of this plan can be gone on with
                raise
            (out / "tfrecords").mkdir(exist_ok=True)
            limits = [t.limit for t in tracks[: len(plan.targets)]]
            shards = _shard_jobs(written, rows, len(plan.windows), out, limits)
            Genome(plan.fasta, work).close()  # indexed once, if it must be, not in every job
            run_jobs(pool, write_shard, shards, "records", "record", quiet)
        _warn(plan, tracks)
        write_layout(out, written)
        write_manifest(out, written, fingerprint, [read_json(s.marker) for s in shards], tracks)
        shutil.rmtree(work)
    return read_manifest(out)


def write_split(plan: Plan, out: str | Path, resume: bool = False, overwrite: bool = False) -> None:
    """Write a data folder's contigs.bed alone, to look at a split; a build may resume it.

    Raises:
        UnfinishedError: the folder has results and neither resume nor overwrite was asked for.
    """
    inputs = plan.inputs()
    out = claim_folder(out, resume, overwrite, inputs)
    with run_record(out, inputs, seed=plan.options.seed):
        write_contigs(out, plan)


def _warn(plan: Plan, tracks: list[coverage.TrackSummary]) -> None:
    for target, summary in zip((*plan.targets, *plan.tracks), tracks, strict=True):
        if target.threshold is not None and summary.mean in (0, 1):
            log.warning(
                "target %s: %s bin is above its threshold %g, so that every label is %d and "
                "nothing can be learned; choose another threshold, or leave the target out",
                target.identifier,
                ("no", "every")[int(summary.mean)],
                target.threshold,
                summary.mean,
            )
        if summary.clipped:
            log.warning(
                "%s: %s at the hard limit; consider clip_soft or a smaller scale",
                target.identifier,
                number_of(summary.clipped, "bin"),
            )
    for row, summary in zip(plan.tracks, tracks[len(plan.targets) :], strict=True):
        if row.nan == "keep" and summary.missing_share > 0.5:
            log.warning(
                "input track %s: %.0f%% of the bins have no value and count as not measured; where "
                "that means 0, write zero into the column nan of %s",
                row.identifier,
                100 * summary.missing_share,
                plan.options.tracks,
            )


def _begin(work: Path, fingerprint: dict) -> None:
    """Note what is being built, or check that what was begun is the same."""
    path = work / "plan.json"
    if path.exists():
        check_same(read_json(path), fingerprint, work.parent)
        return
    work.mkdir(parents=True, exist_ok=True)
    write_json(path, {"format": "tfepi-build", "format_version": 1} | fingerprint)


def _shard_jobs(
    plan: Plan, rows: np.ndarray, total: int, out: Path, limits: list[float]
) -> list[ShardJob]:
    """Return the jobs of a plan's shards; `rows` are its windows' among `total` in the first."""
    return [
        ShardJob(
            out / "tfrecords" / name,
            label,
            rows[first:end],
            plan.windows[first:end],
            None if plan.unmappable is None else plan.unmappable[first:end],
            tuple(limits),
            plan.options,
            plan.fasta,
            total,
            out / WORK,
            len(plan.tracks),
        )
        for name, label, first, end in plan.shards()
    ]


def write_shard(job: ShardJob) -> int:
    """Write one shard and its marker; return the number of records."""
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
            if job.tracks:
                features["tracks"] = tracks[row].tobytes()
            writer.write(features)
    write_json(job.marker, shard_entry(job.path, job.label, len(job.windows)))
    return len(job.windows)


def _shard_targets(job: ShardJob) -> np.ndarray:
    """Return float16 [records, bins, targets]: extremes clipped, unmappable clipped, rounded."""
    options = job.plan_options
    count, bins = len(job.windows), options.windowing().target_length
    out = np.empty((count, bins, len(job.limits)), np.float16)
    for track, limit in enumerate(job.limits):
        part = _signal(job, track, bins)
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


def _shard_tracks(job: ShardJob) -> np.ndarray:
    """Return float16 [records, track bins, input tracks]."""
    bins, first = job.plan_options.track_length, len(job.limits)
    out = np.empty((len(job.windows), bins, job.tracks), np.float16)
    for track in range(job.tracks):
        out[:, :, track] = _signal(job, first + track, bins)
    return out


def _signal(job: ShardJob, track: int, bins: int) -> np.ndarray:
    """Return a track's bins over the shard's windows, float16 [records, bins]."""
    path = coverage.signal_file(job.folder, track)
    values = np.memmap(path, np.float16, "r", shape=(job.total, bins))
    return values[job.rows]
