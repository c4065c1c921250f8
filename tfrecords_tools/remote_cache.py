"""What is known of the copies in the cache, and the locks of those that are under way."""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.remote import CACHE, COPIES, cache_folder, shown
from tfrecords_tools.remote_server import Entry

log = logging.getLogger(__name__)
FORMAT, FORMAT_VERSION = "tfepi-copy", 1
_TOLD = 5.0  # s of waiting for another process, after which that is said


@dataclass(frozen=True)
class Wanted:
    """A remote file that is to be copied.

    Attributes:
        url: its name.
        path: of the copy.
        entry: what the server tells of it, where that is known.
        sha256: what a manifest says, or None.
    """

    url: str
    path: Path
    entry: Entry | None = None
    sha256: str | None = None


def note(path: Path, ending: str) -> Path:
    """Return the file in which something is kept about a path in the cache."""
    root = cache_folder()
    name = hashlib.sha256(os.fsencode(path.relative_to(root))).hexdigest()[:32]
    return root / COPIES / f"{name}{ending}"


def recorded(path: Path) -> dict | None:
    """Return what was written down of a copy that has not changed since: url, version, sha256."""
    value = noted(note(path, ".json"))
    if value is None or value.get("format") != FORMAT:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    same = (found.st_size, found.st_mtime_ns) == (value.get("size"), value.get("mtime_ns"))
    return value if same else None


def is_current(wanted: Wanted) -> bool:
    """Tell whether a copy is there that is the file as it is now, or has the SHA-256 wanted."""
    value = recorded(wanted.path)
    if value is None:
        return False
    if wanted.sha256 is not None:
        return value["sha256"] == wanted.sha256
    return bool(wanted.entry and wanted.entry.version) and (
        value["version"] == wanted.entry.version
    )


def identity_of(path: Path) -> dict | None:
    """Return what identifies a copy: its path, size and SHA-256; None of a file made here."""
    value = recorded(path)
    if value is None:
        return None
    return {"path": str(path), "size": value["size"], "sha256": value["sha256"]}


@contextlib.contextmanager
def written() -> Iterator[None]:
    """Say of an error of the operating system that the cache cannot be written.

    Raises:
        ConfigError: with what to do.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = "is full: free some space, or name another"
        else:
            said = f"cannot be written ({error.strerror or error}): name another"
        raise ConfigError(f"the cache {cache_folder()} {said} with {CACHE}") from None


@contextlib.contextmanager
def held(lock: Path, url: str) -> Iterator[bool]:
    """Hold a lock among processes, also of several hosts; yield False where the disk has none."""
    with open(lock, "a") as handle:
        began, told = time.monotonic(), False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told and time.monotonic() - began > _TOLD:
                    log.info("another process copies %s: waiting for it", shown(url))
                    told = True
                time.sleep(0.1)
            except OSError:
                yield False
                return
        yield True


def noted(path: Path) -> dict | None:
    """Return the JSON object that a note holds, or None."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 of none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
