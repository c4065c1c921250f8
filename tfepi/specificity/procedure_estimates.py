"""Means over seeds with intervals, of one procedure and of the difference between two."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import t

LEVEL = 0.95
FEWEST_SEEDS = 2


def over_seeds(values: Mapping[int, float], level: float = LEVEL) -> dict:
    """Return the mean over seeds with Student's interval (mean ± t·s/√n, n − 1 degrees).

    It is about the chance of training alone: the test windows are the same for every seed.

    Args:
        values: seed → statistic; NaN is left out.
        level: coverage.

    Returns:
        {"value", "interval", "by_seed"}; None for what is undefined, and for the interval of
        fewer than two seeds.
    """
    found = {seed: None if np.isnan(v) else float(v) for seed, v in values.items()}
    seen = np.array([v for v in found.values() if v is not None])
    by_seed = {str(seed): v for seed, v in found.items()}
    if not len(seen):
        return {"value": None, "interval": None, "by_seed": by_seed}
    mean, ends = float(seen.mean()), None
    if len(seen) >= FEWEST_SEEDS:
        half = float(t.ppf((1 + level) / 2, len(seen) - 1) * seen.std(ddof=1) / np.sqrt(len(seen)))
        ends = [mean - half, mean + half]
    return {"value": mean, "interval": ends, "by_seed": by_seed}


def paired(first: Mapping[int, float], second: Mapping[int, float], level: float = LEVEL) -> dict:
    """Return `over_seeds` of the first less the second, of the seeds both have.

    Args:
        first, second: seed → statistic.
        level: coverage.
    """
    return over_seeds({s: v - second[s] for s, v in first.items() if s in second}, level)
