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

from tfepi.variants.alternatives import Alternatives
from tfepi.variants.scores import NO_EFFECT, STATISTICS, score
from tfepi.variants.window_scores import WindowScores

_OF = {"sum": "SAD", "center": "SAD", "scd": "D2"}
CENTRED = ("sum", "center")
NAMES = (*_OF, *STATISTICS)


def no_effect(name: str) -> float:
    """Return what a statistic is at the sequence's own letter, before any centring."""
    return NO_EFFECT.get(name, 0.0)


def middle_bins(bins: int) -> list[int]:
    """Return the middle bin, or of an even number n/2 and n/2 + 1, as Basenji takes them."""
    return list(range(bins // 2, bins // 2 + 2 - bins % 2))


class Comparison:
    """The sequences as they are, with which changed ones are compared.

    Args:
        references: predictions for them, float32 [references, bins, targets].
    """

    def __init__(self, references: np.ndarray):
        self._middle = middle_bins(references.shape[1])
        self._scores = WindowScores(references, references.shape[1] // 2)

    def compare(self, names: Sequence[str], changed: Alternatives) -> dict[str, np.ndarray]:
        """Return the statistics named, `sum` and `center` not yet centred.

        Args:
            names: of statistics.
            changed: predictions for changed sequences, of these references.

        Returns:
            float32 [changes, targets] each; NaN where not defined.
        """
        all_bins = tuple(dict.fromkeys(_OF.get(n, n) for n in names if n != "center"))
        found = self._scores.score(all_bins, changed) if all_bins else {}
        if "center" in names:
            found["center"] = score(("SAD",), *self._scores.at(self._middle, changed), 0)["SAD"]
        return {n: found[n if n == "center" else _OF.get(n, n)] for n in names}


def centred(name: str, values: np.ndarray) -> np.ndarray:
    """Return values as the file holds them: float32 [positions, 4, targets]."""
    if name in CENTRED:
        exact = values.astype(np.float64)
        values = exact - exact.mean(axis=1, keepdims=True)
    return values.astype(np.float32)
