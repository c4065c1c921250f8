"""The transforms of targets and their inverses, in float64.

Data of different tools transform differently and carry no mark of it, so the style is always
named, never guessed:

- "current" (this package, today's Basenji and Baskerville): scale comes first; `_sqrt` is
  -1 + sqrt(1 + y), `_exp75` is -1 + (1 + y)^0.75, the soft clip c - 1 + sqrt(y - c + 1), the
  hard clip last;
- "old" (Baskerville's --transform_old): `_sqrt` is y^0.75, the soft clip c + sqrt(y - c), the
  hard clip, and scale comes last.

Hard clips cannot be undone; nor can `peak`, which is a clip itself, or a threshold.
"""

from collections.abc import Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.pooling import FLOAT16_MAX
from tfrecords_tools.targets import Target

STYLES = ("current", "old")


def check_style(style: str, targets: Sequence[Target], styles: Sequence[str] = STYLES) -> None:
    """Check that targets can be untransformed.

    Raises:
        ConfigError: unknown style, a target whose transform has no inverse or not this style.
    """
    if style not in styles:
        raise unknown("untransform style", style, styles)
    for target in targets:
        if target.threshold is not None:
            raise ConfigError(
                f"cannot untransform target {target.identifier!r}: of its values only 0 and 1, "
                f"above threshold {target.threshold:g}, are left; leave the target out"
            )
        if target.sum_stat == "peak" or (style == "old" and target.sum_stat.endswith("_exp75")):
            raise ConfigError(
                f"cannot untransform target {target.identifier!r}: sum_stat "
                f"{target.sum_stat!r} has no inverse in style {style!r}; leave the target out"
            )


def inverse(y: np.ndarray, target: Target, style: str) -> np.ndarray:
    """Return float64 values on the scale of the track, of what a target stores.

    Args:
        y: stored values or predictions of one target, any shape.
        target: whose transform is undone.
        style: one of `STYLES`.
    """
    y = np.asarray(y, np.float64)
    if style == "old":
        y = y / target.scale
        if target.clip_soft is not None:
            c = target.clip_soft
            y = np.where(y > c, c + (y - c) ** 2, y)
        return power_inverse(y) if target.sum_stat.endswith("_sqrt") else y
    y = soft_inverse(y, target)
    if target.sum_stat.endswith("_sqrt"):
        y = (1 + y) ** 2 - 1
    elif target.sum_stat.endswith("_exp75"):
        y = power_inverse(1 + y) - 1
    return y / target.scale


def soft_inverse(y: np.ndarray, target: Target) -> np.ndarray:
    """Undo the current soft clip."""
    c = target.clip_soft
    return y if c is None else np.where(y > c, c - 1 + (y - c + 1) ** 2, y)


def power_inverse(y: np.ndarray) -> np.ndarray:
    """Undo y^0.75; what is below 0, where that has no value, becomes 0."""
    return np.maximum(y, 0) ** (4 / 3)


def forward(x: np.ndarray, target: Target, style: str) -> np.ndarray:
    """Return float64 values as a target stores them, before rounding to float16.

    Args:
        x: pooled values of one target on the scale of the track, any shape; NaN stays.
        target: clip, clip_soft, scale and sum_stat.
        style: one of `STYLES`.

    Raises:
        InputFileError: a value of which `sum_stat` cannot take a root.
    """
    y = np.asarray(x, np.float64)
    if style == "current":
        y = y * target.scale
    y = _power(y, target, style)
    c = target.clip_soft
    if c is not None:
        if style == "old":
            y = np.where(y > c, c + np.sqrt(np.maximum(y - c, 0)), y)
        else:
            y = np.where(y > c, c - 1 + np.sqrt(np.maximum(y - c + 1, 0)), y)
    if target.clip is not None:
        y = np.clip(y, -target.clip, target.clip)
    if style == "old":
        y = y * target.scale
    return np.clip(y, -FLOAT16_MAX, FLOAT16_MAX)


def check_stored(y: np.ndarray, target: Target, style: str) -> None:
    """Check that stored values of a target are what its transforms can give.

    Raises:
        InputFileError: infinity, or a value below the least that `sum_stat` gives.
    """
    if np.isinf(y).any():
        raise InputFileError(
            f"target {target.identifier!r} has an infinite value, an overflow of float16: "
            "build the data again with a smaller scale or with clip"
        )
    _check_root(y / target.scale if style == "old" else y, target, style)


def lowest(target: Target, style: str) -> float:
    """Return the least value that a target's statistic takes a root of, and that it gives."""
    if not target.sum_stat.partition("_")[2]:
        return -np.inf
    return 0.0 if style == "old" else -1.0


def _check_root(y: np.ndarray, target: Target, style: str) -> None:
    least = np.nanmin(y, initial=np.inf)
    if least < lowest(target, style):
        raise InputFileError(
            f"target {target.identifier!r} has a value of {least:.6g}, but {target.sum_stat!r} "
            f"in style {style!r} takes a root of values from {lowest(target, style):g}"
        )


def _power(y: np.ndarray, target: Target, style: str) -> np.ndarray:
    power = target.sum_stat.partition("_")[2]
    if not power:
        return y
    _check_root(y, target, style)
    if style == "old":
        return y**0.75
    return np.sqrt(1 + y) - 1 if power == "sqrt" else (1 + y) ** 0.75 - 1


def hard_limit(target: Target, style: str) -> np.float16:
    """Return the absolute value of a stored bin whose true value the hard clip may have taken."""
    limit = FLOAT16_MAX if target.clip is None else target.clip
    if style == "old":
        limit *= abs(target.scale)
    return np.float16(min(limit, FLOAT16_MAX))
