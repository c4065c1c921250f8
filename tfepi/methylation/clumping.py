"""Linkage disequilibrium along a chromosome, and clumping.

r² is the squared correlation of dosages, missing ones at the SNP's mean. Only pairs of SNPs within
a window are looked at, a band of the correlation matrix at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfepi.methylation.genotypes import Genotypes, standardised

_BAND_SNPS = 512


def bands(
    genotypes: Genotypes,
    columns: np.ndarray,
    position: np.ndarray,
    window_bp: int,
    people: np.ndarray | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the correlations of consecutive SNPs with themselves and those that follow.

    Args:
        genotypes: the reference.
        columns: numbers of a chromosome's SNPs.
        position: of each, ascending, bp.
        window_bp: how far a pair may be apart.
        people: numbers of those to use; None for all.

    Yields:
        The place i of the first SNP among `columns`, and float32 [n, m], m >= n: of SNPs i … i+n
        with SNPs i … i+m; NaN where a pair is further apart than the window or is below the
        diagonal. The diagonal is 1, or 0 of a SNP that does not vary.
    """
    for low in range(0, len(columns), _BAND_SNPS):
        high = min(low + _BAND_SNPS, len(columns))
        reach = int(np.searchsorted(position, position[high - 1] + window_bp, side="right"))
        scaled = standardised(genotypes.dosages(columns[low:reach], people))
        found = scaled[:, : high - low].T @ scaled
        apart = position[None, low:reach] - position[low:high, None]
        below = np.arange(reach - low)[None] < np.arange(high - low)[:, None]
        found[(apart > window_bp) | below] = np.nan
        yield low, found


@dataclass(frozen=True)
class Pairs:
    """Pairs of a chromosome's SNPs in linkage disequilibrium.

    Attributes:
        first: place of the earlier SNP of each, int32 [pairs].
        second: place of the later one.
        r2: float32 [pairs].
    """

    first: np.ndarray
    second: np.ndarray
    r2: np.ndarray

    def above(self, r2: float) -> "Pairs":
        """Return the pairs whose r² is at least a bound."""
        kept = self.r2 >= np.float32(r2)
        return Pairs(self.first[kept], self.second[kept], self.r2[kept])


def find_pairs(
    genotypes: Genotypes,
    columns: np.ndarray,
    position: np.ndarray,
    window_bp: int,
    r2: float,
    people: np.ndarray | None = None,
) -> Pairs:
    """Return the pairs of a chromosome's SNPs with r² of at least a bound.

    Args:
        genotypes: the reference.
        columns: numbers of the SNPs.
        position: of each, ascending, bp.
        window_bp: how far a pair may be apart.
        r2: the bound.
        people: numbers of those to use; None for all.
    """
    pairs = []
    for low, found in bands(genotypes, columns, position, window_bp, people):
        square = np.square(found)
        np.fill_diagonal(square, np.nan)
        one, two = np.nonzero(square >= np.float32(r2))
        pairs.append((one + low, two + low, square[one, two]))
    kinds = (np.int32, np.int32, np.float32)
    return Pairs(*(np.concatenate([p[i] for p in pairs]).astype(k) for i, k in enumerate(kinds)))


def clump(pairs: Pairs, rank: np.ndarray) -> np.ndarray:
    """Return which SNPs are kept: bool [SNPs].

    In the order of `rank`, lowest first, each SNP that is still there is kept and those it is
    paired with are removed. So of two bounds on the rank, the stricter keeps a part of what the
    other does.

    Args:
        pairs: those in linkage disequilibrium.
        rank: for instance p-values, float [SNPs]; NaN is never kept. Equal ones go by place.
    """
    one, two = np.r_[pairs.first, pairs.second], np.r_[pairs.second, pairs.first]
    order = np.argsort(one, kind="stable")
    other, begin = two[order], np.searchsorted(one[order], np.arange(len(rank) + 1))
    kept, gone = np.zeros(len(rank), bool), np.isnan(rank)
    for place in np.argsort(rank, kind="stable"):
        if not gone[place]:
            kept[place] = True
            gone[other[begin[place] : begin[place + 1]]] = True
    return kept
