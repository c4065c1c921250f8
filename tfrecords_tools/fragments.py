"""Fragment files of ATAC-seq: 10x fragments.tsv, or BED.

A line is one fragment, 0-based and half-open. Of the columns chromosome, start, end and, where
cells are told apart, barcode are read; the fifth of a 10x file counts PCR duplicates of the
fragment, which are one observation.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas

from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome, missing_chrom
from tfrecords_tools.intervals import Interval, bed_rows

_BLOCK = 1 << 19
_COLUMNS = ("chrom", "start", "end", "barcode")


@dataclass(frozen=True, eq=False)
class FragmentBlock:
    """Fragments that follow one another in a file.

    Attributes:
        chrom: int [n], place of the chromosome in the genome; -1 is one that is left out.
        start, end: int64 [n], bp.
        barcode: int [n], place among the barcodes looked for, -1 for any other; or None.
        strange: a barcode that is not looked for, or None.
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    barcode: np.ndarray | None
    strange: str | None = None


def genome_sizes(path: str | Path) -> dict[str, int]:
    """Return chromosome → length of a FASTA, .fai or chrom.sizes.

    Raises:
        InputFileError: as `Genome` or `chrom_sizes.read_sizes`.
    """
    with open(existing(path, "genome"), "rb") as handle:
        head = handle.read(2)
    if head[:1] == b">" or head == b"\x1f\x8b":
        with Genome(path) as genome:
            return genome.chroms
    return read_sizes(path)


class FragmentFile:
    """A fragment file, sorted or not, plain or gzip.

    Args:
        path: the file.
        genome: its name, for messages.
        sizes: chromosome → length, bp.
        chosen: whether fragments on chromosomes that `sizes` lacks are left out; else they are an
            error.
        barcodes: looked for in the fourth column; None leaves it unread.

    Raises:
        InputFileError: missing or without fragment.
    """

    def __init__(
        self,
        path: str | Path,
        genome: str | Path,
        sizes: dict[str, int],
        chosen: bool = False,
        barcodes: list[str] | None = None,
    ):
        self.path = existing(path, "fragment file")
        self._genome, self._sizes, self._chosen = genome, sizes, chosen
        self._lengths = np.array([*sizes.values()], np.int64)
        self._chroms = pandas.Index(list(sizes))
        self._barcodes = None if barcodes is None else pandas.Index(barcodes)

    def blocks(self, advance: Callable[[int], object]) -> Iterator[FragmentBlock]:
        """Yield the fragments, block by block.

        Args:
            advance: told how many more bytes of the file have been read.

        Raises:
            InputFileError: a line that is no fragment, without barcode, or outside the genome; a
                damaged gzip.
        """
        columns = _COLUMNS if self._barcodes is not None else _COLUMNS[:3]
        kinds = {c: "int64" if c in ("start", "end") else "category" for c in columns}
        with open(self.path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            handle = gzip.GzipFile(fileobj=raw) if packed else raw
            try:
                _skip_comments(handle)
                frames = pandas.read_csv(
                    handle,
                    sep="\t",
                    header=None,
                    names=columns,
                    usecols=range(len(columns)),
                    dtype=kinds,
                    chunksize=_BLOCK,
                    quoting=csv.QUOTE_NONE,
                    na_filter=False,
                )
                done = rows = 0
                for frame in frames:
                    yield self._block(frame)
                    rows += len(frame)
                    advance(raw.tell() - done)
                    done = raw.tell()
                if not rows:
                    raise InputFileError(f"fragment file {self.path} holds no fragment")
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InputFileError(
                    f"{self.path} is damaged gzip ({error}): fetch or write it again"
                ) from None
            except InputFileError:
                raise
            except (ValueError, OverflowError, pandas.errors.ParserError) as error:
                self._explain(error)

    def _block(self, frame: pandas.DataFrame) -> FragmentBlock:
        chrom, _ = _places(frame["chrom"], self._chroms)
        start, end = frame["start"].to_numpy(), frame["end"].to_numpy()
        length = np.where(chrom < 0, np.iinfo(np.int64).max, self._lengths[chrom])
        bad = (start < 0) | (start >= end) | (end > length)
        if not self._chosen:
            bad |= chrom < 0
        if self._barcodes is not None:
            bad |= (frame["barcode"] == "").to_numpy()
        if bad.any():
            row = frame.iloc[int(np.argmax(bad))]
            self._check(Interval(row["chrom"], row["start"], row["end"]), [*row])
        if self._barcodes is None:
            return FragmentBlock(chrom, start, end, None)
        return FragmentBlock(chrom, start, end, *_places(frame["barcode"], self._barcodes))

    def _check(self, found: Interval, fields: list[str]) -> None:
        """Refuse one fragment that is wrong."""
        where = f"{self.path}: fragment {found}"
        if not 0 <= found.start < found.end:
            raise InputFileError(f"{where} has no length: want 0 <= start < end")
        if found.chrom in self._sizes:
            length = self._sizes[found.chrom]
            if found.end > length:
                raise InputFileError(
                    f"{where} ends beyond {found.chrom}, which is {length:,} bp in {self._genome}: "
                    "are the fragments of another genome build?"
                )
        elif not self._chosen:
            missing = missing_chrom(found.chrom, self._sizes, str(self._genome))
            raise InputFileError(
                f"{missing}; fragments of {self.path} lie there: name the chromosomes to use with "
                "--chroms, or another genome"
            )
        if self._barcodes is not None and (len(fields) < 4 or not fields[3].strip()):
            raise InputFileError(f"{where} has no barcode in column 4, by which --clusters goes")

    def _explain(self, error: Exception) -> None:
        """Refuse a file that cannot be read as a table, by its first line that is wrong."""
        for found, fields in bed_rows(self.path):
            self._check(found, fields)
        reason = str(error).splitlines()[0]
        raise InputFileError(
            f"{self.path} is no tab-separated table of fragments ({reason}): want chromosome, "
            "start, end and, with --clusters, barcode"
        )


def _places(names: pandas.Series, known: pandas.Index) -> tuple[np.ndarray, str | None]:
    """Return each name's place among those known, or -1, and one that is not known."""
    different = names.cat.categories
    places = known.get_indexer(different)
    strange = different[places < 0]
    return places[names.cat.codes], strange[0] if len(strange) else None


def _skip_comments(handle: BinaryIO) -> None:
    """Go to the first line that is a fragment."""
    at = handle.tell()
    while (line := handle.readline()) and line.startswith((b"#", b"track", b"browser", b"\n")):
        at = handle.tell()
    handle.seek(at)
