"""Simulated variants, and what each truly does to the CpGs within 1 kb."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfepi.simulate.effects import OUTSIDE, STRONG, alleles, inside, inside_site, mend
from tfepi.simulate.methylation import REACH, Tissue, cpg_positions, features
from tfepi.simulate.motifs import ALL_MOTIFS, MOTIF_LENGTH, Sites, find_sites
from tfrecords_tools.genome import UNKNOWN, decode, encode

SITE_SHARE, GAIN_SHARE, CPG_SHARE = 0.22, 0.06, 0.06
APART = 12  # bp between variants: more than a site is long, so that no two change one site
CPG = "cpg"
_TRANSITIONS = {"C": "T", "G": "A"}
_ZERO = 1e-9


def _shared(one: str, other: str) -> int:
    """Return how many letters two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


class Variant(NamedTuple):
    """A variant.

    Attributes:
        pos: 0-based position of the first reference base.
        ref: reference bases.
        alt: alternative bases.
        place: what it was put into: the motif of a site, "cpg" or "outside".
    """

    pos: int
    ref: str
    alt: str
    place: str

    def changed(self) -> tuple[int, int, int]:
        """Return the position of the first base changed, and how many are removed and inserted.

        These are what is left of the alleles without the bases they share at their right end,
        and then at their left.
        """
        right = _shared(self.ref[::-1], self.alt[::-1])
        ref, alt = self.ref[: len(self.ref) - right], self.alt[: len(self.alt) - right]
        left = _shared(ref, alt)
        return self.pos + left, len(ref) - left, len(alt) - left


@dataclass(frozen=True)
class Effect:
    """What a variant does to the law's features.

    Attributes:
        kept: reference CpGs that the variant leaves CpGs and whose C lies within `REACH` bp of
            the nearest base that it changes.
        cpgs: positions of those whose features change, int64 [n].
        delta: change of their features, float64 [n, features].
        created: CpGs of the alternative sequence whose C is new, or starts no CpG in the
            reference.
        destroyed: positions of reference CpGs that are none any more, int64 [n].
    """

    kept: int
    cpgs: np.ndarray
    delta: np.ndarray
    created: int
    destroyed: np.ndarray


@dataclass(frozen=True)
class Landscape:
    """A chromosome as the law reads it.

    Attributes:
        indices: base indices, uint8 [length].
        sites: of all motifs.
        cpgs: positions of the CpGs, ascending, int64 [n].
        features: of each, float64 [n, features].
    """

    indices: np.ndarray
    sites: Sites
    cpgs: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, indices: np.ndarray) -> "Landscape":
        """Return the landscape of base indices, uint8 [length]."""
        sites, cpgs = find_sites(indices, ALL_MOTIFS), cpg_positions(indices)
        return cls(indices, sites, cpgs, features(cpgs, cpgs, sites))

    def features_of(self, cpgs: np.ndarray) -> np.ndarray:
        """Return the features of some of its CpGs: float64 [CpGs, features]."""
        return self.features[np.searchsorted(self.cpgs, cpgs)]


def propose(landscape: Landscape, count: int, rng: np.random.Generator) -> list[Variant]:
    """Return up to `count` variants, sorted, at least `APART` bp from one another.

    Some are put into strong sites, some mend weak sites, some turn a CpG into TpG or CpA, and the
    rest lie anywhere but in a site. A few are insertions and deletions.

    Args:
        landscape: of the chromosome.
        count: how many are wanted.
        rng: source of every choice.
    """
    indices, sites, cpgs = landscape.indices, landscape.sites, landscape.cpgs
    strong = np.flatnonzero(sites.strength > STRONG)
    weak = np.flatnonzero(sites.strength <= STRONG)
    names = list(ALL_MOTIFS)
    taken = indices == UNKNOWN
    found = []
    for _ in range(5 * count):
        if len(found) == count:
            break
        kind, change = rng.random(), None
        if len(strong) and kind < SITE_SHARE:
            site = strong[rng.integers(len(strong))]
            place, pos = names[sites.motif[site]], inside(sites, site, rng)
        elif len(weak) and SITE_SHARE <= kind < SITE_SHARE + GAIN_SHARE:
            site = weak[rng.integers(len(weak))]
            pos, better = mend(indices, sites, site)
            place, change = names[sites.motif[site]], decode(np.array([better]))
        elif len(cpgs) and kind > 1 - CPG_SHARE:
            place, pos = CPG, int(cpgs[rng.integers(len(cpgs))]) + int(rng.integers(2))
            change = _TRANSITIONS[decode(indices[pos : pos + 1])]
        else:
            place, pos = OUTSIDE, int(rng.integers(0, len(indices) - 2 * APART))
        if place in (CPG, OUTSIDE) and inside_site(pos, sites):
            continue
        if change is None:
            ref, alt = alleles(indices, pos, rng)
            if alt is None:
                continue
            change = decode(alt)
        else:
            ref = decode(indices[pos : pos + 1])
        if taken[pos : pos + len(ref)].any():
            continue
        taken[max(0, pos - APART) : pos + len(ref) + APART] = True
        found.append(Variant(pos, ref, change, place))
    return sorted(found)


def new_sites(indices: np.ndarray, variants: list[Variant]) -> list[Sites]:
    """Return the sites that overlap each variant's alternative bases, in its own coordinates.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        variants: sorted.

    Returns:
        One per variant; a centre is a position in the chromosome with that variant alone.
    """
    margin, gap = MOTIF_LENGTH - 1, np.array([UNKNOWN], np.uint8)
    parts, start = [], []
    end = 0
    for v in variants:
        after = v.pos + len(v.ref)
        part = indices[v.pos - margin : v.pos], encode(v.alt), indices[after : after + margin], gap
        start.append(end)
        end += sum(map(len, part))
        parts += part
    every = find_sites(np.concatenate([*parts, gap]), ALL_MOTIFS)
    bounds = np.searchsorted(every.centre, [*start, end])
    return [
        _part(every, slice(low, high), v.pos - margin - offset)
        for v, offset, low, high in zip(variants, start, bounds[:-1], bounds[1:], strict=True)
    ]


def _part(sites: Sites, chosen: slice | np.ndarray, shift: int) -> Sites:
    return Sites(
        sites.centre[chosen] + shift,
        sites.motif[chosen],
        sites.strength[chosen],
        sites.reverse[chosen],
    )


def effects(landscape: Landscape, variants: list[Variant]) -> list[Effect]:
    """Return what each variant does by itself, by the law with either allele.

    Args:
        landscape: of the reference.
        variants: sorted.
    """
    new = new_sites(landscape.indices, variants)
    return [_effect(landscape, v, s) for v, s in zip(variants, new, strict=True)]


def _effect(landscape: Landscape, variant: Variant, new: Sites) -> Effect:
    pos, after = variant.pos, variant.pos + len(variant.ref)
    shift = len(variant.alt) - len(variant.ref)
    low, high = max(0, pos - 2 * REACH - MOTIF_LENGTH), after + 2 * REACH + MOTIF_LENGTH
    bases = landscape.indices
    every = low + cpg_positions(
        np.concatenate([bases[low:pos], encode(variant.alt), bases[after:high]])
    )
    start, removed, inserted = variant.changed()
    origin = np.where(every >= start + inserted, every - shift, every)
    origin[(every >= start) & (every < start + inserted)] = -1  # no base of the reference
    span = start - REACH, start + removed + REACH
    near = landscape.cpgs[slice(*np.searchsorted(landscape.cpgs, span))]
    is_kept = among(origin, near)
    cpgs = origin[is_kept]
    sites = _alternative_sites(landscape.sites, pos, after, shift, new)
    delta = features(every[is_kept], every, sites) - landscape.features_of(cpgs)
    delta[np.abs(delta) < _ZERO] = 0
    changed = delta.any(axis=1)
    around = (every >= start - 1) & (every < start + inserted)
    touched = near[(near >= start - 1) & (near < start + removed)]
    return Effect(
        kept=len(cpgs),
        cpgs=cpgs[changed],
        delta=delta[changed],
        created=int((around & ~is_kept).sum()),
        destroyed=touched[~among(touched, cpgs)],
    )


def among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return which values are among some ascending ones: bool, as `values`."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.searchsorted(ascending, values)
    return ascending[np.minimum(at, len(ascending) - 1)] == values


def _alternative_sites(sites: Sites, pos: int, after: int, shift: int, new: Sites) -> Sites:
    """Return the sites near a variant with its alternative bases, ascending."""
    half, reach, centre = MOTIF_LENGTH // 2, 2 * REACH, sites.centre
    a, c, d = np.searchsorted(centre, [pos - reach, after + half, after + reach]).tolist()
    b = int(np.searchsorted(centre, pos - half, side="right"))
    left, right = _part(sites, slice(a, b), 0), _part(sites, slice(c, d), shift)
    return Sites(
        *(
            np.concatenate([getattr(s, name) for s in (left, new, right)])
            for name in ("centre", "motif", "strength", "reverse")
        )
    )


@dataclass(frozen=True)
class Largest:
    """A variant's largest effect on beta in a tissue.

    Attributes:
        diff: beta with ALT less beta with REF, signed.
        cpg: position of the CpG, or None where nothing changes.
    """

    diff: float
    cpg: int | None


def largest(landscape: Landscape, effect: Effect, tissue: Tissue) -> Largest:
    """Return a variant's largest effect on a kept CpG, that of the first of equals.

    Args:
        landscape: of the reference.
        effect: of the variant.
        tissue: whose betas.
    """
    if not len(effect.cpgs):
        return Largest(0.0, None)
    before = landscape.features_of(effect.cpgs)
    diff = tissue.betas(before + effect.delta) - tissue.betas(before)
    first = int(np.argmax(np.abs(diff)))
    return Largest(float(diff[first]), int(effect.cpgs[first]))
