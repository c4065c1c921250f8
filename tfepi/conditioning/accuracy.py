"""Accuracy of binary labels per position, on any resample of blocks of the genome.

Positions are sorted by prediction once. A resample weighs a position by how often its block is
drawn, so what is above a threshold in a resample is a product: counts per block above the
threshold times draws per block. No resample costs a pass over the positions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from tfrecords_tools.errors import ConfigError

STATISTICS = {
    "auprc": "average precision: sum of (increase of recall) x precision over thresholds",
    "auroc": "area under the ROC curve; ties count half",
    "positive_rate": "share of positions whose label is 1: the average precision of guessing",
}
LEOPARD = "auprc_leopard"
LEOPARD_DIGITS = 3
LEOPARD_MEANING = (
    "Leopard's step sum: the average precision of predictions rounded to 0.001, the width of its "
    "1,001 bins"
)
POSITION_BYTES = 80  # that ranking the labels of one target takes, about
_CHUNK_VALUES = 1 << 17
_INDEX = np.uint32


@dataclass(frozen=True)
class RankedLabels:
    """Labels in the order of their predictions, highest first.

    Attributes:
        positive: whether the label is 1, bool [n].
        prediction: descending, float [n].
        block: block of the genome of each, int [n].
        position: where each was among all positions, missing ones included, int [n].
        blocks: number of blocks.
    """

    positive: np.ndarray
    prediction: np.ndarray
    block: np.ndarray
    position: np.ndarray
    blocks: int

    @classmethod
    def of(
        cls, truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, blocks: int
    ) -> "RankedLabels":
        """Sort the observed positions.

        Args:
            truth: labels 0 and 1, float [positions]; NaN is missing.
            prediction: any numbers, float [positions].
            block: block number of each position, int [positions].
            blocks: number of blocks.

        Raises:
            ConfigError: a label that is neither 0 nor 1, or an observed position without a finite
                prediction.
        """
        seen = np.flatnonzero(~np.isnan(truth)).astype(_INDEX)
        labels, values = truth[seen], prediction[seen]
        odd = (labels != 0) & (labels != 1)
        if odd.any():
            raise ConfigError(
                f"AUPRC needs labels of 0 and 1, not {labels[odd][0]:g}: give the targets a "
                "threshold, or ask for correlations instead"
            )
        bad = ~np.isfinite(values)
        if bad.any():
            raise ConfigError(
                f"{int(bad.sum())} of {len(seen)} observed positions have no finite prediction "
                f"(the first is {values[bad][0]}): predict every observed position"
            )
        order = np.argsort(-values, kind="stable")
        position = seen[order]
        block = block[position].astype(_INDEX, copy=False)
        return cls(labels[order] > 0, values[order], block, position, blocks)

    def among(self, chosen: np.ndarray) -> "RankedLabels":
        """Return the labels at chosen positions.

        Args:
            chosen: bool [positions], missing ones included.
        """
        kept = chosen[self.position]
        columns = (self.positive, self.prediction, self.block, self.position)
        return RankedLabels(*(c[kept] for c in columns), self.blocks)

    def rounded(self, digits: int = LEOPARD_DIGITS) -> "RankedLabels":
        """Return the same labels with predictions rounded half up, as Leopard's bins do.

        Leopard adds recall gained times precision bin by bin, from the lowest prediction to the
        highest, with the precision before a bin is taken out, which is that of all predictions
        down to this bin (GuanLab/Leopard, auc.py): the average precision of rounded predictions.

        Raises:
            ConfigError: a prediction outside [0, 1].
        """
        ends = self.prediction[[0, -1]] if len(self.prediction) else np.zeros(1)
        if ends.max() > 1 or ends.min() < 0:
            raise ConfigError(
                f"Leopard's step sum is of probabilities, and predictions reach from "
                f"{ends.min():g} to {ends.max():g}: leave it out"
            )
        scale = 10**digits
        rounded = np.floor(self.prediction.astype(float) * scale + 0.5).astype(np.float32) / scale
        return RankedLabels(self.positive, rounded, self.block, self.position, self.blocks)

    def statistics(self, drawn: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return `STATISTICS` on resamples of blocks.

        Args:
            drawn: how often each block is drawn, [resamples, blocks]; None: each once.

        Returns:
            Statistic → float64 [resamples]; NaN where a resample lacks one of the labels.
        """
        drawn = np.ones((1, self.blocks)) if drawn is None else np.asarray(drawn, float)
        positives = drawn @ np.bincount(self.block[self.positive], minlength=self.blocks)
        total = drawn @ np.bincount(self.block, minlength=self.blocks)
        precision, above = np.zeros(len(drawn)), np.zeros(len(drawn))
        hits, misses = np.zeros(len(drawn)), np.zeros(len(drawn))
        for gained, passed, tied in self._steps(drawn):
            hit = hits + np.cumsum(gained, axis=0)
            missed = misses + np.cumsum(passed, axis=0)
            precision += (gained * hit / np.maximum(hit + missed, 1)).sum(axis=0)
            above += (gained * (missed - tied / 2)).sum(axis=0)
            hits, misses = hit[-1], missed[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = np.where(positives < total, positives * (total - positives), 0)
            defined = np.where(pairs > 0, 1.0, np.nan)
            return {
                "auprc": defined * precision / positives,
                "auroc": 1 - above / np.where(pairs > 0, pairs, np.nan),
                "positive_rate": positives / np.where(total > 0, total, np.nan),
            }

    def _steps(self, drawn: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield, for stretches of the distinct predictions of positives, three [steps, resamples].

        These are the weights of the positives with that prediction, of the negatives down to it
        from the step before, and of those negatives that are tied with it.
        """
        if not self.positive.any():
            return
        starts = np.flatnonzero(np.r_[True, self.prediction[1:] != self.prediction[:-1]])
        held = np.logical_or.reduceat(self.positive, starts)
        lengths = np.diff(np.r_[starts, len(self.prediction)])
        step = np.repeat((np.cumsum(held) - held).astype(_INDEX), lengths)
        tied = np.repeat(held, lengths) & ~self.positive
        count, draws = int(held.sum()), np.ascontiguousarray(drawn.T)
        size = max(1, _CHUNK_VALUES // len(drawn))
        for low in range(0, count, size):
            high = min(low + size, count)
            part = slice(*np.searchsorted(step, (low, high)))
            row, column, positive = step[part] - low, self.block[part], self.positive[part]
            shape, ones = (high - low, self.blocks), np.ones(len(row))
            yield tuple(
                coo_array((ones[chosen], (row[chosen], column[chosen])), shape).tocsr() @ draws
                for chosen in (positive, ~positive, tied[part])
            )


def differing(truths: Iterable[np.ndarray]) -> np.ndarray:
    """Return where the observed labels of cell types are not all equal.

    Args:
        truths: labels of one mark in each cell type, one shape; NaN is missing.

    Returns:
        bool, of that shape; False where fewer than two are observed.
    """
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for truth in truths:
        low, high = np.fmin(low, truth), np.fmax(high, truth)
    return low < high
