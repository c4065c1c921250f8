"""Peaks called from the signal itself, where nobody called any.

Deliberately simple: a bin is open in a cell type if its value is above a threshold, which is a
quantile of that cell type's bins above 0, or a number given for all. Open bins that touch are one
peak. Without a control this is no substitute for a peak caller.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Regions, merge_array

_FLOAT16 = 1 << 16


@dataclass(frozen=True)
class CallRule:
    """When a bin is open.

    Attributes:
        quantile: of a cell type's bins above 0 that is its threshold.
        threshold: the same value for all cell types instead, or None.
        width: bp of a bin.
    """

    quantile: float = 0.98
    threshold: float | None = None
    width: int = 192

    @classmethod
    def of(cls, quantile: float | None, threshold: float | None, width: int | None) -> "CallRule":
        """Return the rule of options, None of which has its default.

        Raises:
            ConfigError: both a quantile and a threshold; or as of the rule.
        """
        if quantile is not None and threshold is not None:
            raise ConfigError(
                f"--quantile {quantile:g} and --threshold {threshold:g} are two ways to call "
                "peaks: leave one out"
            )
        given = {"quantile": quantile, "threshold": threshold, "width": width}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def __post_init__(self):
        if not 0 < self.quantile < 1:
            raise ConfigError(f"--quantile is {self.quantile}: want a number between 0 and 1")
        if self.threshold is not None and not self.threshold >= 0:
            raise ConfigError(f"threshold is {self.threshold}: want a number of at least 0")
        if self.width < 1:
            raise ConfigError(f"width is {self.width}: want a positive number of bp")


def threshold_of(counts: np.ndarray, rule: CallRule, cell_type: str) -> float:
    """Return the value above which a cell type's bins are open.

    Args:
        counts: how often each float16 number is a bin's value, int64 [65536], by its bits.
        rule: when a bin is open.
        cell_type: for messages.

    Raises:
        InputFileError: no bin is above 0.
    """
    if rule.threshold is not None:
        return rule.threshold
    numbers = np.arange(_FLOAT16, dtype=np.uint16).view(np.float16).astype(np.float64)
    positive = np.flatnonzero((numbers > 0) & np.isfinite(numbers))  # bits ascend with the number
    below = np.cumsum(counts[positive])
    if not below[-1]:
        raise InputFileError(
            f"no bin of {cell_type!r} has signal above 0, on the chromosomes asked for: leave the "
            "cell type out with -t, or name other chromosomes with --chroms"
        )
    return float(numbers[positive[np.searchsorted(below, rule.quantile * below[-1])]])


def value_counts(values: np.ndarray) -> np.ndarray:
    """Return how often each float16 number is there, int64 [65536], by its bits."""
    bits = np.ascontiguousarray(values, np.float16).ravel().view(np.uint16)
    return np.bincount(bits, minlength=_FLOAT16)


def joined_bins(found: Iterable[tuple[str, np.ndarray]], width: int) -> Regions:
    """Return open bins, those that touch joined.

    Args:
        found: chromosome and starts of open bins; a chromosome may come again.
        width: bp.
    """
    starts: dict[str, list[np.ndarray]] = {}
    for chrom, start in found:
        if len(start):
            starts.setdefault(chrom, []).append(np.asarray(start, np.int64))
    regions = {}
    for chrom, parts in starts.items():
        start = np.concatenate(parts)
        regions[chrom] = merge_array(np.stack([start, start + width], axis=1))
    return regions
