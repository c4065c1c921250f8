"""The simulated law: from DNA to expected signal in each cell type, without any randomness.

A site is a stretch that comes close enough to a motif's consensus. Each site adds a bump of
about ±150 bp to a cell type's signal, by the cell type's grammar: some motifs act in every
cell type, some in one, one needs a partner nearby, one silences its neighbours. Everything is
local: sequence more than `REACH` bp away never matters.
"""

from dataclasses import dataclass

import numpy as np

from tfepi.simulate.motifs import MOTIF_LENGTH, Sites, find_sites

KERNEL_HALF_WIDTH = 150
PAIR_DISTANCE = 40
SILENCED_DISTANCE = 100
REACH = KERNEL_HALF_WIDTH + SILENCED_DISTANCE + PAIR_DISTANCE + MOTIF_LENGTH


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


def raised_cosine(half_width: int) -> np.ndarray:
    """Return the bump of a site, float64 [2 · half width]: a raised cosine with a top of 1.

    Even, because a motif's centre lies between two bases: position k stands for the base
    k − half width + ½ away from it. So a sequence and its reverse complement mirror each other.

    Args:
        half_width: bp from the centre to where the bump ends.
    """
    distance = np.arange(-half_width, half_width) + 0.5
    return 0.5 * (1 + np.cos(np.pi * distance / half_width))


KERNEL = raised_cosine(KERNEL_HALF_WIDTH)


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
