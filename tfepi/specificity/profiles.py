"""A peak's profile: how open it is in each cell type, beside the one where it is most open."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.quantile import QuantileMap

NORMALISATIONS = ("quantile", "scale", "none")
_SHOWN = 3  # cell types in a message


@dataclass(frozen=True)
class Profiles:
    """Profiles of the peaks that have one.

    Attributes:
        rows: numbers of these peaks among all, int64 [n].
        logged: log2(x + 1) of their signal, normalised, float64 [n, cell types].
        share: the same over each peak's highest, float64 [n, cell types], 0 to 1.
        missing: numbers of peaks left out because a cell type has no value there, int64.
        empty: numbers of peaks left out because no cell type has signal there, int64.
    """

    rows: np.ndarray
    logged: np.ndarray
    share: np.ndarray
    missing: np.ndarray
    empty: np.ndarray


def profiles(signal: np.ndarray, cell_types: Sequence[str], how: str = "quantile") -> Profiles:
    """Return the profiles of peaks.

    Cell types differ in depth and in enrichment. "quantile" gives every cell type the same
    distribution over peaks, the mean of them all (of log2(x + 1); 0 stays 0); "scale" gives each
    the same mean of x; "none" leaves x.

    Args:
        signal: of peaks [peaks, cell types]; NaN is missing.
        cell_types: names.
        how: one of `NORMALISATIONS`.

    Raises:
        ConfigError: an unknown normalisation.
        InputFileError: negative signal, a cell type without signal in any peak, or no peak left.
    """
    if how not in NORMALISATIONS:
        raise unknown("normalisation", how, NORMALISATIONS)
    signal = np.asarray(signal, np.float64)
    absent = np.isnan(signal).any(axis=1)
    if absent.all():
        lacking = np.isnan(signal).sum(axis=0)
        each = [f"{c} {n}" for c, n in zip(cell_types, lacking.tolist(), strict=True) if n]
        more = f", … ({len(each)} cell types)" if len(each) > _SHOWN else ""
        raise InputFileError(
            f"no peak of {len(signal)} has a value in every cell type; missing in "
            f"{', '.join(each[:_SHOWN])}{more}: leave out cell types without values with -t, or "
            "give peaks where the data are"
        )
    if (signal[~absent] < 0).any():
        row, column = np.argwhere(np.nan_to_num(signal) < 0)[0]
        raise InputFileError(
            f"{cell_types[column]} has signal {signal[row, column]:.4g} in peak {row}: log2(x + 1) "
            "of a profile wants coverage, which is not negative"
        )
    silent = ~absent & (np.nan_to_num(signal) <= 0).all(axis=1)
    rows = np.flatnonzero(~absent & ~silent)
    x = signal[rows]
    for column, cell in enumerate(cell_types):
        if not len(rows) or x[:, column].max() <= 0:
            others = len(signal) - len(rows)
            left = f" ({others} more have no value or no signal anywhere)" if others else ""
            raise InputFileError(
                f"{cell} has no signal in any of {len(rows)} peaks{left}: leave it out with -t, or "
                "give peaks that are open in it, too"
            )
    logged = _normalised(x, how)
    highest = logged.max(axis=1, keepdims=True)
    left = np.flatnonzero(absent), np.flatnonzero(silent)
    return Profiles(rows, logged, logged / highest, *left)


def _normalised(x: np.ndarray, how: str) -> np.ndarray:
    if how == "scale":
        means = x.mean(axis=0)
        x = x * (means.mean() / means)
    logged = np.log2(x + 1)
    if how != "quantile":
        return logged
    ordered = np.sort(logged, axis=0)
    if (ordered[0] == ordered[-1]).any():
        raise ConfigError(
            "a cell type has the same signal in every peak, which has no quantiles: leave it out, "
            "or use --normalise scale"
        )
    reference = ordered.mean(axis=1)
    columns = zip(logged.T, ordered.T, strict=True)
    return np.stack([QuantileMap.of(own, reference)(column) for column, own in columns], axis=1)


def tau(profile: np.ndarray) -> np.ndarray:
    """Return the specificity index tau of profiles: 0 is alike everywhere, 1 is one cell type only.

    τ = Σ (1 − x_i / max x) / (n − 1). Source: Yanai et al. 2005, Bioinformatics 21:650.

    Args:
        profile: not negative, [..., cell types], at least two of them.

    Returns:
        float64 [...]; NaN where the highest is 0.
    """
    profile = np.asarray(profile, np.float64)
    highest = profile.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(highest > 0, profile / highest, np.nan)
    return (1 - share).sum(axis=-1) / (profile.shape[-1] - 1)
