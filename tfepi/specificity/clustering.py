"""Disjoint clusters of profiles: several methods and numbers, the best by silhouette.

Source of the silhouette: Rousseeuw 1987, Journal of Computational and Applied Mathematics 20:53.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.progress import progress

METHODS = ("kmeans", "ward", "mixture")
_STREAM = 5  # spawn key: this module's own random streams
_STARTS = {"kmeans": 10, "mixture": 3}
_FLOOR = 1e-4  # added to variances of a mixture's components: shares of exactly 1 have none


@dataclass(frozen=True)
class Search:
    """What is tried.

    Attributes:
        methods: of `METHODS`: "kmeans", "ward" (agglomerative, Ward's criterion) or "mixture" (of
            Gaussians with a variance per cell type).
        numbers: of clusters, at least 2.
        sample: peaks that clusters are made from and silhouettes measured on; every other peak
            joins the cluster with the nearest mean, of a mixture the most probable one.
        seed: of the sample and of every method's starts.
    """

    methods: tuple[str, ...] = METHODS
    numbers: tuple[int, ...] = tuple(range(3, 16))
    sample: int = 5000
    seed: int = 44

    def __post_init__(self):
        for name in self.methods:
            if name not in METHODS:
                raise unknown("method", name, METHODS)
        if not self.methods or not self.numbers or min(self.numbers) < 2:
            raise ConfigError(
                f"numbers of clusters are {list(self.numbers)}: want at least one, each 2 or more"
            )
        if self.sample < 10:
            raise ConfigError(f"--sample is {self.sample} peaks: want at least 10")


@dataclass(frozen=True)
class Candidate:
    """A method, a number of clusters and the mean silhouette they reach (NaN: one cluster only)."""

    method: str
    k: int
    silhouette: float


@dataclass(frozen=True)
class Clustering:
    """Clusters of peaks.

    Attributes:
        of: cluster of each peak, int64 [peaks].
        chosen: the candidate with the highest silhouette; of equals the one with fewer clusters,
            then the method that comes first.
        candidates: everything tried.
        sampled: peaks that clusters were made from.
    """

    of: np.ndarray
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    sampled: int


def cluster(profiles: np.ndarray, search: Search | None = None, quiet: bool = True) -> Clustering:
    """Return the clustering of profiles with the highest mean silhouette.

    Args:
        profiles: float64 [peaks, cell types].
        search: what is tried; None: the defaults.
        quiet: no progress bar.

    Raises:
        ConfigError: fewer than four peaks, fewer than the smallest number of clusters + 1, or no
            candidate that has two clusters.
    """
    from threadpoolctl import threadpool_limits

    # A sample is small: threads would wait for each other, and the order of sums would be theirs.
    with threadpool_limits(1):
        return _best(profiles, search or Search(), quiet)


def _best(profiles: np.ndarray, search: Search, quiet: bool) -> Clustering:
    from sklearn.metrics import pairwise_distances, silhouette_score

    profiles = np.ascontiguousarray(profiles, np.float64)
    rows = _sample(len(profiles), search)
    sample = profiles[rows]
    different = len(np.unique(sample, axis=0))
    numbers = [k for k in sorted(set(search.numbers)) if k < different]
    if not numbers:
        raise ConfigError(
            f"{different} different profiles make no {min(search.numbers)} clusters: give more "
            "peaks, or ask for fewer clusters with -k"
        )
    distance = pairwise_distances(sample)
    np.fill_diagonal(distance, 0)
    tried, labels = [], {}
    plan = [(method, k) for k in numbers for method in METHODS if method in search.methods]
    tree = linkage(sample, "ward") if "ward" in search.methods else None
    for method, k in progress(plan, unit="candidate", label="silhouettes", quiet=quiet):
        if method == "ward":
            found = fcluster(tree, k, "maxclust")
        else:
            found = _fitted(method, k, search.seed).fit_predict(sample)
        several = 1 < len(np.unique(found)) < len(sample)
        score = (
            float(silhouette_score(distance, found, metric="precomputed")) if several else np.nan
        )
        tried.append(Candidate(method, k, score))
        labels[method, k] = found
    defined = [c for c in tried if not np.isnan(c.silhouette)]
    if not defined:
        raise ConfigError("no method found more than one cluster: the profiles are all alike")
    best = max(defined, key=lambda c: c.silhouette)  # the first of equals
    of = _all(profiles, rows, labels[best.method, best.k], best, search.seed)
    return Clustering(of, best, tuple(tried), len(rows))


def _sample(count: int, search: Search) -> np.ndarray:
    if count <= search.sample:
        return np.arange(count)
    rng = np.random.default_rng(np.random.SeedSequence(search.seed, spawn_key=(_STREAM,)))
    return np.sort(rng.permutation(count)[: search.sample])


def _fitted(method: str, k: int, seed: int):
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    if method == "kmeans":
        return KMeans(k, n_init=_STARTS[method], random_state=seed)
    starts = {"n_init": _STARTS[method], "random_state": seed, "reg_covar": _FLOOR}
    return GaussianMixture(k, covariance_type="diag", max_iter=300, **starts)


def _all(
    profiles: np.ndarray, rows: np.ndarray, found: np.ndarray, best: Candidate, seed: int
) -> np.ndarray:
    """Return the cluster of every peak: the sample's, and of the others the one they resemble."""
    names, found = np.unique(found, return_inverse=True)
    if len(rows) == len(profiles):
        return found.astype(np.int64)
    if best.method == "mixture":
        model = _fitted("mixture", best.k, seed).fit(profiles[rows])
        of = np.searchsorted(names, model.predict(profiles)).clip(0, len(names) - 1)
    else:
        means = np.stack([profiles[rows][found == i].mean(axis=0) for i in range(len(names))])
        of = np.concatenate([_nearest(part, means) for part in _parts(profiles)])
    of[rows] = found
    return of.astype(np.int64)


def _parts(profiles: np.ndarray, size: int = 65536) -> list[np.ndarray]:
    return [profiles[i : i + size] for i in range(0, len(profiles), size)]


def _nearest(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    squares = (means**2).sum(axis=1) - 2 * points @ means.T
    return squares.argmin(axis=1)


def numbers_of(text: str | None, cell_types: int) -> tuple[int, ...]:
    """Return the numbers of clusters that an option names.

    Args:
        text: "11", "3-20" or "3,5,9"; None: from 3 to twice the cell types, but at least 8 and at
            most 40.
        cell_types: how many.

    Raises:
        ConfigError: something else.
    """
    if text is None:
        return tuple(range(3, min(max(2 * cell_types, 8), 40) + 1))
    try:
        if "-" in text:
            low, high = (int(t) for t in text.split("-"))
            found: Sequence[int] = range(low, high + 1)
        else:
            found = [int(t) for t in text.split(",")]
    except ValueError:
        found = ()
    if not found or min(found) < 2:
        raise ConfigError(f"-k is {text!r}: want numbers of clusters from 2 up, 11, 3-20 or 3,5,9")
    return tuple(found)
