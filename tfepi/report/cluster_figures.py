"""Figures of clusters of peaks: signal by cell type, and the silhouettes they were chosen by."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled

_LOOKS = {"kmeans": ("k-means", FIRST, "-"), "ward": ("Ward", SECOND, "--")}
_LOOKS["mixture"] = ("Gaussian mixture", GREY, ":")
_NAME, _CELL = 42, 30  # letters of a cluster's and of a cell type's name
_MOST_NUMBERS = 300  # cells of a heat map that have their value written


def draw_clusters(summary: Mapping, out: str | Path) -> list[Path]:
    """Write figures/clusters and figures/silhouettes of a folder of `clusters`; return paths.

    Args:
        summary: the value of clusters.json.
        out: the folder.
    """
    folder = Path(out) / "figures"
    folder.mkdir(exist_ok=True)
    paths = save_figure(clusters_figure(summary), folder / "clusters")
    return paths + save_figure(silhouettes_figure(summary), folder / "silhouettes")


def clusters_figure(summary: Mapping) -> Figure:
    """Draw the mean profile of each cluster as a heat map, with the number of its peaks.

    Clusters are in the order of the cell type in which they are highest, the ubiquitous one first.

    Args:
        summary: the value of clusters.json.

    Raises:
        ConfigError: no clusters.
    """
    cells, clusters = summary["cell_types"], list(summary["clusters"])
    some(clusters, "clusters")
    share = np.array([[c["mean_share"][cell] for cell in cells] for c in clusters])
    order = sorted(
        range(len(clusters)),
        key=lambda i: (clusters[i]["name"] != "ubiquitous", share[i].argmax(), clusters[i]["tau"]),
    )
    share = share[order]
    names = [f"{short(clusters[i]['name'], _NAME)} ({clusters[i]['peaks']:,})" for i in order]
    with styled():
        size = (3.6 + 0.34 * len(cells) + 1.0, 0.9 + 0.26 * len(names) + 1.6)
        figure = Figure(figsize=(max(size[0], 5.5), max(size[1], 3.2)), layout="constrained")
        axis = figure.subplots()
        drawn = heat_map(axis, share, names, cells, "viridis", (0, 1))
        bar = figure.colorbar(drawn, ax=axis, shrink=0.7, pad=0.02)
        bar.set_label("mean share of the peak's highest,\nlog2(x + 1)")
        best = f"{summary['method']}, k = {summary['k']}, silhouette {summary['silhouette']:.3f}"
        if summary.get("joined", 0) > 1:
            best += f"; {summary['joined']} are joined as ubiquitous"
        axis.set_title(f"{summary['peaks']:,} peaks: {best}", loc="left")
        axis.set_ylabel("cluster (peaks)")
    return figure


def heat_map(
    axis,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    colours: str,
    ends: tuple[float, float],
):
    """Draw a matrix with its numbers, where they have room, and return the image.

    Args:
        axis: to draw on.
        values: [rows, columns]; NaN is left white.
        rows, columns: names.
        colours: name of a colour map.
        ends: values of its ends.
    """
    drawn = axis.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        vmin=ends[0],
        vmax=ends[1],
        aspect="auto",
        interpolation="none",
    )
    axis.set_yticks(range(len(rows)), rows, fontsize=7)
    names = [short(c, _CELL) for c in columns]
    axis.set_xticks(
        range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=7
    )
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if values.size <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = np.dot(drawn.cmap(drawn.norm(value))[:3], (0.3, 0.59, 0.11))
                ink = "white" if shade < 0.5 else "black"
                text = f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
                axis.text(column, row, text, ha="center", va="center", fontsize=5.5, color=ink)
    return drawn


def silhouettes_figure(summary: Mapping) -> Figure:
    """Draw the mean silhouette of every method by number of clusters, the chosen one marked.

    Args:
        summary: the value of clusters.json.
    """
    tried = [s for s in summary["silhouettes"] if s["silhouette"] is not None]
    some(tried, "silhouettes")
    with styled():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axis = figure.subplots()
        for method, (label, colour, style) in _LOOKS.items():
            own = [(s["k"], s["silhouette"]) for s in tried if s["method"] == method]
            if own:
                look = {"color": colour, "linestyle": style, "marker": "o", "markersize": 3}
                axis.plot(*zip(*own, strict=True), **look, label=label)
        axis.plot(
            summary["k"],
            summary["silhouette"],
            "o",
            color="black",
            markersize=9,
            markerfacecolor="none",
            label="chosen",
        )
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axis.set(xlabel="clusters, k", ylabel="mean silhouette")
        axis.legend(loc="best")
        axis.set_title(f"{summary['sample']:,} of {summary['peaks']:,} peaks", loc="left")
    return figure
