"""Measure accuracy in clusters of peaks, and write the tables."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, Bootstrap
from tfepi.evaluation.predictions import PredictionParts, SavedPredictions
from tfepi.specificity.accuracy import (
    GENOME,
    MEAN,
    SPECIFIC,
    Correlations,
    correlations,
    few_bins,
    groups,
)
from tfepi.specificity.averages import averages, beside_donors
from tfepi.specificity.cluster_file import UBIQUITOUS, PeakClusters
from tfepi.specificity.height_matching import (
    FEWEST,
    OWN,
    Matching,
    height_edges,
    height_matched,
)
from tfepi.specificity.height_table import height_table, heights_of
from tfepi.specificity.overcorrelation import overcorrelation
from tfepi.specificity.peak_values import NO_OWN, PeakValues, peak_values, with_genome
from tfepi.specificity.replicate_table import replicate_signals
from tfepi.specificity.replicates import ceiling
from tfrecords_tools.files import atomic_path, write_json
from tfrecords_tools.targets import Target

FORMAT, FORMAT_VERSION = "tfepi-specificity-accuracy", 1
TRAIN = "train"
_FEWEST = 3  # positions that a correlation between cell types is drawn from
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AccuracyOptions:
    """How accuracy in clusters is measured.

    Attributes:
        rule: which bins belong to a peak (`peak_bins`).
        bootstrap: how intervals are made.
        matching: of peak heights.
    """

    rule: str = "overlap"
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    matching: Matching = field(default_factory=Matching)


@dataclass(frozen=True)
class ClusterAccuracy:
    """Accuracy in clusters of peaks.

    Attributes:
        tested: what was measured and predicted in peaks.
        correlations: by cluster and cell type, and of groups.
        averages: `averages.averages`.
        matched: `height_matching.height_matched`; None without a ubiquitous cluster.
        over: overcorrelation by group: rows of `Overcorrelation.table`.
        ceiling: correlation between donors, or None.
        donors: `averages.beside_donors`, or None.
        heights: of peaks by group and cell type: quantiles of log2(x + 1).
        summary: the value of accuracy.json.
    """

    tested: PeakValues
    correlations: Correlations
    averages: pd.DataFrame
    matched: pd.DataFrame | None
    over: pd.DataFrame
    ceiling: Correlations | None
    donors: pd.DataFrame | None
    heights: pd.DataFrame
    summary: dict


def cluster_accuracy(
    predictions: SavedPredictions | PredictionParts,
    peaks: PeakClusters,
    options: AccuracyOptions | None = None,
    columns: Sequence[int] | None = None,
    belongs: Mapping[str, Sequence[str]] | None = None,
    replicates: Mapping[str, list[Target]] | None = None,
    quiet: bool = True,
) -> ClusterAccuracy:
    """Return the accuracy of a test's predictions in clusters of peaks.

    Args:
        predictions: of a test of the reference sequence.
        peaks: with clusters.
        options: how; None: the defaults.
        columns: numbers of the test's targets that are cell types; None: all.
        belongs: specific cluster → its cell types (`own_cell_types`).
        replicates: cell type → donors' tracks (`read_replicates`).
        quiet: no progress bars.

    Raises:
        as `peak_values`, `correlations`, `height_matched`, `replicate_signals`.
    """
    options = options or AccuracyOptions()
    how = options.bootstrap
    tested = peak_values(predictions, peaks, options.rule, columns, how.block_bp)
    found = correlations(*tested.arguments, how)
    found = with_genome(found, predictions, columns, how.block_bp, how)
    members = groups(tested.cluster, tested.names)
    notes = [
        f"cluster {name} has no peak among those tested: its accuracy is undefined"
        for name in tested.names
        if not len(members[name])
    ]
    notes += [NO_OWN] if belongs is None else []
    notes += _undefined(found)
    notes += few_bins({name: len(members[name]) for name in (*tested.names, SPECIFIC)})
    if predictions.layout.label == TRAIN:
        notes.append(
            f"windows of label {TRAIN!r} are what models learn from: this is no accuracy in "
            "sequences held out"
        )
    if tested.blocks.count < FEWEST_BLOCKS:
        notes.append(f"{tested.blocks.count} blocks of the genome, fewer than 5: no intervals")
    matched, edges = None, None
    if UBIQUITOUS in tested.names and len(members[UBIQUITOUS]) and len(members[SPECIFIC]):
        edges = options.matching.edges or height_edges(heights_of(tested.truth))
        matching = replace(options.matching, edges=tuple(edges))
        matched = height_matched(*tested.arguments, how, matching, belongs)
        notes += _unmatched(matched)
    else:
        notes.append("no ubiquitous or no specific peak is tested: heights are not matched")
    over = []
    for group, rows in members.items():
        if group != GENOME and len(rows) >= _FEWEST:
            of = replace(tested.blocks, index=tested.blocks.index[rows])
            part = overcorrelation(tested.truth[rows], tested.prediction[rows], of, how)
            over.append(part.table(tested.cell_types, group))
    donors = None
    if replicates:
        signals = replicate_signals(dict(replicates), tested.bins, quiet)
        donors = ceiling(
            signals, tested.cluster, tested.names, tested.cell_types, *(tested.blocks, how)
        )
    for note in notes:
        _log.warning("%s", note)
    table = averages(found, belongs)
    beside = None if donors is None else beside_donors(found, donors, belongs)
    summary = _summary(tested, found, table, predictions.layout, options, edges, notes, peaks)
    summary["donors"] = None if beside is None else _records(beside)
    heights = height_table(tested, belongs)
    rest = (pd.concat(over, ignore_index=True), donors, beside, heights, summary)
    return ClusterAccuracy(tested, found, table, matched, *rest)


def _undefined(found: Correlations) -> list[str]:
    """Return notes of why correlations are undefined, each with how many cell types it is for."""
    cells: dict[str, dict[str, None]] = {}
    for (_, cell), why in found.notes.items():
        if why.endswith("undefined") or ": correlations" in why:
            cells.setdefault(why.partition(":")[0], {})[cell] = None
    return [
        f"{why} in some group of peaks, and r is undefined there, for {', '.join(list(names)[:3])}"
        + (f", … ({len(names)} cell types)" if len(names) > 3 else "")
        for why, names in cells.items()
    ]


def _unmatched(matched: pd.DataFrame) -> list[str]:
    """Return notes of the cell types that means at matched heights leave out."""
    lacking = matched[(matched["cell_type"] != MEAN) & (matched["note"] != "")]
    total = matched["cell_type"].nunique() - 1
    return [
        f"heights, {'own clusters' if kind == OWN else 'specific peaks'}: fewer than {FEWEST} bins "
        f"of either kind in {rows['cell_type'].nunique()} of {total} "
        f"cell types, which means leave out ({', '.join(dict.fromkeys(rows['cell_type']))})"
        for kind, rows in lacking.groupby("set", sort=False)
    ]


def _summary(tested, found, table, layout, options, edges, notes, peaks) -> dict:
    number = {
        name: {
            "bins": int((tested.cluster == i).sum()),
            "peaks": len(np.unique(tested.peak[tested.cluster == i])),
        }
        for i, name in enumerate(tested.names)
    }
    how = options.bootstrap
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "label": layout.label,
        "windows": len(layout.windows),
        "bin_width": layout.bin_width,
        "cell_types": list(tested.cell_types),
        "rule": options.rule,
        "peaks": len(peaks),
        "tested": number,
        "statistic": "Pearson correlation of log2(x + 1) of measured and predicted values",
        "bootstrap": {
            "method": "percentile interval of resampled blocks of the genome",
            "level": how.level,
            "block_bp": tested.blocks.block_bp,
            "blocks": tested.blocks.count,
            "resamples": how.resamples if len(found.resampled) else 0,
            "seed": how.seed,
        },
        "matching": {
            "edges": None if edges is None else list(edges),
            "draws": options.matching.draws,
            "seed": options.matching.seed,
        },
        "averages": _records(table),
        "notes": notes,
    }


def _records(table: pd.DataFrame) -> list[dict]:
    return [
        {k: (None if v != v else v) for k, v in row.items()} for row in table.to_dict("records")
    ]


def write_accuracy(
    found: ClusterAccuracy, out: str | Path, belongs: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Write accuracy.tsv, averages.tsv, matched.tsv, overcorrelation.tsv, heights.tsv,
    ceiling.tsv and donors.tsv where there are replicates, and, last, accuracy.json.

    Args:
        found: what.
        out: folder, which exists.
        belongs: as of `cluster_accuracy`: fills the column `own` of accuracy.tsv.
    """
    table = with_own(found.correlations.table(), belongs)
    tables = {"accuracy": table, "averages": found.averages, "overcorrelation": found.over}
    tables["heights"] = found.heights
    if found.matched is not None:
        tables["matched"] = found.matched
    if found.ceiling is not None:
        donors = found.ceiling.table()
        tables["ceiling"] = donors[donors["group"] != GENOME]
        tables["donors"] = found.donors
    for name, each in tables.items():
        with atomic_path(Path(out) / f"{name}.tsv") as part:
            each.to_csv(part, sep="\t", index=False, float_format="%.5f")
    write_json(Path(out) / "accuracy.json", found.summary)


def with_own(
    table: pd.DataFrame, belongs: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Return a table with the column `own`: 1 where the cell type is one of the cluster's.

    Args:
        table: with columns group and cell_type.
        belongs: specific cluster → cell types; None leaves the column empty.
    """
    own = [
        ""
        if belongs is None or group not in belongs or cell == MEAN
        else int(cell in belongs[group])
        for group, cell in zip(table["group"], table["cell_type"], strict=True)
    ]
    return table.assign(own=own)
