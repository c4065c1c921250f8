"""Motifs and their sites: how a stretch of DNA comes to be a site, and how strong it is."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.genome import encode, reverse_complement

ALL_MOTIFS = {
    "A": "TGACTCAGCA",
    "B": "CCGGAAGTGA",
    "C": "AGATAAGGCT",
    "D": "ACGCTTTGAA",
    "E": "GTAAACAATG",
    "F": "CATTCCTGGA",
    "K": "GGGACTTTCA",
    "P": "TTCCGCCCAC",
}
MOTIFS = {name: ALL_MOTIFS[name] for name in "ABCDE"}  # those of simulated signal
MOTIF_LENGTH = 10

# What a wrong base costs: a transition (A↔G, C↔T) less than a transversion, the two outer
# positions on either side less than the core. A site's strength is exp(-sum of costs).
_TRANSITION, _TRANSVERSION = 1.2, 2.0
_OUTER, _OUTER_FACTOR = 2, 0.5
MAX_COST = 2.1


@dataclass(frozen=True)
class Sites:
    """Every site of a sequence, sorted by position, then motif.

    Attributes:
        centre: position of the base after the motif's middle, int64 [n]; half a motif from
            either end, so that it means the same on both strands.
        motif: index into `ALL_MOTIFS`, int64 [n].
        strength: exp(-cost), 1 for the consensus, float64 [n].
        reverse: whether the site is on the other strand, bool [n].
    """

    centre: np.ndarray
    motif: np.ndarray
    strength: np.ndarray
    reverse: np.ndarray

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and strengths of one motif's sites."""
        chosen = self.motif == list(ALL_MOTIFS).index(name)
        return self.centre[chosen], self.strength[chosen]


def motif_costs(name: str) -> np.ndarray:
    """Return what each base costs at each position of a motif: float64 [10, 5], N as infinity."""
    costs = np.full((MOTIF_LENGTH, 5), _TRANSVERSION)
    for position, base in enumerate(encode(ALL_MOTIFS[name])):
        costs[position, base ^ 2] = _TRANSITION  # A0↔G2, C1↔T3
        costs[position, base] = 0
    costs[:_OUTER] *= _OUTER_FACTOR
    costs[-_OUTER:] *= _OUTER_FACTOR
    costs[:, 4] = np.inf
    return costs


def _half_costs(costs: np.ndarray) -> np.ndarray:
    """Return the summed cost of every word of five letters: [5 ** 5]."""
    total = np.zeros(1)
    for position in costs:
        total = (total[:, None] + position).ravel()
    return total


def _tables() -> dict[str, list[tuple[int, bool, np.ndarray, np.ndarray]]]:
    tables = {}
    for number, name in enumerate(ALL_MOTIFS):
        tables[name] = []
        costs = motif_costs(name)
        for reverse in (False, True):
            strand = costs[::-1, [3, 2, 1, 0, 4]] if reverse else costs
            halves = _half_costs(strand[:5]), _half_costs(strand[5:])
            tables[name].append((number, reverse, *halves))
    return tables


_TABLES = _tables()


def find_sites(indices: np.ndarray, motifs: Iterable[str] = MOTIFS) -> Sites:
    """Return every site of a sequence, on both strands.

    Args:
        indices: base indices, uint8 [length].
        motifs: names of the motifs looked for.
    """
    half = MOTIF_LENGTH // 2
    if len(indices) < MOTIF_LENGTH:
        empty = np.zeros(0, np.int64)
        return Sites(empty, empty, np.zeros(0), np.zeros(0, bool))
    words = np.zeros(len(indices) - half + 1, np.uint16)
    for offset in range(half):
        words *= 5
        words += indices[offset : len(indices) - half + 1 + offset]
    parts = []
    for number, reverse, left, right in itertools.chain.from_iterable(_TABLES[m] for m in motifs):
        cost = left[words[:-half]]
        cost += right[words[half:]]
        start = np.flatnonzero(cost <= MAX_COST)
        parts.append((start + half, np.full(len(start), number), cost[start], reverse))
    centre = np.concatenate([p[0] for p in parts])
    motif = np.concatenate([p[1] for p in parts])
    cost = np.concatenate([p[2] for p in parts])
    strand = np.concatenate([np.full(len(p[0]), p[3]) for p in parts])
    order = np.lexsort((strand, motif, centre))
    return Sites(centre[order], motif[order], np.exp(-cost[order]), strand[order])


def mutated_copy(name: str, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Return a motif's bases on a random strand, each replaced with probability `rate`."""
    bases = encode(ALL_MOTIFS[name]).copy()
    hit = rng.random(MOTIF_LENGTH) < rate
    bases[hit] = (bases[hit] + rng.integers(1, 4, MOTIF_LENGTH)[hit]) % 4
    return reverse_complement(bases) if rng.random() < 0.5 else bases
