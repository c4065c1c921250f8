"""The law of simulated methylation: from DNA to beta at every CpG of each tissue.

A CpG is named by the position of its C; it lies between its C and its G, as a site's centre lies
between two bases, so that distances d (bp) between them mean the same on both strands. With the
strength s of a motif's site (1 for the consensus, see `tfepi.simulate.motifs`),

    density   ρ  = Σ over CpGs, itself included, of bump(d / 150)
    island    I  = sigmoid(ρ − 6)
    exposure  x  = Σ over a motif's sites of s · profile(d)
    profile(d)   = 0.7 · bump(d / 400) + 0.3 · bump(d / 990)
    beta         = sigmoid(base − 4.5 · I + Σ over motifs of level · effect · x)

with bump(u) = ½ (1 + cos πu) for |u| < 1, else 0. The effect is the motif's: below 0 it protects
its neighbourhood from methylation, above 0 it exposes it. The level, between 0 and 1, is that of
the motif's factor in a tissue: a tissue is nothing but its base and levels (`TISSUES`). There is
no randomness. No base more than 1,000 bp from the C matters; 69% of the profile lies within 250
bp and 91% within 500 bp.

Whatever the tissue, a CpG's sequence acts through its features, which are I and the exposure to
each motif; the logit of beta is linear in them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.simulate.motifs import ALL_MOTIFS, Sites

REACH = 1_000  # bp from the C beyond which nothing matters
NEAR, FAR = 400, 990
NEAR_SHARE = 0.7
DENSITY_HALF_WIDTH = 150
ISLAND_DENSITY = 6.0
ISLAND_EFFECT = -4.5
EFFECTS = {"A": -3.0, "B": -2.5, "C": -3.0, "D": -2.5, "E": -3.0, "F": 2.5, "K": 2.5, "P": 2.0}
FEATURES = 1 + len(ALL_MOTIFS)


@dataclass(frozen=True)
class Tissue:
    """A tissue.

    Attributes:
        name: of the tissue.
        base: logit of beta without sites and outside islands.
        levels: motif → level of its factor; 0 where absent.
    """

    name: str
    base: float
    levels: dict[str, float]

    def weights(self, factors: np.ndarray | float = 1.0) -> np.ndarray:
        """Return what each feature adds to the logit: float64 [features].

        Args:
            factors: on the levels, one per motif of `ALL_MOTIFS`, where a person's differ.
        """
        levels = np.array([self.levels.get(m, 0.0) for m in ALL_MOTIFS]) * factors
        return np.concatenate([[ISLAND_EFFECT], levels * [EFFECTS[m] for m in ALL_MOTIFS]])

    def betas(self, features: np.ndarray) -> np.ndarray:
        """Return beta of CpGs with these features [..., features]: float64 [...]."""
        return sigmoid(self.base + features @ self._own_weights)

    @cached_property
    def _own_weights(self) -> np.ndarray:
        return self.weights()


# C and K act in the brain alone, E in blood alone; D was not yet seen in the hippocampus.
HIPPOCAMPUS = Tissue(
    "hippocampus", 1.6, {"A": 1.0, "B": 0.8, "C": 1.0, "F": 1.0, "K": 0.8, "P": 0.4}
)
BRAIN = Tissue("brain", 1.6, {"A": 1.0, "B": 0.9, "C": 0.9, "D": 0.7, "F": 0.9, "K": 1.0, "P": 0.3})
BLOOD = Tissue("blood", 1.7, {"A": 0.7, "B": 1.0, "D": 0.5, "E": 1.0, "F": 0.8, "P": 1.0})
TISSUES = (HIPPOCAMPUS, BRAIN, BLOOD)


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(−logit))."""
    return 1 / (1 + np.exp(-logit))


def _bump(distance: np.ndarray, half_width: int) -> np.ndarray:
    inside = np.abs(distance) < half_width
    return np.where(inside, 0.5 * (1 + np.cos(np.pi * distance / half_width)), 0.0)


def profile(distance: np.ndarray) -> np.ndarray:
    """Return how much of a site's strength a CpG meets at distances in bp: float64, 1 at 0."""
    return NEAR_SHARE * _bump(distance, NEAR) + (1 - NEAR_SHARE) * _bump(distance, FAR)


_PROFILE = profile(np.arange(-FAR, FAR + 1))
_DENSITY = _bump(np.arange(-DENSITY_HALF_WIDTH, DENSITY_HALF_WIDTH + 1), DENSITY_HALF_WIDTH)


def cpg_positions(indices: np.ndarray) -> np.ndarray:
    """Return the position of the C of every CpG of base indices [length]: int64, ascending."""
    return np.flatnonzero((indices[:-1] == 1) & (indices[1:] == 2))


def features(cpgs: np.ndarray, every_cpg: np.ndarray, sites: Sites) -> np.ndarray:
    """Return what the law knows of CpGs: float64 [CpGs, features].

    Args:
        cpgs: positions asked for, ascending, int64 [n].
        every_cpg: positions of the sequence's CpGs, ascending; those near `cpgs` are enough.
        sites: of the sequence, all motifs; those near are enough.

    Returns:
        The island I, then the exposure to each of `ALL_MOTIFS`.
    """
    first = np.searchsorted(every_cpg, cpgs - DENSITY_HALF_WIDTH)
    last = np.searchsorted(every_cpg, cpgs + DENSITY_HALF_WIDTH, side="right")
    row, other = _pairs(first, last)
    near = _DENSITY[every_cpg[other] - cpgs[row] + DENSITY_HALF_WIDTH]
    density = np.bincount(row, near, len(cpgs))
    middle = cpgs + 1
    first = np.searchsorted(sites.centre, middle - FAR)
    last = np.searchsorted(sites.centre, middle + FAR, side="right")
    row, site = _pairs(first, last)
    exposure = sites.strength[site] * _PROFILE[sites.centre[site] - middle[row] + FAR]
    cell = row * len(ALL_MOTIFS) + sites.motif[site]
    exposure = np.bincount(cell, exposure, len(cpgs) * len(ALL_MOTIFS))
    island = sigmoid(density - ISLAND_DENSITY)
    return np.column_stack([island, exposure.reshape(len(cpgs), len(ALL_MOTIFS))])


def _pairs(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (row, k) with first[row] ≤ k < last[row], as two int64 arrays."""
    count = last - first
    row = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, first[row] + within
