"""Scrambles of k-mers: what is predicted when a stretch's letters come in another order."""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.analysis.dinucleotide_shuffle import shuffled
from tfepi.perturbation.design import Piece
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.genome import UNKNOWN, Genome

LETTERS, DINUCLEOTIDES = "letters", "dinucleotides"
KEEPING = (LETTERS, DINUCLEOTIDES)


def stream(seed: int, chrom: str, start: int, size: int, number: int) -> np.random.Generator:
    """Return the random numbers of one scramble of a stretch, wherever it lies in a window."""
    key = (zlib.crc32(chrom.encode()), max(0, start), size, number)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def permuted(sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a sequence with its letters in random order; N stays where it is: uint8 [length]."""
    out = sequence.copy()
    known = out != UNKNOWN
    out[known] = rng.permutation(out[known])
    return out


def scrambled(sequence: np.ndarray, keeping: str, rng: np.random.Generator) -> np.ndarray:
    """Return a random sequence with the letters or the dinucleotides of another.

    Args:
        sequence: base indices, uint8 [length].
        keeping: "letters" or "dinucleotides"; the latter keep the first and last letter too, so
            that there may be few such sequences, or only the same.
        rng: source of randomness.

    Raises:
        ConfigError: another word.
    """
    check_keeping(keeping)
    return (permuted if keeping == LETTERS else shuffled)(sequence, rng)


def check_keeping(keeping: str) -> None:
    """Check what scrambles keep.

    Raises:
        ConfigError: neither letters nor dinucleotides.
    """
    if keeping not in KEEPING:
        raise unknown("property that scrambles keep", keeping, KEEPING)


@dataclass(frozen=True)
class Scrambles:
    """The design of scrambles: each piece of each window, several times.

    Attributes:
        sites: windows.
        pieces: what is scrambled, by window.
        repeats: scrambles of each piece.
        keeping: as of `scrambled`.
        seed: of them.

    Raises:
        ConfigError: no repeat, or another word for `keeping`.
    """

    sites: list[Site]
    pieces: list[Piece]
    repeats: int = 10
    keeping: str = DINUCLEOTIDES
    seed: int = 44

    def __post_init__(self):
        check_keeping(self.keeping)
        if self.repeats < 1:
            raise ConfigError(f"{self.repeats} scrambles of each piece: want at least 1")

    @property
    def unit(self) -> int:
        """As `Design.unit`: the repeats."""
        return self.repeats

    @cached_property
    def bounds(self) -> np.ndarray:
        """As `Design.bounds`."""
        sites = [p.site for p in self.pieces]
        return self.repeats * np.searchsorted(sites, np.arange(len(self.sites) + 1))

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """As `Design.change`."""
        out = np.repeat(own[None], len(rows), axis=0)
        for sequence, row in zip(out, rows.tolist(), strict=True):
            p, number = self.pieces[row // self.repeats], row % self.repeats
            rng = stream(self.seed, self.sites[site].chrom, p.start, p.end - p.start, number)
            sequence[p.low : p.high] = scrambled(own[p.low : p.high], self.keeping, rng)
        return out
