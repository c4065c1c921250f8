"""Simulated chromosomes: random bases, planted elements, repeats, runs of N, lower case."""

from dataclasses import dataclass

import numpy as np

from tfepi.simulate.motifs import MOTIF_LENGTH, mutated_copy
from tfrecords_tools.genome import UNKNOWN, reverse_complement
from tfrecords_tools.intervals import merge_array

ELEMENT_SPACING = 450
MUTATION_RATE = 0.04
TELOMERE = 2_000
REPEAT_LENGTH = 900
_BASE_SHARES = (0.3, 0.2, 0.2, 0.3)

# What an element holds: motifs, each with the distance in bp from the one before it.
Elements = tuple[tuple[tuple[str, int, int], ...], ...]
ELEMENTS: Elements = (
    (("A", 0, 0),),
    (("B", 0, 0),),
    (("C", 0, 0),),
    (("E", 0, 0),),
    (("C", 0, 0), ("B", 12, 40)),  # close enough for the pair to act
    (("C", 0, 0), ("B", 12, 40)),
    (("C", 0, 0), ("B", 12, 40)),
    (("C", 0, 0), ("B", 60, 140)),  # too far
    (("A", 0, 0), ("D", 15, 80)),
    (("E", 0, 0), ("D", 15, 80)),
    (("E", 0, 0), ("D", 15, 80)),
    (("A", 0, 0), ("A", 15, 80)),
    (("B", 0, 0), ("E", 15, 80)),
)


@dataclass(frozen=True)
class Chromosome:
    """A simulated chromosome; spans are int64 [n, 2], 0-based half-open, sorted, disjoint.

    Attributes:
        name: chromosome name.
        indices: base indices, uint8 [length], N as 4.
        lower: stretches written in lower case.
        gaps: runs of N.
        repeats: near-identical copies of one sequence, where no read maps.
        artefacts: stretches where every track is far too high.
    """

    name: str
    indices: np.ndarray
    lower: np.ndarray
    gaps: np.ndarray
    repeats: np.ndarray
    artefacts: np.ndarray

    @property
    def length(self) -> int:
        """Length in bp."""
        return len(self.indices)


def make_chromosome(
    name: str,
    length: int,
    rng: np.random.Generator,
    repeat: np.ndarray,
    elements: Elements = ELEMENTS,
    spacing: int = ELEMENT_SPACING,
    background: np.ndarray | None = None,
) -> Chromosome:
    """Return a random chromosome.

    Args:
        name: chromosome name.
        length: bp.
        rng: source of every choice.
        repeat: base indices of the genome's repeat, copies of which are inserted.
        elements: what is planted, each as often as any other.
        spacing: bp in which one element is planted.
        background: base indices to plant them in, uint8 [length]; None for independent ones.
    """
    indices = random_bases(length, rng) if background is None else background.copy()
    _plant(indices, rng, elements, spacing)
    middle = (TELOMERE, length - TELOMERE)
    repeats = random_spans(rng, middle, length // 60_000, (len(repeat), len(repeat)))
    repeats = repeats[repeats[:, 1] - repeats[:, 0] == len(repeat)]  # none that overlapped
    for start, end in repeats.tolist():
        copy = repeat.copy()
        hit = rng.random(len(copy)) < 0.02
        copy[hit] = rng.integers(0, 4, int(hit.sum()), np.uint8)
        indices[start:end] = reverse_complement(copy) if rng.random() < 0.5 else copy
    long_gaps = random_spans(rng, middle, max(1, length // 400_000), (500, 4_000))
    short_gaps = random_spans(rng, middle, max(1, length // 400_000), (1, 60))
    ends = np.array([(0, min(TELOMERE, length)), (max(0, length - TELOMERE), length)])
    gaps = merge_array(np.concatenate([ends, long_gaps, short_gaps]))
    for start, end in gaps.tolist():
        indices[start:end] = UNKNOWN
    masked = random_spans(rng, middle, length // 5_000, (100, 1_500))
    return Chromosome(
        name=name,
        indices=indices,
        lower=merge_array(np.concatenate([masked, repeats])),
        gaps=gaps,
        repeats=repeats,
        artefacts=random_spans(rng, middle, max(1, length // 500_000), (300, 1_500)),
    )


def random_bases(
    length: int, rng: np.random.Generator, shares: tuple[float, ...] = _BASE_SHARES
) -> np.ndarray:
    """Return independent bases, A, C, G and T by these shares: uint8 [length]."""
    threshold = np.cumsum(np.array(shares[:3]) * 256).astype(np.uint8)
    letters = rng.integers(0, 256, length, np.uint8)
    return np.searchsorted(threshold, letters, side="right").astype(np.uint8)


def make_repeat(rng: np.random.Generator) -> np.ndarray:
    """Return the base indices of a genome's repeat."""
    return rng.choice(4, REPEAT_LENGTH, p=_BASE_SHARES).astype(np.uint8)


def _plant(indices: np.ndarray, rng: np.random.Generator, elements: Elements, spacing: int) -> None:
    """Write elements into the sequence, one in about each `spacing` bp."""
    for slot in range(0, len(indices) - spacing, spacing):
        position = slot + int(rng.integers(0, spacing // 2))
        for motif, low, high in elements[rng.integers(len(elements))]:
            position += int(rng.integers(low, high + 1))
            site = indices[position : position + MOTIF_LENGTH]
            site[:] = mutated_copy(motif, rng, MUTATION_RATE)[: len(site)]


def random_spans(
    rng: np.random.Generator, inside: tuple[int, int], count: int, lengths: tuple[int, int]
) -> np.ndarray:
    """Return up to `count` merged random spans of a length between two bounds, inclusive."""
    size = rng.integers(lengths[0], lengths[1] + 1, count)
    room = np.maximum(inside[1] - inside[0] - size, 1)
    start = inside[0] + (rng.random(count) * room).astype(np.int64)
    return merge_array(np.stack([start, np.minimum(start + size, inside[1])], axis=1))
