"""Sets made alike in a covariate: read depth, peak height, size of imbalance.

Two ways. `largest_matched` keeps one set and takes as many of the others as can have its
distribution: controls of cases. `equal_histograms` cuts both sets until their histograms are the
same: two kinds of peaks, of which neither is the standard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from tfrecords_tools.errors import ConfigError

_MOST_BINS = 10
_LEAST_IN_BIN = 5  # of the set that is kept, on average
_STREAM = 3  # spawn key: this module's own random stream


@dataclass(frozen=True)
class Matched:
    """The largest set of others with the distribution of a set.

    Attributes:
        rows: numbers of the others that are taken, int64 [taken], ascending.
        ratio: taken for each of the set.
        edges: between the bins, float64 [bins - 1].
        wanted: of the set in each bin, int64 [bins].
        available: others in each bin, int64 [bins].
    """

    rows: np.ndarray
    ratio: float
    edges: np.ndarray
    wanted: np.ndarray
    available: np.ndarray


def largest_matched(
    kept: np.ndarray, others: np.ndarray, bins: int | None = None, seed: int = 44
) -> Matched:
    """Take the most of the others that can be had in the proportions of a set.

    The bins hold equal numbers of the set. In every bin the same number of others is taken for
    each of the set, which the scarcest bin decides.

    Args:
        kept: covariate of the set that stays whole, float [n]; as log read counts.
        others: covariate of those to choose from, float [m].
        bins: None: up to 10, with at least 5 of the set in each on average.
        seed: of the choice within a bin.

    Raises:
        ConfigError: an empty set, or a value that is no finite number.
    """
    kept, others = np.asarray(kept, float), np.asarray(others, float)
    if not len(kept):
        raise ConfigError("there is nothing to match others to: the set is empty")
    if not (np.isfinite(kept).all() and np.isfinite(others).all()):
        raise ConfigError("sets are matched on finite numbers: leave out missing ones first")
    if bins is None:
        bins = int(np.clip(len(kept) // _LEAST_IN_BIN, 1, _MOST_BINS))
    inner = np.quantile(kept, np.arange(1, bins) / bins, method="inverted_cdf")
    edges = np.unique(inner[inner > kept.min()])
    wanted = np.bincount(np.searchsorted(edges, kept, side="right"), minlength=len(edges) + 1)
    of = np.searchsorted(edges, others, side="right")
    available = np.bincount(of, minlength=len(edges) + 1)
    ratio = float((available / wanted).min())
    rng = _stream(seed)
    taken = [
        rng.permutation(np.flatnonzero(of == b))[: int(ratio * n + 1e-9)]
        for b, n in enumerate(wanted)
    ]
    rows = np.sort(np.concatenate(taken))
    return Matched(rows, len(rows) / len(kept), edges, wanted, available)


def equal_histograms(
    first: np.ndarray, second: np.ndarray, edges: Sequence[float], seed: int = 44
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two sets that have as many in every bin: numbers, ascending, of each.

    Of the set with more in a bin some are left out by chance. Values beyond the edges and NaN are
    left out of both.

    Args:
        first, second: covariates, float [n] and [m].
        edges: of the bins, ascending; the last bin has its upper edge.
        seed: of what is left out.

    Raises:
        ConfigError: edges that do not rise.
    """
    edges = np.asarray(edges, float)
    if len(edges) < 2 or (np.diff(edges) <= 0).any():
        raise ConfigError(f"edges of bins are {edges.tolist()}: want at least two, rising")
    rng = _stream(seed)
    chosen: tuple[list, list] = ([], [])
    of = [_bins(np.asarray(v, float), edges) for v in (first, second)]
    for b in range(len(edges) - 1):
        rows = [np.flatnonzero(o == b) for o in of]
        count = min(map(len, rows))
        for part, r in zip(chosen, rows, strict=True):
            part.append(rng.permutation(r)[:count])
    return tuple(np.sort(np.concatenate(part)) for part in chosen)


def balance(
    features: Mapping[str, np.ndarray], first: np.ndarray, second: np.ndarray
) -> list[dict]:
    """Return how alike two sets are in each covariate, before and after matching alike.

    Args:
        features: name → value of everything, float [n]; NaN is left out.
        first, second: rows of the two sets, numbers or bool [n].

    Returns:
        A dict per feature: "feature", "mean_first", "mean_second", "difference" (of the means in
        units of the root mean variance of the two: Austin 2009, Statistics in Medicine 28:3083;
        below 0.1 is called balanced) and "ks" (largest distance of the cumulative distributions);
        NaN where a set has no value.
    """
    table = []
    for name, values in features.items():
        sides = [np.asarray(values, float)[rows] for rows in (first, second)]
        a, b = (s[np.isfinite(s)] for s in sides)
        row = {"feature": name, "mean_first": np.nan, "mean_second": np.nan}
        row |= {"difference": np.nan, "ks": np.nan}
        if len(a) and len(b):
            spread = np.sqrt((a.var() + b.var()) / 2)
            apart = a.mean() - b.mean()
            row |= {"mean_first": a.mean(), "mean_second": b.mean()}
            row["difference"] = (
                apart / spread if spread else (np.sign(apart) * np.inf if apart else 0.0)
            )
            row["ks"] = ks_2samp(a, b).statistic
        table.append({k: v if k == "feature" else float(v) for k, v in row.items()})
    return table


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return each value's bin, -1 for none."""
    of = np.searchsorted(edges, values, side="right") - 1
    of[values == edges[-1]] = len(edges) - 2
    of[(of >= len(edges) - 1) | np.isnan(values)] = -1
    return of


def _stream(seed: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
