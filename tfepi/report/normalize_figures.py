"""Figure of quantile normalisation: each track's distribution and their correlations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

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
from tfrecords_tools.normalize_survey import NormalizedCell

_COLOURS = {"DNase": FIRST, "ATAC": SECOND, None: GREY}
_MOST_NUMBERS = 10
_MOST_NAMES = 40
_DECADES = 1e5  # of signal shown


def draw_normalization(cells: Sequence[NormalizedCell], folder: str | Path) -> list[Path]:
    """Draw distributions and correlations of tracks before and after normalisation.

    Distributions are shares of the sampled positions that reach a signal, on log scales, coloured
    by assay, dashed for cell types held out. Correlations are Pearson's of the signal at the same
    positions, in the order of assays.

    Args:
        cells: one or more.
        folder: where normalize.svg and normalize.png go.

    Returns:
        The two paths.

    Raises:
        ConfigError: no cells.
    """
    some(cells, "tracks")
    order = list(_COLOURS)
    cells = sorted(cells, key=lambda c: order.index(c.assay))
    with styled():
        side = min(4.6, max(2.6, 0.24 * len(cells) + 1.6))
        figure = Figure(figsize=(9, 3.3 + side), layout="constrained")
        axes = figure.subplots(2, 2, height_ratios=(3.2, side), sharey="row")
        axes[0, 1].sharex(axes[0, 0])
        axes[0, 0].set_ylabel("share of positions, signal ≥ x")
        for axis, name in ((axes[0, 0], "before"), (axes[0, 1], "after")):
            _draw_shares(axis, cells, name)
            axis.set_title(f"{name} normalisation", loc="left")
        highest = max(max(c.before.max(), c.after.max()) for c in cells)
        axes[0, 0].set_xlim(max(axes[0, 0].get_xlim()[0], highest / _DECADES), 2 * highest)
        _draw_legend(figure, cells)
        image = None
        for axis, name in ((axes[1, 0], "before"), (axes[1, 1], "after")):
            image = _draw_correlations(axis, cells, name)
        figure.colorbar(image, ax=axes[1], label="Pearson's r of signal", pad=0.02, fraction=0.04)
    return save_figure(figure, Path(folder) / "normalize")


def _draw_shares(axis: Axes, cells: Sequence[NormalizedCell], name: str) -> None:
    for cell in cells:
        signal = getattr(cell, name)
        seen = signal > 0  # a log axis has no 0; the highest share says how many are above it
        axis.plot(
            signal[seen],
            cell.share[seen],
            color=_COLOURS[cell.assay],
            linestyle="--" if cell.held_out else "-",
            linewidth=1.2,
            alpha=0.9 if len(cells) <= _MOST_NUMBERS else 0.5,
        )
    axis.set(xscale="log", yscale="log", xlabel="signal x")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(LogLocator(numticks=7))
        each.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        each.set_minor_formatter(NullFormatter())
    axis.grid(color="0.92", linewidth=0.6)
    axis.set_axisbelow(True)


def _draw_legend(figure: Figure, cells: Sequence[NormalizedCell]) -> None:
    lines = [
        Line2D([], [], color=colour, label=assay or "assay not stated")
        for assay, colour in _COLOURS.items()
        if any(c.assay == assay for c in cells)
    ]
    if any(c.held_out for c in cells):
        lines.append(Line2D([], [], color="black", linestyle="--", label="held out"))
    figure.legend(handles=lines, loc="outside upper right", ncols=min(len(lines), LEGEND_COLUMNS))


def _draw_correlations(axis: Axes, cells: Sequence[NormalizedCell], name: str):
    """Draw the matrix; a pair without positions in common, or without variance, stays white."""
    table = pandas.DataFrame({n: getattr(c, f"signal_{name}") for n, c in enumerate(cells)})
    r = table.corr().to_numpy()
    image = axis.imshow(r, vmin=0, vmax=1, cmap="viridis")
    places = np.arange(len(cells))
    names = [short(c.cell, 24) + " (held out)" * c.held_out for c in cells]
    names = names if len(cells) <= _MOST_NAMES else []
    axis.set_xticks(places[: len(names)], names, rotation=90)
    axis.set_yticks(places[: len(names)], names)
    for ticks in (axis.get_xticklabels(), axis.get_yticklabels()):
        for label, cell in zip(ticks, cells, strict=False):
            label.set_color(_COLOURS[cell.assay])
    if not names:
        axis.set(xlabel=f"{len(cells)} tracks, by assay")
    if len(cells) <= _MOST_NUMBERS:
        for row, column in np.argwhere(~np.isnan(r)):
            dark = "white" if r[row, column] < 0.6 else "black"
            text = f"{r[row, column]:.2f}"
            axis.text(column, row, text, color=dark, ha="center", va="center", fontsize=8)
    return image
