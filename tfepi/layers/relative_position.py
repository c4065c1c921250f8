"""Features of relative distance that attention turns into positional keys."""

from functools import cache

import numpy as np
from scipy.special import gammaln, xlogy

from tfrecords_tools.errors import ConfigError

BASES = ("basenji", "enformer")


@cache
def position_features(
    basis: str,
    length: int,
    features: int,
    scale_length: int | None = None,
    symmetric: bool = False,
) -> np.ndarray:
    """Return the features of each relative distance, computed once for the same arguments.

    Args:
        basis: "basenji" (`central_mask_features`) or "enformer" (`enformer_features`).
        length, features, scale_length, symmetric: as these have them.

    Returns:
        float32 [2·length − 1, features], for the distances −length + 1 … length − 1; read only.
    """
    if basis == "enformer":
        found = enformer_features(length, features, scale_length, symmetric).astype(np.float32)
    else:
        found = central_mask_features(length, features, scale_length, symmetric)
    found.flags.writeable = False
    return found


def enformer_features(
    length: int, features: int, scale_length: int | None = None, symmetric: bool = False
) -> np.ndarray:
    """Return Enformer's basis: exponentials, central masks and gamma densities of |distance|.

    Of n features of each kind, i = 1…n, at distance d, L the length:
    exponential exp(−ln 2·|d| / h), h from 2³ to L evenly on the log scale; central mask 1 where
    |d| < 2^i − 1; gamma density of mean m and standard deviation L / 2n, m from L / n to L evenly,
    plus 1e-8, divided by its largest value over all distances. The asymmetric half is the same
    times sign(d). (Avsec et al. 2021, methods, "Relative positional encodings"; the released
    code.) In float32 the gamma densities of long sequences are off by 2e-3: this is in float64.

    Args:
        length: positions of the sequence.
        features: number of features, a multiple of 6, or of 3 if symmetric.
        scale_length: L, where it is not `length`.
        symmetric: leave the asymmetric half out.

    Returns:
        float64 [2·length − 1, features], for the distances −length + 1 … length − 1.

    Raises:
        ConfigError: another number of features.
    """
    kinds = 3 if symmetric else 6
    if features % kinds:
        raise ConfigError(
            f"attention: {features} position features, want a multiple of {kinds}: Enformer's are "
            "of three kinds" + ("" if symmetric else ", each with and without the distance's sign")
        )
    count, scale = features // kinds, float(scale_length or length)
    distances = np.arange(1 - length, length, dtype=np.float64)[:, None]
    away = np.abs(distances)
    half_lives = 2.0 ** np.linspace(3, np.log2(scale), count)
    exponential = np.exp(-np.log(2) * away / half_lives)
    mask = (2.0 ** np.arange(1, count + 1) - 1 > away).astype(np.float64)
    deviation = scale / (2 * count)
    mean = np.linspace(scale / count, scale, count)
    shape, rate = (mean / deviation) ** 2, mean / deviation**2
    log_density = xlogy(shape - 1, away) - rate * away - gammaln(shape) + shape * np.log(rate)
    density = np.exp(log_density) + 1e-8
    gamma = density / density.max(axis=0)
    found = np.concatenate([exponential, mask, gamma], axis=1)
    return found if symmetric else np.concatenate([found, np.sign(distances) * found], axis=1)


def central_mask_features(
    length: int, features: int, scale_length: int | None = None, symmetric: bool = False
) -> np.ndarray:
    """Return indicators of distances below widths that grow geometrically up to the sequence's.

    Feature i = 1…n of distance d is 1 where |d| < (L + 1)^(i/n) − 1, else 0; the asymmetric
    half is the same times sign(d), n being half of `features`. This is Basenji's basis
    (Enformer's central mask has the widths 2^i − 1), in float32 with its order of operations,
    so that a width that meets a distance exactly falls on the same side.

    Args:
        length: positions of the sequence.
        features: number of features; an even one unless symmetric.
        scale_length: L, where it is not `length`: the length that a model was trained with.
        symmetric: leave the asymmetric half out; n is then `features`.

    Returns:
        float32 [2·length − 1, features], for the distances −length + 1 … length − 1.
    """
    count = features if symmetric else features // 2
    base = np.float32(np.exp(np.log((scale_length or length) + 1) / count))
    widths = base ** np.arange(1, count + 1, dtype=np.float32) - 1
    distances = np.arange(1 - length, length, dtype=np.float32)[:, None]
    mask = (np.abs(distances) < widths).astype(np.float32)
    return mask if symmetric else np.concatenate([mask, np.sign(distances) * mask], axis=1)
