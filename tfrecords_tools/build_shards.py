"""A build in shares, each by a command of its own: `--shard i/n`, twice, then `--merge`.

The first time a shard reads its share of the tracks, into DIR/shards/i-of-n. What follows from all
of them (to which values targets are clipped, which windows are kept) is known when every shard has
done so; from then on the same command writes the shard's share of the records. The merge writes
those records that no shard has written, moves the others to their place and writes what makes
them a data folder.
"""

import logging
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.build import Records, make_folders, read_tracks, write_records
from tfrecords_tools.build_folder import PLAN, WORK, begin, check_same, claim_build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import existing, identity, read_json, remove_parts, write_json
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, claim_folder, run_record
from tfrecords_tools.plan import Plan, make_plan
from tfrecords_tools.shard_jobs import ShardJob
from tfrecords_tools.sharding import SHARDS, Shard, find_shards
from tfrecords_tools.signal_files import WorkFolders
from tfrecords_tools.signal_jobs import Stage
from tfrecords_tools.workers import check_workers, worker_pool

HASHES = "inputs.json"
log = logging.getLogger(__name__)


def shard_folders(out: Path, count: int) -> WorkFolders:
    """Return the working folders of all shards."""
    names = (shard.folder for shard in Shard(1, count).all())
    return WorkFolders(tuple(out.absolute() / SHARDS / name for name in names))


def build_shard(
    plan: Plan,
    out: str | Path,
    shard: Shard,
    table: str | Path,
    workers: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> str:
    """Read a shard's share of the tracks or, where all shards have done so, write its records.

    Args:
        plan: of the whole build.
        out: the folder given to every shard.
        shard: which share.
        table: path of the targets table, for the merge.
        workers, executor, quiet: as of `build`.
        resume: go on where this shard stopped.
        overwrite: remove what this shard has written first.

    Returns:
        What was done, for a person.

    Raises:
        UnfinishedError: the shard has results and neither resume nor overwrite was asked for, it
            is of another build, or the folder holds another build, or data.
        InputFileError: as `build`; or the shard's tracks are read, and another's are not.
    """
    check_workers(workers)
    out = Path(out)
    folders = shard_folders(out, shard.count)
    folder = folders.paths[shard.number - 1]
    check_shard_folder(out, shard, resume, overwrite)
    fingerprint = plan.fingerprint(dated)
    claim_folder(out, resume=True)
    claim_folder(folder, resume, overwrite, fingerprint["inputs"])
    facts = {"seed": plan.options.seed, "workers": workers, "shard": str(shard)}
    with run_record(folder, fingerprint["inputs"], **facts):
        begin(folder, fingerprint, genome=plan.fasta, table=str(table))
        for part in (folder, folder / "tfrecords", *make_folders(folder)):
            remove_parts(part)
        stage = Stage.of(plan, folders)
        mine = shard.own(stage.jobs)
        begun = all(job.marker.exists() for job in mine) and (folder / HASHES).exists()
        with worker_pool(executor, workers) as pool:
            if not begun:
                write_json(folder / HASHES, _hashes(plan, stage, shard))
            read_tracks(pool, mine, quiet)
            if missing := _unread(stage, folders):
                return _waits(shard, missing, begun)
            for other in folders.paths:
                check_same(read_json(other / PLAN), fingerprint, other)
            (folder / "tfrecords").mkdir(exist_ok=True)
            records = WorkFolders(tuple(path / "tfrecords" for path in folders.paths))
            jobs = shard.own(Records.of(plan, stage).jobs(folders, records))
            write_records(pool, plan, jobs, folder, quiet)
    count = number_of(sum(map(len, jobs)), "record")
    done = out / SHARDS / shard.folder
    return f"wrote {done}: {count}; when all shards have theirs, --merge makes {out}"


def _waits(shard: Shard, missing: list[Shard], begun: bool) -> str:
    others = f"{', '.join(map(str, missing[:4]))}{', …' * (len(missing) > 4)}"
    if begun:
        raise InputFileError(
            f"shard {shard} has read its tracks, but {others} not yet: run these first, then this "
            "one again with --resume, which writes its records; or --merge, which writes all"
        )
    return (
        f"read the tracks of shard {shard}; when all shards have read theirs (not yet: {others}), "
        "the same command with --resume writes its records, or --merge all"
    )


def check_shard_folder(out: Path, shard: Shard, resume: bool, overwrite: bool) -> None:
    """Check that a shard may write.

    Raises:
        UnfinishedError: as `build_shard`.
    """
    check_folder(out, resume=True)
    if (out / WORK).exists():
        raise UnfinishedError(
            f"output folder {out} holds an unfinished build or merge: go on with that (--resume), "
            "or name another folder"
        )
    if (out / "manifest.json").exists():
        raise UnfinishedError(f"output folder {out} has data, no shards: name another folder")
    check_folder(out / SHARDS / shard.folder, resume, overwrite)


def dated(path: str) -> dict:
    """Return what identifies an input to the shards: size and time.

    Its bytes are hashed once, by the shard that reads it, not by each.
    """
    if "://" in path:
        return identity(path)
    stat = existing(path).stat()
    return {"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _hashes(plan: Plan, stage: Stage, shard: Shard) -> dict[str, dict]:
    """Return label → identity of the tracks whose first job is a shard's."""
    rows = [("track", t) for t in plan.targets] + [("input track", t) for t in plan.tracks]
    found = {}
    for job in shard.own(stage.jobs):
        if job.block == 0:
            kind, row = rows[job.track]
            found[f"{kind} {row.identifier}"] = identity(row.file)
    return found


def _unread(stage: Stage, folders: WorkFolders) -> list[Shard]:
    """Return the shards that have not read their tracks, of which one may have none."""

    def has_read(shard: Shard, folder: Path) -> bool:
        own = shard.own(stage.jobs)
        return (folder / HASHES).exists() and all(job.marker.exists() for job in own)

    shards = Shard(1, len(folders.paths)).all()
    return [s for s, folder in zip(shards, folders.paths, strict=True) if not has_read(s, folder)]


@dataclass(frozen=True)
class Shares:
    """The shards of a build, as found in a folder.

    Attributes:
        out: the folder.
        count: how many shards there are.
        plan: of the build.
    """

    out: Path
    count: int
    plan: Plan

    @classmethod
    def of(cls, out: str | Path) -> "Shares":
        """Return the shards in a folder, with the plan that the first one notes.

        Raises:
            InputFileError: no shards, several splits, one is missing; or an input is.
        UnfinishedError: they are merged already.
        """
        out = Path(out)
        if (out / "manifest.json").exists() and not (out / SHARDS).is_dir():
            raise UnfinishedError(f"output folder {out} has data, no shards: it is merged already")
        count = find_shards(out, "build")[0].count
        noted = read_json(out / SHARDS / Shard(1, count).folder / PLAN, "plan of a shard")
        for key in ("genome", "table", "options"):
            if key not in noted:
                raise InputFileError(
                    f"{out / SHARDS} has a plan without {key}: it is damaged; run shard 1 again"
                )
        options = BuildOptions.from_json(noted["options"])
        return cls(out, count, make_plan(noted["genome"], noted["table"], options))


def merge_shards(
    shares: Shares,
    workers: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> dict:
    """Make the data folder of a build's shards; what they hold moves into it.

    Args:
        shares: the shards.
        workers, executor, quiet: as of `build`, for the records that no shard has written.
        resume: go on with a merge that was stopped.

    Returns:
        The manifest.

    Raises:
        InputFileError: a shard that has not read its tracks.
        UnfinishedError: an input or option that differs from a shard's; or the folder has data,
            or a merge that was stopped, and resume was not asked for.
    """
    check_workers(workers)
    out, plan, folders = shares.out, shares.plan, shard_folders(shares.out, shares.count)
    if (out / WORK).exists() and not resume:
        raise UnfinishedError(f"output folder {out} holds a merge that was stopped: use --resume")
    light = plan.fingerprint(dated)
    stage = Stage.of(plan, folders)
    for folder in folders.paths:
        if (folder / PLAN).exists():
            check_same(read_json(folder / PLAN), light, folder)
    if missing := _unread(stage, folders):
        raise InputFileError(
            f"shard {missing[0]} has not read its tracks in {out / SHARDS}: run it with --resume"
        )
    fingerprint = plan.fingerprint(_hashed(folders, light))
    if done := claim_build(out, fingerprint, True, False):
        shutil.rmtree(out / SHARDS)
        return done
    work = out / WORK
    facts = {"seed": plan.options.seed, "workers": workers, "merged": shares.count}
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
