"""Predictions along both haplotypes of a variant, wider than one window of the model.

A model of few bins is asked about windows side by side, whose bins tile the surroundings of the
variant; the middle one is the window that was scored. Bins are the genome's: those before the
allele are predicted with the left flank in place, those behind it with the right one, and those
that it touches are the mean of both, as scores of indels are (`tfepi.variants.alleles`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfepi.variants.alleles import (
    LEFT,
    RIGHT,
    AllelePair,
    SequenceKey,
    Stretches,
    Window,
    sequence,
    touched_bins,
)
from tfrecords_tools.genome import Genome, encode

FEWEST_BINS = 8  # of a window that is shown by itself
REACH = 1500  # bp to each side that tiles cover
MOST_BINS = 400  # that are shown of a window

Predict = Callable[[np.ndarray], np.ndarray]
"""Function of base indices uint8 [batch, length] to predictions float32 [batch, bins]."""


@dataclass(frozen=True)
class _Placed(Window):
    """A window that starts where it is told to, 0-based."""

    at: int = 0

    def start(self, position: int) -> int:
        return self.at


@dataclass(frozen=True)
class Haplotypes:
    """What is predicted along both.

    Attributes:
        starts: of the bins, 0-based.
        ref: predictions, float32 [bins].
        alt: of the other allele.
        windows: how many windows were predicted of each.
        center: the bins of the window that was scored.
    """

    starts: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    windows: int
    center: slice


def haplotypes(
    genome: Genome, pair: AllelePair, window: Window, predict: Predict, stitch: bool = True
) -> Haplotypes:
    """Predict along the haplotypes of REF and ALT.

    Args:
        genome: the FASTA.
        pair: the alleles.
        window: the model's.
        predict: the model, of one target.
        stitch: both registers of an allele that is of another length; else the left one.
    """
    reach = -(-REACH // window.covered) if window.bins < FEWEST_BINS else 0
    first = window.start(pair.position)
    fields = (window.length, window.bin_width, window.crop, window.bins, window.step)
    starts = [first + k * window.covered for k in range(-reach, reach + 1)]
    # Bins beyond the chromosome have no place there, but for those of the window that was scored.
    total = genome.chroms[pair.chrom]
    starts = [
        s
        for s in starts
        if s == first or (s + window.crop >= 0 and s + window.length - window.crop <= total)
    ]
    tiles = [_Placed(*fields, at=s) for s in starts]
    room = max(len(pair.ref), len(pair.alt), len(pair.host))
    span = (pair.chrom, starts[0] - room, starts[-1] + window.length + room)
    read = Stretches(genome, [span])
    values = []
    for allele in (pair.ref, pair.alt):
        asked = [_sequences(read, tile, pair, allele, stitch) for tile in tiles]
        found = iter(predict(np.stack([s for own in asked for s in own])))
        joined = []
        for tile, own in zip(tiles, asked, strict=True):
            parts = [next(found) for _ in own]
            if len(parts) == 2:
                parts = [_joined(*parts, tile, pair)]
            joined.append(parts[0])
        values.append(np.concatenate(joined))
    steps = np.arange(window.bins) * window.bin_width + window.crop
    places = np.concatenate([s + steps for s in starts])
    middle = starts.index(first) * window.bins
    found = Haplotypes(places, *values, len(tiles), slice(middle, middle + window.bins))
    return _cropped(found, window, pair.position)


def _sequences(
    read: Stretches, tile: _Placed, pair: AllelePair, allele: str, stitch: bool
) -> list[np.ndarray]:
    """Return the sequences to predict of a tile: one, or both registers."""
    start, end = tile.at, tile.at + tile.length
    after = pair.position + len(pair.host)
    beside = after <= start or pair.position >= end
    if allele == pair.host or beside:
        return [read(pair.chrom, start, end)]
    registers = (LEFT, RIGHT) if stitch and len(allele) != len(pair.host) else (LEFT,)
    return [
        _from_within(read, tile, pair, allele)
        if register == LEFT and pair.position < start
        else sequence(
            read, tile, SequenceKey(pair.chrom, pair.position, pair.host, allele, register)
        )
        for register in registers
    ]


def _from_within(read: Stretches, tile: _Placed, pair: AllelePair, allele: str) -> np.ndarray:
    """Return the bases of a tile that begins within the allele, with the left flank in place."""
    passed = tile.at - pair.position
    rest = encode(allele[passed:])[: tile.length]
    after = pair.position + len(pair.host) + max(0, passed - len(allele))
    tail = read(pair.chrom, after, after + tile.length - len(rest))
    return np.concatenate([rest, tail])


def _joined(left: np.ndarray, right: np.ndarray, tile: _Placed, pair: AllelePair) -> np.ndarray:
    """Return a tile's bins from both registers, as `alleles.stitched` those of a centred window."""
    first, last = (max(0, b) for b in touched_bins(tile, pair.position, len(pair.host)))
    touched = (left[first:last] + right[first:last]) * np.float32(0.5)
    return np.concatenate([left[:first], touched, right[last:]])


def _cropped(found: Haplotypes, window: Window, position: int) -> Haplotypes:
    """Return the bins around the variant, at most `MOST_BINS`."""
    if len(found.starts) <= MOST_BINS:
        return found
    middle = (position - int(found.starts[0])) // window.bin_width
    low = int(np.clip(middle - MOST_BINS // 2, 0, len(found.starts) - MOST_BINS))
    part = slice(low, low + MOST_BINS)
    center = slice(max(0, found.center.start - low), min(MOST_BINS, found.center.stop - low))
    return Haplotypes(found.starts[part], found.ref[part], found.alt[part], found.windows, center)
