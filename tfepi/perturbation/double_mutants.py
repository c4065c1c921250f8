"""Double mutants: what two changes do together that they do not do one by one.

Epistasis is f(ab) - f(a) - f(b) + f(neither), of a sum of predictions or of its logarithm: with S
a difference from the sequence as it is, S(ab) - S(a) - S(b).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.perturbation.design import centred_site, index_along
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.genome import UNKNOWN, Genome, reverse_complement

STATISTICS = ("SAD", "logSAD", "sqrtSAD", "SUM", "logSUM", "sqrtSUM", "logSED", "center")
LETTERS, COMPLEMENT, BLANK = "letters", "complement", "blank"
KINDS = (LETTERS, COMPLEMENT, BLANK)
_OTHERS = np.array([[b for b in range(4) if b != a] for a in range(4)], np.uint8)


def replaced(own: np.ndarray, kind: str) -> np.ndarray:
    """Return what stands in place of letters: their complements, or N ("blank"): uint8 [length]."""
    if kind == BLANK:
        return np.full_like(own, UNKNOWN)
    return reverse_complement(own)[::-1]


@dataclass(frozen=True)
class PositionPairs:
    """The design of all pairs of positions of short regions: single changes, then double ones.

    Attributes:
        regions: each in the middle of a window.
        length: of a window, bp.
        kind: "letters" (each of the three others, so nine pairs of changes for a pair of
            positions), "complement" or "blank".

    Raises:
        ConfigError: another kind, or a region of fewer than 2 bp or beyond the window.
    """

    regions: Sequence[Stretch]
    length: int
    kind: str = LETTERS

    def __post_init__(self):
        if self.kind not in KINDS:
            raise unknown("change of positions", self.kind, KINDS)
        for region in self.regions:
            if not 2 <= region.end - region.start <= self.length:
                raise ConfigError(
                    f"region {region} has {region.end - region.start} bp: all pairs of its "
                    f"positions are changed, so want 2 to {self.length}, the model's window"
                )

    @property
    def unit(self) -> int:
        """As `Design.unit`."""
        return 1

    @property
    def variants(self) -> int:
        """How many changes each position has."""
        return 3 if self.kind == LETTERS else 1

    @cached_property
    def sites(self) -> list[Site]:
        """The windows."""
        return [centred_site(r, r.start, r.end, self.length) for r in self.regions]

    @cached_property
    def bounds(self) -> np.ndarray:
        """As `Design.bounds`."""
        v = self.variants
        sizes = [(r.end - r.start) for r in self.regions]
        return np.cumsum([0, *(n * v + n * (n - 1) // 2 * v * v for n in sizes)])

    def singles(self, site: int) -> int:
        """Return how many of a window's rows are single changes: position * variants + variant."""
        return (self.regions[site].end - self.regions[site].start) * self.variants

    def doubles(self, site: int, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which two single changes double ones are made of.

        Args:
            site: number of the window.
            numbers: of the double changes, from 0.
        """
        v = self.variants
        pair, first, second = np.unravel_index(numbers, (1 << 40, v, v))
        low, high = np.triu_indices(self.singles(site) // v, 1)
        return low[pair] * v + first, high[pair] * v + second

    def letters(self, site: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return index along the sequence, own and new letter of a window's single changes.

        Args:
            site: number of the window.
            own: its base indices, uint8 [length].
        """
        region, window = self.regions[site], self.sites[site]
        places = range(region.start, region.end)
        index = np.array([index_along(window, p, p + 1, self.length) for p in places])
        here = own[index]
        if self.kind == LETTERS:
            return np.repeat(index, 3), np.repeat(here, 3), _OTHERS[here].ravel()
        return index, here, replaced(here, self.kind)

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """As `Design.change`."""
        index, _, new = self.letters(site, own)
        rows = rows - self.bounds[site]
        count = self.singles(site)
        first, second = rows.copy(), rows.copy()
        double = rows >= count
        first[double], second[double] = self.doubles(site, rows[double] - count)
        out = np.repeat(own[None], len(rows), axis=0)
        for which in (first, second):
            out[np.arange(len(rows)), index[which]] = new[which]
        return out


def check_known(regions: Sequence[Stretch], genome: Genome) -> None:
    """Check that regions have no N, whose other letters are four.

    Raises:
        InputFileError: naming the first.
    """
    for region in regions:
        unknown_bases = np.flatnonzero(
            genome.indices(region.chrom, region.start, region.end) == UNKNOWN
        )
        if len(unknown_bases):
            raise InputFileError(
                f"region {region} has N at {region.chrom}:{region.start + unknown_bases[0]}: pairs "
                "of positions are changed where all letters are known; leave the region out"
            )
