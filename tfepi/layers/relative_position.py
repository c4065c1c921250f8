"""Features of relative distance that attention turns into positional keys."""

import numpy as np


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
