"""Fragments on disk, by chromosome and cluster, in the order they are turned into signal."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfrecords_tools.fragment_signal import SHIFT, FragmentOptions, counted, depth_runs
from tfrecords_tools.fragments import FragmentBlock
from tfrecords_tools.normalize_runs import Runs

_ROW = np.dtype([("cluster", "<u4"), ("start", "<u4"), ("end", "<u4")])


class FragmentSpool:
    """The fragments that count, in a file per chromosome; memory holds one file's.

    Args:
        folder: for the files.
        chroms: names of the chromosomes, to which `FragmentBlock.chrom` refers.
        options: which fragments count.
        clusters: how many clusters there are.
        cluster_of: the cluster of each barcode, int; None for one cluster of all fragments.

    Attributes:
        read: fragments seen.
        left_out: how many did not count, by reason.
        fragments: how many did, int64 [clusters].
        strange: a barcode of no cluster, or None.
    """

    def __init__(
        self,
        folder: Path,
        chroms: list[str],
        options: FragmentOptions,
        clusters: int = 1,
        cluster_of: np.ndarray | None = None,
    ):
        self._chroms, self._options, self._cluster_of = chroms, options, cluster_of
        self._files = {c: folder / f"{n}.bin" for n, c in enumerate(chroms)}
        self._bounds: dict[str, np.ndarray] = {}
        self.read, self.left_out, self.strange = 0, Counter(), None
        self.fragments = np.zeros(clusters, np.int64)

    def add(self, block: FragmentBlock) -> None:
        """Take the fragments of a block that count."""
        self.read += len(block.chrom)
        start, end, length = block.start, block.end, block.end - block.start
        cluster = np.zeros(len(start), np.int64)
        if self._cluster_of is not None:
            cluster = np.where(block.barcode < 0, -1, self._cluster_of[block.barcode])
        if self._options.shift:
            start, end = start + SHIFT[0], end + SHIFT[1]
        most = self._options.max_length or np.inf
        keep = np.ones(len(start), bool)
        for reason, wrong in (
            ("other chromosomes", block.chrom < 0),
            ("barcodes of no cluster", cluster < 0),
            ("below --min_length", length < self._options.min_length),
            ("above --max_length", length > most),
            ("too short for --shift", start >= end),
        ):
            self.left_out[reason] += int((wrong & keep).sum())
            keep &= ~wrong
        self.strange = self.strange or block.strange
        self.fragments += np.bincount(cluster[keep], minlength=len(self.fragments))
        rows = np.empty(int(keep.sum()), _ROW)
        for name, column in (("cluster", cluster), ("start", start), ("end", end)):
            rows[name] = column[keep]
        chrom = block.chrom[keep]
        for number in np.unique(block.chrom[block.chrom >= 0]).tolist():
            with open(self._files[self._chroms[number]], "ab") as handle:
                handle.write(rows[chrom == number].tobytes())

    def sort(self) -> None:
        """Put each chromosome's fragments in the order of their clusters."""
        edges = np.arange(len(self.fragments) + 1)
        for chrom in self.covered:
            rows = np.fromfile(self._files[chrom], _ROW)
            rows = rows[np.argsort(rows["cluster"], kind="stable")]
            self._bounds[chrom] = np.searchsorted(rows["cluster"], edges.astype(np.uint32))
            rows.tofile(self._files[chrom])

    @property
    def covered(self) -> list[str]:
        """The chromosomes on which fragments were seen, whether or not they count."""
        return [c for c in self._chroms if self._files[c].exists()]

    def runs(self, chrom: str, length: int, cluster: int, factor: float) -> Iterator[Runs]:
        """Yield a cluster's signal on a chromosome, after `sort`; NaN where none was seen."""
        if chrom not in self._bounds:
            yield np.zeros(1, np.int64), np.full(1, np.nan, np.float32)
            return
        first, last = self._bounds[chrom][cluster : cluster + 2].tolist()
        place = first * _ROW.itemsize
        rows = np.fromfile(self._files[chrom], _ROW, last - first, offset=place)
        low, high = counted(rows["start"], rows["end"], self._options)
        yield from depth_runs(low, high, length, factor)
