"""What was measured and predicted in peaks, of a test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfepi.evaluation.accuracy import block_sums, statistics
from tfepi.evaluation.bootstrap import (
    Blocks,
    Bootstrap,
    genome_blocks,
)
from tfepi.evaluation.predictions import Layout, PredictionParts, SavedPredictions
from tfepi.specificity.accuracy import GENOME, Correlations, reasons, resamples_of
from tfepi.specificity.cluster_file import PeakClusters
from tfepi.specificity.cluster_run import check_several
from tfepi.specificity.peaks import peak_bins
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import read_json
from tfrecords_tools.intervals import Interval

CLUSTERS_FORMAT = ("tfepi-peak-clusters", 1)
NO_OWN = (
    "there is no clusters.json beside the table of clusters: which cell types are a cluster's own "
    "is not known, and what is measured in own clusters is left out; give the folder of "
    "`clusters`, or keep its clusters.json beside the table"
)


@dataclass(frozen=True)
class PeakValues:
    """Bins of a label's windows that belong to peaks.

    Attributes:
        cell_types: names.
        names: of the clusters.
        cluster: number of each bin's cluster, int64 [bins].
        peak: number of each bin's peak, int64 [bins].
        bins: their places.
        truth, prediction: float32 [bins, cell types]; NaN is missing.
        blocks: of the genome, of each bin; their number is that of all windows'.
    """

    cell_types: tuple[str, ...]
    names: tuple[str, ...]
    cluster: np.ndarray
    peak: np.ndarray
    bins: tuple[Interval, ...]
    truth: np.ndarray
    prediction: np.ndarray
    blocks: Blocks

    @property
    def arguments(self) -> tuple:
        """What `accuracy.correlations` and `height_matched` take first."""
        values = (self.truth, self.prediction, self.cluster, self.names, self.cell_types)
        return (*values, self.blocks)


def bins_in_peaks(
    layout: Layout, peaks: PeakClusters, rule: str = "overlap"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bins of windows that belong to peaks: numbers of bins, of peaks, of clusters.

    Args:
        layout: of a test; its bins are numbered window by window.
        peaks: with clusters.
        rule: see `peak_bins`.

    Raises:
        InputFileError: no bin belongs to a peak.
        others: as `peak_bins`.
    """
    found = peak_bins(peaks, layout.windows, layout.bins, layout.bin_width, rule)
    rows = np.flatnonzero(found.peak.ravel() >= 0)
    if not len(rows):
        raise InputFileError(
            f"none of {len(peaks)} peaks is in the windows of label {layout.label!r}: test a label "
            "with peaks, or cluster those of these chromosomes too"
        )
    return rows, found.peak.ravel()[rows], found.cluster.ravel()[rows]


def peak_values(
    predictions: SavedPredictions | PredictionParts,
    peaks: PeakClusters,
    rule: str = "overlap",
    columns: Sequence[int] | None = None,
    block_bp: int | None = None,
) -> PeakValues:
    """Return what was measured and predicted in peaks.

    Args:
        predictions: of a test.
        peaks: with clusters.
        rule: see `peak_bins`.
        columns: numbers of the test's targets that are cell types; None: all.
        block_bp: see `genome_blocks`.

    Raises:
        ConfigError: fewer than two cell types.
        others: as `bins_in_peaks`.
    """
    layout = predictions.layout
    columns = range(len(layout.targets)) if columns is None else columns
    names = tuple(layout.targets[c].identifier for c in columns)
    check_several(names)
    rows, of_peak, cluster = bins_in_peaks(layout, peaks, rule)
    values = np.empty((2, len(rows), len(names)), np.float32)
    for i, column in enumerate(columns):
        values[:, :, i] = [v.ravel()[rows] for v in predictions.column(column)]
    blocks = genome_blocks(layout.windows, block_bp)
    of_bin = replace(blocks, index=blocks.index[rows // layout.bins])
    window = (layout.windows[r] for r in rows // layout.bins)
    starts = (rows % layout.bins * layout.bin_width).tolist()
    places = tuple(
        Interval(w.chrom, w.start + s, w.start + s + layout.bin_width)
        for w, s in zip(window, starts, strict=True)
    )
    return PeakValues(names, peaks.names, cluster, of_peak, places, *values, of_bin)


def with_genome(
    found: Correlations,
    predictions: SavedPredictions | PredictionParts,
    columns: Sequence[int] | None,
    block_bp: int | None,
    bootstrap: Bootstrap,
) -> Correlations:
    """Return correlations whose "genome-wide" is of all bins of the test, one target at a time."""
    layout = predictions.layout
    columns = range(len(layout.targets)) if columns is None else columns
    blocks = genome_blocks(layout.windows, block_bp)
    block = np.repeat(blocks.index, layout.bins)
    drawn = resamples_of(blocks, bootstrap)
    g = found.groups.index(GENOME)
    n, value, resampled = found.n.copy(), found.value.copy(), found.resampled.copy()
    held = found.blocks.copy()
    notes = {k: v for k, v in found.notes.items() if k[0] != GENOME}
    for i, column in enumerate(columns):
        truth, prediction = (v.ravel() for v in predictions.column(column))
        sums = block_sums(truth, prediction, block, blocks.count)
        n[g, i] = int(sums[:, 0].sum())
        value[g, i] = statistics(sums.sum(axis=0))["pearsonr_log2"]
        held[g, i] = int((sums[:, 0] > 0).sum())
        resampled[:, g, i] = statistics(drawn @ sums)["pearsonr_log2"]
        if why := reasons(truth, prediction):
            notes[GENOME, found.cell_types[i]] = why[0]
    return replace(found, n=n, value=value, resampled=resampled, blocks=held, notes=notes)


def own_cell_types(table: str | Path, names: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """Return the cell types of each specific cluster, by the clusters.json beside a table.

    Args:
        table: clusters.tsv.
        names: of its clusters.

    Returns:
        Cluster → cell types; None where there is no clusters.json, as of a table made by hand.

    Raises:
        InputFileError: it is of another format, or of other clusters than the table.
    """
    path = Path(table).with_name("clusters.json")
    if not path.exists():
        return None
    found = read_json(path)
    if (found.get("format"), found.get("format_version")) != CLUSTERS_FORMAT:
        raise InputFileError(
            f"{path} has format {found.get('format')!r} version {found.get('format_version')!r}, "
            f"want {CLUSTERS_FORMAT[0]!r} version {CLUSTERS_FORMAT[1]}"
        )
    own = {c["name"]: tuple(c["cell_types"]) for c in found["clusters"]}
    absent = sorted(set(names) - set(own))
    if absent:
        raise InputFileError(
            f"{path} does not have cluster {absent[0]!r} of {table}: the two are not of one run"
        )
    return {n: own[n] for n in names if n != "ubiquitous"}
