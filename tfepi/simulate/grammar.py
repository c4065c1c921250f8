"""The simulated law: from DNA to expected signal in each cell type, without any randomness.

A site is a stretch that comes close enough to a motif's consensus. Each site adds a bump of
about ±150 bp to a cell type's signal, by the cell type's grammar: some motifs act in every
cell type, some in one, one needs a partner nearby, one silences its neighbours. Everything is
local: sequence more than `REACH` bp away never matters.
"""

from dataclasses import dataclass

import numpy as np

from tfrecords_tools.genome import encode, reverse_complement

MOTIFS = {
    "A": "TGACTCAGCA",
    "B": "CCGGAAGTGA",
    "C": "AGATAAGGCT",
    "D": "ACGCTTTGAA",
    "E": "GTAAACAATG",
}
MOTIF_LENGTH = 10
KERNEL_HALF_WIDTH = 150
PAIR_DISTANCE = 40
SILENCED_DISTANCE = 100
REACH = KERNEL_HALF_WIDTH + SILENCED_DISTANCE + PAIR_DISTANCE + MOTIF_LENGTH

# What a wrong base costs: a transition (A↔G, C↔T) less than a transversion, the two outer
# positions on either side less than the core. A site's strength is exp(-sum of costs).
_TRANSITION, _TRANSVERSION = 1.2, 2.0
_OUTER, _OUTER_FACTOR = 2, 0.5
MAX_COST = 2.1


@dataclass(frozen=True)
class Grammar:
    """How one cell type reads the sites; strengths are signal per base at a bump's top.

    Attributes:
        name: of the cell type.
        alone: motif → strength of a site by itself.
        pair: strength of a C with a B at most 40 bp away (centre to centre), at their middle.
        silenced: share of the signal that a consensus D takes from sites within 100 bp.
        base: signal per base where there is no site.
    """

    name: str
    alone: dict[str, float]
    pair: float = 0.0
    silenced: float = 0.0
    base: float = 0.03


def grammars(count: int) -> tuple[Grammar, ...]:
    """Return the grammars of `count` cell types.

    The first reads A and B; the second A, and B with C as a pair only; the third A and E, both
    silenced by D. Further ones repeat the three with A ever weaker and all else stronger.
    """
    made = []
    for number in range(count):
        weak, strong = 0.7 ** (number // 3), 1 + 0.25 * (number // 3)
        name = f"cell{number + 1}"
        if number % 3 == 0:
            made.append(Grammar(name, {"A": 0.6 * weak, "B": 1.0 * strong}))
        elif number % 3 == 1:
            made.append(Grammar(name, {"A": 0.6 * weak}, pair=2.0 * strong))
        else:
            made.append(Grammar(name, {"A": 0.6 * weak, "E": 1.0 * strong}, silenced=0.9))
    return tuple(made)


@dataclass(frozen=True)
class Sites:
    """Every site of a sequence, sorted by position, then motif.

    Attributes:
        centre: position of the base after the motif's middle, int64 [n]; half a motif from
            either end, so that it means the same on both strands.
        motif: index into `MOTIFS`, int64 [n].
        strength: exp(-cost), 1 for the consensus, float64 [n].
        reverse: whether the site is on the other strand, bool [n].
    """

    centre: np.ndarray
    motif: np.ndarray
    strength: np.ndarray
    reverse: np.ndarray

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and strengths of one motif's sites."""
        chosen = self.motif == list(MOTIFS).index(name)
        return self.centre[chosen], self.strength[chosen]


def motif_costs(name: str) -> np.ndarray:
    """Return what each base costs at each position of a motif: float64 [10, 5], N as infinity."""
    costs = np.full((MOTIF_LENGTH, 5), _TRANSVERSION)
    for position, base in enumerate(encode(MOTIFS[name])):
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


def _tables() -> list[tuple[int, bool, np.ndarray, np.ndarray]]:
    tables = []
    for number, name in enumerate(MOTIFS):
        costs = motif_costs(name)
        for reverse in (False, True):
            strand = costs[::-1, [3, 2, 1, 0, 4]] if reverse else costs
            tables.append((number, reverse, _half_costs(strand[:5]), _half_costs(strand[5:])))
    return tables


_TABLES = _tables()


def find_sites(indices: np.ndarray) -> Sites:
    """Return every site of a sequence, on both strands.

    Args:
        indices: base indices, uint8 [length].
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
    for number, reverse, left, right in _TABLES:
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


def _kernel() -> np.ndarray:
    """Return the bump of a site, float64 [2 · half width]: a raised cosine.

    Even, because a motif's centre lies between two bases: position k stands for the base
    k − half width + ½ away from it. So a sequence and its reverse complement mirror each other.
    """
    distance = np.arange(-KERNEL_HALF_WIDTH, KERNEL_HALF_WIDTH) + 0.5
    return 0.5 * (1 + np.cos(np.pi * distance / KERNEL_HALF_WIDTH))


KERNEL = _kernel()


def _bumps(sites: Sites, grammar: Grammar) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres, in half bases and ascending, and heights of a cell type's bumps."""
    centres, heights = [], []
    for name, strength in grammar.alone.items():
        centre, site = sites.of(name)
        centres.append(2 * centre)
        heights.append(strength * site)
    if grammar.pair:
        (b_at, b), (c_at, c) = sites.of("B"), sites.of("C")
        first = np.searchsorted(b_at, c_at - PAIR_DISTANCE, side="left")
        last = np.searchsorted(b_at, c_at + PAIR_DISTANCE, side="right")
        row = np.repeat(np.arange(len(c_at)), last - first)
        partner = np.concatenate(
            [np.arange(f, e) for f, e in zip(first, last, strict=True)] or [[]]
        )
        partner = partner.astype(np.int64)
        centres.append(b_at[partner] + c_at[row])
        heights.append(grammar.pair * c[row] * b[partner])
    centre = np.concatenate(centres)
    order = np.argsort(centre, kind="stable")
    centre, height = centre[order], np.concatenate(heights)[order]
    if grammar.silenced:
        d_at, d = sites.of("D")
        first = np.searchsorted(centre, 2 * (d_at - SILENCED_DISTANCE), side="left")
        last = np.searchsorted(centre, 2 * (d_at + SILENCED_DISTANCE), side="right")
        for low, high, strength in zip(first, last, d, strict=True):
            height[low:high] *= 1 - grammar.silenced * strength
    return centre, height


def expected_signal(
    indices: np.ndarray, grammar: Grammar, sites: Sites | None = None
) -> np.ndarray:
    """Return the signal that a cell type has on average over a sequence.

    Args:
        indices: base indices, uint8 [length].
        grammar: the cell type.
        sites: what `find_sites` gave, where it is known already.

    Returns:
        float64 [length], per base.
    """
    sites = find_sites(indices) if sites is None else sites
    centre, height = _bumps(sites, grammar)
    signal = np.full(len(indices) + 2 * KERNEL_HALF_WIDTH, grammar.base)
    # A centre of half a base (a pair's middle) is shared between its two neighbours.
    for twice, top in zip(centre.tolist(), height.tolist(), strict=True):
        low = twice // 2
        if twice % 2:
            signal[low : low + len(KERNEL)] += 0.5 * top * KERNEL
            signal[low + 1 : low + 1 + len(KERNEL)] += 0.5 * top * KERNEL
        else:
            signal[low : low + len(KERNEL)] += top * KERNEL
    return signal[KERNEL_HALF_WIDTH:-KERNEL_HALF_WIDTH]


def mutated_copy(name: str, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Return a motif's bases on a random strand, each replaced with probability `rate`."""
    bases = encode(MOTIFS[name]).copy()
    hit = rng.random(MOTIF_LENGTH) < rate
    bases[hit] = (bases[hit] + rng.integers(1, 4, MOTIF_LENGTH)[hit]) % 4
    return reverse_complement(bases) if rng.random() < 0.5 else bases
