"""The end of a build in shards: what they hold becomes a data folder.

The merge writes those records that no shard has written, moves the others to their place and
writes what makes them a data folder. What decides the build is what the shards note; what the
command says of it besides is compared with that.
"""

import logging
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.build import Records, make_folders, write_records
from tfrecords_tools.build_folder import PLAN, WORK, begin, claim_build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.build_shards import (
    HASHES,
    check_plans,
    data_fingerprint,
    dated,
    shard_folders,
    unread,
)
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import identity, read_json, remove_parts, write_json
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.plan import Plan, make_plan
from tfrecords_tools.shard_jobs import ShardJob
from tfrecords_tools.sharding import SHARDS, find_shards
from tfrecords_tools.signal_files import WorkFolders
from tfrecords_tools.signal_jobs import Stage
from tfrecords_tools.workers import check_workers, worker_pool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What a merge is told of the build, to be compared with the shards'.

    Attributes:
        genome, table: both inputs, or None for the shards'.
        options: where inputs are given, all of them; else those that are not at their default.
    """

    genome: str | Path | None = None
    table: str | Path | None = None
    options: BuildOptions = BuildOptions()  # noqa: RUF009 frozen

    def plan(self, noted: Mapping) -> Plan:
        """Return the plan of the build.

        Args:
            noted: genome, table and options of a shard.
        """
        if self.genome is not None:
            return make_plan(self.genome, self.table, self.options)
        options = BuildOptions.from_json(self.changed(noted["options"]))
        return make_plan(noted["genome"], noted["table"], options)

    def changed(self, options: Mapping) -> dict:
        """Return options as noted, but for those that are asked for."""
        default, asked = BuildOptions().to_json(), self.options.to_json()
        return dict(options) | {k: v for k, v in asked.items() if v != default.get(k)}


def merge_shards(
    out: str | Path,
    asked: Asked | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> dict:
    """Make the data folder of a build's shards; what they hold moves into it.

    Args:
        out: the folder given to every shard.
        asked: what is told of the build.
        workers, executor, quiet: as of `build`, for the records that no shard has written.
        resume: go on with a merge that was stopped; one that is done is left as it is.

    Returns:
        The manifest.

    Raises:
        InputFileError: no shards, several splits, one is missing or has not read its tracks; or
            an input is missing.
        UnfinishedError: an input or option that differs from a shard's, or from what is asked;
            another command writes to the folder; or it has data, or a merge that was stopped,
            and resume was not asked for.
    """
    check_workers(workers)
    out, asked = Path(out), asked or Asked()
    check_folder(out, resume=True)
    if (out / "manifest.json").exists():
        return _merged(out, asked, resume)
    count = find_shards(out, "build")[0].count
    if (out / WORK).exists() and not resume:
        raise UnfinishedError(f"output folder {out} holds a merge that was stopped: use --resume")
    folders = shard_folders(out, count)
    plan = asked.plan(_noted(folders))
    light = plan.fingerprint(dated)
    check_plans(folders, light)
    stage = Stage.of(plan, folders)
    if missing := unread(stage, folders):
        raise InputFileError(
            f"shard {missing[0]} has not read its tracks in {out / SHARDS}: run it with --resume"
        )
    fingerprint = plan.fingerprint(_hashed(folders, light))
    work = out / WORK
    facts = {"seed": plan.options.seed, "workers": workers, "merged": count}
    with run_record(out, fingerprint["inputs"], **facts):
        begin(work, fingerprint)
        (out / "tfrecords").mkdir(exist_ok=True)
        for folder in (out, out / "tfrecords", *make_folders(work)):
            remove_parts(folder)
        records = Records.of(plan, stage)
        places = WorkFolders((out.absolute() / "tfrecords",))
        jobs = records.jobs(WorkFolders((work.absolute(),)), places)
        for number, job in enumerate(jobs):
            _move(folders.of(number, len(jobs)), job)
        todo = sum(len(job) for job in jobs if not job.marker.exists())
        if todo:
            log.info("%s that no shard has written are written here", number_of(todo, "record"))
        with worker_pool(executor, workers) as pool:
            write_records(pool, plan, jobs, work, quiet)
        records.finish(out, fingerprint, jobs)
        shutil.rmtree(out / SHARDS)
        shutil.rmtree(work)
    return read_manifest(out)


def _merged(out: Path, asked: Asked, resume: bool) -> dict:
    """Return the manifest of data that are whole, after what a merge has still to remove."""
    if not resume:
        raise UnfinishedError(f"output folder {out} has data: the shards are merged already")
    manifest = read_manifest(out)
    if asked.genome is None:
        fingerprint = manifest | {"options": asked.changed(manifest.get("options", {}))}
    else:
        fingerprint = data_fingerprint(asked.plan({}), out, manifest)
    if claim_build(out, fingerprint, True, False) is None:
        raise UnfinishedError(f"{out} lacks files of its data: build it again with --overwrite")
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    log.info("%s is complete already", out)
    return manifest


def _noted(folders: WorkFolders) -> dict:
    """Return what the first shard notes of its build.

    Raises:
        InputFileError: it is damaged.
    """
    path = folders.paths[0] / PLAN
    noted = read_json(path, "plan of a shard")
    for key in ("genome", "table", "options"):
        if key not in noted:
            raise InputFileError(f"{path} has no {key}: it is damaged; run shard 1 again")
    return noted


def _hashed(folders: WorkFolders, light: Mapping) -> object:
    """Return a function that identifies an input as the shard did that has hashed it."""
    known = {}
    for folder in folders.paths:
        for label, entry in read_json(folder / HASHES, "hashes of a shard").items():
            known[light["inputs"][label]["path"]] = entry
    return lambda path: known[path] if path in known else identity(path)


def _move(folder: Path, job: ShardJob) -> None:
    """Move a shard of records to its place, from the folder whose share it is, if it is there."""
    note, path = folder / "done" / job.marker.name, folder / "tfrecords" / job.path.name
    if job.marker.exists() or not note.exists():
        return
    if path.exists():
        os.replace(path, job.path)
    if job.path.exists():
        write_json(job.marker, read_json(note))
