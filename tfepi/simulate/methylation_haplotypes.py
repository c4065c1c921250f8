"""Haplotypes of two ancestries, with linkage disequilibrium and drifted allele frequencies.

A population is a pool of H = 200 haplotypes. Each generation every haplotype is a mosaic of those
before it (Li & Stephens 2003, Genetics 165:2213): it copies one of them, and changes to another
with probability c = 10⁻⁶ per bp on average. Nine tenths of the changes fall into hotspots, one
in 10 kb, so that there are haplotype blocks (Gabriel et al. 2002, Science 296:2225). An allele
becomes ALT with probability u and REF with probability v per generation, where 2Hu = 0.06 and
2Hv = 0.2, so that frequencies of ALT are those of a Beta(0.06, 0.2) distribution (Wright 1931,
Genetics 16:97). After 300 generations the pool splits in two that drift apart for 30 more, to an
F_ST of about 1 − (1 − 1/H)³⁰ = 0.14. Linkage disequilibrium falls with the distance d about as
1 / (1 + 2Hcd) (Sved 1971, Theoretical Population Biology 2:125). People are mosaics of a pool in
the same way, in segments of 100 kb on average.
"""

import numpy as np

POOL = 200
CROSSOVER = 1e-6
TO_ALT, TO_REF = 0.06, 0.2  # 2H times the probability
ANCESTRAL_GENERATIONS, OWN_GENERATIONS = 300, 30
ANCESTRIES = ("first", "second")
SEGMENT = 100_000
HOTSPOT_EVERY, IN_HOTSPOTS = 10_000, 0.9


def genetic_positions(positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where variants lie on a chromosome's genetic map, in bp of mean recombination.

    Args:
        positions: of the variants, ascending, int64 [variants].
        rng: source of the hotspots.

    Returns:
        float64 [variants], ascending.
    """
    if not len(positions):
        return np.zeros(0)
    start, end = positions[0], positions[-1]
    hotspots = np.sort(start + (end - start) * rng.random(max(1, (end - start) // HOTSPOT_EVERY)))
    before = np.searchsorted(hotspots, positions)
    return (1 - IN_HOTSPOTS) * positions + IN_HOTSPOTS * HOTSPOT_EVERY * before


def make_pools(genetic: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the haplotypes of each of `ANCESTRIES`: uint8 [POOL, variants], 1 for ALT.

    Args:
        genetic: genetic positions of a chromosome's variants, ascending, float64 [variants].
        rng: source of every choice.
    """
    frequency = rng.beta(TO_ALT, TO_REF, len(genetic))
    pool = (rng.random((POOL, len(genetic))) < frequency).astype(np.uint8)
    pool = _evolve(pool, genetic, ANCESTRAL_GENERATIONS, rng)
    return tuple(_evolve(pool, genetic, OWN_GENERATIONS, rng) for _ in ANCESTRIES)


def _evolve(
    pool: np.ndarray, genetic: np.ndarray, generations: int, rng: np.random.Generator
) -> np.ndarray:
    for _ in range(generations):
        pool = mosaics(pool, genetic, POOL, CROSSOVER, rng)
        alleles = pool.reshape(-1)
        for state, strength in ((1, TO_ALT), (0, TO_REF)):
            count = rng.poisson(strength / (2 * POOL) * alleles.size)
            alleles[rng.integers(0, alleles.size, count)] = state
    return pool


def mosaics(
    pool: np.ndarray, genetic: np.ndarray, count: int, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """Return haplotypes that copy those of a pool, changing between them: uint8 [count, variants].

    Args:
        pool: haplotypes to copy, uint8 [haplotypes, variants].
        genetic: genetic positions of the variants, ascending, float64 [variants].
        count: how many are wanted.
        rate: of changes to another haplotype of the pool, per bp of mean recombination.
        rng: source of every choice.
    """
    made = pool[rng.integers(0, len(pool), count)]
    if not len(genetic):
        return made
    start, span = genetic[0], genetic[-1] - genetic[0]
    row = np.repeat(np.arange(count), rng.poisson(rate * span, count))
    at = start + span * rng.random(len(row))
    source = rng.integers(0, len(pool), len(row))
    order = np.lexsort((at, row))
    first = np.searchsorted(genetic, at[order])
    for r, k, s in zip(row.tolist(), first.tolist(), source.tolist(), strict=True):
        made[r, k:] = pool[s, k:]
    return made


def people(
    pool: np.ndarray, genetic: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the haplotypes of people of an ancestry: uint8 [people, 2, variants].

    Args:
        pool: the ancestry's haplotypes, uint8 [POOL, variants].
        genetic: genetic positions of the variants, ascending, float64 [variants].
        count: people.
        rng: source of every choice.
    """
    made = mosaics(pool, genetic, 2 * count, 1 / SEGMENT, rng)
    return made.reshape(count, 2, len(genetic))
