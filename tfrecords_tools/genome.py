"""DNA: FASTA files, base indices, one-hot codes, reverse complements.

Base indices are A 0, C 1, G 2, T 3 and 4 for anything else (N, IUPAC letters, padding),
whatever the case. One-hot codes have four channels; index 4 is all zeros.
"""

import contextlib
import gzip
import logging
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pysam

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, existing

UNKNOWN = 4
_NEAR = 1 << 12
_SHOWN_BASES = 20
_STRETCH = 1 << 22
_TO_INDEX = np.full(256, UNKNOWN, np.uint8)
for _index, _base in enumerate("ACGT"):
    _TO_INDEX[ord(_base)] = _TO_INDEX[ord(_base.lower())] = _index
_TO_BASE = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_ONE_HOT = np.eye(5, 4, dtype=np.float32)
log = logging.getLogger(__name__)


def encode(sequence: bytes | str) -> np.ndarray:
    """Return the base indices of a sequence: uint8 [length]."""
    data = sequence.encode("ascii", "replace") if isinstance(sequence, str) else sequence
    return _TO_INDEX[np.frombuffer(data, np.uint8)]


def decode(indices: np.ndarray) -> str:
    """Return the letters of base indices [length]; 4 becomes N."""
    return _TO_BASE[indices].tobytes().decode()


def one_hot(indices: np.ndarray, unknown: float = 0.0) -> np.ndarray:
    """Return float32 [..., length, 4] of base indices [..., length].

    Args:
        indices: 0–3, or 4 for N.
        unknown: what N is in each of the four.
    """
    table = _ONE_HOT
    if unknown:
        table = table.copy()
        table[4] = unknown
    return table[indices]


def reverse_complement(indices: np.ndarray) -> np.ndarray:
    """Return the base indices of the other strand, last axis reversed; N stays N."""
    return _COMPLEMENT[indices[..., ::-1]]


class Genome:
    """Random access to a FASTA file, plain or bgzip-compressed, as base indices.

    Args:
        path: the FASTA. Its .fai (and .gzi) is used if it is there and not older; else an
            index is made beside the file, or in `scratch` where that is read-only.
        scratch: folder for such an index, used again if it is there; else a temporary one.

    Attributes:
        chroms: chromosome name → length in bp, in the order of the file.

    Raises:
        InputFileError: missing, empty, not FASTA, gzip- instead of bgzip-compressed,
            truncated against its index, duplicate names.
    """

    def __init__(self, path: str | Path, scratch: Path | None = None):
        self.path = existing(path, "FASTA file")
        with open(self.path, "rb") as handle:
            start = handle.read(18)
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - len(_BGZF_END)))
            end = handle.read()
        if not size:
            raise InputFileError(f"FASTA {path} is empty: fetch or write it again")
        self._gzip = start[:2] == b"\x1f\x8b"
        if self._gzip and start[12:14] != b"BC":
            raise InputFileError(
                f"{path} is gzip-compressed: recompress it with bgzip, or unpack it"
            )
        if self._gzip and end != _BGZF_END:
            raise InputFileError(
                f"FASTA {path} is truncated: the end marker of bgzip is missing; fetch it again"
            )
        if not self._gzip and start[:1] != b">":
            raise InputFileError(
                f"{path} is no FASTA file: it starts with {start[:10]!r}, want '>'"
            )
        self._made: list[Path] = []
        self._damage = ""
        fai, gzi = self._indexed(scratch)
        try:
            with _quiet_htslib():
                self._file = pysam.FastaFile(
                    str(self.path), filepath_index=fai, filepath_index_compressed=gzi
                )
        except (OSError, ValueError) as error:
            for index in self._made:
                index.unlink(missing_ok=True)
            raise InputFileError(f"cannot open FASTA {path}: {error}") from None
        names = self._file.references
        if not names:
            raise InputFileError(f"{path} holds no sequence")
        self.chroms: dict[str, int] = dict(zip(names, self._file.lengths, strict=True))

    def _indexed(self, scratch: Path | None) -> tuple[str, str | None]:
        """Return the paths of the .fai and, of a bgzip, the .gzi, after making what is needed."""
        files = self._index_files(self.path.parent)
        current = self._current(files)
        if not current and not os.access(self.path.parent, os.W_OK):
            if scratch is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="tfepi-fai-")
                scratch = Path(self._temporary.name)
            files = self._index_files(scratch)
            current = self._current(files)
        if not current:
            self._index(*files)
            self._made = files
        if not self._gzip and not self._matches(files[0]):
            raise InputFileError(
                f"{self.path} does not have the size its index {files[0]} says: the FASTA is "
                "truncated or the index is another file's; fetch the FASTA again or remove the "
                "index"
            )
        return str(files[0]), str(files[1]) if self._gzip else None

    def _index_files(self, folder: Path) -> list[Path]:
        suffixes = (".fai", ".gzi") if self._gzip else (".fai",)
        return [folder / f"{self.path.name}{suffix}" for suffix in suffixes]

    def _current(self, files: list[Path]) -> bool:
        """Tell whether an index is there and none of its files is older than the FASTA."""
        if not all(f.exists() for f in files):
            return False
        written = self.path.stat().st_mtime_ns
        older = [f for f in files if f.stat().st_mtime_ns < written]
        if older:
            log.info("%s is older than its FASTA: indexing that again", older[0])
        return not older

    def _index(self, fai: Path, gzi: Path | None = None) -> None:
        """Write the index; htslib drops repeated names with a warning only, here it is an error."""
        with contextlib.ExitStack() as stack:
            part = stack.enter_context(atomic_path(fai))
            extra = ["--gzi-idx", str(stack.enter_context(atomic_path(gzi)))] if gzi else []
            try:
                with _quiet_htslib():
                    pysam.faidx("--fai-idx", str(part), *extra, str(self.path))
            except pysam.SamtoolsError:
                raise InputFileError(
                    f"cannot index FASTA {self.path}: its lines are of unequal length or the file "
                    "is truncated or damaged; fetch it again"
                ) from None
            headers = self._headers()
            indexed = len(part.read_text().splitlines())
            if headers != indexed:
                raise InputFileError(
                    f"{self.path} has {headers} sequences but only {indexed} different names: "
                    "rename the duplicates"
                )
        written = self.path.stat().st_mtime_ns
        for file in filter(None, (fai, gzi)):  # a FASTA may be dated ahead of this clock
            if file.stat().st_mtime_ns < written:
                os.utime(file, ns=(written, written))

    def _headers(self) -> int:
        """Count the lines that begin a sequence."""
        headers, last = 0, b"\n"
        try:
            with (gzip.open if self._gzip else open)(self.path, "rb") as handle:
                while chunk := handle.read(1 << 24):
                    headers += (last + chunk).count(b"\n>")
                    last = chunk[-1:]
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputFileError(f"FASTA {self.path} is damaged: fetch it again") from None
        return headers

    def _matches(self, fai: Path) -> bool:
        """Tell whether a plain file's size agrees with its index."""
        size = os.path.getsize(self.path)
        end = 0
        with open(fai) as handle:
            for line in handle:
                try:
                    length, offset, bases, width = map(int, line.split("\t")[1:5])
                except ValueError:
                    return False
                if length:
                    end = max(
                        end, offset + (length - 1) // bases * width + (length - 1) % bases + 1
                    )
        return end <= size <= end + 64  # a few empty lines may follow

    def length(self, chrom: str) -> int:
        """Return a chromosome's length in bp.

        Raises:
            InputFileError: the FASTA has no such chromosome.
        """
        if chrom not in self.chroms:
            raise InputFileError(missing_chrom(chrom, self.chroms, f"FASTA {self.path}"))
        return self.chroms[chrom]

    def indices(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return base indices of [start, end), 0-based; 4 beyond the chromosome's ends.

        Returns:
            uint8 [end - start].

        Raises:
            InputFileError: unknown chromosome, or the file ends before its index says.
        """
        length = self.length(chrom)
        out = np.full(end - start, UNKNOWN, np.uint8)
        low, high = max(start, 0), min(end, length)
        if low < high:
            try:
                with _quiet_htslib():
                    text = self._file.fetch(chrom, low, high)
            except (OSError, ValueError):  # the reason pysam gives is an errno left from elsewhere
                # htslib fails at every place after the first
                self._damage = self._damage or f"{chrom}:{low}-{high}"
                raise InputFileError(
                    f"FASTA {self.path} is damaged at {self._damage}: fetch it again"
                ) from None
            if len(text) != high - low:
                raise InputFileError(
                    f"FASTA {self.path} gave {len(text)} of {high - low} bp at {chrom}:{low}: "
                    "the file is truncated"
                )
            out[low - start : high - start] = encode(text)
        return out

    def windows(self, spans: Sequence[tuple[str, int, int]]) -> np.ndarray:
        """Return base indices of windows of one length, reading neighbours at once.

        Args:
            spans: (chromosome, start, end) of each, in any order, 0-based.

        Returns:
            uint8 [len(spans), length], in the order given.
        """
        length = spans[0][2] - spans[0][1]
        out = np.empty((len(spans), length), np.uint8)
        order = sorted(range(len(spans)), key=lambda i: spans[i])
        first = 0
        while first < len(order):
            chrom, low, high = spans[order[first]]
            last = first + 1
            while last < len(order):
                other, start, end = spans[order[last]]
                if other != chrom or start > high + _NEAR or end - low > max(_STRETCH, length):
                    break
                high = max(high, end)
                last += 1
            stretch = self.indices(chrom, low, high)
            for i in order[first:last]:
                out[i] = stretch[spans[i][1] - low : spans[i][2] - low]
            first = last
        return out

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Genome":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def shortened(sequence: str, unit: str = "bp") -> str:
    """Return an allele as messages show it: a long one by its first 20 letters and its length."""
    if len(sequence) <= _SHOWN_BASES:
        return sequence
    return f"{sequence[:_SHOWN_BASES]}…({len(sequence)} {unit})"


def missing_chrom(chrom: str, chroms: dict, where: str) -> str:
    """Return the message for a chromosome that `where` lacks, explaining the chr prefix."""
    other = chrom[3:] if chrom.startswith("chr") else f"chr{chrom}"
    if other in chroms:
        return (
            f"{where} has no chromosome {chrom!r} but has {other!r}: "
            "the names differ by the 'chr' prefix; rename one side"
        )
    shown = ", ".join(list(chroms)[:4])
    return f"{where} has no chromosome {chrom!r}: it has {shown}{', …' if len(chroms) > 4 else ''}"


class _quiet_htslib:
    """Silence htslib's own messages on stderr; ours say the same with the file's name."""

    def __enter__(self):
        self._level = pysam.set_verbosity(0)

    def __exit__(self, *_):
        pysam.set_verbosity(self._level)
