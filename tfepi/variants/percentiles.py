"""Exact percentiles of columns: of those too long to hold in constant memory, else by sorting."""

from collections.abc import Callable, Iterator

import numpy as np

# Basenji's: by 0.001 in both tails, by 0.01 between.
PERCENTILES = np.concatenate(
    [np.arange(1, 100) / 1000, np.arange(10, 90) / 100, np.arange(900, 1000) / 1000]
)
_DIGITS = ((21, 11), (10, 11), (0, 10))  # (shift, bits) of a 32-bit key, high to low

Blocks = Callable[[], Iterator[np.ndarray]]


def percentiles(blocks: Blocks, shares: np.ndarray = PERCENTILES) -> np.ndarray:
    """Return percentiles of one column, NaN left out, linear between neighbours.

    The values' order is found by radix selection: three passes count the high, middle and low
    bits of the values that hold a wanted rank, so nothing is sorted or kept.

    Args:
        blocks: called three times; each call yields the column, float32 [n] at a time.
        shares: wanted, from 0 to 1.

    Returns:
        float32 [shares]; NaN where the column has no number.
    """
    total = 0
    groups = np.zeros(1, np.uint32)  # high bits that hold wanted ranks, sorted
    ranks = wanted = np.zeros(0, np.int64)
    group = np.zeros(0, np.int64)
    for shift, bits in _DIGITS:
        counts = np.zeros((len(groups), 1 << bits), np.int64)
        for block in blocks():
            keys = _keys(block)
            high = keys >> np.uint32(shift + bits) if shift + bits < 32 else keys * 0
            slot = np.minimum(np.searchsorted(groups, high), len(groups) - 1)
            inside = groups[slot] == high
            digit = (keys >> np.uint32(shift)) & np.uint32((1 << bits) - 1)
            cell = (slot[inside].astype(np.int64) << bits) + digit[inside]
            counts += np.bincount(cell, minlength=counts.size).reshape(counts.shape)
        if not total:
            total = int(counts.sum())
            if not total:
                return np.full(len(shares), np.nan, np.float32)
            place = shares * (total - 1)
            low = np.floor(place).astype(np.int64)
            wanted = np.unique(np.r_[low, np.minimum(low + 1, total - 1)])
            ranks, group = wanted.copy(), np.zeros(len(wanted), np.int64)
        ends = counts.cumsum(axis=1)
        found = np.array(
            [np.searchsorted(ends[g], r, side="right") for g, r in zip(group, ranks, strict=True)]
        )
        ranks = ranks - np.where(found > 0, ends[group, found - 1], 0)
        prefix = (groups[group].astype(np.uint32) << np.uint32(bits)) | found.astype(np.uint32)
        groups, group = np.unique(prefix, return_inverse=True)
    values = _values(groups[group])
    below = values[np.searchsorted(wanted, low)]
    above = values[np.searchsorted(wanted, np.minimum(low + 1, total - 1))]
    return _between(below, above, place - low)


def column_percentiles(column: np.ndarray, shares: np.ndarray = PERCENTILES) -> np.ndarray:
    """Return what `percentiles` does, of a column that is held: float32 [n]."""
    # By keys: a sort of floats leaves the order of 0 and -0 to the machine.
    ordered = np.sort(_keys(column))
    if not len(ordered):
        return np.full(len(shares), np.nan, np.float32)
    place = shares * (len(ordered) - 1)
    low = np.floor(place).astype(np.int64)
    above = np.minimum(low + 1, len(ordered) - 1)
    return _between(_values(ordered[low]), _values(ordered[above]), place - low)


def _between(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return float32 that lie at a share of the way between neighbours."""
    below, above = below.astype(np.float64), above.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exact = (below == above) | (share == 0)
        return np.where(exact, below, below + (above - below) * share).astype(np.float32)


def _keys(values: np.ndarray) -> np.ndarray:
    """Return uint32 that sort as the numbers among float32 values do; NaN is left out."""
    bits = np.ascontiguousarray(values[~np.isnan(values)], np.float32).view(np.uint32)
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))


def _values(keys: np.ndarray) -> np.ndarray:
    """Return the float32 values of keys."""
    high = np.uint32(1 << 31)
    return np.where(keys & high, keys ^ high, ~keys).astype(np.uint32).view(np.float32)
