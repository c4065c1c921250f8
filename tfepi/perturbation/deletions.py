"""In-silico deletion: what is predicted without a stretch of the sequence.

The stretch is removed: the flank that does not hold the middle of the window closes in, and bases
of the genome follow at the window's end; so what lies in the middle, and the bins there, stay where
they are. Or it is blanked (N, no letter at all: nothing moves), which a model that never saw N
answers with anything.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.perturbation.design import Piece
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfrecords_tools.errors import unknown
from tfrecords_tools.genome import UNKNOWN, Genome

BLANK, REMOVE = "blank", "remove"
WAYS = (BLANK, REMOVE)


def blanked(sequence: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return a sequence with N in [low, high): uint8 [length]."""
    out = sequence.copy()
    out[low:high] = UNKNOWN
    return out


def removed(
    sequence: np.ndarray, low: int, high: int, before: np.ndarray, behind: np.ndarray
) -> np.ndarray:
    """Return a sequence without [low, high), filled up from the end that moves: uint8 [length].

    Args:
        sequence: base indices, uint8 [length].
        low: first base that goes.
        high: the base behind the last.
        before: at least high - low bases before the sequence.
        behind: as many behind it.
    """
    size = high - low
    if (low + high) // 2 < len(sequence) // 2:
        return np.concatenate([before[len(before) - size :], sequence[:low], sequence[high:]])
    return np.concatenate([sequence[:low], sequence[high:], behind[:size]])


@dataclass(frozen=True)
class Deletions:
    """The design of deletions: each piece of each window, once.

    Attributes:
        sites: windows.
        pieces: what is deleted, by window.
        way: "remove" or "blank".

    Raises:
        ConfigError: another way.
    """

    sites: list[Site]
    pieces: list[Piece]
    way: str = REMOVE

    def __post_init__(self):
        if self.way not in WAYS:
            raise unknown("way of deletion", self.way, WAYS)

    unit = 1

    @cached_property
    def bounds(self) -> np.ndarray:
        """As `Design.bounds`."""
        return np.searchsorted([p.site for p in self.pieces], np.arange(len(self.sites) + 1))

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """As `Design.change`."""
        pieces = [self.pieces[row] for row in rows]
        if self.way == BLANK:
            return np.stack([blanked(own, p.low, p.high) for p in pieces])
        more = max(p.high - p.low for p in pieces)
        wide = Window(window.length + 2 * more, 1, 0, 0)
        here = self.sites[site]
        around = Site(here.chrom, here.window - more, here.strand).sequence(genome, wide)
        before, behind = around[:more], around[more + window.length :]
        return np.stack([removed(own, p.low, p.high, before, behind) for p in pieces])
