"""Insertion of motifs into backgrounds: what a motif does by itself (marginalisation).

The effect of a motif is the mean, over backgrounds, of what is predicted with it less what is
predicted without. Backgrounds are windows of regions as they are, or random sequences with their
dinucleotides, in which nothing else is left.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.analysis.dinucleotide_shuffle import shuffled
from tfepi.perturbation.motifs import SAMPLE, Motif, check_draw, check_motif_names, inserted
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome

STRANDS = ("+", "-")
_SHUFFLE, _LETTERS = 1, 2  # spawn keys: of backgrounds, and of letters that are drawn


@dataclass(frozen=True)
class Background:
    """A window of the genome, or a random sequence with its dinucleotides.

    Attributes:
        site: the window.
        region: number of its region.
        shuffle: number of the random sequence; None for the window as it is.
        seed: of it.
    """

    site: Site
    region: int
    shuffle: int | None = None
    seed: int = 44

    @property
    def chrom(self) -> str:
        """Chromosome."""
        return self.site.chrom

    @property
    def window(self) -> int:
        """First base of the window."""
        return self.site.window

    @property
    def strand(self) -> str:
        """On which the window is read."""
        return self.site.strand

    def sequence(self, genome: Genome, window: Window) -> np.ndarray:
        """Return the base indices, uint8 [length]; N stays where it is."""
        own = self.site.sequence(genome, window)
        if self.shuffle is None:
            return own
        place = (zlib.crc32(self.chrom.encode()), max(0, self.window), self.shuffle)
        rng = np.random.SeedSequence(self.seed, spawn_key=(_SHUFFLE, *place))
        return shuffled(own, np.random.default_rng(rng))


def backgrounds(
    regions: Sequence[Stretch], length: int, shuffles: int, seed: int
) -> list[Background]:
    """Return the backgrounds of windows that are centred on regions.

    Args:
        regions: on their strand.
        length: of a window, bp.
        shuffles: random sequences of each window; 0 for the windows as they are.
        seed: of them.

    Raises:
        ConfigError: a negative number.
    """
    if shuffles < 0:
        raise ConfigError(f"{shuffles} shuffles of each region: want at least 0 (none)")
    found = []
    for number, region in enumerate(regions):
        window = (region.start + region.end) // 2 - length // 2
        site = Site(region.chrom, window, region.strand, region.label)
        for shuffle in range(shuffles) if shuffles else (None,):
            found.append(Background(site, number, shuffle, seed))
    return found


def parse_offsets(text: str) -> tuple[int, ...]:
    """Return offsets of a text, ascending: numbers, and ranges first:last:step with both ends.

    Raises:
        ConfigError: a text of another form, or no offset.
    """
    found: set[int] = set()
    try:
        for part in text.split(","):
            numbers = [int(n) for n in part.split(":")]
            first, last, step = numbers if len(numbers) == 3 else (numbers * 2 + [1])[:3]
            if len(numbers) not in (1, 3) or step < 1 or last < first:
                raise ValueError
            found.update(range(first, last + 1, step))
    except ValueError:
        raise ConfigError(
            f"offsets are {text!r}: want bp, as -50,0,50, or first:last:step, as -100:100:10"
        ) from None
    return tuple(sorted(found))


@dataclass(frozen=True)
class Insertions:
    """The design of insertions: in each background each motif, at each offset, on each strand.

    Attributes:
        sites: backgrounds.
        motifs: what is inserted.
        length: of a window, bp.
        offsets: from the middle of the window to the motif's, bp along the sequence.
        strands: "+" as the motif is, "-" for its reverse complement.
        draw: "best" letters, or "sample" by their frequencies, anew in each background.
        seed: of the latter.

    Raises:
        ConfigError: no motif, offset or strand, one twice, or a motif beyond the window.
    """

    sites: list[Background]
    motifs: list[Motif]
    length: int
    offsets: tuple[int, ...] = (0,)
    strands: tuple[str, ...] = STRANDS
    draw: str = "best"
    seed: int = 44

    def __post_init__(self):
        check_draw(self.draw)
        check_motif_names(self.motifs)
        if not self.strands or set(self.strands) - set(STRANDS) or self.strands[1:] == ("+",):
            raise ConfigError(f"strands are {','.join(self.strands)!r}: want +, - or +,-")
        for motif in self.motifs:
            for offset in self.offsets:
                low = self.low(motif, offset)
                if low < 0 or low + len(motif) > self.length:
                    raise ConfigError(
                        f"motif {motif.name} of {len(motif)} bp at offset {offset} does not fit "
                        f"into the model's window of {self.length} bp"
                    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of motifs, offsets and strands."""
        return len(self.motifs), len(self.offsets), len(self.strands)

    @property
    def unit(self) -> int:
        """As `Design.unit`."""
        return 1

    @cached_property
    def bounds(self) -> np.ndarray:
        """As `Design.bounds`."""
        return np.arange(len(self.sites) + 1) * int(np.prod(self.shape))

    def low(self, motif: Motif, offset: int) -> int:
        """Return the index of a motif's first base."""
        return self.length // 2 + offset - len(motif) // 2

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """As `Design.change`."""
        places = np.unravel_index(rows - self.bounds[site], self.shape)
        out = []
        for m, o, s in zip(*(p.tolist() for p in places), strict=True):
            rng = None
            if self.draw == SAMPLE:  # the same letters at all offsets and on both strands
                key = np.random.SeedSequence(self.seed, spawn_key=(_LETTERS, site, m))
                rng = np.random.default_rng(key)
            motif = self.motifs[m]
            low = self.low(motif, self.offsets[o])
            out.append(inserted(own, motif, low, self.strands[s], rng))
        return np.stack(out)
