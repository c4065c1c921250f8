"""One command at a time writes an output folder: the lock on its marker."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tfrecords_tools.errors import UnfinishedError

MARKER = ".tfepi"
_SHOWN = 120


@contextlib.contextmanager
def sole_writer(
    folder: str | os.PathLike, shared: bool = False, named: bool = False
) -> Iterator[None]:
    """Hold the lock on an output folder within the block; one without a marker has none.

    The lock is the kernel's (flock): it ends with the process, however that ends. NFS passes it on
    to other hosts; on a file system without locks the block runs without, and on one that keeps
    them to each host (Lustre with localflock, NFS with local_lock) only commands of one host see
    each other. Other processes of the same command (workers, a crew) write under the lock of the
    first, and take none.

    Args:
        folder: the folder.
        shared: let others hold it, too, that say so: commands that each write a folder of their
            own in this one.
        named: let the marker name this process meanwhile; without, nothing is written.

    Raises:
        UnfinishedError: another command holds it.
    """
    handle = _opened(Path(folder) / MARKER)
    if handle is None:
        yield
        return
    with handle:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            who = " ".join(handle.read(_SHOWN).split())
            raise UnfinishedError(
                f"another command{who and f' ({who})'} writes to output folder {folder}: wait "
                "until it ends, or name another folder"
            ) from None
        except OSError:
            named = False  # no locks here, so nothing to tell of one
        if named:
            _note(handle, f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            if named:
                _note(handle, "")


def _opened(path: Path) -> TextIO | None:
    try:
        return open(path, "r+", errors="replace")
    except OSError:
        return None


def _note(handle: TextIO, text: str) -> None:
    """Let a file, from its beginning, hold a text only; a full disk is told by the work."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle.fileno(), 0)
        os.pwrite(handle.fileno(), text.encode(), 0)
