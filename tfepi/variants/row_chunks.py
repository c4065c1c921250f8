"""Chunks of arrays with a row per variant, and writes that fill whole chunks.

Parts of long windows are short: written as they come, each of the compressed chunks they lie in
would be unpacked and packed again dozens of times.
"""

from collections.abc import Callable

import numpy as np

CHUNK_BYTES = 1 << 20
TARGETS_PER_CHUNK = 64
ROWS_BYTES = 16 << 20  # of all chunks that lie beside each other
GZIP_LEVEL = 1  # saves 12 % of scores; 4 and 9 save 1 and 3 % more, at 1.2 and 3 times the time
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": GZIP_LEVEL}
"""How h5py is to compress datasets of floats; every HDF5 library reads it."""


def chunk_shape(rows: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of about a megabyte that are narrow in targets, so that columns read fast.

    Args:
        rows: of the array.
        shape: of a row; targets last.

    Returns:
        Chunk lengths, rows first. All chunks beside each other hold at most 16 MiB, or one row.
    """
    width = min(shape[-1], TARGETS_PER_CHUNK)
    middle = int(np.prod(shape[:-1]))
    count = min(
        rows, CHUNK_BYTES // (4 * middle * width), ROWS_BYTES // (4 * middle * max(1, shape[-1]))
    )
    return (max(1, count), *shape[:-1], max(1, width))


class RowWriter:
    """Appends rows to an array of a file; each write but the last fills whole chunks.

    Args:
        array: h5py or zarr array whose first axis is rows.
        step: rows per write, as many as a chunk (or shard) has.
        check: called after each write, to raise the error of a disk that is full.
    """

    def __init__(self, array, step: int, check: Callable[[], object] = lambda: None):
        self._array, self._check = array, check
        self._held = np.empty((min(step, array.shape[0]), *array.shape[1:]), array.dtype)
        self._row = self._count = 0

    def write(self, values: np.ndarray) -> None:
        """Append rows."""
        done = 0
        while done < len(values):
            some = values[done : done + len(self._held) - self._count]
            self._held[self._count : self._count + len(some)] = some
            self._count += len(some)
            done += len(some)
            if self._count == len(self._held):
                self.close()

    def close(self) -> None:
        """Write the rows that are held."""
        if self._count:
            self._array[self._row : self._row + self._count] = self._held[: self._count]
            self._row += self._count
            self._count = 0
            self._check()
