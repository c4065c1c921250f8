"""Reference accuracy in each cluster of peaks and cell type, with intervals.

Source: Kathail et al., section 3.2 and Figure 3: Pearson correlation of log2(x + 1) of what was
measured and what was predicted, over the test peaks of a cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfepi.evaluation.accuracy import block_sums, statistics, undefined_notes
from tfepi.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    Blocks,
    Bootstrap,
    interval,
    multiplicities,
)
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfrecords_tools.errors import ConfigError

SPECIFIC, PEAKS, GENOME = "specific", "peaks", "genome-wide"
MEAN = "mean"
FEW = 20  # positions below which r and its interval say little: intervals are wider than 0.7
_SHOWN = 5  # groups in a note


@dataclass(frozen=True)
class Correlations:
    """Correlations of groups of positions in cell types, with their resamples.

    Attributes:
        groups: the clusters by name, then "specific" (every peak in another cluster than the
            ubiquitous one), "peaks" (every peak) and "genome-wide" (every position).
        cell_types: names.
        n: positions, int64 [groups, cell types].
        value: float64 [groups, cell types], NaN where undefined.
        resampled: float64 [resamples, groups, cell types]; no rows without intervals.
        blocks: of the genome that hold positions, int64 [groups, cell types]; with fewer than five
            a value has no interval of its own, but its resamples count in means.
        notes: why a value, or its interval, is missing; (group, cell type) → text.
        level: coverage of intervals.
    """

    groups: tuple[str, ...]
    cell_types: tuple[str, ...]
    n: np.ndarray
    value: np.ndarray
    resampled: np.ndarray
    blocks: np.ndarray
    notes: dict[tuple[str, str], str]
    level: float = 0.95

    def table(self) -> pd.DataFrame:
        """Return a row per group and cell type, and the mean over cell types.

        Returns:
            Columns: group, cell_type ("mean" for the mean over the cell types in which it is
            defined), n (of the mean: of these cell types), pearsonr_log2, low, high (NaN without
            an interval), note ("" for none).
        """
        rows = []
        for g, group in enumerate(self.groups):
            for c, cell in enumerate(self.cell_types):
                ends = (np.nan, np.nan)
                if self.blocks[g, c] >= FEWEST_BLOCKS:
                    ends = ends_of(self.value[g, c], self.resampled[:, g, c], self.level)
                note = self.notes.get((group, cell), "")
                rows.append((group, cell, int(self.n[g, c]), self.value[g, c], *ends, note))
            if len(self.cell_types) > 1:
                mean, resampled = self.mean([(group, cell) for cell in self.cell_types])
                ends = ends_of(mean, resampled, self.level)
                seen = ~np.isnan(self.value[g])
                note = "" if seen.all() else f"of {seen.sum()} of {len(seen)} cell types"
                rows.append((group, MEAN, int(self.n[g, seen].sum()), mean, *ends, note))
        columns = ("group", "cell_type", "n", "pearsonr_log2", "low", "high", "note")
        return pd.DataFrame(rows, columns=columns)

    def mean(self, pairs: Sequence[tuple[str, str]]) -> tuple[float, np.ndarray]:
        """Return the mean over pairs (group, cell type) of values that are defined, resampled too.

        Returns:
            The mean, NaN if none is defined, and float64 [resamples], NaN if all of them lie in
            fewer than five blocks of the genome.
        """
        rows = [self.groups.index(g) for g, _ in pairs]
        columns = [self.cell_types.index(c) for _, c in pairs]
        values = self.value[rows, columns]
        seen = ~np.isnan(values)
        none = np.full(len(self.resampled), np.nan)
        if not seen.any():
            return np.nan, none
        if self.blocks[rows, columns].max() < FEWEST_BLOCKS:
            return float(values[seen].mean()), none
        resampled = self.resampled[:, rows, columns][:, seen]
        defined = ~np.isnan(resampled)
        with np.errstate(invalid="ignore"):
            means = np.where(defined, resampled, 0).sum(axis=1) / defined.sum(axis=1)
        return float(values[seen].mean()), means


def ends_of(value: float, resampled: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval's ends of a value and its resamples, NaN for none."""
    ends = None if np.isnan(value) else interval(resampled, level)
    return (np.nan, np.nan) if ends is None else ends


def by_cluster(
    truth: np.ndarray,
    prediction: np.ndarray,
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
) -> pd.DataFrame:
    """Return `Correlations.table` of `correlations`, which see.

    Raises:
        ConfigError: as `correlations`.
    """
    found = correlations(truth, prediction, peak_cluster, names, cell_types, blocks, bootstrap)
    return found.table()


def correlations(
    truth: np.ndarray,
    prediction: np.ndarray,
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
) -> Correlations:
    """Correlate log2(x + 1) of measured and predicted values in each cluster and cell type.

    The same `blocks` and `bootstrap` give the same resamples, so that `resampled` of two
    predictions of the same positions can be subtracted (a paired bootstrap).

    Args:
        truth: measured values [positions, cell types]; NaN is missing.
        prediction: predicted values [positions, cell types].
        peak_cluster: number of the cluster whose peak each position is in (an index of `names`),
            -1 outside of peaks, which counts for "genome-wide" only; int [positions].
        names: of the clusters; the one named "ubiquitous" is not specific.
        cell_types: names.
        blocks: block of the genome of each position (`genome_blocks`, `position_blocks`).
        bootstrap: how intervals are made; None: the defaults.

    Raises:
        ConfigError: arrays of other shapes.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    check_shapes(truth, prediction, peak_cluster, cell_types, blocks)

    def of(rows: np.ndarray, column: int, block: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
        y, p = truth[rows, column], prediction[rows, column]
        return [block_sums(y, p, block, blocks.count)], reasons(y, p)

    return grouped(of, peak_cluster, names, cell_types, blocks, bootstrap)


def grouped(
    sums_of,
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
) -> Correlations:
    """Correlate in each group what a function gives the sums of.

    Args:
        sums_of: function of rows (int [k]), the cell type's number and the block of each row to
            `block_sums` of one pair of values, or of several whose correlations are averaged, and
            notes.
        others: as of `correlations`.
    """
    bootstrap = bootstrap or Bootstrap()
    peak_cluster = np.asarray(peak_cluster)
    drawn = resamples_of(blocks, bootstrap)
    members = groups(peak_cluster, names)
    shape = (len(members), len(cell_types))
    n, held, value = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, np.nan)
    resampled = np.full((len(drawn), *shape), np.nan)
    notes = {}
    for g, (group, rows) in enumerate(members.items()):
        block = blocks.index[rows]
        for c, cell in enumerate(cell_types):
            if not len(rows):
                notes[group, cell] = "no position"
                continue
            sums, why = sums_of(rows, c, block)
            if why:
                notes[group, cell] = why[0]
            if not sums:
                continue
            n[g, c] = max(int(s[:, 0].sum()) for s in sums)
            value[g, c] = np.mean([_correlation(s.sum(axis=0)) for s in sums])
            if 0 < n[g, c] < FEW:
                notes.setdefault((group, cell), f"{n[g, c]} positions, fewer than {FEW}")
            if np.isnan(value[g, c]) or not len(drawn):
                continue
            held[g, c] = int((sum(s[:, 0] for s in sums) > 0).sum())
            if held[g, c] < FEWEST_BLOCKS:
                notes[group, cell] = f"in {held[g, c]} blocks of the genome: no interval"
            resampled[:, g, c] = np.mean([_correlation(drawn @ s) for s in sums], axis=0)
    return Correlations(
        tuple(members), tuple(cell_types), n, value, resampled, held, notes, bootstrap.level
    )


def resamples_of(blocks: Blocks, bootstrap: Bootstrap) -> np.ndarray:
    """Return how often each block is drawn, int64 [resamples, blocks]: no rows of too few."""
    count = bootstrap.resamples if blocks.enough else 0
    return multiplicities(blocks.count, count, bootstrap.seed)


def reasons(truth: np.ndarray, prediction: np.ndarray) -> list[str]:
    """Return why a correlation of log2(x + 1) is undefined, in words; empty if it is not."""
    return [n for n in undefined_notes(truth, prediction) if "Poisson" not in n]


def _correlation(sums: np.ndarray) -> np.ndarray:
    return statistics(sums)["pearsonr_log2"]


def groups(peak_cluster: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the positions of each cluster, of all specific peaks, of all peaks, and all.

    Args:
        peak_cluster: int [positions], -1 outside of peaks.
        names: of the clusters.

    Returns:
        Group → numbers of positions, ascending.
    """
    found = {name: np.flatnonzero(peak_cluster == i) for i, name in enumerate(names)}
    ubiquitous = names.index(UBIQUITOUS) if UBIQUITOUS in names else -1
    found[SPECIFIC] = np.flatnonzero((peak_cluster >= 0) & (peak_cluster != ubiquitous))
    found[PEAKS] = np.flatnonzero(peak_cluster >= 0)
    found[GENOME] = np.arange(len(peak_cluster))
    return found


def check_shapes(truth, prediction, peak_cluster, cell_types, blocks: Blocks) -> None:
    """Check that values, clusters and blocks are of the same positions and cell types.

    Raises:
        ConfigError: they are not.
    """
    want = (len(peak_cluster), len(cell_types))
    if truth.shape != want or prediction.shape != want or len(blocks.index) != want[0]:
        raise ConfigError(
            f"measured values are of shape {truth.shape}, predicted of {prediction.shape}, blocks "
            f"of {len(blocks.index)} positions: want [positions, cell types] = {want} of each"
        )


def few_bins(counts: Mapping[str, int]) -> list[str]:
    """Return a note on groups with so few bins that their r, and its interval, say little.

    Args:
        counts: group → tested bins; a group without any is not noted.
    """
    few = {name: n for name, n in counts.items() if 0 < n < FEW}
    if not few:
        return []
    shown = ", ".join(f"{name} {n}" for name, n in list(few.items())[:_SHOWN])
    return [
        f"fewer than {FEW} tested bins in {len(few)} of {len(counts)} groups of peaks ({shown}"
        f"{', …' * (len(few) > _SHOWN)}): r there, and its interval, say little"
    ]
