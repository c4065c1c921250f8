"""DNA: FASTA files, base indices, one-hot codes, reverse complements.

Base indices are A 0, C 1, G 2, T 3 and 4 for anything else (N, IUPAC letters, padding),
whatever the case. One-hot codes have four channels; index 4 is all zeros.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pysam

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.fasta_index import FastaIndex
from tfrecords_tools.files import existing
from tfrecords_tools.htslib import BGZF_END, quiet_htslib

UNKNOWN = 4
_NEAR = 1 << 12
_SHOWN_BASES = 20
_STRETCH = 1 << 22
_TO_INDEX = np.full(256, UNKNOWN, np.uint8)
for _index, _base in enumerate("ACGT"):
    _TO_INDEX[ord(_base)] = _TO_INDEX[ord(_base.lower())] = _index
_TO_BASE = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)
_ONE_HOT = np.eye(5, 4, dtype=np.float32)


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
            handle.seek(max(0, size - len(BGZF_END)))
            end = handle.read()
        if not size:
            raise InputFileError(f"FASTA {path} is empty: fetch or write it again")
        packed = start[:2] == b"\x1f\x8b"
        if packed and start[12:14] != b"BC":
            raise InputFileError(
                f"{path} is gzip-compressed: recompress it with bgzip, or unpack it"
            )
        if packed and end != BGZF_END:
            raise InputFileError(
                f"FASTA {path} is truncated: the end marker of bgzip is missing; fetch it again"
            )
        if not packed and start[:1] != b">":
            raise InputFileError(
                f"{path} is no FASTA file: it starts with {start[:10]!r}, want '>'"
            )
        self._damage = ""
        # Kept, since its folder may be a temporary one.
        self._index = FastaIndex(self.path, packed, scratch)
        try:
            with quiet_htslib():
                self._file = pysam.FastaFile(
                    str(self.path),
                    filepath_index=self._index.fai,
                    filepath_index_compressed=self._index.gzi,
                )
        except (OSError, ValueError) as error:
            self._index.remove()
            raise InputFileError(f"cannot open FASTA {path}: {error}") from None
        names = self._file.references
        if not names:
            raise InputFileError(f"{path} holds no sequence")
        self.chroms: dict[str, int] = dict(zip(names, self._file.lengths, strict=True))

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
                with quiet_htslib():
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
