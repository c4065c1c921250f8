"""A bigWig writer whose memory does not grow with the number of bins.

The format is that of Kent et al. 2010 (Bioinformatics 26:2204, supplement). Zoom levels, without
which genome browsers show nothing, are made while bins pass and kept in temporary files until
the bins are complete; libraries that make them afterwards hold them, and more, in memory.
"""

import contextlib
import shutil
import struct
import tempfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from tfrecords_tools.bigwig_index import LEAF, write_index
from tfrecords_tools.errors import ConfigError

_MAGIC, _TREE_MAGIC = 0x888FFC26, 0x78CA8C91
_VERSION = 4
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM_HEADER = struct.Struct("<IIQQ")
_SUMMARY = struct.Struct("<Qdddd")
_TREE = struct.Struct("<IIIIQQBBH")
_SECTION = struct.Struct("<IIIIIBBH")
_ITEMS = 1024
_BATCH = 1 << 15
_MOST_CHROMS = 0xFFFF
_ZOOM_LEVELS = 8
_FIRST_ZOOM, _ZOOM_STEP = 10, 4
_BEDGRAPH, _VARIABLE_STEP, _FIXED_STEP = 1, 2, 3
_COLUMNS = {
    _BEDGRAPH: np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")]),
    _VARIABLE_STEP: np.dtype([("start", "<u4"), ("value", "<f4")]),
    _FIXED_STEP: np.dtype([("value", "<f4")]),
}
_CELL = np.dtype(
    [
        *((n, "<u4") for n in ("chrom", "start", "end", "valid")),
        *((n, "<f4") for n in ("min", "max", "sum", "squares")),
    ]
)


def check_count(chroms: Collection[str]) -> None:
    """Check that a bigWig can list so many chromosomes.

    Raises:
        ConfigError: none, or more than its tree of one node can hold.
    """
    if not 0 < len(chroms) <= _MOST_CHROMS:
        raise ConfigError(
            f"{len(chroms)} chromosomes for a bigWig, want 1 to {_MOST_CHROMS}: list fewer"
        )


class BigWigWriter:
    """Writes a bigWig from sorted bins; as a context manager, finishes it unless the block fails.

    Args:
        path: the file.
        chroms: chromosome → length, bp. They are numbered in the order of their names.
        bin_width: typical width of a bin, bp; the first zoom level is ten times that.

    Raises:
        ConfigError: as `check_count`.
    """

    def __init__(self, path: str | Path, chroms: dict[str, int], bin_width: int):
        check_count(chroms)
        self._sizes = dict(sorted(chroms.items(), key=lambda c: c[0].encode()))
        self.numbers = {name: n for n, name in enumerate(self._sizes)}
        self._files = contextlib.ExitStack()
        self._file = self._files.enter_context(open(path, "w+b"))  # noqa: SIM115 - closed with _files
        self._last, self._waiting, self._batch = (0, 0), 0, []
        widths = [_FIRST_ZOOM * bin_width * _ZOOM_STEP**n for n in range(_ZOOM_LEVELS)]
        longest = max(chroms.values())
        folder = Path(path).parent
        self._zooms = [_Zoom(w, folder) for w in widths if w == widths[0] or w < longest]
        for zoom in self._zooms:
            self._files.enter_context(zoom.spool)
        self._leaves, self._sections, self._largest = bytearray(), 0, 0
        self._covered, self._sum, self._squares = 0, 0.0, 0.0
        self._least, self._most = np.inf, -np.inf
        header = _HEADER.size + len(self._zooms) * _ZOOM_HEADER.size + _SUMMARY.size
        self._file.write(bytes(header))
        self._write_chroms()
        self._data = self._file.tell()
        self._file.write(struct.pack("<Q", 0))

    def _write_chroms(self) -> None:
        """Write the tree of chromosomes, which is one leaf."""
        count = len(self._sizes)
        key = max(len(name.encode()) for name in self._sizes)
        self._file.write(_TREE.pack(_TREE_MAGIC, count, key, 8, count, 0, 1, 0, count))
        for number, (name, size) in enumerate(self._sizes.items()):
            self._file.write(name.encode().ljust(key, b"\0") + struct.pack("<II", number, size))

    def add(self, chrom: str, starts: np.ndarray, ends: np.ndarray, values: np.ndarray) -> None:
        """Append bins of a chromosome.

        Args:
            chrom: its name.
            starts: int [n], sorted.
            ends: int [n]; no bin may reach into the next.
            values: float [n]; bins without a value (NaN) are left out.

        Raises:
            ConfigError: bins out of order, or beyond the chromosome's end.
        """
        if self._batch and self._batch[-1][0] != chrom:
            self._flush()
        self._batch.append((chrom, starts, ends, values))
        self._waiting += len(starts)
        if self._waiting >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        """Write the bins that wait, all of one chromosome."""
        if not self._batch:
            return
        chrom = self._batch[0][0]
        starts, ends, values = (np.concatenate([b[i] for b in self._batch]) for i in (1, 2, 3))
        self._batch, self._waiting = [], 0
        known = ~np.isnan(values)
        starts, ends, values = starts[known], ends[known], values[known].astype(np.float64)
        if not len(starts):
            return
        number = self.numbers[chrom]
        gaps = starts[1:] < ends[:-1]
        if (number, starts[0]) < self._last or gaps.any() or (starts >= ends).any():
            raise ConfigError(f"bins of {chrom} from {starts[0]} are not sorted or overlap")
        if ends[-1] > self._sizes[chrom]:
            raise ConfigError(
                f"a bin of {chrom} ends at {ends[-1]}, the chromosome at {self._sizes[chrom]}: "
                "are the lengths of another genome build?"
            )
        self._last = (number, int(ends[-1]))
        for low in range(0, len(starts), _ITEMS):
            part = slice(low, low + _ITEMS)
            self._write_section(number, starts[part], ends[part], values[part])
        size = ends - starts
        self._covered += int(size.sum())
        self._sum += float((values * size).sum())
        self._squares += float((values**2 * size).sum())
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))
        for zoom in self._zooms:
            zoom.add(number, starts, ends, values)

    def _write_section(self, number: int, starts, ends, values) -> None:
        """Write a block in the most compact of the format's three ways that holds its bins."""
        first, last = int(starts[0]), int(ends[-1])
        span = int(ends[0]) - first
        step = int(starts[1]) - first if len(starts) > 1 else span
        if (ends - starts != span).any():
            kind, span, step = _BEDGRAPH, 0, 0
        elif (np.diff(starts) != step).any():
            kind, step = _VARIABLE_STEP, 0
        else:
            kind = _FIXED_STEP
        items = np.empty(len(starts), _COLUMNS[kind])
        for name, column in (("start", starts), ("end", ends), ("value", values)):
            if name in items.dtype.names:
                items[name] = column
        raw = _SECTION.pack(number, first, last, step, span, kind, 0, len(items)) + items.tobytes()
        data = zlib.compress(raw)
        place = (number, first, number, last, self._file.tell(), len(data))
        self._leaves += np.array(place, LEAF).tobytes()
        self._largest = max(self._largest, len(raw))
        self._sections += 1
        self._file.write(data)

    def close(self) -> None:
        """Write what waits, the indexes, the zoom levels and the header."""
        self._flush()
        index = write_index(self._file, np.frombuffer(bytes(self._leaves), LEAF), _ITEMS)
        headers = b""
        for zoom in self._zooms:
            place = self._file.tell()
            leaves = zoom.copy_to(self._file)
            at = write_index(self._file, leaves, _ITEMS)
            headers += _ZOOM_HEADER.pack(zoom.width, 0, place, at)
            self._largest = max(self._largest, zoom.largest)
        self._file.write(struct.pack("<I", _MAGIC))
        summary = _HEADER.size + len(headers)
        header = (_MAGIC, _VERSION, len(self._zooms), summary + _SUMMARY.size, self._data, index)
        self._file.seek(0)
        self._file.write(_HEADER.pack(*header, 0, 0, 0, summary, self._largest, 0) + headers)
        limits = (self._least, self._most) if self._covered else (0.0, 0.0)
        self._file.write(_SUMMARY.pack(self._covered, *limits, self._sum, self._squares))
        self._file.seek(self._data)
        self._file.write(struct.pack("<Q", self._sections))
        self._files.close()

    def __enter__(self) -> "BigWigWriter":
        return self

    def __exit__(self, kind, *_) -> None:
        with self._files:
            if kind is None:
                self.close()


class _Zoom:
    """A zoom level: sums over cells of equal width, the last of which may still grow.

    Attributes:
        width: of a cell, bp.
        spool: the temporary file of its blocks.
        largest: bytes of the largest block before compression.
    """

    def __init__(self, width: int, folder: Path):
        self.width, self.largest = width, 0
        self.spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in copy_to
        self._leaves = bytearray()
        self._cells = 0
        self._held = np.empty(0, _WIDE)

    def add(self, number: int, starts, ends, values) -> None:
        """Add sorted bins of one chromosome."""
        first = starts // self.width
        count = (ends - 1) // self.width - first + 1
        row = np.repeat(np.arange(len(starts)), count)
        cell = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[row]
        low = np.maximum(starts[row], cell * self.width)
        high = np.minimum(ends[row], (cell + 1) * self.width)
        size, value = high - low, values[row]
        heads = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]])
        made = np.empty(len(heads), _WIDE)
        made["chrom"], made["cell"], made["start"] = number, cell[heads], low[heads]
        made["end"] = high[np.r_[heads[1:], len(cell)] - 1]
        made["valid"] = np.add.reduceat(size, heads)
        made["min"] = np.minimum.reduceat(value, heads)
        made["max"] = np.maximum.reduceat(value, heads)
        made["sum"] = np.add.reduceat(value * size, heads)
        made["squares"] = np.add.reduceat(value**2 * size, heads)
        if len(self._held):
            made = self._joined(made)
        self._held = made
        while len(self._held) > _ITEMS:
            self._write(self._held[:_ITEMS])
            self._held = self._held[_ITEMS:]

    def _joined(self, made: np.ndarray) -> np.ndarray:
        """Append cells to those held; the first may continue the last held."""
        last, first = self._held[-1], made[0]
        if (last["chrom"], last["cell"]) != (first["chrom"], first["cell"]):
            return np.concatenate([self._held, made])
        for name in ("valid", "sum", "squares"):
            last[name] += first[name]
        last["min"] = min(last["min"], first["min"])
        last["max"] = max(last["max"], first["max"])
        last["end"] = first["end"]
        return np.concatenate([self._held, made[1:]])

    def _write(self, cells: np.ndarray) -> None:
        stored = np.empty(len(cells), _CELL)
        for name in _CELL.names:
            stored[name] = cells[name]
        data = zlib.compress(stored.tobytes())
        ends = (cells["chrom"][0], cells["start"][0], cells["chrom"][-1], cells["end"][-1])
        self._leaves += np.array((*ends, self.spool.tell(), len(data)), LEAF).tobytes()
        self.spool.write(data)
        self._cells += len(cells)
        self.largest = max(self.largest, stored.nbytes)

    def copy_to(self, file) -> np.ndarray:
        """Append the level's count and blocks to a file; return the blocks' places in it."""
        if len(self._held):
            self._write(self._held)
        file.write(struct.pack("<I", self._cells))
        leaves = np.frombuffer(bytes(self._leaves), LEAF).copy()
        leaves["offset"] += file.tell()
        self.spool.seek(0)
        shutil.copyfileobj(self.spool, file)
        self.spool.close()
        return leaves


_WIDE = np.dtype(
    [
        *((n, np.int64) for n in ("chrom", "cell", "start", "end", "valid")),
        *((n, np.float64) for n in ("min", "max", "sum", "squares")),
    ]
)
