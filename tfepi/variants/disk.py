"""Full disks, told apart from other failures of libraries that write files."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

_NO_ROOM = 1 << 20  # bytes; a compressed block of any library fits in


@contextlib.contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Give a failed write of `path` the system's error number and name.

    Arrow puts the reason into the text; htslib says only that closing failed, so the free
    space decides. Use it inside the block that makes the file, before what was written is
    removed.

    Raises:
        OSError: with errno ENOSPC if the disk is full.
    """
    try:
        yield
    except OSError as error:
        unnamed = error.errno in (None, 0)
        crowded = unnamed and shutil.disk_usage(path.parent).free < _NO_ROOM
        if crowded or "No space left on device" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(path)) from None
        raise
