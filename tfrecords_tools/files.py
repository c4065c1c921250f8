"""Files that are whole or absent, and the identity of inputs."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.remote import (
    as_url,
    cache_folder,
    copies,
    in_cache,
    named,
    refuse_other,
    refuse_output,
)

WHOLE_HASH_LIMIT = 1 << 30
END_BYTES = 16 << 20


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside `path` that is renamed to it if the block succeeds, removed if not.

    The name starts with a dot and ends in `.part` plus the final suffix, so that writers
    which look at the suffix (h5py, pysam, Keras) work, and leftovers of a kill are known.
    """
    if (url := as_url(path)) is not None:
        refuse_output(url)
    path = Path(path)
    # Processes of two hosts, or of two containers, may have the same number.
    own = f"{os.uname().nodename}.{os.getpid()}"
    part = path.with_name(f".{path.name}.{own}.part{path.suffix}")
    try:
        yield part
        if part.is_file():
            with open(part, "rb+") as handle:
                os.fsync(handle.fileno())
        os.replace(part, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            error.filename = str(path)  # libraries do not say which
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
    """Write JSON atomically, indented by two, keys in the order given, NaN refused.

    The path of a remote file's copy is written as its URL; `read_json` gives the path again.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_text(path, named(text, json.dumps(str(cache_folder()))[1:-1]))


def read_json(path: str | os.PathLike, what: str = "file") -> dict:
    """Read a JSON object; `what` it is of is for messages.

    A URL whose copy is there is given as the path of that.

    Raises:
        InputFileError: the file is missing, not JSON (with line and column), no object, or has
            NaN, infinity or a key twice.
    """
    path = existing(path, what)

    def constant(name: str):
        raise InputFileError(f"{path} has the number {name}: want a finite one")

    def once(pairs: list[tuple[str, object]]) -> dict:
        value = dict(pairs)
        for key, _ in pairs if len(value) < len(pairs) else ():
            if sum(k == key for k, _ in pairs) > 1:
                raise InputFileError(f"{path} has the key {key!r} twice: leave one out")
        return value

    try:
        text = path.read_text()
        value = json.loads(text, parse_constant=constant, object_pairs_hook=once)
    except UnicodeDecodeError:
        raise InputFileError(f"{what} {path} is no text: want JSON; name another file") from None
    except json.JSONDecodeError as error:
        raise InputFileError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputFileError(f"{path} holds a JSON {type(value).__name__}; want an object")
    return copies(value)


def existing(path: str | os.PathLike, what: str = "file") -> Path:
    """Return `path` as a Path after checking that it is a readable file.

    Of a remote file (`remote`) it is the path of a copy.

    Raises:
        InputFileError: missing, a folder, or not readable.
    """
    path = _local(path, folders=False)
    if not path.exists():
        raise InputFileError(f"{what} {path} does not exist: check the path")
    if path.is_dir():
        raise InputFileError(f"{what} {path} is a folder: name a file")
    if not os.access(path, os.R_OK):
        raise InputFileError(f"{what} {path} is not readable: check its permissions")
    return path


def existing_folder(path: str | os.PathLike, what: str = "folder") -> Path:
    """Return `path` as a Path after checking that it is a folder.

    Of a remote folder (`remote`) it is the path of a copy.

    Raises:
        InputFileError: missing, or a file.
    """
    path = _local(path, files=False)
    if not path.exists():
        raise InputFileError(f"{what} {path} does not exist: check the path")
    if not path.is_dir():
        raise InputFileError(f"{what} {path} is a file: name the folder that holds it")
    return path


def copied(path: str | os.PathLike) -> str | os.PathLike:
    """Return a path as it is, of a remote file or folder that of its copy."""
    return path if as_url(path) is None else _local(path)


def _local(path: str | os.PathLike, **which) -> Path:
    if as_url(path) is None and not in_cache(path):
        refuse_other(path)
        return Path(path)
    from tfrecords_tools import remote_files

    return remote_files.local(path, **which)


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

    Of the copy of a remote file it is the SHA-256, whatever its size.

    Returns:
        `{"path", "size", "sha256"}` or `{"path", "size", "mtime_ns", "sha256_ends"}`, where
        the latter hashes the first and the last 16 MiB.
    """
    path = existing(path)
    if in_cache(path):
        from tfrecords_tools.remote_cache import identity_of

        if copied := identity_of(path):
            return copied
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
