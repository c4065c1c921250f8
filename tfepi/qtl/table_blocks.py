"""Large tables in blocks of rows: text (plain or gzip, tabs, commas or spaces) and Parquet.

Text is cut into blocks at line ends, and blocks are parsed by threads; they come in the order of
the file. Memory holds a few blocks at a time.
"""

import contextlib
import gzip
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from tfepi.qtl.layouts import BLUEPRINT, has_no_header
from tfepi.qtl.table_lines import at_row
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.progress import progress

T = TypeVar("T")
BLOCK = 16 << 20  # bytes of text
ROWS = 1 << 18  # of a Parquet batch
_MISSING = ["", "NA", "NaN", "nan", "N/A", "NULL", "null", "None", "."]
_HEADER_BYTES = 1 << 16
_NAMED = {"\t": "tabs", ",": "commas", " ": "spaces"}


@dataclass(frozen=True)
class QtlTable:
    """A table that can be read in blocks.

    Attributes:
        path: of the file.
        header: names of its columns.
        kind: "parquet", "text" or "gzip".
        separator: between the columns of a text.
        skip: bytes of a text before its first row.
        size: of the file, bytes.
        above: lines of a text before its first row; 0 of Parquet.
    """

    path: Path
    header: tuple[str, ...]
    kind: str
    separator: str = "\t"
    skip: int = 0
    size: int = field(default=0, compare=False)
    above: int = 0

    @property
    def what(self) -> str:
        """What the file is, in words."""
        return "Parquet" if self.kind == "parquet" else f"{self.kind}, {_NAMED[self.separator]}"


def open_table(path: str | Path) -> QtlTable:
    """Return a table after reading its header; lines "##…" may come first.

    Raises:
        InputFileError: missing, empty, damaged, or no table.
    """
    path = existing(path, "QTL table")
    with open(path, "rb") as handle:
        first = handle.read(4)
    size = path.stat().st_size
    if first == b"PAR1":
        with _readable(path):
            return QtlTable(path, tuple(pq.read_schema(path).names), "parquet", size=size)
    kind = "gzip" if first[:2] == b"\x1f\x8b" else "text"
    with _readable(path), _opened(path, kind) as handle:
        skip = above = 0
        for line in iter(lambda: handle.readline(_HEADER_BYTES), b""):
            if line.strip() and not line.startswith(b"##"):
                break
            skip, above = skip + len(line), above + 1
        else:
            raise InputFileError(f"QTL table {path} is empty: want a header and rows")
    try:
        text = line.decode().strip("\r\n\ufeff")
    except UnicodeDecodeError:
        raise InputFileError(
            f"QTL table {path} is no text, gzip or Parquet: name a table"
        ) from None
    separator = "\t" if "\t" in text else max(" ,", key=text.count)
    cells = [cell.strip(' "') for cell in text.removeprefix("#").split(separator)]
    if has_no_header(cells):
        return QtlTable(path, BLUEPRINT, kind, separator, skip, size, above)
    return QtlTable(path, tuple(cells), kind, separator, skip + len(line), size, above + 1)


def read_blocks(
    table: QtlTable,
    columns: Sequence[str],
    kinds: Sequence[str],
    use: Callable[[pa.Table, np.ndarray], T],
    quiet: bool = False,
) -> Iterator[T]:
    """Yield what `use` makes of each block of rows, in order; `use` runs in threads.

    Args:
        table: to read.
        columns: names of the columns that are read.
        kinds: of each: "number" (float64), "text", or "label" (text of few values).
        use: called with the columns of a block and the line of each of its rows, from 1 and with
            the header counted; of Parquet the row, from 1.
        quiet: no progress bar.

    Raises:
        InputFileError: damaged, cut off, or a value that is no number (with its line).
    """
    types = {"number": pa.float64(), "text": pa.string()}
    types["label"] = pa.dictionary(pa.int32(), pa.string())
    wanted = {c: types[k] for c, k in zip(columns, kinds, strict=True)}
    threads = min(8, len(os.sched_getaffinity(0)))
    source = _parquet(table, wanted) if table.kind == "parquet" else _text(table)
    parse = _cast if table.kind == "parquet" else _parse
    bar = progress(total=table.size, unit="B", label=table.path.name, quiet=quiet)
    with bar, ThreadPoolExecutor(threads) as pool, _readable(table.path):

        def work(block, lines: int, first: int):
            rows = parse(table, block, wanted, first)
            return use(rows, _numbers(block, rows.num_rows, lines, first))

        pending: deque = deque()
        first = table.above + 1
        try:
            for block, lines, at in _ahead(source):
                pending.append((pool.submit(work, block, lines, first), at))
                first += lines
                while len(pending) > threads + 1:
                    yield _finished(pending, bar)
            while pending:
                yield _finished(pending, bar)
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(items: Iterator[tuple]) -> Iterator[tuple]:
    """Yield items, the next of which is made by a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = pool.submit(next, items, None)
            yield item


def _finished(pending: deque, bar):
    future, at = pending.popleft()
    result = future.result()
    bar.update(at - bar.n)
    return result


def _text(table: QtlTable) -> Iterator[tuple[bytes, int, int]]:
    """Yield blocks of whole lines, their number, and how far the file was read."""
    with open(table.path, "rb", buffering=0) as raw, _unpacked(raw, table.kind) as handle:
        handle.seek(table.skip)
        rest = b""
        while block := handle.read(BLOCK):
            cut = block.rfind(b"\n") + 1
            if cut:
                whole = rest + block[:cut]
                yield whole, whole.count(b"\n"), raw.tell()
                rest = block[cut:]
                continue
            rest += block
            if len(rest) > BLOCK:
                raise InputFileError(
                    f"QTL table {table.path} has no line end in {len(rest)} bytes: is it a text?"
                )
        if rest:
            yield rest, 1, raw.tell()


def _numbers(block, rows: int, lines: int, first: int) -> np.ndarray:
    """Return the line of each row of a block: blank lines are no rows."""
    if rows == lines:
        return np.arange(first, first + rows)
    full = [bool(line.rstrip(b"\r")) for line in block.split(b"\n")]
    return first + np.flatnonzero(full)


def _parse(table: QtlTable, block: bytes, wanted: dict[str, pa.DataType], first: int) -> pa.Table:
    names = [f"{number}" for number in range(len(table.header))]  # a file may have odd names
    used = {names[table.header.index(c)]: kind for c, kind in wanted.items()}
    try:
        read = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            pyarrow.csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(block) + 1
            ),
            pyarrow.csv.ParseOptions(delimiter=table.separator),
            pyarrow.csv.ConvertOptions(
                include_columns=list(used),
                column_types=used,
                null_values=_MISSING,
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _faulty(table, block, wanted, first, error) from None
    return read.rename_columns(list(wanted))


def _faulty(
    table: QtlTable, block: bytes, wanted: dict[str, pa.DataType], first: int, error: Exception
) -> InputFileError:
    """Return the error of the first line of a block that cannot be read."""
    numbers = [c for c, kind in wanted.items() if kind == pa.float64()]
    for number, line in enumerate(block.decode(errors="replace").split("\n"), first):
        line = line.rstrip("\r")
        where = at_row(table.path, number)
        cells = [c.strip('"') for c in line.split(table.separator)]
        if line and len(cells) == len(table.header) + 1:
            return InputFileError(
                f"{where} has a column more than the header: if R wrote it, write it with "
                "row.names = FALSE"
            )
        if line and len(cells) != len(table.header):
            return InputFileError(
                f"{where} has {len(cells)} columns, the header has {len(table.header)}: is it cut "
                f"off, or not separated by {_NAMED[table.separator]}?"
            )
        for column in numbers if line else ():
            cell = cells[table.header.index(column)]
            try:
                float("nan" if cell in _MISSING else cell)
            except ValueError:
                return InputFileError(f"{where} has {column} {cell[:40]!r}: want a number, or NA")
    return InputFileError(f"{at_row(table.path, first)} and those below are no table ({error})")


def _parquet(table: QtlTable, wanted: dict[str, pa.DataType]) -> Iterator[tuple]:
    """Yield record batches, the number of their rows, and a share of the file's bytes."""
    labels = [c for c, kind in wanted.items() if pa.types.is_dictionary(kind)]
    file = pq.ParquetFile(table.path, read_dictionary=labels, pre_buffer=False)
    total, done = max(1, file.metadata.num_rows), 0
    for batch in file.iter_batches(ROWS, columns=list(wanted)):
        done += batch.num_rows
        yield batch, batch.num_rows, table.size * done // total


def _cast(
    table: QtlTable, batch: pa.RecordBatch, wanted: dict[str, pa.DataType], first: int
) -> pa.Table:
    read = pa.Table.from_batches([batch])
    found = []
    for name, kind in wanted.items():
        column = read.column(name)
        if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(kind):
            column = pc.dictionary_decode(column)
        try:
            if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
                column = pc.dictionary_encode(column.cast(pa.string()))
            found.append(column.cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputFileError(
                f"{at_row(table.path, first)} and those below have {name} of type {column.type}: "
                f"want {'a number' if kind == pa.float64() else 'text'} ({error})"
            ) from None
    return pa.table(found, names=list(wanted))


def _opened(path: Path, kind: str) -> BinaryIO:
    return gzip.open(path) if kind == "gzip" else open(path, "rb")


def _unpacked(raw: BinaryIO, kind: str) -> BinaryIO:
    return gzip.GzipFile(fileobj=raw) if kind == "gzip" else raw


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into an error that says so."""
    try:
        yield
    except EOFError:
        raise InputFileError(
            f"QTL table {path} is cut off (gzip without its end): fetch or write it again"
        ) from None
    except (zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
        raise InputFileError(
            f"QTL table {path} is damaged ({error}): fetch or write it again"
        ) from None
