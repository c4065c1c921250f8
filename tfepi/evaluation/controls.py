"""Variants matched on where they lie: a score's quantile among them, and controls drawn from them.

A variant near a CpG or a promoter, or amid many, has a higher score whatever it does to a motif,
and common variants are tested with more power. So variants are compared with those in the same
cell: bins of equal numbers of variants along each feature (distance to the nearest CpG or start
site, minor allele frequency, …), crossed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError

LEAST = 50  # fewer others in a cell: no quantile
_WANTED = 200  # variants in a cell, on average, or fewer bins
_MOST_BINS = 10
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
