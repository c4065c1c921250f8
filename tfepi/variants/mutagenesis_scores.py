"""Statistics of saturation mutagenesis: those of variants, and Basenji's own three.

Every statistic compares the sequence with a letter changed to the sequence as it is:

- those of `scores`: REF is the sequence as it is, ALT the changed one; the sequence's own letter
  has the value of no effect (0; REF_RATIO 0.5);
- `sum`: sum of predictions over bins, less its mean over the four letters of the position;
- `center`: the same of the middle bin, or of bins n/2 and n/2 + 1 of an even n;
- `scd`: Basenji's name of D2.
"""

from collections.abc import Sequence

import numpy as np

from tfepi.variants.scores import NO_EFFECT, STATISTICS, score

_OF = {"sum": "SAD", "center": "SAD", "scd": "D2"}
CENTRED = ("sum", "center")
NAMES = (*_OF, *STATISTICS)


def no_effect(name: str) -> float:
    """Return what a statistic is at the sequence's own letter, before any centring."""
    return NO_EFFECT.get(name, 0.0)


def compare(names: Sequence[str], own: np.ndarray, changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics named, `sum` and `center` not yet centred.

    Args:
        names: of statistics.
        own: predictions of the sequence as it is, float [bins, targets].
        changed: of changed sequences, float [changes, bins, targets].

    Returns:
        float32 [changes, targets] each; NaN where not defined.
    """
    bins = own.shape[0]
    middle = bins // 2
    inner = slice(middle, middle + 2 - bins % 2)
    whole = tuple(dict.fromkeys(_OF.get(n, n) for n in names if n != "center"))
    found = score(whole, own[None], changed, middle) if whole else {}
    if "center" in names:
        found["center"] = score(("SAD",), own[None, inner], changed[:, inner], 0)["SAD"]
    return {n: found[n if n == "center" else _OF.get(n, n)] for n in names}


def centred(name: str, values: np.ndarray) -> np.ndarray:
    """Return values as the file holds them: float32 [positions, 4, targets]."""
    if name in CENTRED:
        exact = values.astype(np.float64)
        values = exact - exact.mean(axis=1, keepdims=True)
    return values.astype(np.float32)
