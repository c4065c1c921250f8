"""Undo the transforms of targets on predictions, before statistics are taken.

Data of different tools transform differently and carry no mark of it, so the style is always
named, never guessed:

- "current" (this package, today's Basenji and Baskerville): `_sqrt` is -1 + sqrt(1 + y),
  `_exp75` is -1 + (1 + y)^0.75, the soft clip c - 1 + sqrt(y - c + 1), scale comes first;
- "old" (Baskerville's --transform_old): `_sqrt` is y^0.75, the soft clip c + sqrt(y - c),
  scale comes last;
- "basenji_sad" (to compare with basenji_sad.py, which takes `_sqrt` for -1 + (1 + y)^0.75
  whatever the data's age): else "current", and scale stays.

Hard clips cannot be undone.
"""

from collections.abc import Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.targets import Target

STYLES = ("current", "old", "basenji_sad")


def check_style(style: str, targets: Sequence[Target]) -> None:
    """Check that targets can be untransformed.

    Raises:
        ConfigError: unknown style, a target whose transform has no inverse or not this style.
    """
    if style not in STYLES:
        raise unknown("untransform style", style, STYLES)
    for target in targets:
        if target.sum_stat == "peak" or (style == "old" and target.sum_stat.endswith("_exp75")):
            raise ConfigError(
                f"cannot untransform target {target.identifier!r}: sum_stat "
                f"{target.sum_stat!r} has no inverse in style {style!r}"
            )


def untransform(values: np.ndarray, targets: Sequence[Target], style: str) -> np.ndarray:
    """Return predictions on the scale of the tracks: float32, the shape of `values`.

    Args:
        values: predictions [..., targets].
        targets: what the last axis holds.
        style: one of `STYLES`.

    Raises:
        ConfigError: as `check_style`.
    """
    check_style(style, targets)
    out = np.empty(values.shape, np.float32)
    for column, target in enumerate(targets):
        y = values[..., column].astype(np.float64)
        out[..., column] = _INVERSES[style](y, target)
    return out


def _current(y: np.ndarray, target: Target) -> np.ndarray:
    y = _unclipped(y, target)
    if target.sum_stat.endswith("_sqrt"):
        y = (1 + y) ** 2 - 1
    elif target.sum_stat.endswith("_exp75"):
        y = _power(1 + y) - 1
    return y / target.scale


def _basenji_sad(y: np.ndarray, target: Target) -> np.ndarray:
    y = _unclipped(y, target)
    return _power(1 + y) - 1 if target.sum_stat.endswith(("_sqrt", "_exp75")) else y


def _unclipped(y: np.ndarray, target: Target) -> np.ndarray:
    c = target.clip_soft
    return y if c is None else np.where(y > c, c - 1 + (y - c + 1) ** 2, y)


def _old(y: np.ndarray, target: Target) -> np.ndarray:
    y = y / target.scale
    if target.clip_soft is not None:
        c = target.clip_soft
        y = np.where(y > c, c + (y - c) ** 2, y)
    return _power(y) if target.sum_stat.endswith("_sqrt") else y


def _power(y: np.ndarray) -> np.ndarray:
    return np.maximum(y, 0) ** (4 / 3)


_INVERSES = {"current": _current, "old": _old, "basenji_sad": _basenji_sad}
