"""Where predictions are made: windows centred on a BED's intervals, or tiles of a genome.

A *site* is the stretch of a window whose bins are kept: all bins, or the middle ones. Windows
are known by number; both kinds give the starts of any run of them without holding intervals.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tfepi.spec import ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval, Regions, merged, read_bed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Which part of a model's window is predicted.

    Attributes:
        offset: from the first base of the sequence to the site, bp.
        first: first bin of the model that is kept.
        bins: how many are kept.
        bin_width: bp.
        seq_length: of the model's sequence, bp.
    """

    offset: int
    first: int
    bins: int
    bin_width: int
    seq_length: int

    @classmethod
    def of(cls, spec: ModelSpec, length: int | None = None) -> "Site":
        """Return the middle `length` bp of a model's bins, or all of them.

        Raises:
            ConfigError: a length that is no multiple of the bin width, or beyond the bins.
        """
        width, bins = spec.bin_width, spec.target_length
        length = bins * width if length is None else length
        if length < width or length % width or length > bins * width:
            raise ConfigError(
                f"site length is {length} bp: want a multiple of the bin width of {width} bp, "
                f"up to the model's {bins * width} bp"
            )
        kept = length // width
        first = bins // 2 - kept // 2
        if (bins - kept) % 2:
            _log.warning(
                "%d of %d bins have no middle: sites lie half a bin (%d bp) beside the centre",
                kept,
                bins,
                width // 2,
            )
        return cls(spec.crop + first * width, first, kept, width, spec.seq_length)

    @property
    def length(self) -> int:
        """Length of the site, bp."""
        return self.bins * self.bin_width


class Windows(Protocol):
    """Numbered windows.

    Attributes:
        chroms: names of chromosomes.
        overlapping: number of windows whose site begins before an earlier one ends.
    """

    chroms: tuple[str, ...]
    overlapping: int

    def __len__(self) -> int: ...

    def block(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the chromosome, by its place in `chroms`, and the start of each site."""

    def in_order(self, size: int) -> Iterator[np.ndarray]:
        """Yield the numbers of all windows by name of chromosome, then by start.

        Each array holds at most `size` numbers, of one chromosome.
        """


class Centred:
    """Windows centred on the intervals of a BED file, in its order.

    As in Basenji, the middle is (start + end) // 2 and the sequence begins half its length
    before. Beyond the chromosome's ends it is N.

    Raises:
        InputFileError: no interval, an unknown chromosome, an interval past the end of one.
    """

    def __init__(self, bed: str | Path, genome: Genome, site: Site):
        self.chroms = tuple(genome.chroms)
        place = {name: i for i, name in enumerate(self.chroms)}
        intervals = _intervals(bed, genome)
        middle = np.array([(i.start + i.end) // 2 for i in intervals], np.int64)
        self._start = middle - site.seq_length // 2 + site.offset
        self._chrom = np.array([place[i.chrom] for i in intervals], np.int32)
        rank = np.argsort(np.argsort(self.chroms)).astype(np.int32)
        self._order = np.lexsort((self._start, rank[self._chrom]))
        chrom, start = self._chrom[self._order], self._start[self._order]
        near = (chrom[1:] == chrom[:-1]) & (start[1:] < start[:-1] + site.length)
        self.overlapping = int(near.sum())

    def __len__(self) -> int:
        return len(self._start)

    def block(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the chromosome, by its place in `chroms`, and the start of each site."""
        return self._chrom[numbers], self._start[numbers]

    def in_order(self, size: int) -> Iterator[np.ndarray]:
        """Yield the numbers of all windows by name of chromosome, then by start."""
        chrom = self._chrom[self._order]
        edges = np.r_[0, np.flatnonzero(np.diff(chrom)) + 1, len(chrom)]
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            for start in range(low, high, size):
                yield self._order[start : min(start + size, high)]


class Tiles:
    """Windows whose sites tile chromosomes from their first base.

    The last site of a chromosome may reach beyond its end, where the sequence is N.

    Args:
        lengths: chromosome → length, bp.
        site: what is kept of each window.
        limit: keep only tiles that touch these regions.

    Raises:
        ConfigError: no tile is left.
    """

    overlapping = 0

    def __init__(self, lengths: dict[str, int], site: Site, limit: Regions | None = None):
        self.chroms = tuple(lengths)
        self._step = site.length
        runs: list[tuple[int, int, int]] = []  # chromosome, first tile, stop tile
        for place, (name, length) in enumerate(lengths.items()):
            spans = [(0, length)] if limit is None else limit.get(name, np.zeros((0, 2))).tolist()
            stop = 0
            for start, end in spans:
                first = max(stop, int(start) // self._step)
                stop = max(stop, -(-min(int(end), length) // self._step))
                if first < stop:
                    runs.append((place, first, stop))
        self._runs = np.array(runs, np.int64).reshape(-1, 3)
        self._total = np.r_[0, np.cumsum(self._runs[:, 2] - self._runs[:, 1])]
        if not len(self):
            raise ConfigError("no tile touches the regions of --limit: check their chromosomes")

    def __len__(self) -> int:
        return int(self._total[-1])

    def block(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the chromosome, by its place in `chroms`, and the start of each site."""
        run = np.searchsorted(self._total, numbers, side="right") - 1
        tile = self._runs[run, 1] + numbers - self._total[run]
        return self._runs[run, 0].astype(np.int32), tile * self._step

    def in_order(self, size: int) -> Iterator[np.ndarray]:
        """Yield the numbers of all windows by name of chromosome, then by start."""
        names = [self.chroms[place] for place in self._runs[:, 0]]
        for run in sorted(range(len(names)), key=lambda r: (names[r], self._runs[r, 1])):
            low, high = self._total[run : run + 2].tolist()
            for start in range(low, high, size):
                yield np.arange(start, min(start + size, high))


def _intervals(bed: str | Path, genome: Genome) -> list[Interval]:
    """Return the intervals of a BED, which must lie on the genome."""
    intervals = read_bed(bed)
    if not intervals:
        raise InputFileError(
            f"BED {bed} has no intervals: want lines of chromosome, start, end; leave it out "
            "for the whole genome"
        )
    for i in intervals:
        if i.end > genome.length(i.chrom):
            raise InputFileError(
                f"BED {bed}: interval {i} ends past the end of {i.chrom} "
                f"({genome.length(i.chrom)} bp in {genome.path}): is it of another build?"
            )
    return intervals


@dataclass(frozen=True)
class Place:
    """Where to predict: around a BED's intervals, or along a genome.

    Attributes:
        bed: intervals to centre windows on; None for the genome.
        genome: say that the genome is meant; nothing else is, without a BED.
        chroms: of the genome only these chromosomes, in this order.
        limit: a BED; of the genome only tiles that touch its intervals.
        phases: along the genome, windows that begin within the length of one; 1 is side by side.
        edge: bp that do not count at both ends of such windows, but at a chromosome's.

    Raises:
        ConfigError: a BED besides what belongs to a genome, or a chromosome named twice.
    """

    bed: str | Path | None = None
    genome: bool = False
    chroms: tuple[str, ...] | None = None
    limit: str | Path | None = None
    phases: int = 1
    edge: int = 0

    def __post_init__(self):
        if self.bed is not None and (self.genome or self.chroms or self.limit is not None):
            raise ConfigError(
                f"windows around {self.bed} and along the genome are asked for at once: name the "
                "BED, or --genome with --chroms and --limit"
            )
        if self.bed is not None and (self.phases, self.edge) != (1, 0):
            raise ConfigError(
                f"--phases and --edge are for windows along the genome, not around {self.bed}: "
                "leave them or the BED out"
            )
        if self.chroms and len(set(self.chroms)) < len(self.chroms):
            raise ConfigError(f"--chroms {','.join(self.chroms)} names one more than once")

    @property
    def files(self) -> dict[str, str | Path]:
        """Label → path of the files that say where."""
        return {k: v for k, v in (("bed", self.bed), ("limit", self.limit)) if v is not None}

    def windows(self, genome: Genome, site: Site) -> Windows:
        """Return the windows.

        Raises:
            InputFileError: a BED that cannot be used, or a chromosome that the FASTA lacks.
            ConfigError: nothing is left.
        """
        if self.bed is not None:
            return Centred(self.bed, genome, site)
        lengths = {name: genome.length(name) for name in self.chroms or genome.chroms}
        regions = None
        if self.limit is not None:
            regions = merged(_intervals(self.limit, genome))
        return Tiles(lengths, site, regions)
