"""Where scores stand among those of a background: quantiles, p values and their adjustment.

Of a background of n scores, with `below` of them smaller than a score and `equal` of them the same:

- quantile = (below + (equal + 1) / 2) / (n + 1): the middle of the places the score has among the
  n and itself, counted so that ties are shared alike; from 0.5/(n+1) to 1 − 0.5/(n+1), in steps of
  1/(n+1) where nothing is tied;
- p = (n − below + 1) / (n + 1): how often a score as large or larger turns up, the score itself
  among them (Phipson and Smyth 2010), at least 1/(n+1), ties counted against the score;
- q: p adjusted over all scores of a target by Benjamini and Hochberg (1995).

As p can only be one of n + 1 numbers, how often each occurs is all that q needs: nothing is
sorted, and memory does not grow with the number of scores.
"""

import numpy as np


def places(ordered: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the background's scores below each value and those that are the same.

    Args:
        ordered: the background, ascending, without NaN.
        values: [n]; for NaN the counts mean nothing.

    Returns:
        below, equal: int64 [n].
    """
    below = np.searchsorted(ordered, values, side="left")
    equal = np.zeros(len(values), np.int64)
    tied = np.flatnonzero(below < len(ordered))
    tied = tied[ordered[below[tied]] == values[tied]]
    equal[tied] = np.searchsorted(ordered, values[tied], side="right") - below[tied]
    return below, equal


def ranked(ordered: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `quantiles` and `at_least` do, found together."""
    below, equal = places(ordered, values)
    missing, n = np.isnan(values), len(ordered)
    found = (below + (equal + 1) / 2) / (n + 1) if n else np.nan
    return np.where(missing, np.nan, found), np.where(missing, -1, n - below)


def quantiles(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the quantile of each value among a background, float64 [n]; of NaN it is NaN."""
    return ranked(ordered, values)[0]


def at_least(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of a background are at least each value, int64 [n]; for NaN it is -1."""
    found = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.where(np.isnan(values), -1, found)


def p_values(counts: np.ndarray, background: int) -> np.ndarray:
    """Return (counts + 1) / (background + 1), float64; NaN where a count is -1.

    Args:
        counts: of `at_least`.
        background: how many scores it has.
    """
    return np.where(counts < 0, np.nan, (counts + 1) / (background + 1))


def adjusted(occurring: np.ndarray) -> np.ndarray:
    """Return the adjusted value of every possible p, (k + 1) / n for k from 0 to n − 1.

    Benjamini and Hochberg's: of p values sorted as p1 … pm, the smallest of pj · m / j over j from
    a p's own place on, at most 1.

    Args:
        occurring: how many scores have k of the background at least as large, [n].

    Returns:
        float64 [n]; 1 beyond the last k that occurs.
    """
    n = len(occurring)
    at_most = np.cumsum(occurring)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = np.arange(1, n + 1) / n * at_most[-1] / at_most
    raw[at_most == 0] = np.inf
    return np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
