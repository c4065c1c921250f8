"""Large text tables, plain or gzip, read block by block with the line number of every row."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

BLOCK_BYTES = 1 << 22
_LONGEST_LINE = BLOCK_BYTES
_LENGTH = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_VALUE = re.compile(r"CSV column #(\d+): Row #(\d+): .*error to (\w+): invalid value '(.*)'", re.S)
_MISSING = ["", "NA", "NaN", "nan", "na", "null", "NULL", "."]


class TextTable:
    """A text file with one row a line.

    Args:
        path: the file, plain or gzip (also bgzip).
        what: it is of, for messages.

    Attributes:
        size: of the file, bytes.

    Raises:
        InputFileError: missing or empty.
    """

    def __init__(self, path: str | Path, what: str):
        self.path, self.what = existing(path, what), what
        self.size = self.path.stat().st_size
        with open(self.path, "rb") as handle:
            self._packed = handle.read(2) == b"\x1f\x8b"
        if not self.size:
            raise InputFileError(f"{what} {path} is empty: fetch or write it again")

    def head(self) -> Iterator[tuple[int, str]]:
        """Yield (number from 1, text) of the first lines, one after the other.

        Raises:
            InputFileError: a damaged gzip, or no text.
        """
        with self._whole(), gzip.open(self.path) if self._packed else open(self.path, "rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if b"\0" in line or (len(line) == _LONGEST_LINE):
                    raise InputFileError(f"{self.what} {self.path} is no text: name another file")
                yield number, line.decode("utf-8", "replace").rstrip("\r\n")

    def blocks(
        self,
        columns: Sequence[str],
        kinds: Mapping[str, pa.DataType],
        skip: int,
        delimiter: str = "\t",
        *,
        quoted: bool = False,
        spaced: bool = False,
        missing: bool = False,
        footer: str | None = None,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Yield the rows, block by block; empty lines are left out.

        Args:
            columns: names of all columns.
            kinds: of those to read.
            skip: lines above the first row.
            delimiter: of columns.
            quoted: values may stand in double quotes.
            spaced: some columns are separated by spaces instead.
            missing: numbers may be missing; else an empty cell is an error.
            footer: what the first cell of the line starts with that ends the table.
            advance: told how many more bytes of the file have been read.

        Yields:
            Line number of every row, int64 [n], and the columns of `kinds`.

        Raises:
            InputFileError: a row of another length, a cell that is no number or empty, a
                damaged gzip.
        """
        ended = []

        def strange(row: csv.InvalidRow) -> str:
            if footer is not None and (ended or row.text.startswith(footer)):
                ended.append(row.number)
                return "skip"
            return "error"

        with self._whole(columns), pa.OSFile(str(self.path)) as raw, ExitStack() as stack:
            stream = pa.CompressedInputStream(raw, "gzip") if self._packed else raw
            if spaced:
                stream = pa.TransformInputStream(stream, _tabbed)
            reader = csv.open_csv(
                stream,
                csv.ReadOptions(
                    column_names=list(columns),
                    skip_rows=skip,
                    block_size=BLOCK_BYTES,
                    use_threads=False,
                ),
                csv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if quoted else False,
                    ignore_empty_lines=False,
                    invalid_row_handler=None if footer is None else strange,
                ),
                csv.ConvertOptions(
                    column_types=dict(kinds),
                    include_columns=list(kinds),
                    null_values=_MISSING if missing else [""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=missing,
                ),
            )
            # Arrow reads ahead in a thread of its own. Left alone by an error it may let go of its
            # Python callbacks when Python is gone, which ends the process.
            stack.callback(_drain, reader, raw)
            line, done = skip + 1, 0
            for batch in reader:
                lines = np.arange(line, line + len(batch))
                line += len(batch)
                if ended and ended[0] < line:
                    batch = batch.slice(0, max(0, ended[0] - lines[0]))
                    lines = lines[: len(batch)]
                lines, batch = self._filled(lines, batch, missing)
                if len(batch):
                    yield lines, batch
                advance(raw.tell() - done)
                done = raw.tell()

    def _filled(self, lines: np.ndarray, batch: pa.RecordBatch, missing: bool):
        """Return a block without empty lines, and refuse empty cells where none may be."""
        names = [n for n, c in zip(batch.schema.names, batch.columns, strict=True) if c.null_count]
        if not names or (missing and len(names) < batch.num_columns):
            return lines, batch
        empty = np.stack([batch.column(n).is_null().to_numpy(zero_copy_only=False) for n in names])
        blank = empty.all(0) & (len(names) == batch.num_columns)
        bad = empty.any(0) & ~blank
        if bad.any() and not missing:
            row = int(np.argmax(bad))
            name = names[int(np.argmax(empty[:, row]))]
            raise InputFileError(f"{self.path} line {lines[row]}: {name} is empty, want a value")
        return lines[~blank], batch.filter(pa.array(~blank))

    @contextmanager
    def _whole(self, columns: Sequence[str] = ()) -> Iterator[None]:
        """Say of errors while reading which line they are of, or that the gzip is damaged."""
        try:
            yield
        except pa.ArrowInvalid as error:
            text = str(error)
            if found := _LENGTH.search(text):
                line, want, got = found.groups()
                raise InputFileError(
                    f"{self.path} line {line} has {got} columns, want {want}: "
                    f"{', '.join(columns[:20])}"
                ) from None
            if found := _VALUE.search(text):
                column, line, kind, value = found.groups()
                noun = "whole number" if kind.startswith(("int", "uint")) else "number"
                raise InputFileError(
                    f"{self.path} line {line}: {columns[int(column)]} is {value[:60]!r}, want a "
                    f"{noun}"
                ) from None
            raise InputFileError(
                f"{self.what} {self.path} cannot be read as a table of text: {text[:200]}"
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._damaged(error) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> InputFileError:
        return InputFileError(
            f"{self.what} {self.path} is damaged or truncated gzip ({error}): fetch or write it "
            "again"
        )


def _drain(reader: csv.CSVStreamingReader, raw: pa.NativeFile) -> None:
    """End a reader that may not have come to the end of its file, and wait for its thread."""
    raw.close()
    with suppress(StopIteration, pa.ArrowException, ValueError, OSError, EOFError):
        while True:
            reader.read_next_batch()


def _tabbed(data: pa.Buffer) -> bytes:
    return bytes(data).replace(b" ", b"\t")
