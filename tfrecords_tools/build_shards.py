"""A build in shares, each by a command of its own: `--shard i/n`, twice, then `--merge`.

The first time a shard reads its share of the tracks, into DIR/shards/i-of-n. What follows from all
of them (to which values targets are clipped, which windows are kept) is known when every shard has
done so; from then on the same command writes the shard's share of the records. `merge_build` makes
the data folder.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path

from tfrecords_tools.build import Records, make_folders, read_tracks, write_records
from tfrecords_tools.build_folder import PLAN, WORK, begin, check_same
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import existing, identity, read_json, remove_parts, write_json
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, claim_folder, run_record
from tfrecords_tools.plan import Plan
from tfrecords_tools.sharding import SHARDS, Shard, check_split
from tfrecords_tools.signal_files import WorkFolders
from tfrecords_tools.signal_jobs import Stage
from tfrecords_tools.workers import check_workers, worker_pool

HASHES = "inputs.json"


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
            is of another build, or beside shards of another split, or the folder holds another
            build, or other data.
        InputFileError: as `build`.
    """
    check_workers(workers)
    out = Path(out)
    folders = shard_folders(out, shard.count)
    folder = folders.paths[shard.number - 1]
    check_shard_folder(out, shard, resume, overwrite)
    fingerprint = plan.fingerprint(dated)
    if past := _past(out, plan, fingerprint, folder):
        return past
    claim_folder(out, resume=True, shared=True)
    claim_folder(folder, resume, overwrite, fingerprint["inputs"])
    facts = {"seed": plan.options.seed, "workers": workers, "shard": str(shard)}
    with sole_writer(out, shared=True), run_record(folder, fingerprint["inputs"], **facts):
        begin(folder, fingerprint, genome=plan.fasta, table=str(table))
        for part in (folder, folder / "tfrecords", *make_folders(folder)):
            remove_parts(part)
        stage = Stage.of(plan, folders)
        mine = shard.own(stage.jobs)
        with worker_pool(executor, workers) as pool:
            if shard in unread(stage, folders):
                write_json(folder / HASHES, _hashes(plan, stage, shard))
            read_tracks(pool, mine, quiet)
            if missing := unread(stage, folders):
                return _waits(shard, missing)
            check_plans(folders, fingerprint)
            (folder / "tfrecords").mkdir(exist_ok=True)
            records = WorkFolders(tuple(path / "tfrecords" for path in folders.paths))
            jobs = shard.own(Records.of(plan, stage).jobs(folders, records))
            write_records(pool, plan, jobs, folder, quiet)
    count = number_of(sum(map(len, jobs)), "record")
    done = out / SHARDS / shard.folder
    return f"wrote {done}: {count}; when all shards have theirs, --merge makes {out}"


def _waits(shard: Shard, missing: list[Shard]) -> str:
    others = f"{', '.join(map(str, missing[:4]))}{', …' * (len(missing) > 4)}"
    return (
        f"the tracks of shard {shard} are read, its records not written; when all shards have read "
        f"theirs (not yet: {others}), the same command with --resume writes them, or --merge all"
    )


def _past(out: Path, plan: Plan, light: dict, folder: Path) -> str | None:
    """Return what is to be said where the shards are merged, or a merge was begun; else None."""
    if manifest := read_manifest(out):
        check_same(manifest, data_fingerprint(plan, out, manifest), out)
        return f"{out} is complete already"
    if (out / WORK).exists():
        check_same(read_json(folder / PLAN), light, folder)
        return f"a merge was begun in {out}, nothing is left to do here: --merge --resume goes on"
    return None


def data_fingerprint(plan: Plan, out: Path, manifest: Mapping) -> dict:
    """Return a plan's fingerprint, to compare with that of data that were made.

    Inputs that are older than the manifest, and of the size it notes, are not hashed again.
    """
    known = {entry["path"]: entry for entry in manifest.get("inputs", {}).values()}
    made = (out / "manifest.json").stat().st_mtime_ns

    def identify(path: str) -> dict:
        entry, stat = known.get(str(path)), existing(path).stat()
        if entry and entry["size"] == stat.st_size and stat.st_mtime_ns < made:
            return entry
        return identity(path)

    return plan.fingerprint(identify)


def check_plans(folders: WorkFolders, light: dict) -> None:
    """Refuse shards of another build.

    Args:
        folders: of the shards.
        light: fingerprint of this build, whose inputs are `dated`.

    Raises:
        UnfinishedError: naming what differs, and the shard.
    """
    for shard, folder in zip(Shard(1, len(folders.paths)).all(), folders.paths, strict=True):
        if (folder / PLAN).exists():
            again = f"run shard {shard} again with --overwrite"
            check_same(read_json(folder / PLAN), light, folder, again)


def check_shard_folder(out: Path, shard: Shard, resume: bool, overwrite: bool) -> None:
    """Check that a shard may write.

    Raises:
        UnfinishedError: as `build_shard`.
    """
    check_folder(out, resume=True, shared=True)
    if (out / "manifest.json").exists() and not resume:
        raise UnfinishedError(f"output folder {out} has data, no shards: name another folder")
    if (out / WORK).exists() and not (resume and (out / SHARDS).is_dir()):
        raise UnfinishedError(
            f"output folder {out} holds an unfinished build or merge: go on with that (--resume), "
            "or name another folder"
        )
    check_split(out, shard)
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


def unread(stage: Stage, folders: WorkFolders) -> list[Shard]:
    """Return the shards that have not read their tracks, of which one may have none."""

    def has_read(shard: Shard, folder: Path) -> bool:
        own = shard.own(stage.jobs)
        return (folder / HASHES).exists() and all(job.marker.exists() for job in own)

    shards = Shard(1, len(folders.paths)).all()
    return [s for s, folder in zip(shards, folders.paths, strict=True) if not has_read(s, folder)]
