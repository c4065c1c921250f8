"""Simulated chromosomes as mammals have them: few CpGs, except in islands."""

import numpy as np

from tfepi.simulate.methylation import EFFECTS, cpg_positions
from tfepi.simulate.sequence import (
    TELOMERE,
    Chromosome,
    Elements,
    make_chromosome,
    random_bases,
    random_spans,
)

SPACING = 800
ISLAND_EVERY = 40_000
ISLAND_LENGTHS = (300, 1_500)
_ISLAND_SHARES = (0.17, 0.33, 0.33, 0.17)
# Share of CpGs that have become TpG or CpA: where they are methylated, and in islands.
DECAYED, DECAYED_IN_ISLANDS = 0.75, 0.2


def _elements() -> Elements:
    """Return what is planted: every motif alone, and beside one of the opposite effect."""
    protects = [m for m, effect in EFFECTS.items() if effect < 0]
    exposes = [m for m, effect in EFFECTS.items() if effect > 0]
    alone = [((m, 0, 0),) for m in EFFECTS]
    pairs = [((p, 0, 0), (e, 15, 150)) for p in protects for e in exposes]
    return tuple(6 * alone + pairs)


ELEMENTS = _elements()


def make_methylated_chromosome(
    name: str, length: int, rng: np.random.Generator, repeat: np.ndarray
) -> tuple[Chromosome, np.ndarray]:
    """Return a random chromosome, and the spans of its CpG islands, int64 [n, 2].

    Args:
        name: chromosome name.
        length: bp.
        rng: source of every choice.
        repeat: base indices of the genome's repeat, copies of which are inserted.
    """
    bases = random_bases(length, rng)
    decay_cpgs(bases, DECAYED, rng)
    count = max(1, length // ISLAND_EVERY)
    islands = random_spans(rng, (TELOMERE, length - TELOMERE), count, ISLAND_LENGTHS)
    for start, end in islands.tolist():
        island = random_bases(end - start, rng, _ISLAND_SHARES)
        decay_cpgs(island, DECAYED_IN_ISLANDS, rng)
        bases[start:end] = island
    return make_chromosome(name, length, rng, repeat, ELEMENTS, SPACING, bases), islands


def decay_cpgs(indices: np.ndarray, share: float, rng: np.random.Generator) -> None:
    """Turn a share of the CpGs into TpG or CpA, as often the one as the other, in place.

    Args:
        indices: base indices, uint8 [length].
        share: of the CpGs.
        rng: source of the choice.
    """
    at = cpg_positions(indices)
    at = at[rng.random(len(at)) < share]
    on_g = rng.random(len(at)) < 0.5
    indices[at[~on_g]] = 3
    indices[at[on_g] + 1] = 0
