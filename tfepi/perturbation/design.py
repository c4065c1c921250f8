"""What every set of changed sequences tells: which sequences, and how each is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome


class Design(Protocol):
    """Sequences, and rows that each are one of them with a change.

    Attributes:
        sites: the sequences, with `chrom`, `window`, `strand` and `sequence` as those of
            `mutagenesis_sites.Site`.
        bounds: first row of each sequence, and their number at the end, int64 [sites + 1].
        unit: rows that stay in one part together.
    """

    sites: Sequence
    bounds: np.ndarray
    unit: int

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Return changed sequences.

        Args:
            genome: the FASTA.
            window: of the model.
            site: number of the sequence.
            own: its base indices, uint8 [length].
            rows: their numbers among all rows, int [n].

        Returns:
            uint8 [n, length].
        """
        ...


@dataclass(frozen=True)
class Piece:
    """A stretch of a window that is changed as a whole.

    Attributes:
        site: number of the window.
        region: number of the region that it is of.
        start: first base on the chromosome, 0-based.
        end: the base behind the last.
        low: index of its first base along the window's sequence.
    """

    site: int
    region: int
    start: int
    end: int
    low: int

    @property
    def high(self) -> int:
        """Index behind its last base."""
        return self.low + self.end - self.start


def cut_pieces(
    regions: Sequence[Stretch], width: int, step: int | None, length: int, most: int
) -> tuple[list[Site], list[Piece]]:
    """Return stretches of regions, side by side or `step` bp apart, and the windows they share.

    The last one of a region may be shorter. A window is centred on its pieces.

    Args:
        regions: each cut from its first base on.
        width: of a piece, bp.
        step: from one to the next, bp; None is side by side.
        length: of the model's window, bp.
        most: bp that the pieces of one window reach over.

    Raises:
        ConfigError: a width, step or reach that is too small or too large, by their options.
        InputFileError: regions without bases.
    """
    step = width if step is None else step
    for option, value in (("--width", width), ("--step", step)):
        if value < 1:
            raise ConfigError(f"{option} is {value} bp: want at least 1")
    if width > length:
        raise ConfigError(
            f"--width is {width} bp, the model's window {length} bp: want at most that"
        )
    if not width <= most <= length:
        raise ConfigError(
            f"-l is {most} bp: want {width} (--width) to {length} (the model's window), or leave "
            "-l out"
        )
    sites: list[Site] = []
    pieces: list[Piece] = []
    for number, region in enumerate(regions):
        held: list[tuple[int, int]] = []
        for start in range(region.start, region.end, step):
            end = min(start + width, region.end)
            if held and end - held[0][0] > most:
                _seat(sites, pieces, number, region, held, length)
                held = []
            held.append((start, end))
            if end == region.end:
                break
        if held:
            _seat(sites, pieces, number, region, held, length)
    if not pieces:
        raise InputFileError("the regions have no bases: want intervals of at least 1 bp")
    return sites, pieces


def _seat(
    sites: list[Site],
    pieces: list[Piece],
    number: int,
    region: Stretch,
    held: Sequence[tuple[int, int]],
    length: int,
) -> None:
    site = centred_site(region, held[0][0], held[-1][1], length)
    for start, end in held:
        low = index_along(site, start, end, length)
        pieces.append(Piece(len(sites), number, start, end, low))
    sites.append(site)


def centred_site(region: Stretch, start: int, end: int, length: int) -> Site:
    """Return the window of a region's strand with [start, end) in its middle."""
    return Site(region.chrom, (start + end) // 2 - length // 2, region.strand, region.label)


def index_along(site: Site, start: int, end: int, length: int) -> int:
    """Return the index of the first base of [start, end) along a window's sequence."""
    return start - site.window if site.strand == "+" else site.window + length - end
