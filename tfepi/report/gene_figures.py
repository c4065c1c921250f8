"""Figures of predicted expression: genes that vary among tracks, agreement with measurement."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage

from tfepi.analysis.expression_file import VALUES, Expression
from tfepi.analysis.gene_accuracy import Cloud, GeneAccuracy
from tfepi.report.figures import (
    FIRST,
    GREY,
    SECOND,
    count_bar,
    save_figure,
    short,
    some,
    styled,
)

FOLDER = "figures"
MOST_GENES, MOST_TRACKS = 40, 40
_FEWEST = 3  # genes and tracks of a heat map
_MOST_BINS, _MOST_POINTS = 40, 500
_LOOKS = ((FIRST, "-"), (SECOND, "--"))
_PREDICTED = "predicted with neighbours"  # the value that is drawn
_SHADES = 3.0  # standard deviations at the ends of the colour map


def draw_genes(out: str | Path, accuracy: GeneAccuracy | None = None) -> list[Path]:
    """Write the figures of a folder of `tfepi_genes.py` to its figures/; return their paths."""
    folder = Path(out) / FOLDER
    folder.mkdir(exist_ok=True)
    expression = Expression.read(out)
    paths = save_figure(expression_figure(expression), folder / "expression")
    if accuracy is not None:
        paths += save_figure(accuracy_figure(accuracy.clouds), folder / "accuracy")
    return paths


def expression_figure(expression: Expression) -> Figure:
    """Draw the genes that vary most among tracks as a heat map, or distributions of few tracks.

    Values are log2(x + 1) of predictions with neighbours; in the heat map less each track's mean
    over all genes, over its standard deviation. Genes and tracks are in the order of average
    linkage.
    """
    # Of a pair of strands the genes' own says all.
    tracks = np.array([i for i, s in enumerate(expression.strands) if s not in ("+", "-")])
    if len(tracks) < _FEWEST or len(expression.genes) < _FEWEST:
        return _distributions(expression, tracks)
    count = len(tracks)
    mean, deviation = _moments(expression)
    genes, shades = _most_variable(expression, tracks, mean, deviation)
    if count > MOST_TRACKS:
        most = np.sort(np.argsort(-shades.var(axis=0), kind="stable")[:MOST_TRACKS])
        tracks, shades = tracks[most], shades[:, most]
    down, across = _order(shades), _order(shades.T)
    names = [short(expression.names[genes[i]], 18) for i in down]
    labels = [_label(expression, tracks[i]) for i in across]
    with styled():
        size = (2.2 + 0.2 * len(labels) + 0.9, 1.0 + 0.16 * len(names) + 1.9)
        figure = Figure(figsize=(max(size[0], 5), max(size[1], 4)), layout="constrained")
        axis = figure.subplots()
        drawn = axis.imshow(
            shades[np.ix_(down, across)],
            cmap="RdBu_r",
            vmin=-_SHADES,
            vmax=_SHADES,
            aspect="auto",
            interpolation="none",
        )
        axis.set_yticks(range(len(names)), names, fontsize=6)
        axis.set_xticks(range(len(labels)), labels, rotation=90, fontsize=6)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        bar = figure.colorbar(drawn, ax=axis, shrink=0.5, pad=0.02, extend="both")
        bar.set_label(f"{_PREDICTED}, log2(x + 1):\nstandard deviations from the track's mean")
        shown = f"{len(names)} of {len(expression.genes):,} genes, {len(labels)} of "
        axis.set_title(f"{shown}{count:,} tracks: the most variable")
    return figure


def _label(expression: Expression, track: int) -> str:
    sense = " (sense)" if expression.strands[track] == "sense" else ""
    return short(expression.labels[track], 30) + sense


def _log(values: np.ndarray) -> np.ndarray:
    """Return log2(x + 1), float64; NaN where x is -1 or less."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log2(values.astype(np.float64) + 1)
    return np.where(np.isfinite(found), found, np.nan)


def _moments(expression: Expression) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each track over genes, of log2(x + 1)."""
    count, total, squares = (np.zeros(len(expression.tracks)) for _ in range(3))
    origin = None
    for _, block in expression.blocks(VALUES[1]):
        values = _log(block)
        if origin is None:
            origin = np.nan_to_num(values[0])
        values = values - origin
        seen = ~np.isnan(values)
        count += seen.sum(axis=0)
        total += np.nansum(values, axis=0)
        squares += np.nansum(values**2, axis=0)
    count = np.maximum(count, 1)
    mean = total / count
    return mean + origin, np.sqrt(np.maximum(squares / count - mean**2, 0))


def _most_variable(
    expression: Expression, tracks: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the genes whose standardised values vary most, and these values."""
    scale = np.where(deviation > 0, deviation, np.inf)
    genes = np.zeros(0, np.int64)
    kept = np.zeros((0, len(tracks)))
    for first, block in expression.blocks(VALUES[1]):
        values = np.nan_to_num((_log(block) - mean) / scale)[:, tracks]
        genes = np.concatenate([genes, np.arange(first, first + len(values))])
        kept = np.concatenate([kept, values])
        most = np.sort(np.argsort(-kept.var(axis=1), kind="stable")[:MOST_GENES])
        genes, kept = genes[most], kept[most]
    return genes, kept


def _order(rows: np.ndarray) -> list[int]:
    """Return the order of rows in which like ones are neighbours."""
    if len(rows) < _FEWEST:
        return list(range(len(rows)))
    return leaves_list(linkage(rows, "average", optimal_ordering=True)).tolist()


def _distributions(expression: Expression, tracks: np.ndarray) -> Figure:
    drawn = tracks[: len(_LOOKS)].tolist()
    columns = _log(expression.columns(VALUES[1], drawn))
    counts = max(1, min(_MOST_BINS, int(2 * len(columns) ** 0.5)))
    edges = np.histogram_bin_edges(columns[~np.isnan(columns)], counts)
    with styled():
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        axis = figure.subplots()
        for track, column, (colour, style) in zip(drawn, columns.T, _LOOKS, strict=False):
            values = column[~np.isnan(column)]
            label = _label(expression, track)
            axis.hist(values, edges, histtype="step", color=colour, linestyle=style, label=label)
        axis.set(xlabel=f"{_PREDICTED}, log2(x + 1)", ylabel="genes")
        axis.yaxis.get_major_locator().set_params(integer=True)
        some_of = f" in {len(drawn)} of {len(tracks):,} tracks" if len(drawn) < len(tracks) else ""
        axis.set_title(f"predicted expression of {len(columns):,} genes{some_of}")
        figure.legend(loc="outside lower center", ncols=len(drawn))
    return figure


def accuracy_figure(clouds: Sequence[Cloud]) -> Figure:
    """Draw observed against predicted expression of genes, a panel per track.

    Both axes have the same ends, and a dashed line where predicted is observed.

    Args:
        clouds: of one or more tracks.

    Raises:
        ConfigError: none.
    """
    some(clouds, "tracks")
    columns = min(3, len(clouds))
    rows = -(-len(clouds) // columns)
    with styled():
        figure = Figure(figsize=(3.3 * columns + 0.3, 3 * rows + 0.3), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, cloud in zip(axes, clouds, strict=False):
            axis.set_title(f"{short(cloud.name, 40)}\n{cloud.note}")
            x, y = _log(cloud.observed), _log(cloud.predicted)
            seen = ~(np.isnan(x) | np.isnan(y))
            if seen.any():
                _agreement(figure, axis, x[seen], y[seen])
            else:
                axis.text(0.5, 0.5, "no value", ha="center", transform=axis.transAxes)
        for axis in axes[len(clouds) :]:
            axis.set_axis_off()
    return figure


def _agreement(figure: Figure, axis: Axes, x: np.ndarray, y: np.ndarray) -> None:
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    room = 0.04 * (high - low) or 0.5
    ends = (low - room, high + room)
    axis.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--")
    if len(x) > _MOST_POINTS:
        look = {"gridsize": 40, "mincnt": 1, "cmap": "viridis", "linewidths": 0}
        drawn = axis.hexbin(x, y, extent=(*ends, *ends), norm=LogNorm(), **look)
        drawn.set_rasterized(True)
        count_bar(figure, axis, drawn, "genes")
    else:
        axis.plot(x, y, "o", color=FIRST, markersize=2.5, alpha=0.6, linestyle="none")
    axis.set(xlim=ends, ylim=ends, aspect="equal")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    axis.set(xlabel="observed, log2(x + 1)", ylabel=f"{_PREDICTED},\nlog2(x + 1)")
