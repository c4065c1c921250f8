"""The original tools' arithmetic, for data that must equal theirs (`--compat`).

Basenji ("basenji"), Baskerville ("hound", and "hound_old" with its --transform_old) agree with the
default pipeline in its steps (`pooling`) but not in the type that each step is computed in, in
the blacklisted intervals they skip, nor in what they do with values beyond float16. Here each step
is computed in the type that NumPy 1 gave it there, window by window; where they would write
something that is no number, or stop with a traceback, there is an error instead.
"""

from dataclasses import replace

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.pooling import BASELINE_MIN_BINS, FLOAT16_MAX, Pooling, interpolated
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import BedTrack, HDF5Track, Track

TOOLS = ("basenji", "hound", "hound_old")
_COMMON = ("sum", "mean", "avg", "max", "peak", "sum_sqrt", "mean_sqrt", "avg_sqrt")
SUM_STATS = {"basenji": _COMMON, "hound": (*_COMMON, "sum_exp75"), "hound_old": _COMMON}
_HALF_SCALARS = 65_000  # a number from here on made NumPy 1 widen a float16 array
_EXTREME_PERCENT = 100 * 0.9999999


def six_decimals(number: float) -> float:
    """Return a number as it passes through a command line, where the originals write "%f"."""
    return float(f"{number:f}")


def given(target: Target, tool: str) -> Target:
    """Return a target as a tool takes it, its numbers rounded to six decimals.

    Raises:
        ConfigError: a statistic the tool does not know, a threshold or a NaN policy, which it
            does not have, a number of which nothing is left.
    """
    if target.sum_stat not in SUM_STATS[tool]:
        raise ConfigError(
            f"target {target.identifier!r} has sum_stat {target.sum_stat!r}, which --compat {tool} "
            f"does not have: use one of {', '.join(SUM_STATS[tool])}, or leave --compat out"
        )
    if target.threshold is not None:
        raise ConfigError(
            f"target {target.identifier!r} has threshold {target.threshold}, which --compat {tool} "
            "does not have: leave one of the two out"
        )
    if target.nan == "keep":
        raise ConfigError(
            f"target {target.identifier!r} has the NaN policy 'keep', which --compat {tool} does "
            "not have: use zero or interpolate, or leave --compat out"
        )
    rounded = {}
    for name in ("clip", "clip_soft", "scale"):
        number = getattr(target, name)
        if number is not None:
            rounded[name] = six_decimals(number)
            if not rounded[name]:
                raise ConfigError(
                    f"target {target.identifier!r} has {name} {number}, of which --compat {tool} "
                    "keeps six decimals, 0: use a larger one, or leave --compat out"
                )
    return replace(target, **rounded)


def check_track(target: Target, track: Track, bins: int, tool: str) -> None:
    """Refuse a track that a tool cannot read.

    Raises:
        ConfigError: a BED for Basenji, with bins enough that it takes the window's median.
    """
    if tool == "basenji" and isinstance(track, BedTrack) and bins >= BASELINE_MIN_BINS:
        raise ConfigError(
            f"track {target.file} is a BED: --compat basenji takes those in windows of fewer than "
            f"{BASELINE_MIN_BINS} bins only, here {bins}; use --compat hound, or leave it out"
        )


def read(track: Track, chrom: str, start: int, end: int, tool: str) -> np.ndarray:
    """Return a stretch of a track in the type that a tool computes with.

    A bigWig is rounded to float16, where values beyond its range become infinite; an HDF5 file
    is taken as it is.
    """
    values = track.values(chrom, start, end)  # which says what is wrong with a file
    if isinstance(track, HDF5Track):
        import h5py

        with h5py.File(track.path, "r") as file:
            values = file[chrom][start:end]
        if tool == "basenji":
            return values
        return np.clip(values, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float32)
    if isinstance(track, BedTrack):
        return values.astype(bool) if tool == "basenji" else values
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if tool == "basenji" else half.astype(np.float32)


def stretch_values(
    values: np.ndarray,
    offsets: np.ndarray,
    length: int,
    pooling: Pooling,
    blacklist: np.ndarray,
    tool: str,
) -> np.ndarray:
    """Return the bins of many windows of one stretch.

    Args:
        values: what `read` returns.
        offsets: int [n], each window's start in the stretch.
        length: window length, bp.
        pooling: what to do.
        blacklist: int [m, 2] spans in stretch coordinates (with margin), not merged.
        tool: whose arithmetic.

    Returns:
        float16 [n, length // bin_width].

    Raises:
        InputFileError: a bin that is no number.
    """
    out = np.empty((len(offsets), length // pooling.bin_width), np.float16)
    with np.errstate(over="ignore", invalid="ignore"):
        for row, start in enumerate(offsets.tolist()):
            touching = (blacklist[:, 0] < start + length) & (blacklist[:, 1] > start)
            spans = blacklist[touching] - start
            out[row] = window_values(values[start : start + length], pooling, spans, tool)
    if np.isnan(out).any():
        raise InputFileError(
            f"track {pooling.target.file or pooling.target.identifier} gives a bin that is no "
            f"number under --compat {tool}: {pooling.target.sum_stat!r} takes the root of a "
            "negative value, or infinities cancel; use another sum_stat, or leave --compat out"
        )
    return out


def window_values(
    values: np.ndarray, pooling: Pooling, blacklist: np.ndarray, tool: str
) -> np.ndarray:
    """Return the bins of one window: float16 [length // bin_width].

    Args:
        values: of the window, in the type that `read` gives; left as they are.
        pooling: what to do.
        blacklist: int [n, 2] spans that touch the window, in its coordinates (with margin).
        tool: whose arithmetic.
    """
    x = values.copy()
    target, bins = pooling.target, len(x) // pooling.bin_width
    missing = np.isnan(x)
    if pooling.nan == "interpolate" and missing.any():
        x = interpolated(x.astype(np.float64), missing)
        missing[:] = False
    if len(blacklist):
        baseline = 0
        if bins >= BASELINE_MIN_BINS and not missing.any():
            baseline = np.nan_to_num(percentile(x, 50.0))
        for start, end in blacklist:  # a start before the window counts from the window's end
            x[start:end] = np.clip(x[start:end], -baseline, baseline)
    x[missing] = 0
    if tool != "hound_old":
        x = target.scale * _holding(x, target.scale)
    y = _transformed(x.reshape(bins, pooling.bin_width), target, tool == "hound_old")
    return np.clip(y, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)


def _transformed(x: np.ndarray, target: Target, old: bool) -> np.ndarray:
    """Pool [bins, width], take the statistic's power, clip softly, then hard."""
    base, _, power = target.sum_stat.partition("_")
    if base == "max":
        y = x.max(axis=1)
    else:
        # Cast on the way, NumPy adds 8192 numbers at a time; NumPy 1 did so of any type.
        method = np.sum if base == "sum" else np.mean
        y = method(x.astype(np.float64), axis=1, dtype=np.float32)
    if power and old:
        y = y**0.75
    elif power == "sqrt":
        y = -1 + np.sqrt(1 + y)
    elif power == "exp75":
        y = -1 + (1 + y) ** 0.75
    elif base == "peak":
        y = np.clip(np.sqrt(y * 4), 0, 1)
    if target.clip_soft is not None:
        soft, y = target.clip_soft, _holding(y, target.clip_soft)
        high = y > soft
        if old:
            y[high] = soft + np.sqrt(y[high] - soft)
        else:
            y[high] = soft - 1 + np.sqrt(y[high] - soft + 1)
    if target.clip is not None:
        y = np.clip(_holding(y, target.clip), -target.clip, target.clip)
    return target.scale * y if old else y


def _holding(x: np.ndarray, number: float) -> np.ndarray:
    """Return float16 values in the type that NumPy 1 gave them beside a number."""
    wide = x.dtype == np.float16 and abs(number) >= _HALF_SCALARS
    return x.astype(np.float32) if wide else x


def percentile(x: np.ndarray, percent: float) -> np.ndarray:
    """Return a percentile along the first axis as NumPy 1 computes it.

    The difference of the two values beside it is taken in their own type, the rest in float64.
    """
    below, share = _place(len(x), percent)
    above = min(below + 1, len(x) - 1)
    part = np.partition(x, (below, above), axis=0)
    return _between(part[below], part[above], share)


def extreme_limit(largest: np.ndarray, total: int) -> float:
    """Return the 99.99999th percentile of a track from its largest values.

    Args:
        largest: the largest values, at least `pooling.extreme_count(total)` of them.
        total: number of values of the whole track.
    """
    ordered = np.sort(np.asarray(largest, np.float16))[::-1]
    below, share = _place(total, _EXTREME_PERCENT)
    rank = min(total - 1 - below, len(ordered) - 1)
    return float(_between(ordered[rank], ordered[max(rank - 1, 0)], share))


def _place(count: int, percent: float) -> tuple[int, np.float64]:
    """Return the order statistic below a percentile, and how far towards the next it lies."""
    index = (count - 1) * np.true_divide(percent, 100)
    below = int(index)
    return below, index - below


def _between(low: np.ndarray, high: np.ndarray, share: np.float64) -> np.ndarray:
    gap = high - low
    return high - gap * (1 - share) if share >= 0.5 else low + gap * share


def limit_unmappable(values: np.ndarray, unmappable: np.ndarray, quantile: float) -> None:
    """Limit a window's unmappable bins to a quantile of each target over the window, in place.

    Args:
        values: float16 [bins, targets].
        unmappable: bool [bins].
        quantile: of the window.
    """
    ceiling = percentile(values, 100 * quantile)
    values[unmappable] = np.minimum(values[unmappable], ceiling)
