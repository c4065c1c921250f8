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
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled
from tfepi.report.height_figures import heights_figure, matched_figure
from tfepi.report.panels import Observed, observed_predicted
from tfepi.specificity.accuracy import GENOME, MEAN, PEAKS, SPECIFIC
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
        drawn["averages"] = averages_figure({"": found.averages}, ceiling)
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
    """Draw the accuracy of every cluster, a dot per cell type, with the median.

    Args:
        table: `Correlations.table`.
        belongs: specific cluster → its cell types, whose dots are filled.
        ceiling: the same table of correlations between donors, whose mean is a dash.

    Raises:
        ConfigError: no group with a defined value.
    """
    table = table[table["cell_type"] != MEAN]
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
            look = {"marker": "o", "s": 16, "linewidths": 0.8, "zorder": 3}
            spread = y + np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else [y]
            for chosen, face, colour in ((False, "none", GREY), (True, FIRST, FIRST)):
                rows = [i for i, f in enumerate(filled) if f == chosen]
                x = own["pearsonr_log2"].to_numpy()[rows]
                axis.scatter(
                    x, np.asarray(spread)[rows], facecolors=face, edgecolors=colour, **look
                )
            median = own["pearsonr_log2"].median()
            axis.plot((median, median), (y - 0.38, y + 0.38), color=SECOND, linewidth=2, zorder=2)
            if ceiling is not None:
                donors = ceiling[(ceiling["group"] == group) & (ceiling["cell_type"] == MEAN)]
                for limit in donors["pearsonr_log2"].dropna():
                    line = {"color": "black", "linestyle": ":", "linewidth": 1.5}
                    axis.plot((limit, limit), (y - 0.38, y + 0.38), **line)
            count = int(own["n"].max())
            labels.append(f"{short(group, _NAME)} ({count:,})")
        axis.set_yticks(range(len(shown)), labels, fontsize=7)
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set(xlabel=_R, ylabel="peaks of (positions)")
        handles = [
            axis.plot([], [], "o", color=GREY, markerfacecolor="none", markersize=4)[0],
            axis.plot([], [], color=SECOND, linewidth=2)[0],
        ]
        names = ["a cell type", "median"]
        if belongs:
            handles.append(axis.plot([], [], "o", color=FIRST, markersize=4)[0])
            names.append("the cluster's own")
        if ceiling is not None:
            handles.append(axis.plot([], [], color="black", linestyle=":", linewidth=1.5)[0])
            names.append("between donors, mean")
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _order(table: pd.DataFrame) -> list[str]:
    """Return groups: all positions, all peaks, ubiquitous, specific, then each cluster."""
    first = [g for g in (GENOME, PEAKS, UBIQUITOUS, SPECIFIC) if g in set(table["group"])]
    return first + [g for g in dict.fromkeys(table["group"]) if g not in first]


def averages_figure(
    tables: Mapping[str, pd.DataFrame], ceiling: pd.DataFrame | None = None
) -> Figure:
    """Draw mean accuracy in specific and in ubiquitous peaks of one or more models.

    Args:
        tables: model's name → `accuracy.averages`, or any table with its columns.
        ceiling: `Correlations.table` of correlations between donors.

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
    groups = {"ubiquitous peaks": UBIQUITOUS, "specific peaks": SPECIFIC, "all peaks": PEAKS}
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
        if ceiling is not None:
            for i, name in enumerate(present):
                own = ceiling["group"].eq(groups.get(name)) & ceiling["cell_type"].eq(MEAN)
                for limit in ceiling[own]["pearsonr_log2"].dropna():
                    axis.plot((i - 0.45, i + 0.45), (limit, limit), "k:", linewidth=1.5)
            axis.plot([], [], "k:", label="between donors")
        axis.set_xticks(range(len(present)), [p.replace(" ", "\n") for p in present])
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(ylabel=f"mean {_R}")
        if len(tables) > 1 or ceiling is not None:
            figure.legend(loc="outside upper center", ncols=min(3, len(tables) + 1))
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
        size = 0.3 * len(cells)
        width = max(2.6, 0.4 + size) * len(shown) + 2.4
        height = max(2.6, 0.7 + size) * len(tables) + 1.2
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
                axis.set_title(text, loc="left", fontsize=8)
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
