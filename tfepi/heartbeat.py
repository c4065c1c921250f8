"""Files by which processes that share a folder see that the others are alive.

Each rewrites its own while it works; that it changes counts, not when, as machines' clocks differ.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

GONE = "gone"  # a process's last word, if it has failed


def beat_path(folder: Path, index: int) -> Path:
    """Return the file of a process."""
    return folder / f".crew-{index}"


def last_beat(folder: Path, index: int) -> str | None:
    """Return what a process last wrote, or None."""
    try:
        return beat_path(folder, index).read_text() or None
    except OSError:
        return None


def keep_beating(folder: Path, index: int, every: float, end: threading.Event) -> None:
    """Rewrite the file of a process, every so many seconds, until the end."""
    start = time.time_ns()  # so that no two runs write the same
    number = 0
    while not end.is_set():
        with contextlib.suppress(OSError):  # a full disk is told by those who write parts
            beat_path(folder, index).write_text(f"{start}-{number}")
        number += 1
        end.wait(every)


def end_with(parent: int, every: float) -> None:
    """End this process when its parent is gone; looks every so many seconds."""
    while os.getppid() == parent:
        time.sleep(every)
    os._exit(1)
