"""CpGs around a variant, in the reference and in the alternative sequence.

A CpG is *kept* where its C is outside the bases that the variant changes and G follows it in both
sequences, *destroyed* where it is in the reference alone, *created* where it is in the
alternative alone. The changed bases are what is left of REF and ALT after the bases they share at
their ends are taken away (at the right end first, so that what is left lies as far left as it
can); of alleles of equal length, they are the bases that differ.

A CpG is within reach where its C is at most `reach` bp from the nearest changed base, counted in
the sequence that has it. An insertion lies between two bases: its CpGs in the reference have
their C from `reach` before the base on its right to `reach` after the base on its left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.variants.alleles import AllelePair
from tfrecords_tools.genome import UNKNOWN, encode

KEPT, DESTROYED, CREATED = range(3)
KINDS = ("kept", "destroyed", "created")
_C, _G = 1, 2

Read = Callable[[str, int, int], np.ndarray]
"""(chromosome, start, end) → base indices, as `Stretches`."""


def trimmed(one: str, other: str) -> tuple[int, int, int]:
    """Return where two alleles differ once the bases they share at their ends are gone.

    Returns:
        Index of the first base that differs, and how many of `one` and of `other` do.
    """
    longest = min(len(one), len(other))
    right = 0
    while right < longest and one[-1 - right] == other[-1 - right]:
        right += 1
    left = 0
    while left < longest - right and one[left] == other[left]:
        left += 1
    return left, len(one) - left - right, len(other) - left - right


@dataclass(frozen=True)
class Haplotype:
    """An allele between its flanks.

    Attributes:
        bases: base indices, uint8.
        origin: position of the first of them in the genome.
        key: equal of haplotypes that are the same sequence; the chromosome alone is the genome.
        last: position of the last record that can ask for the same; None of the genome.
        blank: whether windows that begin before the chromosome are N, but for `written`.
        written: index of a base that is written into those, or None.
    """

    bases: np.ndarray
    origin: int
    key: tuple
    last: int | None
    blank: bool = False
    written: int | None = None

    def windows(self, at: np.ndarray, half: int) -> np.ndarray:
        """Return the windows around indices: uint8 [len(at), 2 * half + 1]."""
        views = np.lib.stride_tricks.sliding_window_view(self.bases, 2 * half + 1)
        found = views[at - half]
        if self.blank:
            early = np.flatnonzero(self.origin + at < half)
            found[early] = UNKNOWN
            if self.written is not None:
                found[early, half + self.written - at[early]] = self.bases[self.written]
        return found


def haplotype(
    read: Read, pair: AllelePair, allele: str, flank: int, as_published: bool = False
) -> Haplotype:
    """Return an allele of a row between flanks.

    Args:
        read: gives the genome.
        pair: the row.
        allele: its REF or ALT.
        flank: bp at either side of the record.
        as_published: windows that begin before the chromosome hold nothing but the letter that
            differs from the genome's, as those of INTERACT's read_variant.py, whose slice from
            a negative index is empty.
    """
    start, end = pair.position, pair.position + len(pair.host)
    origin = start - flank
    if allele == pair.host:
        bases = read(pair.chrom, origin, end + flank)
        return Haplotype(bases, origin, (pair.chrom,), None, as_published)
    bases = np.concatenate(
        [read(pair.chrom, origin, start), encode(allele), read(pair.chrom, end, end + flank)]
    )
    left, removed, inserted = trimmed(pair.host, allele)
    key = (pair.chrom, start + left, removed, allele[left : left + inserted])
    written = flank + left if as_published else None
    return Haplotype(bases, origin, key, start + left, as_published, written)


@dataclass(frozen=True)
class CpGs:
    """The CpGs within reach of a row, ordered by place.

    Attributes:
        kind: KEPT, DESTROYED or CREATED, uint8 [n].
        ref: index of the C among the bases of REF's haplotype; of a created CpG that of the base
            in the same place, int64 [n].
        alt: the same of ALT's, where a destroyed CpG has the place only.
        position: of `ref` in the genome, 0-based, int64 [n].
    """

    kind: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    position: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """How many of each kind there are, int64 [3]."""
        return np.bincount(self.kind, minlength=len(KINDS))


def find_cpgs(ref: Haplotype, alt: Haplotype, pair: AllelePair, flank: int, reach: int) -> CpGs:
    """Return the CpGs within reach of a row.

    Args:
        ref, alt: its alleles between flanks.
        pair: the row.
        flank: bp at either side of the record; at least `reach` + 1.
        reach: bp from the changed bases to the C.
    """
    left, removed, inserted = trimmed(pair.ref, pair.alt)
    start = flank + left
    in_ref = _in_reach(ref.bases, start, removed, reach)
    in_alt = _in_reach(alt.bases, start, inserted, reach)
    to_alt, aligned = _other_place(in_ref, start, removed, inserted)
    to_ref, back = _other_place(in_alt, start, inserted, removed)
    stays = aligned & _is_cpg(alt.bases, to_alt)
    new = ~(back & _is_cpg(ref.bases, to_ref))
    kind = np.where(stays, KEPT, DESTROYED).astype(np.uint8)
    kind = np.concatenate([kind, np.full(new.sum(), CREATED, np.uint8)])
    at_ref = np.concatenate([in_ref, to_ref[new]])
    at_alt = np.concatenate([to_alt, in_alt[new]])
    order = np.lexsort((at_alt, kind, at_ref))
    at_ref = at_ref[order]
    # Beyond the allele the genome goes on behind its own.
    longer = (len(pair.host) - len(pair.ref)) * (at_ref >= start + removed)
    return CpGs(kind[order], at_ref, at_alt[order], ref.origin + at_ref + longer)


def _in_reach(bases: np.ndarray, start: int, length: int, reach: int) -> np.ndarray:
    """Return the indices of each C that G follows, at most `reach` from [start, start + length)."""
    low, high = start - reach, start + length + reach
    return low + np.flatnonzero((bases[low:high] == _C) & (bases[low + 1 : high + 1] == _G))


def _is_cpg(bases: np.ndarray, at: np.ndarray) -> np.ndarray:
    return (bases[at] == _C) & (bases[at + 1] == _G)


def _other_place(at: np.ndarray, start: int, own: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same places in the other haplotype, and which of them hold the same base.

    A changed base has the place as far from the start of the change, at most the first base
    behind it.

    Args:
        at: indices of bases.
        start: index of the first changed base.
        own, other: how many bases are changed in this haplotype and in the other.
    """
    behind = at >= start + own
    place = np.where(behind, at + other - own, np.minimum(at, start + other))
    return place, behind | (at < start) | (own == other)
