"""Variants matched on where they lie: a score's quantile among them, and controls drawn from them.

A variant near a CpG, or amid many, has a higher score whatever it does to a motif, and common
variants are tested with more power. So variants are compared with those in the same cell: bins
of equal numbers of variants along each feature (distance to the nearest CpG, CpGs in reach,
minor allele frequency), crossed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome, encode
from tfrecords_tools.progress import progress

LEAST = 50  # fewer others in a cell: no quantile
_WANTED = 200  # variants in a cell, on average, or fewer bins
_MOST_BINS = 10
_SAME_BASE = 0.9
_KEPT = 0.9  # of the cases that could have a control
_STREAM = 2  # spawn key: this module's own random stream


@dataclass(frozen=True)
class Cells:
    """Cells of variants that lie alike.

    Attributes:
        of: cell of each variant, int64 [variants]; -1 where a feature is missing.
        count: number of cells, empty ones too.
        edges: feature → lowest value of its second bin and each further one.
    """

    of: np.ndarray
    count: int
    edges: dict[str, np.ndarray]


@dataclass(frozen=True)
class Controls:
    """Variants of interest with others that lie alike.

    Attributes:
        cases: their numbers, int64 [cases], ascending.
        controls: numbers of those drawn for each, int64 [cases, controls of each], none twice.
        unmatched: how many cases are left out, for want of controls or of a feature.
    """

    cases: np.ndarray
    controls: np.ndarray
    unmatched: int


def cells(features: Mapping[str, np.ndarray], bins: int | None = None) -> Cells:
    """Cross bins of equal numbers of variants along each feature.

    Values that are equal are in one bin, so bins of a feature with few values are fewer.

    Args:
        features: name → value of each variant, float [variants]; NaN is missing.
        bins: per feature; None: as many, up to 10, as leave 200 variants in a cell on average.

    Raises:
        ConfigError: no features, or fewer than one bin.
    """
    if not features or (bins is not None and bins < 1):
        raise ConfigError(f"variants cannot be matched on {len(features)} features in {bins} bins")
    values = np.array(list(features.values()), float)
    whole = ~np.isnan(values).any(axis=0)
    if bins is None:
        bins = int(np.clip((whole.sum() / _WANTED) ** (1 / len(values)) + 1e-9, 1, _MOST_BINS))
    of = np.where(whole, 0, -1)
    count, edges = 1, {}
    for name, value in zip(features, values[:, whole], strict=True):
        cut = np.zeros(0)
        if len(value):
            inner = np.quantile(value, np.arange(1, bins) / bins, method="inverted_cdf")
            cut = np.unique(inner[inner > value.min()])
        edges[name] = cut
        of[whole] = of[whole] * (len(cut) + 1) + np.searchsorted(cut, value, side="right")
        count *= len(cut) + 1
    return Cells(of, count, edges)


def matched_quantiles(
    values: np.ndarray, of: np.ndarray, least: int = LEAST
) -> tuple[np.ndarray, np.ndarray]:
    """Return each value's quantile among the other values of its cell, and how many these are.

    The quantile is the share of the others that are lower, equal ones counting half.

    Args:
        values: float [variants]; NaN neither has a quantile nor counts.
        of: cell of each variant, -1 for none.
        least: of fewer others there is no quantile.

    Returns:
        float64 [variants], NaN where there is none, and int64 [variants].
    """
    used = (of >= 0) & ~np.isnan(values)
    quantile, others = np.full(len(values), np.nan), np.zeros(len(values), np.int64)
    groups = pd.Series(values[used]).groupby(of[used])
    others[used] = groups.transform("size").to_numpy() - 1
    rank = groups.rank(method="average").to_numpy()  # from 1: the lower ones, half of the equal
    enough = others[used] >= max(1, least)
    quantile[np.flatnonzero(used)[enough]] = (rank[enough] - 1) / others[used][enough]
    return quantile, others


def draw_controls(
    cases: np.ndarray, eligible: np.ndarray, of: np.ndarray, per_case: int, seed: int
) -> Controls:
    """Draw the same number of controls for every case from its cell, none of them twice.

    Of a case there are as many, up to `per_case`, as leave at least 90% of the cases that one
    control each would. In a cell with too few controls as many cases as can have all of theirs
    are kept, by chance.

    Args:
        cases: bool [variants].
        eligible: which may be controls, bool [variants]; a case is none.
        of: cell of each variant, -1 for none.
        per_case: most controls of a case.
        seed: of the draw.
    """
    if per_case < 1:
        raise ConfigError(f"{per_case} controls per case: want at least 1")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    found, pool = (_by_cell(chosen, of) for chosen in (cases, eligible & ~cases))
    none = np.zeros(0, np.int64)
    sizes = np.array([(len(f), len(pool.get(c, none))) for c, f in found.items()]).reshape(-1, 2).T
    kept = [np.minimum(sizes[0], sizes[1] // k).sum() for k in range(1, per_case + 1)]
    each = 1 + max(k for k in range(per_case) if kept[k] >= _KEPT * kept[0])
    chosen, drawn = [none], [np.zeros((0, each), np.int64)]
    for cell, rows in found.items():
        there = pool.get(cell, none)
        keep = min(len(rows), len(there) // each)
        chosen.append(np.sort(rng.permutation(rows)[:keep]))
        drawn.append(rng.permutation(there)[: keep * each].reshape(keep, each))
    numbers, controls = np.concatenate(chosen), np.concatenate(drawn)
    order = np.argsort(numbers)
    return Controls(numbers[order], controls[order], int(cases.sum()) - len(numbers))


def _by_cell(chosen: np.ndarray, of: np.ndarray) -> dict[int, np.ndarray]:
    """Return cell → numbers of the chosen variants in it, ascending."""
    numbers = pd.Series(np.flatnonzero(chosen & (of >= 0)))
    return {int(cell): rows.to_numpy() for cell, rows in numbers.groupby(of[numbers])}


def cpg_distance(genome: Genome, variants: pd.DataFrame, quiet: bool = True) -> np.ndarray:
    """Return how far each variant's first base is from the nearest CpG's C: float64 [variants], bp.

    Args:
        genome: that the variants were scored on.
        variants: columns chrom, pos (1-based), ref.
        quiet: no progress bar.

    Returns:
        NaN on a chromosome without CpG.

    Raises:
        InputFileError: the genome has no such chromosome or position, or its bases are other
            than REF of more than 10% of the variants.
    """
    distance = np.full(len(variants), np.nan)
    chrom = variants["chrom"].astype("category").cat
    ref = variants["ref"].astype("category").cat
    first_base = encode("".join(str(a)[0] for a in ref.categories))[ref.codes]
    same = 0
    place = variants["pos"].to_numpy(np.int64) - 1
    for number, name in enumerate(progress(chrom.categories, unit="chromosome", quiet=quiet)):
        rows = np.flatnonzero(chrom.codes == number)
        if not len(rows):
            continue
        length = genome.length(str(name))
        if place[rows].max() >= length:
            raise InputFileError(
                f"a variant at {name}:{place[rows].max() + 1} lies beyond the {length} bp of it "
                f"in {genome.path}: name the genome that the variants were scored on"
            )
        base = genome.indices(str(name), 0, length)
        same += int((base[place[rows]] == first_base[rows]).sum())
        c = np.flatnonzero((base[:-1] == 1) & (base[1:] == 2))
        if len(c):
            after = np.searchsorted(c, place[rows])
            left, right = c[np.maximum(after - 1, 0)], c[np.minimum(after, len(c) - 1)]
            distance[rows] = np.minimum(abs(place[rows] - left), abs(right - place[rows]))
    if same < _SAME_BASE * len(variants):
        raise InputFileError(
            f"the base of {genome.path} is REF of {same / len(variants):.1%} of the variants: name "
            "the genome that they were scored on"
        )
    return distance
