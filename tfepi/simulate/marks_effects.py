"""Simulated variants that act through accessibility, on marks alone, or not at all."""

import numpy as np

from tfepi.simulate.effects import (
    OUTSIDE,
    STRONG,
    Proposal,
    TrueVariant,
    centre_windows,
    draw_variants,
    inside,
    mend,
)
from tfepi.simulate.marks import (
    COFACTOR,
    COFACTOR_DISTANCE,
    MARKS,
    OPENERS,
    REACH,
    REPRESSOR,
    REPRESSOR_DISTANCE,
    TRACKS,
    openings,
)
from tfepi.simulate.motifs import ALL_MOTIFS, Sites, find_sites
from tfepi.simulate.sequence import Chromosome

OPENER_SHARE = 0.35
GAIN_SHARE = 0.12
COFACTOR_SHARE = 0.22
REPRESSOR_SHARE = 0.16


def signals(
    indices: np.ndarray, pos: int, ref: str, alt: np.ndarray, bin_width: int
) -> list[tuple[float, float]]:
    """Return the mean expected signal of each of `TRACKS` around a variant, with either allele.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        pos: 0-based position of the first reference base.
        ref: reference bases.
        alt: base indices of the alternative allele.
        bin_width: bp of the bin, which lies as `tfepi.simulate.effects.centre_signal` says.
    """
    *alleles, span = centre_windows(indices, pos, ref, alt, bin_width, REACH)
    found = []
    for bases in alleles:
        opened = openings(find_sites(bases, ALL_MOTIFS))
        found.append([float(t.expected(len(bases), opened)[span].mean()) for t in TRACKS])
    return list(zip(*found, strict=True))


def make_mark_variants(
    chromosome: Chromosome, sites: Sites, count: int, bin_width: int, rng: np.random.Generator
) -> list[TrueVariant]:
    """Return up to `count` variants at different positions, sorted.

    Their places are "opener_" and a motif's name, "cofactor", "repressor" and "outside". Most
    openers hit are strong, some are weak ones that a base mends; a co-factor or repressor that is
    hit lies where it acts on a strong opener's marks.

    Args:
        chromosome: where.
        sites: the chromosome's sites.
        count: how many are wanted.
        bin_width: bp of the centre bin.
        rng: source of every choice.
    """
    names = list(ALL_MOTIFS)
    opens = np.isin(sites.motif, [names.index(m) for m in OPENERS])
    strong = np.flatnonzero(opens & (sites.strength > STRONG))
    weak = np.flatnonzero(opens & (sites.strength <= STRONG))
    helped = strong[np.isin(sites.motif[strong], [names.index(m) for k in MARKS for m in k.helped])]
    cofactors = _acting(sites, COFACTOR, helped, COFACTOR_DISTANCE)
    repressors = _acting(sites, REPRESSOR, strong, REPRESSOR_DISTANCE)
    groups = ((OPENER_SHARE, strong), (GAIN_SHARE, weak))
    groups += ((COFACTOR_SHARE, cofactors), (REPRESSOR_SHARE, repressors))

    def propose() -> Proposal:
        kind = rng.random()
        for share, group in groups:
            kind -= share
            if kind < 0 and len(group):
                site = group[rng.integers(len(group))]
                place = _PLACES[names[sites.motif[site]]]
                if group is weak:
                    return place, *mend(chromosome.indices, sites, site)
                return place, inside(sites, site, rng), None
        return OUTSIDE, int(rng.integers(0, chromosome.length)), None

    def effect(pos: int, ref: str, alt: np.ndarray) -> list[tuple[float, float]]:
        return signals(chromosome.indices, pos, ref, alt, bin_width)

    reach = bin_width // 2 + REACH
    return draw_variants(chromosome, sites, count, reach, rng, propose, effect)


_PLACES = {m: f"opener_{m}" for m in OPENERS} | {COFACTOR: "cofactor", REPRESSOR: "repressor"}


def _acting(sites: Sites, motif: str, openers: np.ndarray, distance: int) -> np.ndarray:
    """Return a motif's strong sites with one of these openers within a distance: indices [n]."""
    chosen = np.flatnonzero(sites.motif == list(ALL_MOTIFS).index(motif))
    at, opener = sites.centre[chosen], sites.centre[openers]
    first = np.searchsorted(opener, at - distance, side="left")
    last = np.searchsorted(opener, at + distance, side="right")
    return chosen[(last > first) & (sites.strength[chosen] > STRONG)]
