"""Where a command writes: folders that are its own, room on the disk, each run's run.json."""

import contextlib
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.files import identity, write_json
from tfrecords_tools.folder_lock import MARKER, sole_writer
from tfrecords_tools.remote import refuse_output, without_secrets

log = logging.getLogger(__name__)
_SHOWN = 4
_VERSIONED = ("tfepi", "tensorflow", "keras", "numpy", "pysam", "pyBigWig", "h5py", "pandas")


def check_folder(
    path: str | os.PathLike,
    resume: bool | None = None,
    overwrite: bool = False,
    inputs: Mapping[str, str | os.PathLike | dict] = MappingProxyType({}),
    shared: bool = False,
) -> Path:
    """Return an output folder's path after checking that it may be written.

    A folder with any file but hidden leftovers and run.json counts as having results. Only a folder
    that was claimed here while it was empty, and has the marker of that, is ever written again.

    Args:
        path: the folder.
        resume: go on with what is there; None is a command that cannot.
        overwrite: remove what is there.
        inputs: label → path (or `identity`) of every file or folder that is read.
        shared: commands that each write a folder of their own in this one do not exclude each
            other.

    Raises:
        UnfinishedError: another command writes to it; it has results and neither resume nor
            overwrite was asked for, or it was not made here, or overwrite would remove the
            working directory or an input; or it cannot be made.
        ConfigError: it is remote.
    """
    refuse_output(path)
    path = Path(path)
    above = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not above.is_dir():
        where = "is a file" if above == path else f"lies in {above}, which is a file"
        raise UnfinishedError(f"output {path} {where}: name a folder")
    with sole_writer(path, shared):
        names = sorted(p.name for p in path.iterdir()) if above == path else []
    if all(name.startswith(".") or name == "run.json" for name in names):
        return path
    names = [name for name in names if not name.startswith(".")]
    holds = ", ".join(names[:_SHOWN]) + ", …" * (len(names) > _SHOWN)
    if not (path / MARKER).exists():
        raise UnfinishedError(
            f"output folder {path} has files that tfepi did not make: name another folder; "
            f"it holds {holds}"
        )
    if not (resume or overwrite):
        again = "" if resume is None else "--resume to go on, "
        raise UnfinishedError(
            f"output folder {path} has results: use {again}--overwrite to redo; it holds {holds}"
        )
    if not overwrite:
        return path
    root = path.resolve()
    if root in (Path.cwd(), *Path.cwd().parents):
        raise UnfinishedError(
            f"output folder {path} holds the working directory: overwrite it from elsewhere"
        )
    for label, value in inputs.items():
        source = Path(value["path"] if isinstance(value, dict) else value)
        if root in (source.resolve(), *source.resolve().parents):
            raise UnfinishedError(
                f"output folder {path} holds an input ({label}), {source}: --overwrite would "
                "remove it; name another folder"
            )
    return path


def check_report(path: str | Path | None, suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Check that a report's file may be written; None is no report.

    Raises:
        ConfigError: another suffix than the formats there are, or no such folder.
        UnfinishedError: it is there, and overwrite was not asked for.
    """
    if path is None:
        return
    refuse_output(path)
    path = Path(path)
    if path.suffix not in suffixes:
        raise ConfigError(f"report {path} ends in {path.suffix!r}: want {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise ConfigError(f"report {path}: folder {path.parent} does not exist, make it first")
    if path.exists() and not (overwrite and path.is_file()):
        raise UnfinishedError(f"report {path} is there: use --overwrite, or name another file")


def claim_folder(
    path: str | os.PathLike,
    resume: bool | None = None,
    overwrite: bool = False,
    inputs: Mapping[str, str | os.PathLike | dict] = MappingProxyType({}),
    shared: bool = False,
) -> Path:
    """Make an output folder, emptied if `overwrite`, or refuse it as `check_folder` does."""
    path = check_folder(path, resume, overwrite, inputs, shared)
    if resume and not path.exists():
        log.info("there is nothing in %s to go on with: begins anew", path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER).touch()
    if overwrite:
        with sole_writer(path):
            for inner in path.iterdir():
                if inner.is_dir() and not inner.is_symlink():
                    shutil.rmtree(inner)
                elif inner.name != MARKER:
                    inner.unlink()
    return path


def written(folder: str | os.PathLike) -> str:
    """Return the line that says what is in an output folder: its files, then its folders."""
    paths = (p for p in Path(folder).iterdir() if not p.name.startswith("."))
    names = sorted((p.is_dir(), p.name) for p in paths)
    return f"wrote {folder}: " + ", ".join(f"{n}/" if is_dir else n for is_dir, n in names)


def check_room(
    folder: str | os.PathLike,
    need: float,
    instead: str = "free some space or name another folder",
) -> None:
    """Refuse a disk with less room than an output needs.

    Args:
        folder: where it goes; need not exist.
        need: bytes.
        instead: what to do then.

    Raises:
        ConfigError: with both sizes.
    """
    there = next(p for p in (Path(folder), *Path(folder).absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if need > free:
        raise ConfigError(
            f"{folder} needs {shown_size(need)}, its disk has {shown_size(free)}: {instead}"
        )


def shown_size(count: float) -> str:
    """Return a number of bytes for a person, in the largest unit of which there is one."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that shape results."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@contextlib.contextmanager
def run_record(folder: str | os.PathLike, inputs: dict[str, str | dict], **facts) -> Iterator[dict]:
    """Write folder/run.json when the block ends: command, versions, inputs, duration, outcome.

    No other command may write to the folder within the block (`folder_lock`).

    Args:
        folder: the run folder.
        inputs: label → path of every input file, or its `identity` where that is known.
        facts: anything else worth keeping (seed, device, options); JSON values.

    Yields:
        The dictionary, to which the block may add facts.

    Raises:
        UnfinishedError: another command writes to the folder.
    """
    with sole_writer(folder, named=True):
        started = time.time()
        record = {
            "format": "tfepi-run",
            "format_version": 1,
            "command": [Path(sys.argv[0]).name, *without_secrets(sys.argv[1:])],
            "versions": versions(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "inputs": {k: v if isinstance(v, dict) else identity(v) for k, v in inputs.items()},
            **facts,
        }
        outcome = "failed"
        try:
            yield record
            outcome = "finished"
        finally:
            record["outcome"] = outcome
            record["duration_s"] = round(time.time() - started, 3)
            with contextlib.suppress(OSError):
                write_json(Path(folder) / "run.json", record)
