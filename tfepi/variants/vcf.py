"""Variants of a VCF, bgzip-compressed VCF or BCF, streamed and checked as they pass.

VCF's 1-based positions become 0-based here and nowhere else.
"""

import contextlib
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pysam

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.htslib import BGZF_END, quiet_htslib

_COLUMNS = 8


@dataclass(frozen=True)
class Variant:
    """One record of a VCF.

    Attributes:
        chrom: chromosome.
        position: of the first base of REF, 0-based.
        id: identifier, "." if none.
        ref: REF as written.
        alts: every ALT as written, symbolic ones too; empty for ".".
        row: number of the record in its file, from 0.
    """

    chrom: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    row: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.position + 1}" + (f" {self.id}" if self.id != "." else "")


def read_variants(path: str | Path) -> Iterator[Variant]:
    """Yield the records of a sorted VCF, VCF.gz or BCF, in order.

    Raises:
        InputFileError: missing, not VCF, truncated, gzip- instead of bgzip-compressed, a
            malformed line (with its number), positions going down, a chromosome returning.
    """
    chrom, position, seen = None, -1, set()
    for row, record in enumerate(records(path)):
        start = record.start
        if record.chrom != chrom:
            chrom = record.chrom
            if chrom in seen:
                raise _unsorted(path, row, f"returns to chromosome {chrom}")
            seen.add(chrom)
        elif start < position:
            raise _unsorted(path, row, f"has position {start + 1} after {position + 1} on {chrom}")
        position = start
        yield Variant(chrom, start, record.id or ".", record.ref or ".", record.alts or (), row)


def _unsorted(path: str | Path, row: int, how: str) -> InputFileError:
    return InputFileError(
        f"{path} is not sorted: record {row + 1} {how}; sort it with 'bcftools sort'"
    )


def chunks(variants: Iterable[Variant], size: int) -> Iterator[tuple[Variant, ...]]:
    """Yield runs of `size` consecutive records; the last may be shorter."""
    iterator = iter(variants)
    while chunk := tuple(itertools.islice(iterator, size)):
        yield chunk


def header_text(path: str | Path) -> str:
    """Return the header, up to and including the line of column names."""
    with _opened(path) as file:
        return str(file.header)


def records(path: str | Path) -> Iterator[pysam.VariantRecord]:
    """Yield pysam's records, with one clear line for a file that cannot be read."""
    row = 0
    with _opened(path) as file:
        iterator = iter(file)
        while True:
            try:
                record = next(iterator)
            except StopIteration:
                return
            except (OSError, ValueError) as error:
                raise InputFileError(_damage(Path(path), row, error)) from None
            yield record
            row += 1


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[pysam.VariantFile]:
    path = existing(path, "VCF")
    _check_whole(path)
    with quiet_htslib():
        try:
            file = pysam.VariantFile(str(path))
        except (OSError, ValueError, NotImplementedError):  # pysam raises each of these
            raise InputFileError(
                f"{path} is no VCF or BCF: want a first line '##fileformat=VCFv4.x' and a line "
                "'#CHROM POS ID REF ALT QUAL FILTER INFO' separated by tabs"
            ) from None
        try:
            yield file
        except BaseException:
            with contextlib.suppress(OSError):  # closing a damaged file fails again
                file.close()
            raise
        _close(file, path)


def _close(file: pysam.VariantFile, path: Path) -> None:
    try:
        file.close()
    except OSError:
        raise InputFileError(f"{path} is damaged: its end does not read; fetch it again") from None


def _check_whole(path: Path) -> None:
    """Refuse a file whose end is missing."""
    size = path.stat().st_size
    if not size:
        raise InputFileError(f"{path} is empty: want a VCF or BCF")
    with open(path, "rb") as handle:
        start = handle.read(18)
        handle.seek(max(0, size - len(BGZF_END)))
        end = handle.read()
    if start[:2] == b"\x1f\x8b":
        if start[12:14] != b"BC":
            raise InputFileError(
                f"{path} is gzip-compressed: recompress it with 'gunzip -c {path.name} | bgzip'"
            )
        if end != BGZF_END:
            raise InputFileError(
                f"{path} is truncated: the end marker of bgzip is missing; fetch it again"
            )
    elif start[:1] == b"#" and end[-1:] != b"\n":
        raise InputFileError(
            f"{path} is truncated: its last line has no line end; fetch it again, or add one "
            "if the line is whole"
        )


def _damage(path: Path, row: int, error: Exception) -> str:
    """Return what is wrong with record `row`, looking at the text where it is text."""
    with contextlib.suppress(OSError, EOFError, UnicodeDecodeError, zlib.error):
        number, line = _data_line(path, row)
        if number:
            return f"{path} line {number} {_malformed(line)}"
    return f"{path} is truncated or damaged after record {row}: {error}; fetch it again"


def _data_line(path: Path, row: int) -> tuple[int, str]:
    """Return a record's line and its number from 1; 0 in a BCF, or past the last line."""
    with open(path, "rb") as handle:
        opener = gzip.open if handle.read(2) == b"\x1f\x8b" else open
    with opener(path, "rt", encoding="utf-8") as handle:
        numbered = enumerate(handle, 1)
        if not next(numbered)[1].startswith("##"):
            return 0, ""
        data = (n for n in numbered if not n[1].startswith("#"))
        return next(itertools.islice(data, row, None), (0, ""))


def _malformed(line: str) -> str:
    if not line.strip():
        return "is empty: remove it"
    fields = line.rstrip("\n").split("\t")
    shown = repr(line.rstrip("\n")[:60])
    if len(fields) < _COLUMNS:
        return f"has {len(fields)} columns separated by tabs, want at least {_COLUMNS}: {shown}"
    if not fields[1].isdecimal():
        return f"has POS {fields[1]!r}, want a whole number: {shown}"
    return f"is no VCF record: {shown}"
