"""Sequences of alleles: windows around variants, spliced from long stretches of the genome.

With POS as in the VCF (1-based) the window is 0-based [POS - L/2, POS + L/2), so that the first
base of REF is at index L/2 - 1, as in Basenji. A window's *host* is the allele the genome
holds: REF, or an ALT where the genome has that (`ref_policy` "swap"). Any other allele of
another length than the host is spliced in one of two registers:

- "left": the left flank stays in place and the right end gives way: an insertion trims it, a
  deletion extends the fetch there (Basenji's only register);
- "right": the right flank stays in place and the left end gives way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfepi.spec import METHYLATION, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, encode

LEFT, RIGHT = "left", "right"
_GAP = 16_384  # bp between two windows that are cheaper to read than a second fetch
_STRETCH = 4_000_000  # bp in memory at once


@dataclass(frozen=True)
class Window:
    """How a model's window lies around a variant.

    Attributes:
        length: of the sequence, bp.
        bin_width: bp per output bin.
        crop: bp at each end without bins.
        bins: number of output bins.
        step: windows start at multiples of this, bp, nearest to where the variant is in the
            middle; 0 puts it in the middle.
    """

    length: int
    bin_width: int
    crop: int
    bins: int
    step: int = 0

    @classmethod
    def of(cls, spec: ModelSpec, step: int = 0) -> "Window":
        """Return the window of a model.

        Args:
            spec: its contract.
            step: of where windows start, bp; 0 centres them.

        Raises:
            ConfigError: the bins leave out the variant, or are of one CpG; or a step that is
                below 0, or so long that variants would leave the bins.
        """
        if spec.kind == METHYLATION:
            raise ConfigError(
                "the model predicts the methylation of one CpG: score variants with "
                "tfepi_methylation.py variants"
            )
        window = cls(spec.seq_length, spec.bin_width, spec.crop, spec.target_length)
        if not 0 <= window.center < window.bins:
            raise ConfigError(
                f"the model's {window.bins} bins of {window.bin_width} bp after a crop of "
                f"{window.crop} do not cover index {window.index}, where variants lie: "
                "this model cannot score variants"
            )
        if step < 0:
            raise ConfigError(f"the step of windows is {step} bp: want 0 (centred) or more")
        room = min(window.index - spec.crop, spec.crop + window.covered - 1 - window.index)
        if step > 2 * room:
            raise ConfigError(
                f"windows every {step} bp would leave variants outside the model's bins: want at "
                f"most {2 * room} bp"
            )
        return replace(window, step=step)

    @property
    def covered(self) -> int:
        """The bp that bins cover."""
        return self.bins * self.bin_width

    @property
    def index(self) -> int:
        """Index of the variant's first base in the sequence of a centred window."""
        return self.length // 2 - 1

    @property
    def center(self) -> int:
        """The bin of a centred window that holds the variant's first base."""
        return (self.index - self.crop) // self.bin_width

    def start(self, position: int) -> int:
        """Return where the window of a 0-based position starts; negative before the chromosome."""
        centred = position - self.index
        if not self.step:
            return centred
        return (centred + self.step // 2) // self.step * self.step

    def index_of(self, position: int) -> int:
        """Return the index in its window's sequence of a 0-based position."""
        return position - self.start(position)

    def center_of(self, position: int) -> int:
        """Return the bin that holds a 0-based position."""
        return (self.index_of(position) - self.crop) // self.bin_width


@dataclass(frozen=True)
class AllelePair:
    """REF and one ALT of a record: one row of scores.

    Attributes:
        chrom: chromosome.
        position: 0-based.
        id: the record's identifier.
        ref: REF, upper case.
        alt: this ALT, upper case.
        host: the allele the genome holds at the position.
        row: the record's number in the VCF, from 0.
        number: which ALT of the record, from 0.
    """

    chrom: str
    position: int
    id: str
    ref: str
    alt: str
    host: str
    row: int
    number: int


@dataclass(frozen=True)
class SequenceKey:
    """What identifies a sequence: pairs with equal keys share one prediction.

    Attributes:
        chrom: chromosome.
        position: of the variant, 0-based.
        host: the allele that is replaced; "" where nothing is.
        allele: what replaces it.
        register: which flank stays in place.
    """

    chrom: str
    position: int
    host: str = ""
    allele: str = ""
    register: str = LEFT


def sequence_keys(pair: AllelePair, allele: str, stitch: bool) -> tuple[SequenceKey, ...]:
    """Return the sequences to predict for an allele: one, or both registers to stitch."""
    if allele == pair.host:
        return (SequenceKey(pair.chrom, pair.position),)
    both = stitch and len(allele) != len(pair.host)
    return tuple(
        SequenceKey(pair.chrom, pair.position, pair.host, allele, register)
        for register in ((LEFT, RIGHT) if both else (LEFT,))
    )


class Stretches:
    """A genome read in long stretches that cover known spans, one stretch in memory.

    Args:
        genome: the FASTA.
        spans: (chromosome, start, end), ordered by start within each run of a chromosome.
    """

    def __init__(self, genome: Genome, spans: Iterable[tuple[str, int, int]]):
        self._genome = genome
        self._stretches: list[tuple[str, int, int]] = []
        for chrom, start, end in spans:
            if self._stretches:
                last, low, high = self._stretches[-1]
                near = start <= high + _GAP and max(high, end) - low <= _STRETCH
                if last == chrom and near:
                    self._stretches[-1] = (last, min(low, start), max(high, end))
                    continue
            self._stretches.append((chrom, start, end))
        self._current = ("", 0, 0)
        self._bases = np.zeros(0, np.uint8)

    def __call__(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return base indices of [start, end): uint8, 4 beyond the chromosome; do not write."""
        name, low, high = self._current
        if start >= end:
            return self._bases[:0]
        if name != chrom or start < low or end > high:
            self._current = next(
                (s for s in self._stretches if s[0] == chrom and s[1] <= start and end <= s[2]),
                (chrom, start, end),
            )
            self._bases = self._genome.indices(*self._current)
            low = self._current[1]
        return self._bases[start - low : end - low]


def read_around(genome: Genome, window: Window, pairs: Sequence[AllelePair]) -> Stretches:
    """Return a reader of all that the sequences of sorted pairs need."""

    def span(pair: AllelePair) -> tuple[str, int, int]:
        start = window.start(pair.position)
        room = max(0, len(pair.host) - min(len(pair.ref), len(pair.alt)))
        return pair.chrom, start - room, start + window.length + room

    return Stretches(genome, map(span, pairs))


def sequence(read: Stretches, window: Window, key: SequenceKey) -> np.ndarray:
    """Return the base indices of an allele's window: uint8 [length], N beyond the chromosome."""
    start = window.start(key.position)
    end = start + window.length
    if not key.host:
        return read(key.chrom, start, end)
    allele = encode(key.allele)
    after = key.position + len(key.host)  # the right flank's first base
    if key.register == LEFT:
        head = read(key.chrom, start, key.position)
        room = max(0, window.length - len(head) - len(allele))
        tail = read(key.chrom, after, after + room)
        return np.concatenate([head, allele, tail])[: window.length]
    # All that ends where the right flank begins; where the host reaches beyond the window, its
    # last `after - end` bases lie outside.
    body = after - start
    room = max(0, body - len(allele))
    head = read(key.chrom, key.position - room, key.position)
    left = np.concatenate([head, allele])[-body:][: window.length]
    tail = read(key.chrom, after, end) if after < end else allele[:0]
    return np.concatenate([left, tail])


def touched_bins(window: Window, position: int, host: int) -> tuple[int, int]:
    """Return the first bin that the host allele touches, and the one after the last."""
    index = window.index_of(position)
    last = (index + host - 1 - window.crop) // window.bin_width
    return window.center_of(position), last + 1


def stitched(
    left: np.ndarray, right: np.ndarray, window: Window, position: int, host: int
) -> np.ndarray:
    """Return predictions in the host's coordinates from both registers.

    Bins that end before the host allele come from the left register, bins that start after it
    from the right one, and the bins it touches are their mean. So each flank's bins see that
    flank in place, and a model of one bin gives the mean of both registers.

    Args:
        left, right: predictions float32 [bins, targets].
        window: the model's.
        position: of the variant, 0-based.
        host: length of the host allele, bp.
    """
    first, last = touched_bins(window, position, host)
    out = right.copy()
    out[:first] = left[:first]
    touched = slice(first, last)
    out[touched] = (left[touched] + right[touched]) * np.float32(0.5)
    return out
