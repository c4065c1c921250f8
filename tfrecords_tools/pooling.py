"""From per-base values to a window's bins: NaN policy, blacklist, pooling, transforms, clipping.

The pipeline is that of the Basenji ecosystem (docs/formats.md, "Targets"), in float32 after a
float16 rounding of each base; a target with a threshold is pooled in float64 without that
rounding. `window_values` is the plain definition; `stretch_values` gives the same numbers for many
windows of one stretch at once.
"""

from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.intervals import intersect_array
from tfrecords_tools.targets import Target

FLOAT16_MAX = float(np.finfo(np.float16).max)
_FLOAT32_MAX = float(np.finfo(np.float32).max)
BLACKLIST_MARGIN = 20
BASELINE_MIN_BINS = 8
KEEP_MIN_SHARE = 0.5
EXTREME_QUANTILE = 0.9999999


@dataclass(frozen=True)
class Pooling:
    """How bases of one track become bins.

    Attributes:
        bin_width: bp per bin.
        target: clip, clip_soft, scale, sum_stat and threshold.
        nan: "zero" (no value counts as the window's baseline, which is 0), "interpolate"
            (linear between neighbours, 0 beyond the window) or "keep" (a bin with a value
            at fewer than half of its bases is NaN; elsewhere such bases take the mean of the
            bin's other bases).
    """

    bin_width: int
    target: Target
    nan: str = "zero"


def window_values(
    values: np.ndarray, pooling: Pooling, blacklist: np.ndarray | None = None
) -> np.ndarray:
    """Return the bins of one window.

    Args:
        values: float32 [length], NaN where the track has no value.
        pooling: what to do.
        blacklist: int [n, 2] spans in window coordinates (already widened by the margin).

    Returns:
        float16 [length // bin_width].
    """
    x = _bases(values, pooling.target)
    bins = len(x) // pooling.bin_width
    missing = np.isnan(x)
    if pooling.nan == "interpolate" and missing.any():
        x = interpolated(x, missing)
        missing = np.zeros_like(missing)
    if blacklist is not None and len(blacklist):
        baseline = np.float32(0)
        if bins >= BASELINE_MIN_BINS and not missing.any():
            baseline = np.float32(np.percentile(x, 50))
        for start, end in blacklist:
            inside = slice(max(0, start), max(0, end))
            x[inside] = np.clip(x[inside], -baseline, baseline)
    x = np.where(missing, np.float32(0), x) * np.float32(pooling.target.scale)
    x = x[: bins * pooling.bin_width].reshape(bins, pooling.bin_width)
    if pooling.nan == "keep" and missing.any():
        observed = ~missing[: bins * pooling.bin_width].reshape(bins, pooling.bin_width)
        return _finish(_pool_observed(x, observed, pooling), pooling.target)
    return _finish(_pool(x, pooling.target), pooling.target)


def stretch_values(
    values: np.ndarray,
    offsets: np.ndarray,
    length: int,
    pooling: Pooling,
    blacklist: np.ndarray,
) -> np.ndarray:
    """Return the bins of many windows of one stretch.

    Args:
        values: float32 [span], NaN where the track has no value.
        offsets: int [n], each window's start in the stretch.
        length: window length, bp.
        pooling: what to do.
        blacklist: merged int [m, 2] spans in stretch coordinates (with margin).

    Returns:
        float16 [n, length // bin_width]; row by row what `window_values` gives.
    """
    width = pooling.bin_width
    bins = length // width
    out = np.empty((len(offsets), bins), np.float16)
    gaps = np.flatnonzero(np.isnan(values))
    ends = offsets + length
    plain = np.ones(len(offsets), bool)
    if pooling.nan != "zero" and len(gaps):
        plain &= np.searchsorted(gaps, offsets) == np.searchsorted(gaps, ends)
    if len(blacklist):
        plain &= np.searchsorted(blacklist[:, 1], offsets, side="right") == np.searchsorted(
            blacklist[:, 0], ends
        )
    for row in np.flatnonzero(~plain):
        start = offsets[row]
        span = np.array([[start, start + length]])
        inside = intersect_array(span, blacklist) - start if len(blacklist) else None
        out[row] = window_values(values[start : start + length], pooling, inside)
    if plain.any():
        x = _bases(values, pooling.target)
        if len(gaps):
            x[gaps] = 0
        if pooling.target.scale != 1:
            x *= np.float32(pooling.target.scale)
        phases = offsets % width
        for phase in np.unique(phases[plain]):
            rows = np.flatnonzero(plain & (phases == phase))
            out[rows] = _pooled_windows(x, offsets[rows], phase, bins, pooling)
    return out


def _pooled_windows(x, starts, phase, bins, pooling) -> np.ndarray:
    """Bins of windows that share a phase: pool the stretch once if that is less work."""
    width = pooling.bin_width
    whole = (len(x) - phase) // width
    if len(starts) * bins < whole:
        stacked = np.lib.stride_tricks.sliding_window_view(x, bins * width)[starts]
        pooled = _pool(stacked.reshape(-1, width), pooling.target)
        return _finish(pooled, pooling.target).reshape(len(starts), bins)
    pooled = _pool(x[phase : phase + whole * width].reshape(whole, width), pooling.target)
    finished = _finish(pooled, pooling.target)
    return np.lib.stride_tricks.sliding_window_view(finished, bins)[(starts - phase) // width]


def _bases(values: np.ndarray, target: Target) -> np.ndarray:
    """Return each base's value as it is pooled; what is out of range becomes the limit.

    Rounded to float16, in float32. With a threshold not rounded, in float64: then a bin whose
    bases all have exactly the threshold's value is not above it.
    """
    if target.threshold is not None:
        return np.clip(values, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float64)
    limited = np.clip(values, -FLOAT16_MAX, FLOAT16_MAX)
    return limited.astype(np.float16).astype(np.float32)


def interpolated(x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return values with the missing ones on straight lines, from zeros just outside both ends."""
    known = np.flatnonzero(~missing)
    at = np.r_[-1, known, len(x)]
    values = np.r_[0.0, x[known], 0.0]
    out = x.copy()
    out[missing] = np.interp(np.flatnonzero(missing), at, values)
    return out


def _pool(x: np.ndarray, target: Target) -> np.ndarray:
    """Reduce [n, width] to [n] of the same type and apply the statistic's power."""
    base, _, power = target.sum_stat.partition("_")
    if base == "sum":
        y = x.sum(axis=1, dtype=x.dtype)
    elif base in ("mean", "avg", "peak"):
        y = x.mean(axis=1, dtype=x.dtype)
    else:
        y = x.max(axis=1)
    return _power(y, base, power, target)


def _pool_observed(x: np.ndarray, observed: np.ndarray, pooling: Pooling) -> np.ndarray:
    """Pool what is observed; a bin with too little of it is NaN."""
    base, _, power = pooling.target.sum_stat.partition("_")
    count = observed.sum(axis=1)
    if base == "max":
        y = np.where(observed, x, -np.inf).max(axis=1)
    else:
        total = np.where(observed, x, 0).sum(axis=1, dtype=x.dtype)
        y = total / np.maximum(count, 1).astype(x.dtype)
        if base == "sum":
            y *= np.float32(pooling.bin_width)
    y = _power(np.where(count > 0, y, 0).astype(x.dtype), base, power, pooling.target)
    return np.where(count >= KEEP_MIN_SHARE * pooling.bin_width, y, np.float32(np.nan))


def _power(y: np.ndarray, base: str, power: str, target: Target) -> np.ndarray:
    one = np.float32(1)
    lowest = 0 if base == "peak" else -1 if power else None
    if lowest is not None and y.size and y.min() < lowest:
        raise InputFileError(
            f"track {target.file or target.identifier} gives a bin of {y.min():.6g}, of which "
            f"{target.sum_stat!r} takes a root: it needs values of at least {lowest}; use "
            "another sum_stat"
        )
    if power == "sqrt":
        y = -one + np.sqrt(one + y)
    elif power == "exp75":
        y = -one + (one + y) ** np.float32(0.75)
    if base == "peak":
        y = np.clip(np.sqrt(np.float32(4) * y), 0, 1)
    return y


def _finish(y: np.ndarray, target: Target) -> np.ndarray:
    """Soft clip, hard clip, or the threshold; float16."""
    if target.threshold is not None:
        with np.errstate(over="ignore"):  # infinity is above any threshold
            y = y.astype(np.float32)
        above = (y > np.float32(target.threshold)).astype(np.float16)
        return np.where(np.isnan(y), np.float16(np.nan), above)
    if target.clip_soft is not None:
        soft = np.float32(target.clip_soft)
        high = y > soft
        if high.any():
            y = y.copy()
            y[high] = soft - np.float32(1) + np.sqrt(y[high] - soft + np.float32(1))
    limit = FLOAT16_MAX if target.clip is None else min(target.clip, FLOAT16_MAX)
    return np.clip(y, -limit, limit).astype(np.float16)


def extreme_limit(largest: np.ndarray, total: int) -> float:
    """Return the 99.99999th percentile of a track from its largest values.

    Args:
        largest: the track's largest values, at least `extreme_count(total)` of them.
        total: number of values (not NaN) of the whole track.

    Returns:
        The percentile, interpolated linearly between order statistics, as float16 can hold it;
        float16's own limit where it is not above 0, since ± that would leave one value.
    """
    if total == 0:
        return FLOAT16_MAX
    ordered = np.sort(np.asarray(largest, np.float64))[::-1]
    below_top = (total - 1) * (1 - EXTREME_QUANTILE)
    rank = int(below_top)
    high, low = ordered[rank], ordered[min(rank + 1, total - 1, len(ordered) - 1)]
    limit = float(np.float16(high + (low - high) * (below_top - rank)))
    return limit if limit > 0 else FLOAT16_MAX


def extreme_count(total: int) -> int:
    """Return how many of a track's largest values `extreme_limit` needs."""
    return min(total, int((total - 1) * (1 - EXTREME_QUANTILE)) + 2) if total else 0
