"""What predicted ratios of alleles tell: imbalance, its direction, and that cluster by cluster.

Kathail et al. (Assessing the utility of genomic deep learning models for disease-relevant variant
effect prediction), section B.2.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from tfepi.allelic.counts import Sites
from tfepi.evaluation.bootstrap import (
    Blocks,
    Bootstrap,
    interval,
    multiplicities,
    position_blocks,
)
from tfepi.evaluation.classification import classification
from tfepi.evaluation.matched_sets import equal_histograms
from tfepi.evaluation.ranks import RankedPair
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfrecords_tools.errors import ConfigError

_DEFAULT = Bootstrap()
SPECIFIC = "specific"
EDGES = tuple(np.linspace(0, 0.5, 21).tolist())
"""Of bins of |ratio − 0.5| in which clusters get as many sites."""
DRAWS = 20


def imbalance_task(
    sites: Sites,
    predicted: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    bootstrap: Bootstrap = _DEFAULT,
    raw: bool = False,
) -> dict:
    """Tell how well predictions separate imbalanced from balanced sites (Task 1).

    Args:
        sites: [sites].
        predicted: REF / (REF + ALT), [sites]; NaN where there is none.
        positive, negative: which sites are imbalanced and balanced, bool [sites].
        bootstrap: of the intervals, over blocks of the genome.
        raw: the score is the ratio itself, by which only sites that favour REF rank high; else its
            distance from 0.5.

    Returns:
        As `classification`.
    """
    predicted = np.asarray(predicted, float)
    score = predicted if raw else np.abs(predicted - 0.5)
    used = np.asarray(positive, bool) | np.asarray(negative, bool)
    return _classified(sites, np.asarray(positive, bool), score, used, bootstrap)


def direction_task(
    sites: Sites,
    predicted: np.ndarray,
    direction: np.ndarray,
    used: np.ndarray | None = None,
    bootstrap: Bootstrap = _DEFAULT,
) -> dict:
    """Tell how well predictions say which allele is favoured (Task 2).

    Args:
        sites: [sites].
        predicted: REF / (REF + ALT), [sites]; NaN where there is none.
        direction: 1 REF, −1 ALT, 0 neither, [sites] (`null.directions`).
        used: which sites count, bool [sites], as the imbalanced ones; None for all.
        bootstrap: of the intervals, over blocks of the genome.

    Returns:
        As `classification`, where positives favour REF, and "undirected": of the sites used, how
        many favour neither allele and are left out.
    """
    direction = np.asarray(direction)
    used = np.ones(len(sites), bool) if used is None else np.asarray(used, bool)
    told = _classified(sites, direction > 0, predicted, used & (direction != 0), bootstrap)
    return told | {"undirected": int((used & (direction == 0)).sum())}


def directions_by_cluster(
    sites: Sites,
    predicted: np.ndarray,
    direction: np.ndarray,
    cluster: np.ndarray,
    bootstrap: Bootstrap = _DEFAULT,
    draws: int = DRAWS,
    edges: tuple[float, ...] = EDGES,
) -> list[dict]:
    """Tell how well the direction is predicted in each cluster and in the ubiquitous one.

    All sites with a direction count, imbalanced or not. Where imbalance is stronger its direction
    is easier to tell: each cluster, and all specific ones together, is compared with the
    ubiquitous one after both have as many sites in every bin of |ratio − 0.5|.

    Args:
        sites: [sites].
        predicted: REF / (REF + ALT), [sites]; NaN where there is none.
        direction: as of `direction_task`.
        cluster: name of each site's cluster, "" for none, str [sites].
        bootstrap: of the intervals.
        draws: how often sites are left out by chance.
        edges: of the bins.

    Returns:
        A dict per cluster and for all `specific` ones: "cluster", "all" (as `direction_task`) and,
        but for the ubiquitous one, "matched" (see `matched_directions`).
    """
    cluster = np.asarray(cluster, str)
    names = [n for n in np.unique(cluster).tolist() if n]
    groups = {n: cluster == n for n in names}
    if len(names) - (UBIQUITOUS in names) > 0:
        groups[SPECIFIC] = np.isin(cluster, [n for n in names if n != UBIQUITOUS])
    ordered = [n for n in (UBIQUITOUS, SPECIFIC) if n in groups]
    ordered += [n for n in names if n not in ordered]
    found = []
    for name in ordered:
        here = groups[name]
        row = {"cluster": name, "sites": int(here.sum())}
        row["all"] = direction_task(sites, predicted, direction, here, bootstrap)
        if name != UBIQUITOUS and UBIQUITOUS in groups:
            two = {name: here, UBIQUITOUS: groups[UBIQUITOUS]}
            arguments = (two, bootstrap, draws, edges)
            row["matched"] = matched_directions(sites, predicted, direction, *arguments)
        found.append(row)
    return found


def matched_directions(
    sites: Sites,
    predicted: np.ndarray,
    direction: np.ndarray,
    groups: Mapping[str, np.ndarray],
    bootstrap: Bootstrap = _DEFAULT,
    draws: int = DRAWS,
    edges: tuple[float, ...] = EDGES,
) -> dict:
    """Compare how well the direction is predicted in two groups with the same imbalances.

    Args:
        sites, predicted, direction: as of `directions_by_cluster`.
        groups: name → which sites, bool [sites], of two groups.
        bootstrap: of the intervals.
        draws: how often sites are left out by chance.
        edges: of bins of |ratio − 0.5|.

    Returns:
        "draws"; "sites" of either group, the same; by group "auroc": mean over the draws, "delong"
        (normal interval; its variance is the mean of DeLong's and that between draws), "interval"
        (of resamples of blocks, some of every draw); "difference" of the first group from the
        second with "interval" and two-sided "p"; "note": None or why there are no numbers.

    Raises:
        ConfigError: no draws, or other than two groups.
    """
    if draws < 1 or len(groups) != 2:
        raise ConfigError(f"{draws} draws of {len(groups)} groups: want at least one, of two")
    size, score = np.abs(sites.ratio - 0.5), np.asarray(predicted, float)
    usable = (np.asarray(direction) != 0) & ~np.isnan(score)
    rows = [np.flatnonzero(which & usable) for which in groups.values()]
    each = -(-bootstrap.rank_resamples // draws)
    told: list[list[dict]] = [[], []]
    resampled: list[list[float]] = [[], []]
    for draw in range(draws):
        seed = bootstrap.seed + draw
        kept = equal_histograms(size[rows[0]], size[rows[1]], edges, seed)
        for side, (among, chosen) in enumerate(zip(rows, kept, strict=True)):
            used = among[chosen]
            truth = np.asarray(direction)[used] > 0
            told[side].append(classification(truth, score[used], None, bootstrap))
            if not told[side][-1]["note"]:
                blocks = position_blocks(
                    sites.chrom[used], sites.position[used], bootstrap.block_bp
                )
                resampled[side] += _resamples(truth, score[used], blocks, each, seed)
    found: dict = {"draws": draws, "sites": len(kept[0]), "note": None}
    z = norm.ppf((1 + bootstrap.level) / 2)
    values, variances = [], []
    for name, tolds, drawn in zip(groups, told, resampled, strict=True):
        note = next((t["note"] for t in tolds if t["note"]), None)
        found[name] = {"auroc": None, "interval": None, "delong": None}
        if note:
            found["note"] = f"{name}: {note}"
            continue
        aurocs = np.array([t["auroc"]["value"] for t in tolds])
        value, variance = aurocs.mean(), np.mean([_variance(t, z) for t in tolds]) + aurocs.var()
        ends = interval(np.array(drawn), bootstrap.level) if drawn else None
        found[name] = {
            "auroc": float(value),
            "interval": None if ends is None else list(ends),
            "delong": _ends(value, z * np.sqrt(variance), 0, 1),
        }
        values.append(value)
        variances.append(variance)
    found["difference"] = {"value": None, "interval": None, "p": None}
    if len(values) == 2:
        apart, error = values[0] - values[1], np.sqrt(sum(variances))
        p = 2 * norm.sf(abs(apart) / error) if error else float(apart == 0)
        found["difference"] = {
            "value": float(apart),
            "interval": _ends(apart, z * error, -1, 1),
            "p": float(p),
        }
    return found


def _resamples(
    truth: np.ndarray, score: np.ndarray, blocks: Blocks, count: int, seed: int
) -> list[float]:
    """Return AUROC of resamples of blocks, none where there are too few blocks."""
    if not (blocks.enough and count):
        return []
    pair = RankedPair(truth.astype(float), score, binary=True)
    rows = multiplicities(blocks.count, count, seed)
    return [pair.statistics(row[blocks.index].astype(float))["auroc"] for row in rows]


def _variance(told: dict, z: float) -> float:
    """Return DeLong's variance by its interval, of which an end may be cut at 0 or 1."""
    value, ends = told["auroc"]["value"], told["auroc"]["delong"]
    return float((max(value - ends[0], ends[1] - value) / z) ** 2)


def _ends(value: float, half: float, low: float, high: float) -> list[float]:
    return [float(max(low, value - half)), float(min(high, value + half))]


def _classified(
    sites: Sites, truth: np.ndarray, score: np.ndarray, used: np.ndarray, bootstrap: Bootstrap
) -> dict:
    rows = np.flatnonzero(used)
    score = np.asarray(score, float)[rows]
    seen = rows[~np.isnan(score)]
    blocks = None
    if len(seen):  # only blocks that hold a site are drawn
        of_seen = position_blocks(sites.chrom[seen], sites.position[seen], bootstrap.block_bp)
        index = np.zeros(len(rows), np.int64)
        index[~np.isnan(score)] = of_seen.index
        blocks = replace(of_seen, index=index)
    return classification(truth[rows], score, blocks, bootstrap)
