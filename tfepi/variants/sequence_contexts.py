"""Classes of a genome's bases by what lies around them, so that like can be drawn for like."""

import numpy as np

from tfrecords_tools.genome import UNKNOWN

CONTEXTS = ("trinucleotide", "gc")
GC_WINDOW = 200  # bp around a base
_GC_BINS = 20
LETTERS = "ACGT"


def classes_of(kind: str | None) -> int:
    """Return how many classes a kind has."""
    return {None: 1, "trinucleotide": 64, "gc": _GC_BINS}[kind]


def flank_of(kind: str | None) -> int:
    """Return how many bases at each side of a base decide its class."""
    return {None: 0, "trinucleotide": 1, "gc": GC_WINDOW // 2}[kind]


def context_classes(bases: np.ndarray, kind: str | None) -> np.ndarray:
    """Return the class of each base but the flanks, int64; -1 where it has none.

    Args:
        bases: indices, with as many more at each end as the kind needs: none for no kind, 1 for
            trinucleotides, half of `GC_WINDOW` for the share of G and C.
        kind: of `CONTEXTS`, or None for one class.

    Returns:
        Trinucleotides: 16 · left + 4 · middle + right of the strand whose middle is C or T; share
        of G and C among the window's letters, in twentieths.
    """
    flank = flank_of(kind)
    middle = bases[flank : len(bases) - flank].astype(np.int64)
    known = middle != UNKNOWN
    if kind is None:
        return np.where(known, 0, -1)
    if kind == "trinucleotide":
        left, right = bases[:-2].astype(np.int64), bases[2:].astype(np.int64)
        known &= (left != UNKNOWN) & (right != UNKNOWN)
        found = np.where(
            middle % 2 == 1, 16 * left + 4 * middle + right, 63 - (16 * right + 4 * middle + left)
        )
        return np.where(known, found, -1)
    strong = np.r_[0, np.cumsum((bases == 1) | (bases == 2))]
    letters = np.r_[0, np.cumsum(bases != UNKNOWN)]
    width = 2 * flank + 1
    share = (strong[width:] - strong[:-width]) / np.maximum(1, letters[width:] - letters[:-width])
    return np.where(known, np.minimum((share * _GC_BINS).astype(np.int64), _GC_BINS - 1), -1)


def changes_of(kind: str | None) -> int:
    """Return how many changes of a class are told apart."""
    return 3 if kind == "trinucleotide" else 1


def class_name(number: int, kind: str | None) -> str:
    """Return a class in words that follow "positions", or "" where there is one class only."""
    if kind is None:
        return ""
    if kind == "gc":
        return f" with {100 * number // _GC_BINS} to {100 * (number + 1) // _GC_BINS} % of G and C"
    return " of " + "".join(LETTERS[number // n % 4] for n in (16, 4, 1))
