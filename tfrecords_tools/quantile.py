"""Quantile normalisation of signal by a sample of its positions, as Leopard does it.

Source: H. Li & Y. Guan, Genome Research 31:721 (2021), and the programs in `data/` of the authors'
repository GuanLab/Leopard.
"""

import warnings
import zlib
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import InputFileError

FITTED = 10  # largest pairs, whose line goes on above the sample


def sample_positions(chrom: str, length: int, interval: int, seed: int) -> np.ndarray:
    """Return random positions of a chromosome, one per `interval` bp, with replacement.

    A chromosome's positions depend on its own name and length, not on which others there are.

    Args:
        chrom: its name.
        length: bp.
        interval: bp.
        seed: of the random stream.

    Returns:
        int64 [ceil(length / interval)], 0-based, sorted.
    """
    key = (zlib.crc32(chrom.encode()),)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return np.sort(rng.integers(0, length, -(-length // interval)))


def resampled(values: np.ndarray, size: int) -> np.ndarray:
    """Return sorted values at `size` evenly spaced ranks, interpolated; the same for their number.

    Args:
        values: float [n], sorted.
        size: how many.
    """
    if len(values) == size:
        return values
    ranks = (np.arange(size) + 0.5) * (len(values) / size) - 0.5
    return np.interp(ranks, np.arange(len(values)), values)


def check_sample(sample: np.ndarray, track: str) -> None:
    """Check that a sorted sample has more than one value.

    Raises:
        InputFileError: it does not; `track` names whose it is.
    """
    if len(sample) and sample[0] < sample[-1]:
        return
    only = f"only the value {sample[0]:g}" if len(sample) else "no value"
    raise InputFileError(
        f"{track} has {only} at the positions sampled, so it cannot be normalised: leave it out, "
        "or sample more of them with a smaller --interval"
    )


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """A piecewise linear map of a track's signal onto that of a reference.

    Attributes:
        signal: knots, float64 [k], rising; the first is 0.
        normalised: what they become; the first is 0.
        slope, intercept: of the line above the last knot.
    """

    signal: np.ndarray
    normalised: np.ndarray
    slope: float
    intercept: float

    @classmethod
    def of(cls, sample: np.ndarray, reference: np.ndarray) -> "QuantileMap":
        """Return the map that gives a sample the distribution of a reference.

        Each distinct value of the sample is a knot; it becomes the mean of the reference over the
        ranks that the value takes. The least value's knot is (0, 0) instead. Above the sample's
        maximum goes on the line fitted to the ten largest pairs; if all ten have one value, the
        fit is that of least norm, as NumPy's `polyfit` gives it.

        Args:
            sample: float64 [n], sorted, of two values or more (`check_sample`), none negative.
            reference: float64 [m], sorted, not negative; `resampled` to n ranks.
        """
        reference = resampled(reference, len(sample))
        first = np.flatnonzero(np.diff(sample)) + 1
        means = np.add.reduceat(reference, first) / np.diff(first, append=len(sample))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.RankWarning)
            line = np.polyfit(sample[-FITTED:], reference[-FITTED:], 1)
        return cls(np.r_[0.0, sample[first]], np.r_[0.0, means], *map(float, line))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return float64 normalised values; NaN stays NaN."""
        out = np.interp(values, self.signal, self.normalised)
        above = values > self.signal[-1]
        out[above] = self.slope * values[above] + self.intercept
        return out
