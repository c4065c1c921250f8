"""A simulated chromosome with its common variants, their effects and the haplotypes there are."""

from dataclasses import dataclass

import numpy as np

from tfepi.simulate.methylation_haplotypes import genetic_positions, make_pools
from tfepi.simulate.methylation_variants import Effect, Landscape, Variant, effects, propose

COMMON = 0.02
# Of the variants proposed about half end rare or lost in both ancestries.
_PROPOSED = 3.4


@dataclass(frozen=True)
class Contig:
    """A chromosome.

    Attributes:
        name: chromosome name.
        landscape: what the law reads.
        variants: sorted, at different positions.
        first: number of its first variant among those of the genome.
        effects: one per variant.
        genetic: their positions on the genetic map, float64 [variants].
        pools: haplotypes of each ancestry, uint8 [haplotypes, variants].
    """

    name: str
    landscape: Landscape
    variants: list[Variant]
    first: int
    effects: list[Effect]
    genetic: np.ndarray
    pools: tuple[np.ndarray, ...]

    @property
    def positions(self) -> np.ndarray:
        """0-based positions of the variants: int64 [variants]."""
        return np.array([v.pos for v in self.variants], np.int64)

    @property
    def identifiers(self) -> list[str]:
        """Names of the variants."""
        return [f"sim{self.first + n}" for n in range(len(self.variants))]

    @property
    def frequencies(self) -> np.ndarray:
        """Frequency of ALT in the pool of each ancestry: float64 [ancestries, variants]."""
        return np.stack([pool.mean(axis=0) for pool in self.pools])


def make_contig(
    name: str, landscape: Landscape, count: int, first: int, rngs: tuple[np.random.Generator, ...]
) -> Contig:
    """Return a chromosome with up to `count` variants that are common in an ancestry.

    Args:
        name: chromosome name.
        landscape: what the law reads.
        count: variants wanted.
        first: number of its first variant among those of the genome.
        rngs: sources of the variants and of the haplotypes.
    """
    variant_rng, haplotype_rng = rngs
    proposed = propose(landscape, int(np.ceil(_PROPOSED * count)), variant_rng)
    positions = np.array([v.pos for v in proposed], np.int64)
    genetic = genetic_positions(positions, haplotype_rng)
    pools = make_pools(genetic, haplotype_rng)
    frequency = np.stack([pool.mean(axis=0) for pool in pools])
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency).max(axis=0) >= COMMON)
    if len(common) > count:
        common = np.sort(haplotype_rng.choice(common, count, replace=False))
    variants = [proposed[k] for k in common]
    return Contig(
        name=name,
        landscape=landscape,
        variants=variants,
        first=first,
        effects=effects(landscape, variants),
        genetic=genetic[common],
        pools=tuple(np.ascontiguousarray(pool[:, common]) for pool in pools),
    )
