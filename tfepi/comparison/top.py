"""The variants with the largest scores, under any weights, where ties have no order."""

import numpy as np


class Largest:
    """Sizes sorted once, cut anywhere under any weights.

    Args:
        sizes: |score| of each variant, float [n], no NaN.

    Attributes:
        alone: whether no other variant has its size, bool [n].
    """

    def __init__(self, sizes: np.ndarray):
        _, level = np.unique(-np.asarray(sizes, float), return_inverse=True)
        self._level = level
        self.alone = np.bincount(level)[level] == 1

    def shares(self, weights: np.ndarray, share: float) -> np.ndarray:
        """Return which part of each variant is among a share of all with the largest sizes.

        A variant that counts w times is w variants of equal size. Of variants with equal sizes
        each is among them with the same chance, so that no order of the file decides.

        Args:
            weights: how often each variant counts, [n].
            share: of their sum that is taken, 0 to 1.

        Returns:
            float64 [n], 0 to 1; weights times it sum to the share.
        """
        held = np.bincount(self._level, weights)
        wanted = share * held.sum()
        before = np.cumsum(held) - held
        with np.errstate(invalid="ignore", divide="ignore"):
            taken = np.clip((wanted - before) / held, 0, 1)
        return np.where(held > 0, taken, 0)[self._level]


def top_statistics(
    first: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray,
    alone: np.ndarray,
    agree: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> dict[str, float]:
    """Return how two sets of variants overlap.

    Args:
        first, second: part of each variant that is in the set, as of `Largest.shares`; both sets
            are equally large.
        weights: how often each variant counts.
        alone: whether it has the size of no other by either score. Then only copies of itself are
            cut apart, which are the same ones in both sets; ties of others are broken anew in each.
        agree: whether both scores have the same sign.
        known: whether both have a sign.

    Returns:
        "overlap", share of a set that is in the other; "jaccard", of their union; "sign", share of
        the union, among those with both signs, where they agree; "signs", how many those are. NaN
        where undefined.
    """
    size = float(weights @ first)
    shared = np.where(alone, np.minimum(first, second), first * second)
    both = float(weights @ shared)
    found = {
        "overlap": both / size if size else float("nan"),
        "jaccard": both / (2 * size - both) if size else float("nan"),
    }
    if agree is not None:
        either = weights * (first + second - shared) * known
        count = float(either.sum())
        found["sign"] = float(either @ agree) / count if count else float("nan")
        found["signs"] = count
    return found
