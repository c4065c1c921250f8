"""Genome and tracks to TFRecord shards: resumable, parallel, the same bytes however it ran.

Two stages of independent jobs: tracks → bins (`coverage`), then bins and sequence → shards.
Every job's result is a whole file; a killed build goes on from those.
"""

import contextlib
import logging
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools import coverage
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.files import (
    atomic_path,
    claim_folder,
    read_json,
    remove_parts,
    run_record,
    same_identity,
    sha256,
    write_json,
)
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.manifest import (
    LAYOUT,
    read_manifest,
    shard_entry,
    write_layout,
    write_manifest,
)
from tfrecords_tools.plan import Plan
from tfrecords_tools.progress import progress
from tfrecords_tools.records import RecordWriter, sequence_features

WORK = ".build"
SEQUENCE_BYTES = 1 << 26
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardJob:
    """One shard: its windows, and where their bins are."""

    path: Path
    label: str
    first: int
    windows: tuple[Interval, ...]
    unmappable: np.ndarray | None
    limits: tuple[float, ...]
    plan_options: object
    fasta: str
    total: int
    folder: Path

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
    if (out / WORK).exists() and not resume and not overwrite:
        raise UnfinishedError(
            f"output folder {out} holds an unfinished build: use --resume to go on, "
            "--overwrite to start anew"
        )
    if overwrite and (out / WORK).exists():
        shutil.rmtree(out / WORK)
    fingerprint = plan.fingerprint()
    done = _finished(out, fingerprint) if resume and out.is_dir() else None
    if done is not None:
        shutil.rmtree(out / WORK, ignore_errors=True)  # killed between the manifest and this
        log.info("%s is complete already", out)
        return done
    claim_folder(out, resume, overwrite)
    work = out / WORK
    with run_record(out, fingerprint["inputs"], seed=plan.options.seed, workers=workers):
        _begin(work, fingerprint)
        (out / "tfrecords").mkdir(exist_ok=True)
        for folder in (out, out / "tfrecords", work / "done"):
            remove_parts(folder)
        jobs = coverage.plan_jobs(plan, work)
        coverage.allocate(work, len(plan.targets), len(plan.windows), jobs[0].bins)
        with _executor(executor, workers) as pool:
            _run(pool, coverage.run_job, jobs, "coverage", "window", lambda j: len(j.starts), quiet)
            tracks = coverage.summarise(jobs)
            shards = _shard_jobs(plan, out, [t.limit for t in tracks])
            Genome(plan.fasta, work).close()  # indexed once, if it must be, not in every job
            _run(pool, write_shard, shards, "records", "record", lambda j: len(j.windows), quiet)
        _warn_clipped(plan, tracks)
        write_layout(out, plan)
        write_manifest(out, plan, fingerprint, [read_json(s.marker) for s in shards], tracks)
        shutil.rmtree(work)
    return read_manifest(out)


def check_workers(workers: int) -> None:
    """Refuse fewer than one process."""
    if workers < 1:
        raise ConfigError(f"processes (-p) is {workers}, want at least 1")


def _warn_clipped(plan: Plan, tracks: list[coverage.TrackSummary]) -> None:
    for target, summary in zip(plan.targets, tracks, strict=True):
        if summary.clipped:
            log.warning(
                "%s: %d bins at the hard limit; consider clip_soft or a smaller scale",
                target.identifier,
                summary.clipped,
            )


def _finished(out: Path, fingerprint: dict) -> dict | None:
    """Return the manifest of a folder that is whole."""
    manifest = read_manifest(out)
    if manifest is None:
        return None
    _same(manifest, fingerprint, out)
    hashes = {f"tfrecords/{s['file']}": s["sha256"] for s in manifest["shards"]}
    for name in (*LAYOUT, *hashes):
        path = out / name
        if not path.is_file() or (name in hashes and sha256(path) != hashes[name]):
            log.info("%s is missing or damaged: building %s again", path, out)
            return None
    return manifest


def _begin(work: Path, fingerprint: dict) -> None:
    """Note what is being built, or check that what was begun is the same."""
    path = work / "plan.json"
    if path.exists():
        _same(read_json(path), fingerprint, work.parent)
        return
    work.mkdir(parents=True, exist_ok=True)
    write_json(path, {"format": "tfepi-build", "format_version": 1} | fingerprint)


def _same(old: dict, new: dict, out: Path) -> None:
    for label, entry in new["inputs"].items():
        before = old["inputs"].get(label)
        if before is None or not same_identity(before, entry):
            raise UnfinishedError(
                f"input {label} ({entry['path']}) has changed since {out} was begun: "
                "put the old file back, or use --overwrite"
            )
    for name, value in new["options"].items():
        if old["options"].get(name) != value:
            raise UnfinishedError(
                f"option {name} was {old['options'].get(name)!r} when {out} was begun, now "
                f"{value!r}: use the same options to resume, or --overwrite"
            )
    for key in ("targets", "windows"):
        if old[key] != new[key]:
            raise UnfinishedError(
                f"the {key} differ from when {out} was begun: use the same table, or --overwrite"
            )


@contextlib.contextmanager
def _executor(executor: Executor | None, workers: int):
    if executor is not None or workers <= 1:
        yield executor
        return
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    )
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["tfrecords_tools.build", "pyBigWig"])
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Let a worker end when the process that made it is killed, instead of waiting for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run(pool, function, jobs, label, unit, size, quiet) -> None:
    """Run the jobs that have no marker yet, here or in the pool, with a progress bar."""
    waiting = [j for j in jobs if not j.marker.exists()]
    finished = sum(map(size, jobs)) - sum(map(size, waiting))
    with progress(
        total=sum(map(size, jobs)), initial=finished, unit=unit, label=label, quiet=quiet
    ) as bar:
        if pool is None:
            for job in waiting:
                bar.update(function(job))
            return
        try:
            futures: list[Future] = [pool.submit(function, job) for job in waiting]
            for future in as_completed(futures):
                bar.update(future.result())
        except BrokenProcessPool:
            raise TfepiError(
                f"a worker process was killed while writing {label} (was memory short?): run the "
                "same command with --resume, with fewer processes (-p)"
            ) from None


def _shard_jobs(plan: Plan, out: Path, limits: list[float]) -> list[ShardJob]:
    return [
        ShardJob(
            out / "tfrecords" / name,
            label,
            first,
            plan.windows[first:end],
            None if plan.unmappable is None else plan.unmappable[first:end],
            tuple(limits),
            plan.options,
            plan.fasta,
            len(plan.windows),
            out / WORK,
        )
        for name, label, first, end in plan.shards()
    ]


def write_shard(job: ShardJob) -> int:
    """Write one shard and its marker; return the number of records."""
    options = job.plan_options
    targets = _shard_targets(job)
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
            writer.write(features)
    write_json(job.marker, shard_entry(job.path, job.label, len(job.windows)))
    return len(job.windows)


def _shard_targets(job: ShardJob) -> np.ndarray:
    """Return float16 [records, bins, targets]: extremes clipped, unmappable clipped, rounded."""
    options = job.plan_options
    count, bins = len(job.windows), options.windowing().target_length
    out = np.empty((count, bins, len(job.limits)), np.float16)
    for track, limit in enumerate(job.limits):
        values = np.memmap(
            coverage.signal_file(job.folder, track), np.float16, "r", shape=(job.total, bins)
        )
        part = values[job.first : job.first + count]
        out[:, :, track] = np.clip(part, np.float16(-limit), np.float16(limit))
    if job.unmappable is not None and options.unmappable_clip < 1:
        for row in np.flatnonzero(job.unmappable.any(axis=1)):
            wide = out[row].astype(np.float32)
            ceiling = np.nanquantile(wide, options.unmappable_clip, axis=0)
            mask = job.unmappable[row]
            out[row, mask] = np.minimum(wide[mask], ceiling)
    if options.decimals is not None:
        out = np.around(out.astype(np.float32), options.decimals).astype(np.float16)
    if np.isinf(out).any():
        raise InputFileError(f"shard {job.path.name} has infinite targets: check clip and scale")
    return out
