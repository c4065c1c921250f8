"""Rank statistics of weighted values: Spearman, AUROC, AUPRC.

With integer weights each statistic is exactly that of the data in which every value is
repeated as often as its weight: a resample of blocks of the genome needs no new sort.
"""

import numpy as np

from tfepi.evaluation.accuracy import is_binary
from tfrecords_tools.errors import ConfigError

RANKED = {
    "spearmanr": "Spearman correlation: Pearson correlation of average ranks",
    "auroc": "area under the ROC curve; ties count half",
    "auprc": "average precision: sum of (increase of recall) x precision over thresholds",
}


class Ranking:
    """Values sorted once, ranked under any weights.

    Args:
        values: [n], no NaN.
    """

    def __init__(self, values: np.ndarray):
        levels, self.level = np.unique(values, return_inverse=True)
        self.levels = len(levels)

    def weight(self, weights: np.ndarray) -> np.ndarray:
        """Return the total weight of each distinct value, ascending: float64 [levels]."""
        return np.bincount(self.level, weights, self.levels)

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Return the average rank of each value where value i occurs weights[i] times."""
        weight = self.weight(weights)
        return (np.cumsum(weight) - (weight - 1) / 2)[self.level]


class RankedPair:
    """Observed and predicted values of one target, ready for weighted rank statistics.

    Args:
        truth: observed values [n]; NaN is missing.
        prediction: predicted values [n].
        binary: whether AUROC and AUPRC of a 0/1 truth are wanted too.

    Attributes:
        seen: bool [n], positions that are not missing.

    Raises:
        ConfigError: binary, and an observed value is neither 0 nor 1.
    """

    def __init__(self, truth: np.ndarray, prediction: np.ndarray, binary: bool = False):
        self.seen = ~(np.isnan(truth) | np.isnan(prediction))
        self._truth = truth[self.seen].astype(float)
        if binary and len(self._truth) and not is_binary(self._truth):
            odd = self._truth[~np.isin(self._truth, (0, 1))][0]
            raise ConfigError(
                f"AUROC and AUPRC need observed values of 0 and 1, not {odd:g}: "
                "ask for correlations instead"
            )
        self._observed = Ranking(self._truth)
        self._predicted = Ranking(prediction[self.seen])
        self._binary = binary

    def statistics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Return the rank statistics under weights.

        Args:
            weights: weight of each position that is not missing [seen]; None: all one.

        Returns:
            "spearmanr" and, if binary, "auroc" and "auprc"; NaN where undefined.
        """
        if weights is None:
            weights = np.ones(len(self._truth))
        found = {"spearmanr": self._spearman(weights)}
        if self._binary:
            positive = self._predicted.weight(weights * self._truth)
            negative = self._predicted.weight(weights * (1 - self._truth))
            found["auroc"] = _auroc(positive, negative)
            found["auprc"] = _auprc(positive, negative)
        return found

    def _spearman(self, weights: np.ndarray) -> float:
        total = weights.sum()
        if not total:
            return float("nan")
        centre = (total + 1) / 2  # the mean of ranks, whatever the ties
        observed = self._observed.ranks(weights) - centre
        predicted = self._predicted.ranks(weights) - centre
        weighted = weights * observed
        scale = np.sqrt((weighted @ observed) * (weights * predicted @ predicted))
        return float(np.clip(weighted @ predicted / scale, -1, 1)) if scale > 0 else float("nan")


def spearmanr(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return Spearman's correlation; NaN positions are missing."""
    return RankedPair(np.ravel(truth), np.ravel(prediction)).statistics()["spearmanr"]


def auroc(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return the area under the ROC curve of a 0/1 truth; NaN positions are missing."""
    return RankedPair(np.ravel(truth), np.ravel(prediction), True).statistics()["auroc"]


def auprc(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return the average precision of a 0/1 truth; NaN positions are missing."""
    return RankedPair(np.ravel(truth), np.ravel(prediction), True).statistics()["auprc"]


def _auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the area of weights per distinct prediction, ascending."""
    pairs = positive.sum() * negative.sum()
    if not pairs:
        return float("nan")
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs)


def _auprc(positive: np.ndarray, negative: np.ndarray) -> float:
    hits, misses = np.cumsum(positive[::-1]), np.cumsum(negative[::-1])
    if not len(hits) or not hits[-1] or not misses[-1]:
        return float("nan")
    precision = hits / np.maximum(hits + misses, np.finfo(float).tiny)
    return float(positive[::-1] @ precision / hits[-1])
