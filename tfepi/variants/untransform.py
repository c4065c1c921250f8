"""Undo the transforms of targets on predictions, before statistics are taken.

The styles are those of `tfrecords_tools.transforms` and "basenji_sad", to compare with
basenji_sad.py, which takes `_sqrt` for -1 + (1 + y)^0.75 whatever the data's age: else
"current", and scale stays.
"""

from collections.abc import Sequence

import numpy as np

from tfrecords_tools import transforms
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, is_numbered

STYLES = (*transforms.STYLES, "basenji_sad")


def check_style(style: str, targets: Sequence[Target]) -> None:
    """Check that targets can be untransformed.

    Raises:
        ConfigError: unknown style, a target whose transform has no inverse or not this style,
            targets that are only numbered.
    """
    transforms.check_style(style, targets, STYLES)
    if any(map(is_numbered, targets)):
        raise ConfigError(
            "--untransform needs each target's sum_stat, clip_soft and scale, but of some outputs "
            "of the model only the number is known: give the targets table of its training data "
            "(targets.txt) with -t"
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
        out[..., column] = _inverse(y, target, style)
    return out


def _inverse(y: np.ndarray, target: Target, style: str) -> np.ndarray:
    if style != "basenji_sad":
        return transforms.inverse(y, target, style)
    y = transforms.soft_inverse(y, target)
    power = target.sum_stat.endswith(("_sqrt", "_exp75"))
    return transforms.power_inverse(1 + y) - 1 if power else y
