"""How high tested peaks are, by group and cell type."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfepi.specificity.accuracy import GENOME, groups
from tfepi.specificity.height_matching import OWN, own_rows
from tfepi.specificity.peak_values import PeakValues


def heights_of(truth: np.ndarray) -> np.ndarray:
    """Return log2(x + 1) of measured values, not finite where it is undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(truth.astype(np.float64) + 1)


def height_table(
    tested: PeakValues, belongs: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Return how high tested peaks are: quantiles of log2(x + 1) by group and cell type.

    Args:
        tested: what was measured.
        belongs: specific cluster → its cell types; with it, also of a cell type's own clusters.

    Returns:
        Columns: group (a cluster, "specific", "peaks" or "own"), cell_type, n, mean, q05, q25, q50,
        q75, q95.
    """
    heights, rows = heights_of(tested.truth), []
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    members = groups(tested.cluster, tested.names)
    del members[GENOME]
    for group in (*members, OWN) if belongs else members:
        for c, cell in enumerate(tested.cell_types):
            chosen = own_rows(members, belongs, cell) if group == OWN else members[group]
            h = heights[chosen, c]
            h = h[np.isfinite(h)]
            cuts = np.quantile(h, levels) if len(h) else np.full(5, np.nan)
            rows.append((group, cell, len(h), h.mean() if len(h) else np.nan, *cuts))
    names = ("group", "cell_type", "n", "mean", *(f"q{round(100 * q):02d}" for q in levels))
    return pd.DataFrame(rows, columns=names)
