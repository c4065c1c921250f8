"""Figures of accuracy in clusters of peaks, drawn from the tables of `accuracy`.

After Kathail et al.: Figure 1b (`draw_accuracy`), 3a,b and S2 (`accuracy_figure`), 3c,d and S3
(`overcorrelation_figure`), 4a (`averages_figure`), S1a,b (`heights_figure`) and S1c
(`matched_figure`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from tfepi.report import cluster_figures
from tfepi.report.cluster_figures import heat_map
from tfepi.report.figures import (
    FIRST,
    GREY,
    LEGEND_COLUMNS,
    SECOND,
    save_figure,
    short,
    some,
    styled,
)
from tfepi.report.height_figures import heights_figure, matched_figure
from tfepi.report.panels import Observed, observed_predicted
from tfepi.specificity.accuracy import FEW, GENOME, MEAN, PEAKS, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS

_MOST_SCATTERS = 12
_R = "Pearson r of log2(x + 1)"
_NAME = 30


def draw_clusters(found, out: str | Path) -> list[Path]:
    """Write the figures of `clusters` (`cluster_figures.draw_clusters`).

    Args:
        found: `cluster_run.Found`.
        out: its folder.
    """
    return cluster_figures.draw_clusters(found.summary, out)


def draw_accuracy(
    found,
    predictions,
    out: str | Path,
    columns: Sequence[int],
    belongs: Mapping[str, Sequence[str]] | None = None,
) -> list[Path]:
    """Write the figures of `accuracy` to out/figures; return their paths, SVG and PNG.

    A figure of which every value is undefined is left out.

    Args:
        found: `accuracy_run.ClusterAccuracy`.
        predictions: of the test, of which the first 12 cell types are drawn.
        out: folder.
        columns: numbers of the targets that are cell types.
        belongs: specific cluster → its cell types.
    """
    folder = Path(out) / "figures"
    folder.mkdir(exist_ok=True)
    table = found.correlations.table()
    panels = []
    for column in columns[:_MOST_SCATTERS]:
        target = predictions.layout.targets[column]
        truth, prediction = (v.ravel() for v in predictions.column(column))
        own = table[(table["group"] == GENOME) & (table["cell_type"] == target.identifier)]
        r = own["pearsonr_log2"].iloc[0]
        note = f"r (log2) = {r:.2f}" if r == r else "r (log2) undefined"
        unit = f"signal in a bin of {predictions.layout.bin_width} bp"
        panels.append(Observed(target, truth, prediction, note, unit))
    paths = save_figure(observed_predicted(panels), folder / "reference_accuracy")
    ceiling = None if found.ceiling is None else found.ceiling.table()
    drawn = {}
    if table["pearsonr_log2"].notna().any():
        drawn["accuracy_by_cluster"] = accuracy_figure(table, belongs, ceiling)
        drawn["averages"] = averages_figure({"": found.averages}, found.donors)
    drawn["peak_heights"] = heights_figure(found.heights)
    main = found.over[found.over["group"].isin((UBIQUITOUS, SPECIFIC))]
    if main["overcorrelation"].notna().any():
        drawn["overcorrelation"] = overcorrelation_figure({"": found.over})
    if found.matched is not None and found.matched["difference"].notna().any():
        drawn["height_matched"] = matched_figure(found.matched)
    for name, figure in drawn.items():
        paths += save_figure(figure, folder / name)
    return paths


def accuracy_figure(
    table: pd.DataFrame,
    belongs: Mapping[str, Sequence[str]] | None = None,
    ceiling: pd.DataFrame | None = None,
) -> Figure:
    """Draw the accuracy of every cluster, a mark per cell type, with the mean.

    Clusters of so few bins that r says little (`accuracy.FEW`) are pale.

    Args:
        table: `Correlations.table`.
        belongs: specific cluster → its cell types, whose marks are filled.
        ceiling: the same table of correlations between donors: the mean over the cell types that
            have donors is a dotted line, and these cell types are diamonds.

    Raises:
        ConfigError: no group with a defined value.
    """
    means = table[table["cell_type"] == MEAN].set_index("group")["pearsonr_log2"]
    table = table[table["cell_type"] != MEAN]
    with_donors = _with_donors(ceiling)
    shown = [g for g in _order(table) if table[table["group"] == g]["pearsonr_log2"].notna().any()]
    some(shown, "clusters with a defined accuracy")
    with styled():
        height = 1.5 + 0.3 * len(shown)
        figure = Figure(figsize=(6.2, max(height, 2.8)), layout="constrained")
        axis = figure.subplots()
        labels = []
        for y, group in enumerate(shown):
            own = table[(table["group"] == group) & table["pearsonr_log2"].notna()]
            mine = (belongs or {}).get(group, ())
            filled = [cell in mine for cell in own["cell_type"]]
            count = int(own["n"].max())
            pale = 0.35 if count < FEW else 1.0
            look = {"s": 16, "linewidths": 0.8, "zorder": 3, "alpha": pale}
            spread = y + np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else [y]
            for cell, r, place, fill in zip(
                own["cell_type"], own["pearsonr_log2"], spread, filled, strict=True
            ):
                face, colour = (FIRST, FIRST) if fill else ("none", GREY)
                marker = "D" if cell in with_donors else "o"
                axis.scatter(r, place, marker=marker, facecolors=face, edgecolors=colour, **look)
            mean = means.get(group, own["pearsonr_log2"].mean())
            ends = (y - 0.38, y + 0.38)
            axis.plot((mean, mean), ends, color=SECOND, linewidth=2, zorder=2, alpha=pale)
            if ceiling is not None and group != GENOME:
                donors = ceiling[(ceiling["group"] == group) & (ceiling["cell_type"] != MEAN)]
                limit = donors["pearsonr_log2"].mean()
                line = {"color": "black", "linestyle": ":", "linewidth": 1.5, "alpha": pale}
                axis.plot((limit, limit), ends, **line)
            labels.append(f"{short(group, _NAME)} ({count:,})")
        axis.set_yticks(range(len(shown)), labels, fontsize=7)
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        few = any(0 < n < FEW for n in table.groupby("group")["n"].max())
        axis.set(xlabel=_R, ylabel=f"peaks of (bins{f'; pale: fewer than {FEW}' if few else ''})")
        handles = [
            axis.plot([], [], "o", color=GREY, markerfacecolor="none", markersize=4)[0],
            axis.plot([], [], color=SECOND, linewidth=2)[0],
        ]
        names = ["a cell type", "mean"]
        if belongs:
            handles.append(axis.plot([], [], "o", color=FIRST, markersize=4)[0])
            names.append("the cluster's own")
        if ceiling is not None:
            handles.append(axis.plot([], [], color="black", linestyle=":", linewidth=1.5)[0])
            names.append(f"between donors, {_cell_types(with_donors)}")
            look = {"color": GREY, "markerfacecolor": "none", "markersize": 4}
            handles.append(axis.plot([], [], "D", **look)[0])
            names.append("a cell type with donors")
        figure.legend(handles, names, loc="outside upper center", ncols=LEGEND_COLUMNS)
    return figure


def _with_donors(ceiling: pd.DataFrame | None) -> list[str]:
    """Return the cell types of which there are donors."""
    if ceiling is None:
        return []
    own = ceiling[(ceiling["cell_type"] != MEAN) & ceiling["pearsonr_log2"].notna()]
    return list(dict.fromkeys(own["cell_type"]))


def _cell_types(names: Sequence[str]) -> str:
    return f"of {short(names[0], 20)}" if len(names) == 1 else f"{len(names)} cell types"


def _order(table: pd.DataFrame) -> list[str]:
    """Return groups: all positions, all peaks, ubiquitous, specific, then each cluster."""
    first = [g for g in (GENOME, PEAKS, UBIQUITOUS, SPECIFIC) if g in set(table["group"])]
    return first + [g for g in dict.fromkeys(table["group"]) if g not in first]


def averages_figure(
    tables: Mapping[str, pd.DataFrame], donors: pd.DataFrame | None = None
) -> Figure:
    """Draw mean accuracy in specific and in ubiquitous peaks of one or more models.

    Args:
        tables: model's name → `averages.averages`, or any table with its columns.
        donors: `averages.beside_donors` of one model: dotted lines, and a diamond for the model's
            mean over the same cell types.

    Raises:
        ConfigError: no model.
    """
    some(tables, "models")
    wanted = ("genome-wide", "all peaks", "ubiquitous peaks", "specific peaks")
    wanted += ("specific clusters", "own clusters")
    present = [
        a
        for a in wanted
        if any((t["average"].eq(a) & t["pearsonr_log2"].notna()).any() for t in tables.values())
    ]
    with styled():
        width = 1.2 + 0.8 * len(present) * max(1, 0.45 * len(tables))
        figure = Figure(figsize=(max(width, 4.6), 3.3), layout="constrained")
        axis = figure.subplots()
        step = 0.8 / len(tables)
        palette = seaborn.color_palette("colorblind")
        for m, (model, table) in enumerate(tables.items()):
            rows = table.set_index("average").reindex(present)
            x = np.arange(len(present)) - 0.4 + step * (m + 0.5)
            value = rows["pearsonr_log2"].to_numpy(float)
            low, high = (rows[e].to_numpy(float) for e in ("low", "high"))
            shade = palette[m % len(palette)]
            axis.bar(x, value, step * 0.9, color=shade, alpha=0.75, label=model or None)
            seen = ~np.isnan(low)
            ends = np.abs(np.stack([value - low, high - value]))[:, seen]
            axis.errorbar(x[seen], value[seen], ends, fmt="none", ecolor="black", elinewidth=1)
        if donors is not None and len(donors):
            for row in donors.itertuples():
                if row.average in present:
                    at = present.index(row.average)
                    limits = (row.ceiling, row.ceiling)
                    axis.plot((at - 0.45, at + 0.45), limits, "k:", linewidth=1.5)
                    axis.plot(at + 0.2, row.pearsonr_log2, "kD", markersize=4)
            cells = dict.fromkeys(c for own in donors["cell_types"] for c in own.split(","))
            axis.plot([], [], "k:", label=f"between donors, {_cell_types(list(cells))}")
            axis.plot([], [], "kD", markersize=4, label="the model, the same")
        axis.set_xticks(range(len(present)), [p.replace(" ", "\n") for p in present])
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(ylabel=f"mean {_R}")
        if axis.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper center", ncols=LEGEND_COLUMNS)
    return figure


def overcorrelation_figure(
    tables: Mapping[str, pd.DataFrame], wanted: Sequence[str] = (UBIQUITOUS, SPECIFIC)
) -> Figure:
    """Draw overcorrelation between cell types as heat maps: a row per model, a column per group.

    Args:
        tables: model's name → rows of `Overcorrelation.table` of one group or more.
        wanted: groups, where a table has them.

    Raises:
        ConfigError: no model has any of the groups.
    """
    shown = [g for g in wanted if any(t["group"].eq(g).any() for t in tables.values())]
    some(shown, "groups of peaks")
    everything = pd.concat(tables.values())
    values = everything[everything["group"].isin(shown)]["overcorrelation"].abs()
    end = max(0.1, float(np.ceil(values.max(skipna=True) * 10) / 10)) if len(values) else 1.0
    any_table = next(iter(tables.values()))
    pairs = any_table[any_table["first"] != MEAN]
    cells = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    with styled():
        size = max(0.3 * len(cells), 0.9)
        width = max(2.3, 0.4 + size) * len(shown) + 2.4
        height = (0.7 + size) * len(tables) + 1.2
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(len(tables), len(shown), squeeze=False)
        for row, (model, table) in zip(axes, tables.items(), strict=True):
            for axis, group in zip(row, shown, strict=True):
                own = table[table["group"] == group]
                matrix = _matrix(own, cells)
                drawn = heat_map(axis, matrix, cells, cells, "RdBu_r", (-end, end))
                if group != shown[0]:
                    axis.set_yticks([])
                if model != list(tables)[-1]:
                    axis.set_xticks([])
                mean = own[own["first"] == MEAN]
                text = f"{model}\n{group} peaks" if model else f"{group} peaks"
                if len(mean):
                    r = mean.iloc[0]
                    text += f": mean {r['overcorrelation']:+.2f}\n"
                    text += f"(predicted {r['predicted']:.2f}, measured {r['experimental']:.2f})"
                axis.set_title(text.replace("-", "−"), loc="left", fontsize=8)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.02)
        bar.set_label("correlation of predictions\nless correlation of measurements")
    return figure


def _matrix(table: pd.DataFrame, cells: Sequence[str]) -> np.ndarray:
    matrix = np.full((len(cells), len(cells)), np.nan)
    place = {c: i for i, c in enumerate(cells)}
    for row in table.itertuples():
        if row.first in place and row.second in place:
            i, j = place[row.first], place[row.second]
            matrix[i, j] = matrix[j, i] = row.overcorrelation
    return matrix
