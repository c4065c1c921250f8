"""The output folder of a build: free, begun, or whole, and of which plan."""

import logging
import shutil
from pathlib import Path

from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import read_json, same_identity, sha256, write_json
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.input_tracks import TABLE
from tfrecords_tools.manifest import LAYOUT, read_manifest
from tfrecords_tools.output import claim_folder
from tfrecords_tools.sharding import SHARDS

WORK = ".build"
PLAN = "plan.json"
log = logging.getLogger(__name__)


def check_unbegun(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a folder with a build that was stopped, unless it is to be resumed or removed.

    Raises:
        UnfinishedError: with both ways out; or another command is at it.
    """
    with sole_writer(out):
        if (out / WORK).exists() and not resume and not overwrite:
            raise UnfinishedError(
                f"output folder {out} holds an unfinished build: use --resume to go on, "
                "--overwrite to start anew"
            )
        if (out / SHARDS).is_dir() and not overwrite:
            raise UnfinishedError(
                f"output folder {out} holds shards of a build: use --merge to join them, "
                "--overwrite to start anew without"
            )


def claim_build(out: Path, fingerprint: dict, resume: bool, overwrite: bool) -> dict | None:
    """Make a folder ready for a build, unless it holds that very build, whole.

    Args:
        out: the folder.
        fingerprint: of the build: inputs, options and what follows from them.
        resume: go on where a build of the same was stopped.
        overwrite: remove what is there.

    Returns:
        The manifest of a build that is whole and to be kept, else None.

    Raises:
        UnfinishedError: the folder has results and neither resume nor overwrite was asked for, or
            resume and a whole build of something else.
    """
    done = _whole(out, fingerprint) if resume and out.is_dir() else None
    if done is not None:
        shutil.rmtree(out / WORK, ignore_errors=True)  # killed between the manifest and this
        return done
    claim_folder(out, resume, overwrite, fingerprint["inputs"])
    return None


def _whole(out: Path, fingerprint: dict) -> dict | None:
    """Return the manifest of a folder that is whole."""
    manifest = read_manifest(out)
    if manifest is None:
        return None
    check_same(manifest, fingerprint, out)
    hashes = {f"tfrecords/{s['file']}": s["sha256"] for s in manifest["shards"]}
    if "windows" not in fingerprint:  # they follow from the inputs; the manifest has their hash
        hashes["sequences.bed"] = manifest["windows"]
    tables = (TABLE,) if "track_table" in fingerprint else ()
    for name in (*LAYOUT, *tables, *hashes):
        path = out / name
        if not path.is_file() or (name in hashes and sha256(path) != hashes[name]):
            log.info("%s is missing or damaged: building %s again", path, out)
            return None
    return manifest


def check_same(old: dict, new: dict, out: Path, otherwise: str = "use --overwrite") -> None:
    """Refuse to go on with a build of something else.

    Args:
        old, new: fingerprints of the build that was begun and of this one.
        out: the folder, for messages.
        otherwise: what to do where the same is not wanted.

    Raises:
        UnfinishedError: naming what differs.
    """
    for label, entry in new["inputs"].items():
        before = old["inputs"].get(label)
        if before is None or not same_identity(before, entry):
            raise UnfinishedError(
                f"input {label} ({entry['path']}) has changed since {out} was begun: "
                f"put the old file back, or {otherwise}"
            )
    for name in old["options"] | new["options"]:  # one that is not there has its default
        before, now = old["options"].get(name), new["options"].get(name)
        if before != now:
            raise UnfinishedError(
                f"option {name} was {before!r} when {out} was begun, now {now!r}: use the same "
                f"options, or {otherwise}"
            )
    nouns = {"targets": "targets", "track_table": "tracks", "samples": "samples"}
    for key, noun in (nouns | {"windows": "windows"}).items():
        if key in new and old.get(key) != new[key]:
            raise UnfinishedError(
                f"the {noun} differ from when {out} was begun: use the same table, or {otherwise}"
            )


def begin(work: Path, fingerprint: dict, **facts) -> None:
    """Note what is being built, or check that what was begun is the same.

    Args:
        work: the working folder.
        fingerprint: of the build.
        facts: anything else worth noting.

    Raises:
        UnfinishedError: another build was begun, naming what differs.
    """
    path = work / PLAN
    if path.exists():
        check_same(read_json(path), fingerprint, work.parent if work.name == WORK else work)
        return
    work.mkdir(parents=True, exist_ok=True)
    write_json(path, {"format": "tfepi-build", "format_version": 1} | fingerprint | facts)
