"""The genome's CpGs, and the positions of a file compared with them."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.builds import build_of
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome, missing_chrom
from tfrecords_tools.methylation.formats import SiteBlock
from tfrecords_tools.number_text import number_of

_STRETCH = 1 << 22
_GAP = 1 << 16
_FEW = 0.01  # share of positions that may disagree with the reference, as at its SNPs
_FITS = 0.8  # share that a shift must bring to CpGs to be named
_EARLY_ROWS, _EARLY_SHARE = 10_000, 0.2
_C, _G = 1, 2
_SHIFTED = {-1: "1-based files are common", 1: "the file may count from 0, its format from 1"}
log = logging.getLogger(__name__)


class GenomeCpgs:
    """The positions of a genome's CpGs, found once for each chromosome and kept in a folder.

    Args:
        genome: the reference.
        folder: for a file per chromosome.
    """

    def __init__(self, genome: Genome, folder: Path):
        self.genome, self._folder = genome, folder
        self._numbers = {chrom: n for n, chrom in enumerate(genome.chroms)}

    def number(self, chrom: str) -> int:
        """Return a chromosome's place in the genome."""
        return self._numbers[chrom]

    def positions(self, chrom: str) -> np.ndarray:
        """Return the positions of the C of each CpG of the forward strand: int32 [n], ascending."""
        path = self._folder / f"cpgs.{self._numbers[chrom]}.bin"
        if not path.exists():
            with atomic_path(path) as part, open(part, "wb") as handle:
                length = self.genome.length(chrom)
                for low in range(0, length, _STRETCH):
                    bases = self.genome.indices(chrom, low, min(low + _STRETCH, length) + 1)
                    found = np.flatnonzero((bases[:-1] == _C) & (bases[1:] == _G)) + low
                    handle.write(found.astype(np.int32).tobytes())
        return mapped(path, np.int32)


def mapped(path: Path, dtype: np.dtype | type, columns: int | None = None) -> np.ndarray:
    """Return a file's values without reading them: [n], or [n, columns]."""
    if not path.stat().st_size:
        return np.empty(0 if columns is None else (0, columns), dtype)
    values = np.memmap(path, dtype, "r")
    return values if columns is None else values.reshape(-1, columns)


@dataclass(frozen=True, eq=False)
class Placed:
    """Rows of a block that are of CpGs of one chromosome.

    Attributes:
        chrom: name.
        rows: int [n], places in the block.
        cpg: int [n], place among the chromosome's CpGs.
        reverse: bool [n], whether the C is that of the reverse strand.
    """

    chrom: str
    rows: np.ndarray
    cpg: np.ndarray
    reverse: np.ndarray


class Placement:
    """Finds the CpG of each position of a file, and judges whether the file fits the genome.

    Args:
        cpgs: of the genome.
        where: the file, for messages.
        offset: that was added to the positions already, for messages.
        unit: what stands at a position, for messages.
        claim: what the file says of its build, for messages.

    Attributes:
        placed: positions that are of a CpG.
        other: cytosines outside CpGs.
        misfits: positions without cytosine.
        left_out: positions on chromosomes that the genome lacks, by chromosome.
    """

    def __init__(
        self,
        cpgs: GenomeCpgs,
        where: str,
        offset: int = 0,
        unit: str = "positions",
        claim: str = "",
    ):
        self._cpgs, self._where, self._offset = cpgs, where, offset
        self._unit, self._claim = unit, claim
        self.placed = self.other = self.misfits = 0
        self.left_out: Counter[str] = Counter()
        self._first: str | None = None
        self._shifts = dict.fromkeys(_SHIFTED, 0)
        self._shifted = 0

    def place(self, block: SiteBlock) -> Iterator[Placed]:
        """Yield the rows of a block that are of CpGs, chromosome by chromosome.

        Raises:
            InputFileError: a chromosome whose name differs by the 'chr' prefix, a position
                beyond its end, or many positions that are no cytosine.
        """
        for code in np.unique(block.chrom).tolist():
            chrom = block.chroms[code]
            rows = np.flatnonzero(block.chrom == code)
            if chrom not in self._cpgs.genome.chroms:
                self._lacking(chrom, block.line[rows[0]])
                self.left_out[chrom] += len(rows)
                continue
            yield self._placed(chrom, rows, block)

    def _placed(self, chrom: str, rows: np.ndarray, block: SiteBlock) -> Placed:
        position, strand = block.position[rows], block.strand[rows]
        length = self._cpgs.genome.chroms[chrom]
        if (bad := (position < 0) | (position >= length)).any():
            row = int(np.argmax(bad))
            place = f"{self._at(block.line[rows[row]])}: {chrom}:{position[row]} (0-based)"
            if position[row] < 0:
                raise InputFileError(
                    f"{place} lies before the chromosome: does the file count from 0 where its "
                    "format counts from 1? Then raise offset by 1 in the sample table"
                )
            raise InputFileError(
                f"{place} lies beyond {chrom} of the FASTA, of {length:,} bp: {self._builds()}"
            )
        cpgs = self._cpgs.positions(chrom)
        cpg, forward, reverse = _match(cpgs, position, strand)
        hit = forward | reverse
        if not hit.all():
            miss = np.flatnonzero(~hit)
            base = _bases(self._cpgs.genome, chrom, position[miss])
            sign = strand[miss]
            cytosine = ((base == _C) & (sign >= 0)) | ((base == _G) & (sign <= 0))
            self.other += int(cytosine.sum())
            if not cytosine.all():
                self._misfit(chrom, block, rows, miss[~cytosine], base[~cytosine], cpgs)
        self.placed += int(np.count_nonzero(hit))
        return Placed(chrom, rows[hit], cpg[hit], reverse[hit])

    def _misfit(self, chrom, block, rows, miss, base, cpgs) -> None:
        position, strand = block.position[rows], block.strand[rows]
        if self._first is None:
            first = miss[0]
            side = {1: " on the forward strand", -1: " on the reverse strand", 0: ""}
            self._first = (
                f"{self._at(block.line[rows[first]])}: {chrom}:{position[first]} (0-based) is "
                f"{'ACGTN'[base[0]]} in the genome, want a C{side[int(strand[first])]}"
                f"{', or the G of a CpG' if not strand[first] else ''}"
            )
        self.misfits += len(miss)
        if len(miss) > _FEW * len(rows):
            self._shifted += len(rows)
            for shift in self._shifts:
                _, forward, reverse = _match(cpgs, position + np.int32(shift), strand)
                self._shifts[shift] += int((forward | reverse).sum())
        done = self.placed + self.other + self.misfits
        if done >= _EARLY_ROWS and self.misfits > _EARLY_SHARE * done:
            raise self._refusal()

    def _refusal(self) -> InputFileError:
        done = self.placed + self.other + self.misfits
        share = self.misfits / done
        text = f"{self._first}; {share:.1%} of {done:,} {self._unit} are no cytosine"
        shift = max(self._shifts, key=self._shifts.get)
        fits = self._shifts[shift] / max(self._shifted, 1)
        if fits > max(_FITS, 1 - share):
            return InputFileError(
                f"{text}, {fits:.1%} would be the C of a CpG {shift:+d} bp from there: set offset "
                f"to {self._offset + shift} in the sample table ({_SHIFTED[shift]})"
            )
        return InputFileError(f"{text}: {self._builds()}")

    def _builds(self) -> str:
        """Return what is likely where positions do not fit, for a message."""
        build = build_of(self._cpgs.genome.chroms)
        known = [f"the FASTA is of {build}"] if build else []
        known += [self._claim] if self._claim else []
        shown = f" ({'; '.join(known)})" if known else ""
        return f"file and FASTA look like different genome builds{shown}; use two of one build"

    def finish(self) -> None:
        """Judge the whole file, and warn of what was left out.

        Raises:
            InputFileError: many positions that are no cytosine, or none that is of a CpG.
        """
        done = self.placed + self.other + self.misfits
        if not done:
            chrom = next(iter(self.left_out), "")
            where = f"FASTA {self._cpgs.genome.path}"
            missing = missing_chrom(chrom, self._cpgs.genome.chroms, where)
            raise InputFileError(f"{self._where} has no chromosome of the genome: {missing}")
        if self.misfits > _FEW * done:
            raise self._refusal()
        if not self.placed:
            raise InputFileError(
                f"{self._where} has no CpG: {self.other:,} of its {done:,} {self._unit} are "
                "cytosines outside CpGs; want a file of CpG context"
            )
        if self.misfits:
            log.warning(
                "%s: left out %d of %d %s that are no cytosine, the first: %s",
                *(self._where, self.misfits, done, self._unit, self._first),
            )
        if self.left_out:
            names = ", ".join(list(self.left_out)[:4]) + ", …" * (len(self.left_out) > 4)
            log.warning(
                "%s: left out %s on %s that the genome lacks: %s",
                *(self._where, number_of(sum(self.left_out.values()), self._unit[:-1])),
                *(number_of(len(self.left_out), "chromosome"), names),
            )

    def _lacking(self, chrom: str, line: int) -> None:
        """Refuse a chromosome that the genome has under another prefix."""
        other = chrom[3:] if chrom.startswith("chr") else f"chr{chrom}"
        if other in self._cpgs.genome.chroms:
            where = f"FASTA {self._cpgs.genome.path}"
            missing = missing_chrom(chrom, self._cpgs.genome.chroms, where)
            raise InputFileError(f"{self._at(line)}: {missing}")

    def _at(self, line: int) -> str:
        return f"{self._where} line {line}"


def _match(cpgs: np.ndarray, position: np.ndarray, strand: np.ndarray):
    """Return the CpG of each position, and whether it is its C, or the G of its C's partner."""
    if not len(cpgs):
        none = np.zeros(len(position), bool)
        return np.zeros(len(position), np.intp), none, none
    cpg = np.maximum(np.searchsorted(cpgs, position, "right") - 1, 0)
    offset = position - cpgs[cpg]
    return cpg, (offset == 0) & (strand >= 0), (offset == 1) & (strand <= 0)


def _bases(genome: Genome, chrom: str, position: np.ndarray) -> np.ndarray:
    """Return the base index at each position, reading neighbours at once."""
    order = np.argsort(position, kind="stable")
    ascending = position[order]
    out = np.empty(len(position), np.uint8)
    edges = np.flatnonzero(np.diff(ascending) > _GAP) + 1
    for part in np.split(np.arange(len(order)), edges):
        low, high = int(ascending[part[0]]), int(ascending[part[-1]]) + 1
        for start in range(low, high, _STRETCH):
            end = min(start + _STRETCH, high)
            first, last = np.searchsorted(ascending, [start, end])
            bases = genome.indices(chrom, start, end)
            out[order[first:last]] = bases[ascending[first:last] - start]
    return out
