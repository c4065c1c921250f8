"""Figures of score components: variance explained, kinds of tracks, the first two of variants."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tfepi.report.figures import FIRST, GREY, SECOND, count_bar, save_figure, short, styled
from tfepi.report.target_names import MOST_GROUPS, track_groups
from tfepi.variants.components import Components
from tfepi.variants.summaries import COMPONENTS, TABLE

FOLDER = "figures"
_SHOWN = 20  # components
_POINTS = 200_000


def draw_summaries(out: str | Path) -> list[Path]:
    """Write the figures of a folder of `tfepi_summaries.py` to its figures/; return their paths."""
    out = Path(out)
    (out / FOLDER).mkdir(exist_ok=True)
    components = Components.read(out / COMPONENTS)
    paths = save_figure(component_figure(components), out / FOLDER / "components")
    if components.count > 1:
        figure = plane_figure(_first_two(out / TABLE), components)
        paths += save_figure(figure, out / FOLDER / "variants")
    return paths


def group_weights(components: Components) -> tuple[list[str], np.ndarray]:
    """Return kinds of tracks, the most frequent first, and how much each weighs in a component.

    Returns:
        Names with numbers of tracks, and float [groups, components]: the mean of the squared
        loadings of a group's tracks, times the number of tracks that vary; 1 is as if all tracks
        had an equal share.
    """
    groups = track_groups(components.labels)
    squares = components.loadings**2 * components.varying
    weights = np.array([squares[tracks].mean(axis=0) for tracks in groups.values()])
    labels = [f"{short(name, 20)} ({len(tracks):,})" for name, tracks in groups.items()]
    return labels, weights


def track_correlations(
    components: Components, most: int = MOST_GROUPS
) -> tuple[list[str], np.ndarray]:
    """Return tracks of large loadings, and their correlations with the components.

    Of a component of variance v, a standardised track of loading l has the correlation l · √v
    with it. Component by component the track of the largest loading is taken, then that of the
    second largest, until there are enough; they come in the order of the scores.

    Args:
        components: as they were found.
        most: tracks, at most.

    Returns:
        Descriptions, and float [tracks, components], of the variants they were found from; 0 for
        a track that does not vary.
    """
    size = np.abs(components.loadings)
    rank = np.argsort(np.argsort(-size, axis=0, kind="stable"), axis=0)
    first = np.lexsort((rank.argmin(axis=1), rank.min(axis=1)))
    kept = np.sort(first[:most])
    labels = [short(components.labels[i], 24) for i in kept]
    return labels, components.loadings[kept] * np.sqrt(components.explained)


def component_figure(components: Components) -> Figure:
    """Draw the variance that components explain, and what they weigh.

    That is kinds of tracks; if all are of one kind, single tracks.
    """
    count = min(components.count, _SHOWN)
    number = np.arange(1, count + 1)
    labels, weights = group_weights(components)
    look, what = {"cmap": "viridis", "vmin": 0}, "mean squared loading, 1: an equal share"
    if len(labels) == 1:
        labels, weights = track_correlations(components)
        look = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
        what = "correlation of track and component"
    with styled():
        size = (8.4, max(3.2, 1.5 + 0.28 * len(labels)))
        figure = Figure(figsize=size, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.4])
        shares = components.shares[:count]
        left.bar(number, shares, color=FIRST, label="each")
        left.plot(number, np.cumsum(shares), "o-", color=SECOND, markersize=3, label="together")
        left.set(xlabel="component", ylabel="share of the variance of all tracks")
        left.set_ylim(0, 1.02)
        left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=2)
        _whole_ticks(left, count)
        shown = weights[:, :count]
        drawn = right.imshow(shown, aspect="auto", interpolation="none", **look)
        if len(labels) < len(components.tracks) and "vmax" in look:
            right.set_title(f"{len(labels)} of the tracks, with the largest loadings")
        right.set_yticks(range(len(labels)), labels)
        right.set_xlabel("component")
        right.set_xticks(range(0, count, max(1, count // 10)), number[:: max(1, count // 10)])
        right.tick_params(length=0)
        right.spines[:].set_visible(False)
        bar = figure.colorbar(drawn, ax=right, pad=0.02)
        bar.set_label(what)
        figure.suptitle(
            f"{components.stat} of {components.variants:,} variants in "
            f"{len(components.tracks):,} tracks",
            fontsize=9,
        )
    return figure


def _whole_ticks(axis: Axes, count: int) -> None:
    step = max(1, count // 5)
    axis.set_xticks(range(1, count + 1, step))
    axis.set_xlim(0.3, count + 0.7)


def _first_two(path: Path) -> np.ndarray:
    """Return float [variants, 2]: components of evenly spaced variants, 200,000 at most."""
    found, seen = [], 0
    with pq.ParquetFile(path) as table:
        every = -(-table.metadata.num_rows // _POINTS)
        for batch in table.iter_batches(columns=["PC1", "PC2"]):
            values = np.stack([column.to_numpy() for column in batch.columns], axis=1)
            found.append(values[-seen % every :: every])
            seen += len(values)
    return np.concatenate(found)


def plane_figure(points: np.ndarray, components: Components) -> Figure:
    """Draw variants by their first two components; counts by colour.

    Args:
        points: float [variants, 2]; rows with NaN are left out.
        components: they are of.
    """
    points = points[np.isfinite(points).all(axis=1)]
    with styled():
        figure = Figure(figsize=(4.6, 3.9), layout="constrained")
        axis = figure.subplots()
        axis.axhline(0, color=GREY, linewidth=0.6)
        axis.axvline(0, color=GREY, linewidth=0.6)
        if len(points) > 500:
            cells = axis.hexbin(
                *points.T, gridsize=60, mincnt=1, norm=LogNorm(), cmap="viridis", linewidths=0
            )
            cells.set_rasterized(True)
            count_bar(figure, axis, cells, "variants")
        else:
            axis.plot(*points.T, "o", color=FIRST, markersize=2.5, alpha=0.6, linestyle="none")
        axis.set(
            xlabel=f"component 1 ({components.shares[0]:.0%} of the variance)",
            ylabel=f"component 2 ({components.shares[1]:.0%})",
        )
        axis.set_title(f"{len(points):,} variants, {components.stat}")
    return figure
