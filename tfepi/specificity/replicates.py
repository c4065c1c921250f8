"""Correlation between donors: how well any model can be expected to predict a cell type.

Source: Kathail et al., section 3.3 and Figure 4a, "inter-individual correlation".
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tfepi.evaluation.accuracy import block_sums
from tfepi.evaluation.bootstrap import Blocks, Bootstrap
from tfepi.specificity.accuracy import Correlations, grouped
from tfrecords_tools.errors import ConfigError


def ceiling(
    signals: Mapping[str, np.ndarray],
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
) -> Correlations:
    """Return the mean correlation of pairs of donors in each cluster and cell type.

    Of each pair the Pearson correlation of log2(x + 1) over the cluster's positions; then the mean
    over pairs. A cell type without replicates is undefined, and its note says so.

    Args:
        signals: cell type → each donor's signal at the positions [positions, donors], at least
            two; NaN is missing.
        peak_cluster, names, cell_types, blocks, bootstrap: as of `accuracy.correlations`.

    Raises:
        ConfigError: signal of other positions, or of fewer than two donors.
    """
    for cell, signal in signals.items():
        if signal.ndim != 2 or len(signal) != len(peak_cluster) or signal.shape[1] < 2:
            raise ConfigError(
                f"replicates of {cell!r} are of shape {signal.shape}: want [positions, donors] = "
                f"({len(peak_cluster)}, at least 2)"
            )

    def of(rows: np.ndarray, column: int, block: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
        signal = signals.get(cell_types[column])
        if signal is None:
            return [], ["no replicates of this cell type"]
        pairs = itertools.combinations(range(signal.shape[1]), 2)
        return [
            block_sums(signal[rows, a], signal[rows, b], block, blocks.count) for a, b in pairs
        ], []

    return grouped(of, peak_cluster, names, cell_types, blocks, bootstrap)
