"""How well scores tell which elements regulate a gene, by distance, beside distance itself.

A pair has one score: of several start sites of its gene the highest, and the smallest distance.
The baseline is 1 / distance. Intervals are of resamples of genes: the pairs of one gene share its
window, and are no independent draws.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tfepi.evaluation.bootstrap import interval, multiplicities
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.errors import ConfigError

BASELINE = "1/distance"
EDGES = (10_000, 30_000, 100_000)
STATISTICS = ("auprc", "auroc")
_FEWEST_GENES = 5


def parse_edges(text: str) -> tuple[int, ...]:
    """Return the distances of a comma-separated list, bp, between which groups lie.

    Raises:
        ConfigError: no whole numbers above 0, or not in rising order.
    """
    try:
        edges = tuple(int(x) for x in text.split(","))
    except ValueError:
        edges = ()
    if not edges or edges[0] <= 0 or list(edges) != sorted(set(edges)):
        raise ConfigError(
            f"groups are {text!r}: want rising distances in bp, separated by commas, as 10000,30000"
        )
    return edges


def best_of_pair(
    pair: np.ndarray, distance: np.ndarray, scores: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the numbers of pairs, their smallest |distance| and highest scores.

    Args:
        pair: number of each row's pair, [rows].
        distance: bp, of either sign, [rows].
        scores: name → [rows]; a pair with NaN alone has NaN.
    """
    numbers, index = np.unique(pair, return_inverse=True)
    nearest = np.full(len(numbers), np.inf)
    np.minimum.at(nearest, index, np.abs(distance))
    highest = {}
    for name, values in scores.items():
        best = np.full(len(numbers), -np.inf)
        np.maximum.at(best, index, np.where(np.isnan(values), -np.inf, values))
        highest[name] = np.where(np.isinf(best), np.nan, best)
    return numbers, nearest, highest


def pair_accuracy(
    label: np.ndarray,
    gene: Sequence[str],
    distance: np.ndarray,
    scores: Mapping[str, np.ndarray],
    edges: Sequence[int] = EDGES,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 44,
) -> list[dict]:
    """Return AUPRC and AUROC of scores and of the baseline, of all pairs and by distance.

    Args:
        label: whether the element regulates the gene, bool [pairs].
        gene: of each pair.
        distance: from the TSS to the element, bp, at least 0, [pairs].
        scores: name → [pairs], higher for a regulating element. Pairs of which any is NaN are
            left out, of the baseline too.
        edges: distances between groups, bp; a group has its lower edge, not its upper one.
        resamples: of genes; 0 for no intervals. Of fewer than five genes there are none.
        level: of the intervals.
        seed: of the resampling.

    Returns:
        A dict for each score, group and statistic: "score", "from" and "to" (bp; None is no
        end), "pairs", "positives", "statistic", "value", "low", "high", and of a score
        "gain" over the baseline with "gain_low" and "gain_high"; None is undefined.
    """
    gene = np.asarray(gene)
    kept = np.all([np.isfinite(v) for v in scores.values()], axis=0)
    label, gene, distance = label[kept], gene[kept], distance[kept]
    scored = {n: v[kept] for n, v in scores.items()} | {BASELINE: -distance}
    bounds = [(None, None), *zip((None, *edges), (*edges, None), strict=True)]
    rows = []
    for low, high in bounds:
        inside = (distance >= (low or 0)) & (distance < (np.inf if high is None else high))
        found = _statistics(
            label[inside], gene[inside], {n: v[inside] for n, v in scored.items()}, resamples, seed
        )
        counts = {"pairs": int(inside.sum()), "positives": int(label[inside].sum())}
        for name in scored:
            for statistic in STATISTICS:
                values, base = found[name][statistic], found[BASELINE][statistic]
                row = {"score": name, "from": low, "to": high, **counts, "statistic": statistic}
                row |= dict(zip(("value", "low", "high"), _ends(values, level), strict=True))
                gain = (None, None, None) if name == BASELINE else _ends(values - base, level)
                rows.append(row | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True)))
    return rows


def _statistics(
    label: np.ndarray, gene: np.ndarray, scores: Mapping[str, np.ndarray], resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Return each statistic of all pairs and, after it, of resamples of genes."""
    genes, index = np.unique(gene, return_inverse=True)
    draws = np.ones((1, len(genes)), np.int64)
    if resamples and len(genes) >= _FEWEST_GENES:
        draws = np.concatenate([draws, multiplicities(len(genes), resamples, seed)])
    found = {}
    for name, values in scores.items():
        ranked = RankedPair(label.astype(float), values, binary=True)
        every = [ranked.statistics(d[index].astype(float)) for d in draws]
        found[name] = {s: np.array([e[s] for e in every]) for s in STATISTICS}
    return found


def _ends(values: np.ndarray, level: float) -> tuple[float | None, float | None, float | None]:
    """Return a statistic and the ends of its interval."""
    if np.isnan(values[0]):
        return None, None, None
    low, high = interval(values[1:], level) or (None, None)
    return float(values[0]), low, high
