"""How densely QTLs connect the bins of a genome: links and source bins of each target bin.

Source: Data Study Group report, §3.1: "connected QTLs" of a bin are the QTLs that target it, and
"binned QTLs" the distinct bins they lie in.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tfepi.qtl.bins import GenomeBins
from tfepi.qtl.links import Links

DISTANCE_STEPS = 200  # of the histogram of distances


@dataclass(frozen=True)
class Counting:
    """How links are put into bins.

    Attributes:
        place: which bin a target belongs to: "midpoint", "start" (that of its first base), or
            "overlap" (each that it overlaps, so that a link may count several times).
        distinct_snps: count a SNP once in a target bin, of however many targets.
    """

    place: str = "midpoint"
    distinct_snps: bool = False


@dataclass(frozen=True)
class Connectivity:
    """What connects to what.

    Attributes:
        bins: of the genome.
        adjacency: links between bins, int32 [target bins, source bins].
        links: distinct pairs of SNP and target.
        targets: distinct targets among them.
        duplicates: rows that repeat a pair, which are left out.
        edges: of the histogram of distances, bp, SNP minus target [steps + 1].
        distances: links in each step of it, int64 [steps].
    """

    bins: GenomeBins
    adjacency: sparse.csr_array
    links: int
    targets: int
    duplicates: int
    edges: np.ndarray
    distances: np.ndarray

    @property
    def connected(self) -> np.ndarray:
        """Links of each target bin: int64 [bins]."""
        ends = self.adjacency.indptr
        total = np.concatenate([[0], np.cumsum(self.adjacency.data, dtype=np.int64)])
        return total[ends[1:]] - total[ends[:-1]]

    @property
    def binned(self) -> np.ndarray:
        """Distinct source bins of each target bin: int64 [bins]."""
        return np.diff(self.adjacency.indptr).astype(np.int64)


def connect(links: Links, bins: GenomeBins, counting: Counting, max_distance: int) -> Connectivity:
    """Count the links between bins, one chromosome at a time; `links` is used up.

    Args:
        links: of a table.
        bins: of the genome.
        counting: how links are put into them.
        max_distance: between SNP and target, bp: the range of the histogram.
    """
    edges = np.linspace(-max_distance, max_distance, DISTANCE_STEPS + 1)
    distances = np.zeros(DISTANCE_STEPS, np.int64)
    start, end = links.place[1:]
    anchor = start if counting.place == "start" else (start + end) // 2
    kept = duplicates = targets = 0
    rows, columns, data = [], [], []
    for c, first in enumerate(bins.first[:-1].tolist()):
        target, pos, alleles = links.take(c)
        before = len(target)
        target, pos, alleles = distinct(target, pos, alleles)
        duplicates += before - len(target)
        kept += len(target)
        targets += len(np.unique(target))
        distances += np.histogram(pos - anchor[target], edges)[0]
        if counting.place == "overlap":
            low, high = start[target] // bins.width, (end[target] - 1) // bins.width
            times = high - low + 1
            into = np.repeat(low - np.cumsum(times) + times, times) + np.arange(times.sum())
            pos, alleles = np.repeat(pos, times), np.repeat(alleles, times)
        else:
            into = anchor[target] // bins.width
        if counting.distinct_snps:
            into, pos, alleles = distinct(into.astype(np.int32), pos, alleles)
        ends = into.astype(np.int32), (pos // bins.width).astype(np.int32)
        ones = np.ones(len(pos), np.int32)
        del target, into, pos, alleles
        shape = (int(bins.counts[c]),) * 2
        counted = sparse.coo_array((ones, ends), shape=shape).tocsr()  # adds up
        rows.append(np.diff(counted.indptr))
        columns.append(counted.indices + np.int32(first))
        data.append(counted.data)
    indptr = np.zeros(len(bins) + 1, np.int32 if sum(map(len, data)) < 1 << 31 else np.int64)
    np.cumsum(np.concatenate(rows), out=indptr[1:])
    adjacency = sparse.csr_array(
        (np.concatenate(data), np.concatenate(columns), indptr), shape=(len(bins), len(bins))
    )
    return Connectivity(bins, adjacency, kept, targets, duplicates, edges, distances)


def distinct(
    number: np.ndarray, pos: np.ndarray, alleles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distinct triples, sorted by number and position; all are int32 [n], from 0.

    Numbers and positions are packed into one 64-bit integer; alleles are compared where both are
    the same.
    """
    key = number.astype(np.int64) << 32 | pos
    order = np.argsort(key, kind="stable")
    key, alleles = key[order], alleles[order]
    again = np.zeros(len(key), bool)
    same = key[1:] == key[:-1]
    if same.any():
        tied = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
        tied = tied[np.lexsort((alleles[tied], key[tied]))]
        repeats = (np.diff(key[tied]) == 0) & (np.diff(alleles[tied]) == 0)
        again[tied[1:][repeats]] = True
    kept = ~again
    key = key[kept]
    return (key >> 32).astype(np.int32), (key & 0xFFFFFFFF).astype(np.int32), alleles[kept]
