"""Both strands of each CpG added up, and what has been read of a file kept on disk."""

from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.methylation.formats import SiteBlock
from tfrecords_tools.methylation.sites import GenomeCpgs, Placed, mapped

_CPG = np.dtype([("total", "<f4"), ("weight", "<f4"), ("strands", "<u4")])
_FORWARD, _REVERSE = 1, 2  # a position was there
_READ = 4  # times either: it has a value


class StrandSums:
    """The sums of a file at each CpG of the genome, in a file per chromosome.

    A CpG's total is of methylated reads and its weight of reads; without counts the total is of
    betas and the weight how many there are. Memory holds the parts of a chromosome in use.

    Args:
        folder: for the files.
        cpgs: of the genome.
        where: the file, for messages.
        merge: add the strands up; else the forward one alone is kept.

    Attributes:
        merged: CpGs of which both strands have a value, after `finish`.
        reverse_left_out: calls of the reverse strand that were left out.
    """

    def __init__(self, folder: Path, cpgs: GenomeCpgs, where: str, merge: bool = True):
        self._folder, self._cpgs, self._where, self._merge = folder, cpgs, where, merge
        self._chroms: set[str] = set()
        self.merged = self.reverse_left_out = 0

    def add(self, placed: Placed, block: SiteBlock) -> None:
        """Take rows of a block.

        Raises:
            InputFileError: a position that was there before, with its line.
        """
        number = self._cpgs.number(placed.chrom)
        path = self._folder / f"{number}.sums"
        if placed.chrom not in self._chroms:
            self._chroms.add(placed.chrom)
            with open(path, "wb") as handle:
                handle.truncate(max(1, len(self._cpgs.positions(placed.chrom))) * _CPG.itemsize)
        sums = np.memmap(path, _CPG, "r+")
        side = np.where(placed.reverse, _REVERSE, _FORWARD).astype(np.uint32)
        self._check(placed, block, sums["strands"], side)
        for flag in (_FORWARD, _REVERSE):
            here = side == flag
            cpg, rows = placed.cpg[here], placed.rows[here]
            sums["strands"][cpg] |= np.uint32(flag)
            if flag == _REVERSE and not self._merge:
                self.reverse_left_out += len(cpg)
                continue
            weight = np.float32(1) if block.coverage is None else block.coverage[rows]
            sums["total"][cpg] += block.methylated[rows]
            sums["weight"][cpg] += weight
            sums["strands"][cpg] |= np.where(weight > 0, np.uint32(flag * _READ), np.uint32(0))

    def _check(self, placed, block, strands, side) -> None:
        seen = (strands[placed.cpg] & side) > 0
        key = placed.cpg * 2 + placed.reverse
        if not seen.any() and (np.diff(key) > 0).all():
            return
        first = np.unique(key, return_index=True)[1]
        repeated = np.ones(len(key), bool)
        repeated[first] = False
        again = np.flatnonzero(seen | repeated)
        if len(again):
            row = placed.rows[again[0]]
            raise InputFileError(
                f"{self._where} line {block.line[row]}: {placed.chrom}:{block.position[row]} "
                "(0-based) stands in an earlier line too: keep one"
            )

    def finish(self) -> None:
        """Keep the CpGs that have a value, in the files that `Part` reads."""
        for chrom in self._chroms:
            number = self._cpgs.number(chrom)
            path = self._folder / f"{number}.sums"
            sums = np.memmap(path, _CPG, "r")
            self.merged += int(np.count_nonzero(sums["strands"] >= (_FORWARD | _REVERSE) * _READ))
            cpg = np.flatnonzero(sums["weight"] > 0)
            part = Part(self._folder, number)
            part.write(cpg, sums["total"][cpg, None], sums["weight"][cpg, None])
            path.unlink()


class Part:
    """What was read of one file on one chromosome: CpGs in order, and a column per sample.

    It is whole once the marker of its file is there.

    Args:
        folder: of the file's parts.
        number: place of the chromosome in the genome.
    """

    def __init__(self, folder: Path, number: int):
        self._paths = {n: folder / f"{number}.{n}.bin" for n in ("total", "weight", "cpg")}

    def write(self, cpg: np.ndarray, total: np.ndarray, weight: np.ndarray) -> None:
        """Write places among the chromosome's CpGs [n], sums and their weights [n, samples]."""
        for name, values, kind in (
            ("total", total, np.float32),
            ("weight", weight, np.float32),
            ("cpg", cpg, np.int32),
        ):
            values.astype(kind, copy=False).tofile(self._paths[name])

    def exists(self) -> bool:
        """Tell whether anything was read of the chromosome."""
        return self._paths["cpg"].exists()

    def cpg(self) -> np.ndarray:
        """Return the places among the chromosome's CpGs, int32 [n], ascending."""
        return mapped(self._paths["cpg"], np.int32)

    def between(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return places from `first` on and below `last`, with sums and weights."""
        cpg = self.cpg()
        low, high = np.searchsorted(cpg, np.array([first, last], np.int32))
        columns = self._paths["total"].stat().st_size // max(1, cpg.nbytes)
        total, weight = (
            mapped(self._paths[n], np.float32, columns)[low:high] for n in ("total", "weight")
        )
        return cpg[low:high], total, weight
