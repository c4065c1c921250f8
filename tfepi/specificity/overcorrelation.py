"""Overcorrelation: are predictions more alike between cell types than measurements are?

Source: Kathail et al., Figure 3c,d: correlation of the predictions of two cell types over the
peaks of a cluster, less the correlation of what was measured in them, both of log2(x + 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfepi.evaluation.accuracy import pearson_of_sums
from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, Blocks, Bootstrap, interval, multiplicities
from tfepi.specificity.accuracy import ends_of
from tfrecords_tools.errors import ConfigError

KINDS = ("experimental", "predicted", "overcorrelation")


@dataclass(frozen=True)
class Overcorrelation:
    """Correlations between cell types, measured and predicted.

    Attributes:
        n: positions observed in both, int64 [cell types, cell types].
        experimental, predicted: correlations, float64 [cell types, cell types]; NaN undefined.
        low, high: interval of `over`, float64 [cell types, cell types]; NaN for none.
        means: mean over the pairs of different cell types, kind → (value, low, high).
        resampled: resamples of the three means, kind → float64 [resamples].
    """

    n: np.ndarray
    experimental: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    means: dict[str, tuple[float, float, float]]
    resampled: dict[str, np.ndarray]

    @property
    def over(self) -> np.ndarray:
        """Predicted less experimental correlation, float64 [cell types, cell types]."""
        return self.predicted - self.experimental

    def table(self, cell_types: Sequence[str], group: str) -> pd.DataFrame:
        """Return a row per pair of cell types, and one of their mean.

        Returns:
            Columns: group, first, second ("mean" for both in the last row), n, experimental,
            predicted, overcorrelation, low, high (of the overcorrelation).
        """
        matrices = (self.n, self.experimental, self.predicted, self.over, self.low, self.high)
        rows = [
            (group, a, cell_types[j], *(m[i, j] for m in matrices))
            for i, a in enumerate(cell_types)
            for j in range(i + 1, len(cell_types))
        ]
        kinds = [self.means[k] for k in KINDS]
        many = int(self.n.max(initial=0))
        rows.append((group, "mean", "mean", many, kinds[0][0], kinds[1][0], *kinds[2]))
        return pd.DataFrame(rows, columns=("group", "first", "second", "n", *KINDS, "low", "high"))


def overcorrelation(
    truth: np.ndarray,
    prediction: np.ndarray,
    blocks: Blocks | None = None,
    bootstrap: Bootstrap | None = None,
) -> Overcorrelation:
    """Return how much more alike predictions are between cell types than measurements.

    Args:
        truth: measured values of a cluster's positions [positions, cell types]; NaN is missing.
        prediction: predicted values [positions, cell types].
        blocks: block of the genome of each position; None for no intervals.
        bootstrap: how intervals are made; None: the defaults.

    Returns:
        Correlations, NaN of a cell type that is constant or has a value of -1 or less.

    Raises:
        ConfigError: fewer than two cell types, or other shapes.
    """
    truth, prediction = (np.asarray(v, np.float64) for v in (truth, prediction))
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise ConfigError(
            f"measured values are of shape {truth.shape}, predicted of {prediction.shape}: want "
            "[positions, cell types] of both"
        )
    if truth.shape[1] < 2:
        raise ConfigError(
            f"{truth.shape[1]} cell type given: correlation between cell types needs at least two"
        )
    seen = ~(np.isnan(truth) | np.isnan(prediction))
    logs = []
    for values in (truth, prediction):
        outside = (seen & (values <= -1)).any(axis=0)  # log2(x + 1) is undefined
        logged = np.log2(np.where(seen & ~outside, values, 0) + 1)  # a constant, so undefined too
        # centred, so that nothing cancels; a constant becomes exact zeros
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, logged, 0).sum(axis=0) / count
        low = np.where(seen, logged, np.inf).min(axis=0, initial=np.inf)
        high = np.where(seen, logged, -np.inf).max(axis=0, initial=-np.inf)
        logs.append(np.where(seen, logged - np.where(low == high, low, mean), 0.0))
    return _resampled(logs, seen, blocks, bootstrap or Bootstrap())


def _resampled(logs, seen: np.ndarray, blocks: Blocks | None, how: Bootstrap) -> Overcorrelation:
    cells = seen.shape[1]
    drawn, index = np.zeros((0, 1)), np.zeros(len(seen), np.int64)
    if blocks is not None and len(np.unique(blocks.index)) >= FEWEST_BLOCKS:
        drawn = multiplicities(blocks.count, how.resamples, how.seed)
        index = blocks.index
    count = drawn.shape[1]
    order = np.argsort(index, kind="stable")
    cuts = np.searchsorted(index[order], np.arange(count + 1))
    rows = [order[cuts[b] : cuts[b + 1]] for b in range(count)]
    n = np.zeros((cells, cells), np.int64)
    values = np.full((2, cells, cells), np.nan)
    low, high = (np.full((cells, cells), np.nan) for _ in range(2))
    # sums over the pairs i < j: one row of the matrix at a time, or hundreds of targets fill memory
    total, defined = np.zeros((3, len(drawn))), np.zeros((3, len(drawn)))
    for i in range(cells):
        found = [np.stack([_pair_sums(x[r], seen[r], i) for r in rows]) for x in logs]
        n[i] = found[0][:, 0].sum(axis=0)
        values[:, i] = [pearson_of_sums(*s.sum(axis=0)) for s in found]
        again = [pearson_of_sums(*np.moveaxis(np.tensordot(drawn, s, 1), 1, 0)) for s in found]
        again.append(again[1] - again[0])
        for j in range(cells):
            low[i, j], high[i, j] = ends_of(
                values[1, i, j] - values[0, i, j], again[2][:, j], how.level
            )
            if j > i and not np.isnan(values[:, i, j]).any():
                for k, resampled in enumerate(again):
                    defined[k] += ~np.isnan(resampled[:, j])
                    total[k] += np.nan_to_num(resampled[:, j])
    upper = np.triu_indices(cells, 1)
    pairs = np.array([*values, values[1] - values[0]])[:, *upper]
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    with np.errstate(invalid="ignore"):
        resampled = dict(zip(KINDS, total / defined, strict=True))
    means = {}
    for kind, each in zip(KINDS, pairs, strict=True):
        mean = float(each.mean()) if len(each) else np.nan
        ends = interval(resampled[kind], how.level) if len(each) else None
        means[kind] = (mean, *((np.nan, np.nan) if ends is None else ends))
    return Overcorrelation(n, values[0], values[1], low, high, means, resampled)


def _pair_sums(x: np.ndarray, seen: np.ndarray, i: int) -> np.ndarray:
    """Return n, Σx, Σy, Σx², Σy², Σxy of column i with every column: float64 [6, columns].

    Args:
        x: values, 0 where missing [positions, columns].
        seen: which are not missing.
        i: number of the column x; y is each.
    """
    own, mask = x[:, i], seen[:, i].astype(float)
    both = seen.astype(float)
    return np.stack(
        [mask @ both, own @ both, mask @ x, (own * own) @ both, mask @ (x * x), own @ x]
    )
