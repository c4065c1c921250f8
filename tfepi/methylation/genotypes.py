"""Genotypes of PLINK 1 files (.bed, .bim, .fam), read by blocks of SNPs.

A dosage is the number of copies of A1, the fifth column of the .bim; NaN is missing. The .bed is
read by bed-reader (Apache-2.0), one block at a time, so memory does not grow with the number of
SNPs but by the lines of the .bim.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

BLOCK_BYTES = 64 << 20
_BIM = ("chrom", "snp", "cm", "pos", "a1", "a2")
_FAM = ("fid", "iid", "father", "mother", "sex", "pheno")
_MAGIC = b"\x6c\x1b"
_SNP_MAJOR = 1


class Genotypes:
    """The genotypes of a cohort.

    Args:
        prefix: path of the three files without suffix; that of the .bed does too.

    Attributes:
        prefix: without suffix.
        files: suffix → path.
        snps: a row per SNP, in the file's order: chrom, snp, pos (1-based), a1, a2.
        people: a row per person, in the file's order: fid, iid.

    Raises:
        InputFileError: a file is missing, damaged, or of another number of people or SNPs.
    """

    def __init__(self, prefix: str | Path):
        text = str(prefix)
        self.prefix = Path(text.removesuffix(".bed"))
        self.files = {s: Path(f"{self.prefix}.{s}") for s in ("bed", "bim", "fam")}
        for suffix, path in self.files.items():
            existing(path, f"PLINK .{suffix} file")
        self.people = _table(self.files["fam"], _FAM)[["fid", "iid"]]
        _unique_people(self.people, self.files["fam"])
        bim = _table(self.files["bim"], _BIM)
        position = pandas.to_numeric(bim["pos"], errors="coerce")
        bad = np.flatnonzero(~(position >= 0) | (position % 1 != 0))
        if len(bad):
            raise InputFileError(
                f"{self.files['bim']} line {bad[0] + 1} has position "
                f"{bim['pos'].iloc[bad[0]]!r}: want a whole number in column 4"
            )
        bim["pos"] = position.astype(np.int64)
        self.snps = bim.drop(columns="cm")
        self._check_bed()
        self._open = None

    def __len__(self) -> int:
        return len(self.people)

    def dosages(self, columns: np.ndarray, people: np.ndarray | None = None) -> np.ndarray:
        """Return copies of A1: float32 [people, columns], NaN where missing.

        Args:
            columns: numbers of SNPs, in any order.
            people: numbers of people; None for all.
        """
        from bed_reader import open_bed

        if self._open is None:
            counts = {"iid_count": len(self.people), "sid_count": len(self.snps)}
            self._open = open_bed(self.files["bed"], **counts, num_threads=1)
        rows = np.arange(len(self.people)) if people is None else np.asarray(people)
        return self._open.read(index=np.s_[rows, np.asarray(columns)], dtype="float32")

    def blocks(
        self, columns: np.ndarray, people: np.ndarray | None = None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield stretches of `columns` and their dosages, about 64 MB at a time.

        Args:
            columns: numbers of SNPs.
            people: as in `dosages`.
        """
        count = len(self.people) if people is None else len(people)
        size = max(1, BLOCK_BYTES // (4 * max(1, count)))
        for low in range(0, len(columns), size):
            part = slice(low, min(low + size, len(columns)))
            yield part, self.dosages(columns[part], people)

    def _check_bed(self) -> None:
        path, people, snps = self.files["bed"], len(self.people), len(self.snps)
        with open(path, "rb") as handle:
            start = handle.read(3)
        if start[:2] != _MAGIC:
            raise InputFileError(
                f"{path} is no PLINK 1 .bed file: it starts with {start[:2]!r}, want {_MAGIC!r}"
            )
        if start[2:] != bytes([_SNP_MAJOR]):
            raise InputFileError(
                f"{path} is in the order of people: write it again with plink --make-bed"
            )
        want, size = 3 + -(-people // 4) * snps, path.stat().st_size
        if size != want:
            raise InputFileError(
                f"{path} has {size} bytes, want {want} for {people} people in the .fam and {snps} "
                "SNPs in the .bim: it is truncated, or the three files are of different sets"
            )


def standardised(dosages: np.ndarray) -> np.ndarray:
    """Return centred columns of length 1, whose products are correlations.

    Missing genotypes take the SNP's mean. A SNP that does not vary becomes zeros.

    Args:
        dosages: float32 [people, SNPs], NaN where missing.
    """
    centred, _ = centre(dosages)
    length = np.sqrt(np.einsum("ij,ij->j", centred, centred, dtype=np.float64))
    return centred * np.where(length > 0, 1 / np.where(length > 0, length, 1), 0).astype(np.float32)


def centre(dosages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dosages less their SNP's mean, 0 where missing, and those means.

    Args:
        dosages: float32 [people, SNPs], NaN where missing.

    Returns:
        float32 [people, SNPs], and float64 [SNPs]; 0 of a SNP that is missing in everyone.
    """
    known = ~np.isnan(dosages)
    count = known.sum(axis=0)
    total = np.where(known, dosages, 0).sum(axis=0, dtype=np.float64)
    mean = total / np.maximum(count, 1)
    centred = np.where(known, dosages - mean.astype(np.float32), np.float32(0))
    centred[:, _constant(dosages, known)] = 0  # free of rounding
    return centred, mean


def _constant(dosages: np.ndarray, known: np.ndarray) -> np.ndarray:
    low = np.where(known, dosages, np.inf).min(axis=0, initial=np.inf)
    return low == np.where(known, dosages, -np.inf).max(axis=0, initial=-np.inf)


def _table(path: Path, names: tuple[str, ...]) -> pandas.DataFrame:
    """Return the columns of a .bim or .fam as text."""
    with open(path, "rb") as handle:
        first = handle.readline().split()
    if not first:
        raise InputFileError(f"{path} is empty: write it again")
    if len(first) != len(names):
        raise InputFileError(
            f"{path} line 1 has {len(first)} columns, want {len(names)}: {', '.join(names)}"
        )
    try:
        table = pandas.read_csv(
            path, sep=r"\s+", header=None, names=list(names), dtype=str, na_filter=False
        )
    except (pandas.errors.ParserError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputFileError(f"{path} is no table of {len(names)} columns: {reason}") from None
    short = np.flatnonzero(table[names[-1]].isna() | (table[names[-1]] == ""))
    if len(short):
        raise InputFileError(
            f"{path} line {short[0] + 1} has fewer than {len(names)} columns: it is truncated"
        )
    return table


def _unique_people(people: pandas.DataFrame, path: Path) -> None:
    twice = np.flatnonzero(people.duplicated())
    if len(twice):
        fid, iid = people.iloc[twice[0]]
        raise InputFileError(f"{path} line {twice[0] + 1} names {fid} {iid} again: want each once")
