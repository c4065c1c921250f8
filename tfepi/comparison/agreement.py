"""Do two models say the same of variants? Correlation, signs and the largest, with intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.comparison.options import Comparing
from tfepi.comparison.top import Largest, top_statistics
from tfepi.evaluation.accuracy import block_sums, statistics
from tfepi.evaluation.bootstrap import (
    Blocks,
    Bootstrap,
    estimate,
    genome_blocks,
    multiplicities,
)
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.intervals import Interval

LEAST = 3  # variants that say anything of agreement: two points always lie on a line


@dataclass(frozen=True)
class Draws:
    """Resamples of blocks of the genome.

    Attributes:
        blocks: of the variants.
        drawn: how often each block is drawn, int64 [resamples, blocks]; empty for no intervals.
        ranked: the same of statistics that need a pass over the data each.
        level: of intervals.
    """

    blocks: Blocks
    drawn: np.ndarray
    ranked: np.ndarray
    level: float

    @classmethod
    def of(cls, places: Sequence[Interval], bootstrap: Bootstrap) -> "Draws":
        """Return the resamples of places; none where fewer than 5 blocks hold them.

        Raises:
            ConfigError: a given block size that leaves fewer than 5 blocks.
        """
        blocks = genome_blocks(places, bootstrap.block_bp if bootstrap.resamples else None)
        count = bootstrap.resamples if blocks.enough else 0
        drawn = multiplicities(blocks.count, count, bootstrap.seed)
        return cls(blocks, drawn, drawn[: bootstrap.rank_resamples], bootstrap.level)

    def weights(self) -> Iterator[np.ndarray]:
        """Yield how often each place counts, resample by resample."""
        for row in self.ranked:
            yield row[self.blocks.index].astype(float)

    def estimate(self, value: float, replicates: np.ndarray) -> dict:
        """Return a value with its interval (`bootstrap.estimate`)."""
        return estimate(value, replicates if len(replicates) else None, self.level)

    def share(self, hits: np.ndarray, among: np.ndarray) -> dict:
        """Return which share of some places are hits, with its interval.

        Args:
            hits: bool [places].
            among: which count, bool [places].
        """
        index, count = self.blocks.index, self.blocks.count
        above = np.bincount(index, hits & among, count)
        below = np.bincount(index, among, count)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = above.sum() / below.sum()
            return self.estimate(value, (self.drawn @ above) / (self.drawn @ below))


def correlations(
    first: np.ndarray, second: np.ndarray, draws: Draws, names: Sequence[str] = ("pearsonr",)
) -> dict[str, dict]:
    """Return additive correlations and Spearman's with intervals.

    Args:
        first, second: values of each place, float [places], no NaN.
        draws: of the places.
        names: of `accuracy.ADDITIVE`.
    """
    sums = block_sums(first, second, draws.blocks.index, draws.blocks.count)
    whole, resampled = statistics(sums.sum(axis=0)), statistics(draws.drawn @ sums)
    found = {name: draws.estimate(whole[name], resampled[name]) for name in names}
    ranked = RankedPair(first, second)
    resampled = np.array([ranked.statistics(w)["spearmanr"] for w in draws.weights()])
    return found | {"spearmanr": draws.estimate(ranked.statistics()["spearmanr"], resampled)}


def agreement(
    first: np.ndarray,
    second: np.ndarray,
    draws: Draws,
    comparing: Comparing,
    signed: bool = True,
) -> dict:
    """Return in how far two models' scores agree.

    Args:
        first, second: of the same variants, float64 [variants], no NaN.
        draws: resamples of the variants.
        comparing: the options.
        signed: whether both have a direction; where one has none, sizes are correlated and signs
            are undefined.

    Returns:
        "n"; "pearsonr" and "spearmanr" of the scores (of sizes, where one has no direction, which
        "of" says); "spearmanr_of_sizes"; "sign": agreement among variants that both models score
        beyond their floor, the floors, how many, and what models that know nothing of each other
        would give; "top": per number of variants the overlap, what chance gives, the Jaccard
        index and the agreement of signs among the union. Numbers k that are not below n are left
        out. None is undefined.
    """
    sizes = np.abs(first), np.abs(second)
    values = (first, second) if signed else sizes
    found = {"n": len(first), "of": "scores" if signed else "sizes"}
    found |= correlations(*values, draws)
    found["spearmanr_of_sizes"] = (
        correlations(*sizes, draws, ())["spearmanr"] if signed else found["spearmanr"]
    )
    known = (first != 0) & (second != 0)
    agree = np.sign(first) == np.sign(second)
    found["sign"] = _signs(first, second, sizes, known, agree, draws, comparing) if signed else None
    found["top"] = _tops(sizes, known, agree, draws, comparing.top, signed)
    return found


def _signs(first, second, sizes, known, agree, draws: Draws, comparing: Comparing) -> dict:
    floors = [float(np.quantile(s, comparing.floor)) for s in sizes]
    among = known & (sizes[0] >= floors[0]) & (sizes[1] >= floors[1])
    chance = None
    if among.any():
        up = (first[among] > 0).mean(), (second[among] > 0).mean()
        chance = float(up[0] * up[1] + (1 - up[0]) * (1 - up[1]))
    return {
        "floors": floors,
        "n": int(among.sum()),
        "agreement": draws.share(agree, among),
        "expected": chance,
    }


def _tops(
    sizes: tuple[np.ndarray, np.ndarray],
    known: np.ndarray,
    agree: np.ndarray,
    draws: Draws,
    numbers: Sequence[int],
    signed: bool,
) -> list[dict]:
    n = len(sizes[0])
    largest = [Largest(s) for s in sizes]
    kept = [k for k in numbers if k < n]
    alone = largest[0].alone & largest[1].alone
    signs = (agree.astype(float), known.astype(float)) if signed else ()

    def of(weights: np.ndarray, k: int) -> dict[str, float]:
        shares = (one.shares(weights, k / n) for one in largest)
        return top_statistics(*shares, weights, alone, *signs)

    replicates: dict[int, list[dict[str, float]]] = {k: [] for k in kept}
    for weights in draws.weights():
        for k in kept:
            replicates[k].append(of(weights, k))
    found = []
    for k in kept:
        value = of(np.ones(n), k)
        entry = {"k": k, "expected": k / n}
        for name in ("overlap", "jaccard", *(("sign",) if signed else ())):
            resampled = np.array([r[name] for r in replicates[k]])
            entry[name] = draws.estimate(value[name], resampled)
        if signed:
            entry["signs"] = value["signs"]
        found.append(entry)
    return found
