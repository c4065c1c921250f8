"""Files that are whole or absent, the identity of inputs, and each run's run.json."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

WHOLE_HASH_LIMIT = 1 << 30
END_BYTES = 16 << 20
MARKER = ".tfepi"
_SHOWN = 4
_VERSIONED = ("tfepi", "tensorflow", "keras", "numpy", "pysam", "pyBigWig", "h5py", "pandas")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside `path` that is renamed to it if the block succeeds, removed if not.

    The name starts with a dot and ends in `.part` plus the final suffix, so that writers
    which look at the suffix (h5py, pysam, Keras) work, and leftovers of a kill are known.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        if part.is_file():
            with open(part, "rb+") as handle:
                os.fsync(handle.fileno())
        os.replace(part, path)
    except BaseException:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
        raise


def remove_parts(folder: str | os.PathLike) -> None:
    """Remove what killed writers left in `folder` (names made by `atomic_path`)."""
    for part in Path(folder).glob(".*.part*"):
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as part:
        part.write_text(text)


def write_json(path: str | os.PathLike, value: object) -> None:
    """Write JSON atomically, indented by two, keys in the order given, NaN refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike, what: str = "file") -> dict:
    """Read a JSON object; `what` it is of is for messages.

    Raises:
        InputFileError: the file is missing, not JSON (with line and column), no object, or has
            NaN, infinity or a key twice.
    """
    existing(path, what)

    def constant(name: str):
        raise InputFileError(f"{path} has the number {name}: want a finite one")

    def once(pairs: list[tuple[str, object]]) -> dict:
        value = dict(pairs)
        for key, _ in pairs if len(value) < len(pairs) else ():
            if sum(k == key for k, _ in pairs) > 1:
                raise InputFileError(f"{path} has the key {key!r} twice: leave one out")
        return value

    try:
        text = Path(path).read_text()
        value = json.loads(text, parse_constant=constant, object_pairs_hook=once)
    except UnicodeDecodeError:
        raise InputFileError(f"{what} {path} is no text: want JSON; name another file") from None
    except json.JSONDecodeError as error:
        raise InputFileError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputFileError(f"{path} holds a JSON {type(value).__name__}; want an object")
    return value


def existing(path: str | os.PathLike, what: str = "file") -> Path:
    """Return `path` as a Path after checking that it is a readable file.

    Raises:
        InputFileError: missing, a folder, or not readable.
    """
    path = Path(path)
    if not path.exists():
        raise InputFileError(f"{what} {path} does not exist: check the path")
    if path.is_dir():
        raise InputFileError(f"{what} {path} is a folder: name a file")
    if not os.access(path, os.R_OK):
        raise InputFileError(f"{what} {path} is not readable: check its permissions")
    return path


def existing_folder(path: str | os.PathLike, what: str = "folder") -> Path:
    """Return `path` as a Path after checking that it is a folder.

    Raises:
        InputFileError: missing, or a file.
    """
    path = Path(path)
    if not path.exists():
        raise InputFileError(f"{what} {path} does not exist: check the path")
    if not path.is_dir():
        raise InputFileError(f"{what} {path} is a file: name the folder that holds it")
    return path


def inside(folder: str | os.PathLike, name: str) -> Path:
    """Return folder/name after checking that the result stays inside the folder.

    Raises:
        InputFileError: the name leads outside (absolute, `..`, a link).
    """
    root = Path(folder).resolve()
    path = (root / name).resolve()
    if path == root or root not in path.parents:
        raise InputFileError(f"name {name!r} leads outside {folder}: refuse to follow it")
    return path


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def identity(path: str | os.PathLike) -> dict:
    """Return what identifies an input file: SHA-256 below 1 GiB, else size, time and ends.

    Returns:
        `{"path", "size", "sha256"}` or `{"path", "size", "mtime_ns", "sha256_ends"}`, where
        the latter hashes the first and the last 16 MiB.
    """
    path = existing(path)
    stat = path.stat()
    entry = {"path": str(path), "size": stat.st_size}
    if stat.st_size < WHOLE_HASH_LIMIT:
        return entry | {"sha256": sha256(path)}
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        digest.update(handle.read(END_BYTES))
        handle.seek(-END_BYTES, os.SEEK_END)
        digest.update(handle.read(END_BYTES))
    return entry | {"mtime_ns": stat.st_mtime_ns, "sha256_ends": digest.hexdigest()}


def same_identity(old: dict, new: dict) -> bool:
    """Tell whether two `identity` entries are of the same content, wherever it lies."""
    return {k: v for k, v in old.items() if k != "path"} == {
        k: v for k, v in new.items() if k != "path"
    }


def check_folder(
    path: str | os.PathLike,
    resume: bool | None = None,
    overwrite: bool = False,
    inputs: Mapping[str, str | os.PathLike | dict] = MappingProxyType({}),
) -> Path:
    """Return an output folder's path after checking that it may be written.

    A folder with any file but hidden leftovers and run.json counts as having results. Only a folder
    that was claimed here while it was empty, and has the marker of that, is ever written again.

    Args:
        path: the folder.
        resume: go on with what is there; None is a command that cannot.
        overwrite: remove what is there.
        inputs: label → path (or `identity`) of every file or folder that is read.

    Raises:
        UnfinishedError: it has results and neither resume nor overwrite was asked for, or it was
            not made here, or overwrite would remove the working directory or an input; or it
            cannot be made.
    """
    path = Path(path)
    above = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not above.is_dir():
        where = "is a file" if above == path else f"lies in {above}, which is a file"
        raise UnfinishedError(f"output {path} {where}: name a folder")
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
                f"output folder {path} holds the {label} that is read, {source}: --overwrite "
                "would remove it; name another folder"
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
) -> Path:
    """Make an output folder, emptied if `overwrite`, or refuse it as `check_folder` does."""
    path = check_folder(path, resume, overwrite, inputs)
    if overwrite and path.is_dir():
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER).touch()
    return path


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

    Args:
        folder: the run folder.
        inputs: label → path of every input file, or its `identity` where that is known.
        facts: anything else worth keeping (seed, device, options); JSON values.

    Yields:
        The dictionary, to which the block may add facts.
    """
    started = time.time()
    record = {
        "format": "tfepi-run",
        "format_version": 1,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
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
