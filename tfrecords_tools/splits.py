"""Contigs, and their division among labels.

The division follows Basenji's algorithm and random streams.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import (
    Interval,
    complement,
    intersect_array,
    merged,
)

CONTIG_LIMIT = 786_432
ABSTAIN_SHARE = 0.2


def make_contigs(
    chroms: dict[str, int],
    window_length: int,
    gaps: Sequence[Interval] = (),
    limit: Sequence[Interval] | None = None,
    contig_limit: int | None = CONTIG_LIMIT,
) -> list[Interval]:
    """Return the stretches that windows may lie in.

    Chromosomes less gaps, cut to `limit`, at least a window long; the longest is halved until
    none is above `contig_limit`.

    Args:
        chroms: chromosome → length, bp.
        window_length: bp.
        gaps: left out.
        limit: if given, only what lies in these.
        contig_limit: bp, or None not to cut.

    Raises:
        ConfigError: no contig is as long as a window.
    """
    gap_regions = merged(gaps)
    limit_regions = None if limit is None else merged(limit)
    contigs = []
    for chrom, length in chroms.items():
        spans = complement(gap_regions.get(chrom, np.zeros((0, 2), np.int64)), length)
        if limit_regions is not None:
            if chrom not in limit_regions:
                continue
            spans = intersect_array(spans, limit_regions[chrom])
        contigs += [Interval(chrom, s, e) for s, e in spans.tolist()]
    long_enough = holding(contigs, window_length)
    return _halved(long_enough, contig_limit) if contig_limit else long_enough


def holding(contigs: Sequence[Interval], window_length: int) -> list[Interval]:
    """Return the contigs that hold a window.

    Raises:
        ConfigError: none does.
    """
    long_enough = [c for c in contigs if len(c) >= window_length]
    if not long_enough:
        longest = max(map(len, contigs), default=0)
        raise ConfigError(
            f"no contig holds a window of {window_length} bp: the longest is {longest} bp; "
            "use a shorter -l, a larger --crop, or other --gaps/--limit"
        )
    return long_enough


def _halved(contigs: list[Interval], contig_limit: int) -> list[Interval]:
    heap = [(-len(c), c) for c in contigs]
    heapq.heapify(heap)
    while -heap[0][0] > contig_limit:
        _, c = heapq.heappop(heap)
        middle = c.start + len(c) // 2
        for half in (Interval(c.chrom, c.start, middle), Interval(c.chrom, middle, c.end)):
            heapq.heappush(heap, (-len(half), half))
    return [c for _, c in heap]


def split_fractions(
    contigs: list[Interval], valid: float, test: float, seed: int
) -> dict[str, list[Interval]]:
    """Divide contigs by nucleotides, longest first, each drawn in proportion to what is lacking.

    A contig above a fifth of what a held-out label lacks does not go there.
    """
    for name, share in (("valid", valid), ("test", test), ("valid plus test", valid + test)):
        if not 0 <= share < 1:
            raise ConfigError(f"the {name} fraction is {share}, want at least 0 and below 1")
    rng = np.random.RandomState(seed)
    total = sum(map(len, contigs))
    aims = (total - valid * total - test * total, valid * total, test * total)
    filled = [0, 0, 0]
    parts: list[list[Interval]] = [[], [], []]
    for contig in sorted(contigs, key=lambda c: (len(c), c), reverse=True):
        gap = [max(1, aims[0] - filled[0])]
        gap += [max(0, a - f) for a, f in zip(aims[1:], filled[1:], strict=True)]
        for held_out in (1, 2):
            if len(contig) > ABSTAIN_SHARE * gap[held_out]:
                gap[held_out] = 0
        pick = int(rng.choice(3, 1, p=[g / sum(gap) for g in gap])[0])
        parts[pick].append(contig)
        filled[pick] += len(contig)
    return dict(zip(("train", "valid", "test"), parts, strict=True))


def split_folds(contigs: list[Interval], folds: int, seed: int) -> dict[str, list[Interval]]:
    """Divide contigs among folds of about equal nucleotides, longest first."""
    if folds < 2:
        raise ConfigError(f"folds is {folds}, want at least 2")
    rng = np.random.RandomState(seed)
    aim = math.ceil(sum(map(len, contigs)) / folds)
    filled = np.zeros(folds)
    parts: list[list[Interval]] = [[] for _ in range(folds)]
    for contig in sorted(contigs, key=lambda c: (len(c), c), reverse=True):
        gap = np.clip(aim - filled, 0, np.inf)
        pick = int(rng.choice(folds, p=gap / gap.sum()))
        parts[pick].append(contig)
        filled[pick] += len(contig)
    return {f"fold{i}": part for i, part in enumerate(parts)}


def split_chroms(
    contigs: list[Interval], valid: Sequence[str], test: Sequence[str]
) -> dict[str, list[Interval]]:
    """Divide contigs by chromosome lists; the rest is train.

    Raises:
        ConfigError: a chromosome that no contig is on, or one in both lists.
    """
    present = {c.chrom for c in contigs}
    for chrom in (*valid, *test):
        if chrom not in present:
            shown = ", ".join(sorted(present)[:6])
            if _is_number(chrom):
                raise ConfigError(
                    f"-v/-t has {chrom!r}: want two shares of at least 0 and below 1, or two lists "
                    f"of chromosomes; contigs are on {shown}"
                )
            raise ConfigError(
                f"chromosome {chrom!r} of -v/-t has no contig: contigs are on {shown}"
            )
    if both := set(valid) & set(test):
        raise ConfigError(f"chromosomes {sorted(both)} are in both -v and -t: choose one")
    parts: dict[str, list[Interval]] = {"train": [], "valid": [], "test": []}
    for c in contigs:
        parts["test" if c.chrom in test else "valid" if c.chrom in valid else "train"].append(c)
    return parts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def split_regions(contigs: list[Interval], labelled: list[Interval]) -> dict[str, list[Interval]]:
    """Divide contigs by a BED whose fourth column is the label; what it leaves out is left out.

    Raises:
        ConfigError: a row without label, a label that is no file name, or labels that overlap.
    """
    labels = list(dict.fromkeys(i.label for i in labelled))
    for label in labels:
        if not label or not label.replace("_", "").isalnum():
            raise ConfigError(f"the split BED has the label {label!r}: want letters and digits")
    order = [x for x in ("train", "valid", "test") if x in labels]
    order += [x for x in labels if x not in order]
    regions = {label: merged(i for i in labelled if i.label == label) for label in order}
    for a in order:
        for b in order[order.index(a) + 1 :]:
            for chrom in regions[a].keys() & regions[b].keys():
                common = intersect_array(regions[a][chrom], regions[b][chrom])
                if len(common):
                    raise ConfigError(
                        f"the split BED labels {chrom}:{common[0, 0]}-{common[0, 1]} "
                        f"both {a!r} and {b!r}: labels must not overlap"
                    )
    parts: dict[str, list[Interval]] = {}
    for label in order:
        parts[label] = [
            Interval(c.chrom, s, e)
            for c in contigs
            if c.chrom in regions[label]
            for s, e in intersect_array(
                np.array([[c.start, c.end]]), regions[label][c.chrom]
            ).tolist()
        ]
    return parts


def rejoin(contigs: list[Interval]) -> list[Interval]:
    """Join contigs that touch, chromosomes in order of first appearance."""
    by_chrom: dict[str, list[Interval]] = {}
    for c in contigs:
        by_chrom.setdefault(c.chrom, []).append(c)
    joined: list[Interval] = []
    for group in by_chrom.values():
        group.sort(key=lambda c: c.start)
        joined.append(group[0])
        for c in group[1:]:
            if joined[-1].end == c.start:
                joined[-1] = replace(joined[-1], end=c.end)
            else:
                joined.append(c)
    return joined
