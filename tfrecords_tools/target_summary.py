"""What the targets of many records are like: means, extremes, clipped and missing bins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.targets import Target
from tfrecords_tools.transforms import hard_limit


@dataclass(frozen=True)
class TargetSummary:
    """One target over many records; what has no value is NaN.

    Attributes:
        identifier: of the target.
        bins: number of bins, whatever they hold.
        mean: of the finite bins.
        sd: their standard deviation, of the population.
        min: the least finite value.
        max: the largest finite value.
        zero_share: bins that are 0, of the finite ones.
        nan_share: bins that are NaN, of all.
        infinite: bins that are infinite.
        at_clip: bins at the hard clip, whose true value is unknown.
        above_clip_soft: bins above the soft clip.
    """

    identifier: str
    bins: int
    mean: float
    sd: float
    min: float
    max: float
    zero_share: float
    nan_share: float
    infinite: int
    at_clip: int
    above_clip_soft: int


class TargetSums:
    """Sums over records, added one by one, in float64.

    Args:
        targets: what the last axis of the values holds.
        style: of the data's transforms (`transforms.STYLES`), which decides what the hard and
            the soft clip are.
    """

    def __init__(self, targets: Sequence[Target], style: str = "current"):
        self._targets = tuple(targets)
        count = len(self._targets)
        self._limits = np.array([hard_limit(t, style) for t in self._targets])
        soft = [np.inf if t.clip_soft is None else t.clip_soft for t in self._targets]
        scale = np.array([t.scale if style == "old" else 1.0 for t in self._targets])
        self._soft, self._scale = np.array(soft), scale
        self._bins = 0
        self._finite = np.zeros(count, np.int64)
        self._mean, self._squares = np.zeros(count), np.zeros(count)
        self._min, self._max = np.full(count, np.inf), np.full(count, -np.inf)
        names = ("zero", "nan", "infinite", "at_clip", "above")
        self._counts = {name: np.zeros(count, np.int64) for name in names}

    def add(self, values: np.ndarray) -> None:
        """Add the bins of a record, or of several: float16 [..., targets]."""
        values = values.reshape(-1, len(self._targets))
        y = values.astype(np.float64)
        nan, infinite = np.isnan(y), np.isinf(y)
        found = ~(nan | infinite)
        known = np.where(found, y, 0)
        self._bins += len(y)
        self._merge(found.sum(axis=0), known, found)
        self._min = np.minimum(self._min, np.where(found, y, np.inf).min(axis=0))
        self._max = np.maximum(self._max, np.where(found, y, -np.inf).max(axis=0))
        for name, mask in (
            ("zero", y == 0),
            ("nan", nan),
            ("infinite", infinite),
            ("at_clip", np.abs(known) >= self._limits),
            ("above", known / self._scale > self._soft),
        ):
            self._counts[name] += mask.sum(axis=0)

    def _merge(self, count: np.ndarray, known: np.ndarray, found: np.ndarray) -> None:
        """Join the moments of a block with those before (Chan, Golub & LeVeque 1983)."""
        mean = known.sum(axis=0) / np.maximum(count, 1)
        squares = np.square(np.where(found, known - mean, 0)).sum(axis=0)
        total = np.maximum(self._finite + count, 1)
        delta = mean - self._mean
        self._squares += squares + delta**2 * self._finite * count / total
        self._mean += delta * count / total
        self._finite += count

    @property
    def at_clip(self) -> np.ndarray:
        """Bins at the hard clip so far, int64 [targets]."""
        return self._counts["at_clip"]

    def summaries(self) -> list[TargetSummary]:
        """Return a summary per target."""
        found = []
        for i, target in enumerate(self._targets):
            finite, counts = int(self._finite[i]), {k: int(v[i]) for k, v in self._counts.items()}
            known = finite > 0
            summary = TargetSummary(
                target.identifier,
                self._bins,
                float(self._mean[i]) if known else np.nan,
                float((self._squares[i] / finite) ** 0.5) if known else np.nan,
                float(self._min[i]) if known else np.nan,
                float(self._max[i]) if known else np.nan,
                counts["zero"] / finite if known else np.nan,
                counts["nan"] / self._bins if self._bins else np.nan,
                counts["infinite"],
                counts["at_clip"],
                counts["above"],
            )
            found.append(summary)
        return found
