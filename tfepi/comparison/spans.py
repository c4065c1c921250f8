"""Bins of different widths brought to the same stretches of bp, whatever their grids."""

import numpy as np


def overlap_shares(
    first: int, bin_width: int, bins: int, start: int, width: int, count: int = 1
) -> np.ndarray:
    """Return which share of each bin lies in each of some equal stretches side by side.

    A stretch's signal is the sum of bins times these shares: what a bin holds is taken to be
    spread evenly over its bp.

    Args:
        first: where the first bin begins, bp.
        bin_width: bp.
        bins: how many.
        start: where the first stretch begins, bp.
        width: of a stretch, bp.
        count: of stretches.

    Returns:
        float64 [count, bins].
    """
    low = first + bin_width * np.arange(bins)
    begin = start + width * np.arange(count)[:, None]
    shared = np.minimum(low + bin_width, begin + width) - np.maximum(low, begin)
    return np.maximum(shared, 0) / bin_width
