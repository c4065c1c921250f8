"""HDF5 files that are whole or absent, on disks that may fill up."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from tfrecords_tools.files import atomic_path

_CACHE_BYTES = 64 << 20


class _KeptError:
    """A file for HDF5 that keeps the first failed write instead of raising it.

    HDF5 cannot close a file that it cannot write: each object that it frees complains on
    stderr, and the error that arrives names none of it.
    """

    def __init__(self, path: Path):
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 closed by written_hdf5
        self.error: OSError | None = None
        self.close = self._file.close
        self.seek, self.tell = self._file.seek, self._file.tell
        self.readinto, self.read = self._file.readinto, self._file.read

    def write(self, data) -> int:
        view = memoryview(data)
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += self._file.write(view[done:])
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: int) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def flush(self) -> None:
        """Nothing is buffered."""


@contextlib.contextmanager
def written_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Yield a new HDF5 file that gets its name if the block succeeds, and a check.

    The check raises the OSError of a write that failed; call it now and then. It is called
    at the end in any case.
    """
    with atomic_path(path) as temporary:
        disk = _KeptError(temporary)

        def check() -> None:
            if disk.error is not None:
                raise OSError(disk.error.errno, disk.error.strerror, str(path))

        try:
            with h5py.File(disk, "w", rdcc_nbytes=_CACHE_BYTES) as file:
                yield file, check
            check()
        finally:
            disk.close()
