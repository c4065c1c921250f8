"""One sample's sites through all of it: tests, sets, tasks, clusters, in each subset of sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.allelic.positives import Cut, ImbalanceSets, imbalance_sets
from tfepi.allelic.seen_sites import ALL
from tfepi.allelic.tasks import DRAWS, direction_task, directions_by_cluster, imbalance_task
from tfepi.allelic.testing import SitesTested
from tfepi.evaluation.bootstrap import Bootstrap

MEAN = "mean"
IMBALANCE, RAW, DIRECTION = "imbalance", "imbalance_raw", "direction"
TASKS = (IMBALANCE, RAW, DIRECTION)


@dataclass(frozen=True)
class Predicted:
    """Predicted ratios of the tested sites.

    Attributes:
        names: of the columns: "mean", the mean of the targets' ratios, where there are several;
            then the targets.
        ratios: REF / (REF + ALT), float64 [sites, columns].
        proxy: the column that stands for the cell type of the counts.
    """

    names: tuple[str, ...]
    ratios: np.ndarray
    proxy: str

    def column(self, name: str) -> np.ndarray:
        """Return the ratios of a column, float64 [sites]."""
        return self.ratios[:, self.names.index(name)]


@dataclass(frozen=True)
class Analysis:
    """What was found of a sample.

    Attributes:
        tested: its sites with more reads than asked for.
        sets: subset → positives and negatives.
        subsets: name → which sites, bool [sites].
        cluster: name of each site's, "" for none, str [sites]; None without clusters.
        predicted: by a model, or None.
        tasks: subset → column → task → `classification`; none of a subset without sites.
        clusters: subset → column → rows of `directions_by_cluster`.
    """

    tested: SitesTested
    sets: Mapping[str, ImbalanceSets]
    subsets: Mapping[str, np.ndarray]
    cluster: np.ndarray | None
    predicted: Predicted | None
    tasks: Mapping[str, Mapping[str, Mapping[str, dict]]]
    clusters: Mapping[str, Mapping[str, list[dict]]]

    def same_as(self, subset: str) -> str:
        """Return the first subset that has the same sites as one."""
        return same_sites(self.subsets, subset)


def same_sites(subsets: Mapping[str, np.ndarray], subset: str) -> str:
    """Return the first of subsets that has the same sites as one of them."""
    return next(n for n, which in subsets.items() if np.array_equal(which, subsets[subset]))


def with_mean(ratios: np.ndarray, names: Sequence[str], proxy: str | None) -> Predicted:
    """Return predictions with their mean over targets, where there are several.

    Args:
        ratios: float64 [sites, targets].
        names: of the targets.
        proxy: the target that stands for the counts' cell type; None for the mean.
    """
    names = tuple(names)
    if len(names) == 1:
        return Predicted(names, ratios, proxy or names[0])
    mean = ratios.mean(axis=1, keepdims=True)  # NaN where any target is: the mean of all or none
    return Predicted((MEAN, *names), np.concatenate([mean, ratios], axis=1), proxy or MEAN)


def analyse(
    tested: SitesTested,
    cut: Cut,
    bootstrap: Bootstrap,
    subsets: Mapping[str, np.ndarray],
    predicted: Predicted | None = None,
    cluster: np.ndarray | None = None,
    draws: int = DRAWS,
) -> Analysis:
    """Return sets of sites and how well predictions do on them.

    Args:
        tested: the sites.
        cut: what makes a site imbalanced or balanced.
        bootstrap: of the intervals.
        subsets: name → which sites, bool [sites]; negatives are matched in each by itself.
        predicted: ratios, or None for tests and sets alone.
        cluster: as of `Analysis`.
        draws: of matched clusters.
    """
    sets = {name: imbalance_sets(tested, cut, which) for name, which in subsets.items()}
    tasks: dict = {}
    clusters: dict = {}
    for subset, which in subsets.items() if predicted is not None else ():
        if subset != ALL and not which.any():
            continue
        if (same := same_sites(subsets, subset)) != subset:
            tasks[subset], clusters[subset] = tasks[same], clusters[same]
            continue
        tasks[subset], clusters[subset] = {}, {}
        for name in predicted.names:
            ratios = predicted.column(name)
            tasks[subset][name] = tasks_of(tested, sets[subset], ratios, bootstrap)
            if cluster is not None:
                of = np.where(which, cluster, "")
                arguments = (tested.sites, ratios, tested.direction, of, bootstrap, draws)
                clusters[subset][name] = directions_by_cluster(*arguments)
    return Analysis(tested, sets, subsets, cluster, predicted, tasks, clusters)


def tasks_of(
    tested: SitesTested, sets: ImbalanceSets, predicted: np.ndarray, bootstrap: Bootstrap
) -> dict[str, dict]:
    """Return both tasks of one column of predictions, the first with either score.

    Args:
        tested: the sites.
        sets: positives and negatives.
        predicted: REF / (REF + ALT), float64 [sites].
        bootstrap: of the intervals.
    """
    first = (tested.sites, predicted, sets.positive, sets.negative, bootstrap)
    arguments = (tested.sites, predicted, tested.direction, sets.positive, bootstrap)
    return {
        IMBALANCE: imbalance_task(*first),
        RAW: imbalance_task(*first, raw=True),
        DIRECTION: direction_task(*arguments),
    }
