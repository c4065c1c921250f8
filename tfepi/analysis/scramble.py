"""What becomes of a gene when an element's sequence is scrambled, as CRISPRi silences it.

Expression is the sum of the predictions in the bins around the TSS, averaged over the chosen
tracks. The element's bases are replaced, the rest of the window stays, and the effect is
log2((with + c) / (without + c)) of the expression with the replacement and without, and their
difference.

How far from its TSS a model looks is asked in the same way, with stretches that tile the window:
Karollus, Mauermeier and Gagneur 2023, Genome Biology 24:56.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.dinucleotide_shuffle import shuffled
from tfepi.analysis.tss_windows import TssWindow
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.genome import UNKNOWN, one_hot

SHUFFLE, UNKNOWN_BASES, MEAN = "shuffle", "n", "mean"
REPLACEMENTS = (SHUFFLE, UNKNOWN_BASES, MEAN)


@dataclass(frozen=True)
class Replacement:
    """What stands where an element was.

    Attributes:
        kind: "shuffle" (random sequences with the element's dinucleotides), "n" (N: no letter at
            all), or "mean" (at every base the element's composition).
        scrambles: random sequences per element; 1 of another kind.
        seed: of them.

    Raises:
        ConfigError: an unknown kind, or a number below 1.
    """

    kind: str = SHUFFLE
    scrambles: int = 10
    seed: int = 44

    def __post_init__(self):
        if self.kind not in REPLACEMENTS:
            raise unknown("replacement", self.kind, REPLACEMENTS)
        if self.scrambles < 1:
            raise ConfigError(f"scrambles is {self.scrambles}: want at least 1")

    @property
    def count(self) -> int:
        """Sequences per element."""
        return self.scrambles if self.kind == SHUFFLE else 1

    def apply(
        self, sequence: np.ndarray, low: int, high: int, chrom: str, start: int
    ) -> np.ndarray:
        """Return a window's sequence with [low, high) replaced, `count` times.

        An element is scrambled in the same ways wherever it lies in a window.

        Args:
            sequence: base indices, uint8 [length].
            low: first base to replace.
            high: the base behind the last.
            chrom: chromosome.
            start: first base of the window, 0-based.

        Returns:
            uint8 [count, length]; of the kind "mean" one-hot, float32 [count, length, 4].
        """
        if self.kind == MEAN:
            codes = one_hot(sequence)
            codes[low:high] = codes[low:high].mean(axis=0)
            return codes[None]
        out = np.repeat(sequence[None], self.count, axis=0)
        if self.kind == UNKNOWN_BASES:
            out[:, low:high] = UNKNOWN
            return out
        key = (zlib.crc32(chrom.encode()), max(0, start + low), high - low)
        for number, row in enumerate(out):
            stream = np.random.SeedSequence(self.seed, spawn_key=(*key, number))
            row[low:high] = shuffled(sequence[low:high], np.random.default_rng(stream))
        return out


@dataclass(frozen=True)
class Tile:
    """A stretch of a window.

    Attributes:
        low: first base in the window.
        high: the base behind the last.
        offset: from the TSS to the tile's middle, bp, along the chromosome.
    """

    low: int
    high: int
    offset: int


def tiles(window: TssWindow, width: int, step: int | None = None) -> list[Tile]:
    """Return stretches of a window: one with the TSS in its middle, and others `step` bp apart.

    What reaches beyond the window is cut off.

    Args:
        window: how windows lie.
        width: of a tile, bp.
        step: from one to the next, bp; None is side by side.

    Raises:
        ConfigError: a width or step below 1, or a width beyond the window.
    """
    step = width if step is None else step
    if not 1 <= width <= window.length:
        raise ConfigError(f"tiles are {width} bp: want 1 to {window.length}, the model's window")
    if step < 1:
        raise ConfigError(f"step is {step} bp: want at least 1")
    found = []
    most = (window.middle + width) // step + 1
    for number in range(-most, most + 1):
        low = window.middle - width // 2 + number * step
        cut, end = max(low, 0), min(low + width, window.length)
        if cut < end:
            found.append(Tile(cut, end, (cut + end) // 2 - window.middle))
    return found


def log2_ratio(without: np.ndarray, replaced: np.ndarray, pseudocount: float) -> np.ndarray:
    """Return log2((replaced + c) / (without + c)); NaN where one of them is not above 0."""
    below, above = np.add(without, pseudocount), np.add(replaced, pseudocount)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(above / below)
    return np.where((below > 0) & (above > 0), ratio, np.nan)


def check_pseudocount(value: float) -> None:
    """Check what is added to an expression before its logarithm is taken.

    Raises:
        ConfigError: below 0, or no finite number.
    """
    if not 0 <= value < np.inf:
        raise ConfigError(f"pseudocount is {value:g}: want a number of at least 0")
