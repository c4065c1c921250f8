"""The test windows of a comparison of procedures: what was measured, and in which peaks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, genome_blocks
from tfepi.specificity.accuracy import GENOME, SPECIFIC, Correlations, groups
from tfepi.specificity.cluster_file import UBIQUITOUS, PeakClusters
from tfepi.specificity.peaks import peak_bins
from tfepi.specificity.replicate_table import replicate_signals
from tfepi.specificity.replicates import ceiling
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target


@dataclass(frozen=True)
class Measured:
    """What was measured in the bins of the test windows.

    Attributes:
        truth: float32 [bins, cell types]; NaN is missing.
        cluster: number of the cluster of the peak each bin is in, -1 outside of peaks [bins].
        names: of the clusters.
        cell_types: names.
        blocks: block of the genome of each bin.
        windows: without crop; each has as many bins.
        bin_width: bp.
    """

    truth: np.ndarray
    cluster: np.ndarray
    names: tuple[str, ...]
    cell_types: tuple[str, ...]
    blocks: Blocks
    windows: tuple[Interval, ...]
    bin_width: int

    @classmethod
    def read(
        cls, data: Data, label: str, clusters: PeakClusters, block_bp: int | None = None
    ) -> "Measured":
        """Read the test windows' records and find the peak of each bin.

        Args:
            data: data folder, in which label may be several (`pool_labels`).
            label: of the test windows.
            clusters: peaks.
            block_bp: size of blocks; None: as `genome_blocks` chooses it.

        Raises:
            ConfigError: no test window is in a peak of one kind.
            InputFileError: peaks of another genome; records that are damaged.
        """
        windows = data.windows(label)
        bins = data.target_length
        truth = np.empty((len(windows), bins, len(data.targets)), np.float32)
        for row, (_, target) in enumerate(data.records(label)):
            truth[row] = target
        cluster = peak_bins(clusters, windows, bins, data.pool_width).cluster.ravel()
        by_window = genome_blocks(windows, block_bp)
        blocks = Blocks(np.repeat(by_window.index, bins), by_window.count, by_window.block_bp)
        for group, rows in groups(cluster, clusters.names).items():
            if group in (SPECIFIC, UBIQUITOUS) and not len(rows):
                raise ConfigError(
                    f"none of the {len(windows)} windows of label {label!r} is in a {group} peak, "
                    "so nothing can be compared there: test on other windows"
                )
        names = tuple(t.identifier for t in data.targets)
        values = (truth.reshape(-1, len(names)), cluster, clusters.names, names, blocks)
        return cls(*values, tuple(windows), data.pool_width)

    def counts(self) -> dict[str, int]:
        """Return the number of test bins of each cluster and group."""
        found = groups(self.cluster, self.names)
        return {group: len(rows) for group, rows in found.items()}

    def ceiling(
        self,
        replicates: Mapping[str, list[Target]],
        bootstrap: Bootstrap | None = None,
        quiet: bool = True,
    ) -> Correlations:
        """Return the correlation between donors in the bins of peaks, by cluster and cell type.

        Bins outside of peaks are not read: "genome-wide" is undefined.

        Args:
            replicates: cell type → donors' tracks (`replicate_table.read_replicates`).
            bootstrap: how intervals are made; None: the defaults.
            quiet: no progress bars.

        Raises:
            InputFileError: a track that cannot be read.
        """
        rows = np.flatnonzero(self.cluster >= 0)
        bins = len(self.cluster) // len(self.windows)
        places = []
        for row in rows.tolist():
            window, at = self.windows[row // bins], row % bins * self.bin_width
            places.append(
                Interval(window.chrom, window.start + at, window.start + at + self.bin_width)
            )
        signals = replicate_signals(dict(replicates), places, quiet)
        blocks = replace(self.blocks, index=self.blocks.index[rows])
        names = (self.names, self.cell_types)
        found = ceiling(signals, self.cluster[rows], *names, blocks, bootstrap)
        value = found.value.copy()
        value[found.groups.index(GENOME)] = np.nan
        return replace(found, value=value)
