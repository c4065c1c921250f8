"""Simulated variants, and what each truly does to the signal in each cell type."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfepi.simulate.grammar import REACH, Grammar, expected_signal
from tfepi.simulate.motifs import ALL_MOTIFS, MOTIF_LENGTH, MOTIFS, Sites, motif_costs
from tfepi.simulate.sequence import Chromosome
from tfrecords_tools.genome import UNKNOWN, decode
from tfrecords_tools.intervals import covered_bases, merge_array

SITE_SHARE = 0.5
GAIN_SHARE = 0.15
INDEL_SHARE = 0.06
OUTSIDE = "outside"
_LONGEST_INDEL = 6
_MARGIN = 3_000
STRONG = 0.5

# A place, a position, and the base index that mends a site there, or None for any change.
Proposal = tuple[str, int, int | None]


@dataclass(frozen=True)
class TrueVariant:
    """A variant whose effect is known.

    Attributes:
        chrom: chromosome.
        pos: 0-based position of the first reference base.
        ref: reference bases.
        alt: alternative bases.
        place: what it was put into: the motif of a site, or "outside".
        ref_signal: expected signal over the centre bin for each cell type or track.
        alt_signal: likewise with the alternative bases.
    """

    chrom: str
    pos: int
    ref: str
    alt: str
    place: str
    ref_signal: tuple[float, ...]
    alt_signal: tuple[float, ...]


def centre_signal(
    indices: np.ndarray, pos: int, ref: str, alt: np.ndarray, grammar: Grammar, bin_width: int
) -> tuple[float, float]:
    """Return the expected signal over the bin around a variant, with either allele.

    The bin is 0-based [pos + 1 − w/2, pos + 1 + w/2): the middle bin of a window that is
    centred as Basenji centres it. The alternative bin starts at the same base and has the same
    width, so an insertion pushes bases out on the right and a deletion takes some in.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        pos: 0-based position of the first reference base.
        ref: reference bases.
        alt: base indices of the alternative allele.
        grammar: the cell type.
        bin_width: bp.
    """
    reference, alternative, span = centre_windows(indices, pos, ref, alt, bin_width, REACH)
    return (
        float(expected_signal(reference, grammar)[span].sum()),
        float(expected_signal(alternative, grammar)[span].sum()),
    )


def centre_windows(
    indices: np.ndarray, pos: int, ref: str, alt: np.ndarray, bin_width: int, reach: int
) -> tuple[np.ndarray, np.ndarray, slice]:
    """Return what matters to the bin around a variant with either allele, and the bin in it.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        pos: 0-based position of the first reference base.
        ref: reference bases.
        alt: base indices of the alternative allele.
        bin_width: bp.
        reach: bp beyond which nothing matters.
    """
    start = pos + 1 - bin_width // 2
    low = max(0, start - reach)
    high = start + bin_width + reach + len(ref) + len(alt)
    alternative = np.concatenate([indices[low:pos], alt, indices[pos + len(ref) : high]])
    return indices[low:high], alternative, slice(start - low, start - low + bin_width)


def make_variants(
    chromosome: Chromosome,
    sites: Sites,
    grammars: tuple[Grammar, ...],
    count: int,
    bin_width: int,
    rng: np.random.Generator,
) -> list[TrueVariant]:
    """Return up to `count` variants at different positions, sorted.

    Most are put into strong sites, some mend weak sites, the rest lie anywhere.

    Args:
        chromosome: where.
        sites: the chromosome's sites.
        grammars: cell types.
        count: how many are wanted.
        bin_width: bp of the centre bin.
        rng: source of every choice.
    """
    strong = np.flatnonzero(sites.strength > STRONG)
    weak = np.flatnonzero(sites.strength <= STRONG)
    names = list(MOTIFS)

    def propose() -> Proposal:
        kind = rng.random()
        if len(strong) and kind < SITE_SHARE:
            site = strong[rng.integers(len(strong))]
            return names[sites.motif[site]], inside(sites, site, rng), None
        if len(weak) and kind < SITE_SHARE + GAIN_SHARE:
            site = weak[rng.integers(len(weak))]
            return names[sites.motif[site]], *mend(chromosome.indices, sites, site)
        return OUTSIDE, int(rng.integers(0, chromosome.length)), None

    def signals(pos: int, ref: str, alt: np.ndarray) -> list[tuple[float, float]]:
        return [centre_signal(chromosome.indices, pos, ref, alt, g, bin_width) for g in grammars]

    reach = bin_width // 2 + REACH
    return draw_variants(chromosome, sites, count, reach, rng, propose, signals)


def draw_variants(
    chromosome: Chromosome,
    sites: Sites,
    count: int,
    reach: int,
    rng: np.random.Generator,
    propose: Callable[[], Proposal],
    signals: Callable[[int, str, np.ndarray], list[tuple[float, float]]],
) -> list[TrueVariant]:
    """Return up to `count` variants at different positions, sorted.

    A few are insertions and deletions. None lies within 3 kb of a chromosome's end, or where
    anything within reach is an N, a repeat or an artefact.

    Args:
        chromosome: where.
        sites: the chromosome's sites.
        count: how many are wanted.
        reach: bp around a variant that matter to its effect.
        rng: source of alleles.
        propose: draws a place.
        signals: expected signals with REF and with ALT, of position, REF and ALT.
    """
    avoid = merge_array(np.concatenate([chromosome.gaps, chromosome.repeats, chromosome.artefacts]))
    found: dict[int, TrueVariant] = {}
    tries = 0
    while len(found) < count and tries < 50 * count:
        tries += 1
        place, pos, mended = propose()
        if not _MARGIN <= pos < chromosome.length - _MARGIN or pos in found:
            continue
        if covered_bases(np.array([[pos - reach, pos + reach]]), avoid)[0]:
            continue
        if place == OUTSIDE and inside_site(pos, sites):
            continue
        ref, alt = alleles(chromosome.indices, pos, rng)
        if mended is not None:
            ref, alt = decode(chromosome.indices[pos : pos + 1]), np.array([mended], np.uint8)
        if alt is None:
            continue
        pairs = signals(pos, ref, alt)
        found[pos] = TrueVariant(
            chrom=chromosome.name,
            pos=pos,
            ref=ref,
            alt=decode(alt),
            place=place,
            ref_signal=tuple(p[0] for p in pairs),
            alt_signal=tuple(p[1] for p in pairs),
        )
    return [found[p] for p in sorted(found)]


def inside(sites: Sites, site: int, rng: np.random.Generator) -> int:
    """Return a random position in a site."""
    return int(sites.centre[site]) + int(rng.integers(-MOTIF_LENGTH // 2, MOTIF_LENGTH // 2))


def mend(indices: np.ndarray, sites: Sites, site: int) -> tuple[int, int]:
    """Return the position and the base index of the change that strengthens a site most.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        sites: its sites.
        site: which of them.
    """
    costs = motif_costs(list(ALL_MOTIFS)[sites.motif[site]])[:, :4]
    if sites.reverse[site]:
        costs = costs[::-1, ::-1]
    start = int(sites.centre[site]) - MOTIF_LENGTH // 2
    now = costs[np.arange(MOTIF_LENGTH), indices[start : start + MOTIF_LENGTH]]
    worst = int(np.argmax(now))
    return start + worst, int(np.argmin(costs[worst]))


def inside_site(pos: int, sites: Sites) -> bool:
    """Tell whether a base lies in a site."""
    near = np.searchsorted(sites.centre, [pos - MOTIF_LENGTH // 2, pos + MOTIF_LENGTH // 2 + 1])
    return bool(near[1] > near[0])


def alleles(
    indices: np.ndarray, pos: int, rng: np.random.Generator
) -> tuple[str, np.ndarray | None]:
    """Return reference bases and alternative base indices, or None where there is an N.

    Args:
        indices: base indices of the chromosome, uint8 [length].
        pos: 0-based position of the first reference base.
        rng: source of the kind of change, its size and its bases.
    """
    kind = rng.random()
    size = int(rng.integers(1, _LONGEST_INDEL + 1))
    length = size + 1 if kind < INDEL_SHARE / 2 else 1  # a deletion keeps its first base
    ref = indices[pos : pos + length]
    if UNKNOWN in ref:
        return "", None
    if kind < INDEL_SHARE / 2:
        alt = ref[:1]
    elif kind < INDEL_SHARE:
        alt = np.concatenate([ref, rng.integers(0, 4, size, np.uint8)])
    else:
        alt = (ref + rng.integers(1, 4, 1, np.uint8)) % 4
    return decode(ref), alt.copy()
