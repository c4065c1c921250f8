"""Genome and tracks to TFRecord shards: resumable, parallel, the same bytes however it ran.

Two stages of independent jobs: tracks → bins (`coverage`), then bins and sequence → shards.
Every job's result is a whole file; a killed build goes on from those.
"""

import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools import coverage
from tfrecords_tools.build_folder import WORK, begin, check_unbegun, claim_build
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import read_json, remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.manifest import read_manifest, write_contigs, write_layout, write_manifest
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import claim_folder, run_record
from tfrecords_tools.plan import Plan
from tfrecords_tools.pooled_bins import balance, check_observed
from tfrecords_tools.shard_jobs import ShardJob, shard_jobs, write_shard
from tfrecords_tools.signal_files import WorkFolders
from tfrecords_tools.signal_jobs import SignalJob, Stage
from tfrecords_tools.workers import check_workers, run_jobs, worker_pool

log = logging.getLogger(__name__)


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
        begin(work, fingerprint)
        for folder in (out, out / "tfrecords", *make_folders(work)):
            remove_parts(folder)
        folders = WorkFolders((work.absolute(),))
        stage = Stage.of(plan, folders)
        with worker_pool(executor, workers) as pool:
            read_tracks(pool, stage.jobs, quiet)
            try:
                records = Records.of(plan, stage)
            except TfepiError:
                shutil.rmtree(work)  # nothing of this plan can be gone on with
                raise
            (out / "tfrecords").mkdir(exist_ok=True)
            jobs = records.jobs(folders, WorkFolders((out.absolute() / "tfrecords",)))
            write_records(pool, plan, jobs, work, quiet)
        records.finish(out, fingerprint, jobs)
        shutil.rmtree(work)
    return read_manifest(out)


def make_folders(work: Path) -> list[Path]:
    """Make what a working folder holds; return the folders that jobs write to."""
    found = [work / "signal", work / "done"]
    for folder in found:
        folder.mkdir(parents=True, exist_ok=True)
    return found


def read_tracks(pool: Executor | None, jobs: Sequence[SignalJob], quiet: bool) -> None:
    """Do jobs of the first stage."""
    run_jobs(pool, coverage.run_job, jobs, "coverage", "window", quiet)


def write_records(
    pool: Executor | None, plan: Plan, jobs: Sequence[ShardJob], work: Path, quiet: bool
) -> None:
    """Do jobs of the second stage.

    Args:
        pool: an executor, or None to work in this process.
        plan: of the build.
        jobs: to do.
        work: their working folder.
        quiet: no progress bar.
    """
    Genome(plan.fasta, work).close()  # indexed once, if it must be, not in every job
    run_jobs(pool, write_shard, jobs, "records", "record", quiet)
    for folder in {job.path.parent for job in jobs}:
        remove_parts(folder)  # of workers that were lost


@dataclass(frozen=True)
class Records:
    """What the whole first stage says of the records to write.

    Attributes:
        plan: of the windows that are written.
        rows: int64 [windows], theirs among those of the first stage.
        stage: the first.
        tracks: summaries of the targets, then of the input tracks.
    """

    plan: Plan
    rows: np.ndarray
    stage: Stage
    tracks: list[coverage.TrackSummary]

    @classmethod
    def of(cls, plan: Plan, stage: Stage) -> "Records":
        """Return what follows from a stage whose jobs are all done.

        Raises:
            InputFileError: a target without any value.
            ConfigError: labels without a positive bin, where these are asked for.
        """
        markers = [read_json(job.marker) for job in stage.jobs]
        tracks = coverage.summarise(stage.jobs, markers)
        check_observed(plan, stage, markers, tracks)
        written, rows = balance(plan, stage, markers)
        return cls(written, rows, stage, tracks)

    def jobs(self, folders: WorkFolders, records: WorkFolders) -> list[ShardJob]:
        """Return the jobs of the second stage (`shard_jobs`)."""
        limits = [t.limit for t in self.tracks[: len(self.plan.targets)]]
        return shard_jobs(self.plan, self.rows, self.stage, limits, folders, records)

    def finish(self, out: Path, fingerprint: dict, jobs: Sequence[ShardJob]) -> None:
        """Write what makes the shards of records a data folder, the manifest last."""
        _warn(self.plan, self.tracks)
        write_layout(out, self.plan)
        entries = [read_json(job.marker) for job in jobs]
        write_manifest(out, self.plan, fingerprint, entries, self.tracks)


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
