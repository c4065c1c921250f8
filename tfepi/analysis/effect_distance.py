"""How an effect falls off with distance: its mean, its cumulative share, and widths of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.evaluation.bootstrap import interval, multiplicities
from tfrecords_tools.errors import ConfigError

MASSES = (0.5, 0.8, 0.9, 0.95, 0.99)
THRESHOLDS = (0.5, 0.1, 0.01)


@dataclass(frozen=True)
class EffectDistance:
    """Size of effects against distance from the TSS.

    Attributes:
        distance: ascending, bp.
        away: whether what lies there is away from the TSS.
        count: effects at each.
        mean: of their sizes |effect|.
        median: likewise.
        signed: mean of the effects themselves.
        low: of the mean over genes, lower end of its interval; NaN where there is none.
        high: upper end.
        cumulative: share of the size of all effects away from the TSS that lies no further; NaN
            at the TSS, and all NaN where there is no effect.
    """

    distance: np.ndarray
    away: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    median: np.ndarray
    signed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cumulative: np.ndarray

    def mass_width(self, share: float) -> int | None:
        """Return the distance within which a share of the size lies; None without any effect."""
        known = np.flatnonzero(self.cumulative >= share)
        return int(self.distance[known[0]]) if len(known) else None

    def threshold_width(self, share: float) -> int | None:
        """Return the largest distance with a mean size of at least a share of the largest.

        Of the largest away from the TSS, that is; None without any effect.
        """
        top = self.mean[self.away].max(initial=0)
        known = np.flatnonzero(self.away & (self.mean >= share * top)) if top > 0 else ()
        return int(self.distance[known[-1]]) if len(known) else None

    @property
    def non_zero(self) -> int | None:
        """The largest distance at which any effect differs from 0; None: nowhere."""
        known = np.flatnonzero(self.mean > 0)
        return int(self.distance[known[-1]]) if len(known) else None

    def to_json(self) -> dict:
        """Return the widths, bp, as JSON."""
        return {
            "mass_within": {str(s): self.mass_width(s) for s in MASSES},
            "mean_above": {str(s): self.threshold_width(s) for s in THRESHOLDS},
            "non_zero": self.non_zero,
        }


def effect_distance(
    gene: np.ndarray,
    distance: np.ndarray,
    effect: np.ndarray,
    promoter: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 44,
) -> EffectDistance:
    """Return the size of effects by distance.

    The cumulative share is of the mean sizes, of which one on either side of the TSS counts twice.

    Args:
        gene: number of each effect's gene, from 0, [n].
        distance: from the TSS, bp, of either sign, [n].
        effect: [n]; NaN is left out.
        promoter: what lies no further from the TSS, bp, is at it, not away from it.
        resamples: of genes, for the interval of a mean; 0 for none. Of one gene there is none.
        level: of the interval.
        seed: of the resampling.

    Raises:
        ConfigError: no effect is a number.
    """
    known = np.isfinite(effect)
    if not known.any():
        raise ConfigError("no effect is a finite number: nothing to draw against distance")
    gene, side, effect = gene[known], distance[known], effect[known]
    far, size = np.abs(side), np.abs(effect)
    places = np.unique(far)
    groups = [np.flatnonzero(far == d) for d in places]
    mean = np.array([size[g].mean() for g in groups])
    sides = np.array([len(np.unique(side[g])) for g in groups])
    away = places > promoter
    mass = np.where(away, mean * sides, 0)
    total = mass.sum()
    cumulative = np.where(away, np.cumsum(mass) / total if total else np.nan, np.nan)
    low, high = _intervals(gene, size, groups, resamples, level, seed)
    return EffectDistance(
        places,
        away,
        np.array([len(g) for g in groups]),
        mean,
        np.array([np.median(size[g]) for g in groups]),
        np.array([effect[g].mean() for g in groups]),
        low,
        high,
        cumulative,
    )


def _intervals(
    gene: np.ndarray,
    size: np.ndarray,
    groups: Sequence[np.ndarray],
    resamples: int,
    level: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of intervals of means over resampled genes, NaN where there are none."""
    numbers, index = np.unique(gene, return_inverse=True)
    low, high = np.full((2, len(groups)), np.nan)
    if len(numbers) < 2 or not resamples:
        return low, high
    draws = multiplicities(len(numbers), resamples, seed)
    for place, group in enumerate(groups):
        sums = np.bincount(index[group], size[group], len(numbers))
        counts = np.bincount(index[group], minlength=len(numbers))
        with np.errstate(invalid="ignore"):
            ends = interval((draws @ sums) / (draws @ counts), level)
        if ends is not None:
            low[place], high[place] = ends
    return low, high
