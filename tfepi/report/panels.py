"""Figures of values: observed against predicted, and along the genome."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, count_bar, some, styled
from tfepi.report.target_names import SHARES, title
from tfrecords_tools.targets import Target

_NAME_SPACE = 36  # letters of a title above a square panel


@dataclass(frozen=True)
class Observed:
    """Observed and predicted values of one target.

    Attributes:
        target: that was measured.
        truth: observed values; NaN is missing.
        prediction: predicted values, same shape.
        note: what is written into the panel ("r = 0.65").
        unit: what a value is.
    """

    target: Target
    truth: np.ndarray
    prediction: np.ndarray
    note: str = ""
    unit: str = "coverage"


def observed_predicted(panels: Sequence[Observed]) -> Figure:
    """Draw observed against predicted values, one panel per target.

    Numbers of positions are shown by colour, on axes of log2(x + 1) where no value is
    negative, unless they are shares of 1; a 0/1 truth gives the distributions of predictions for
    either value.

    Args:
        panels: one or more targets.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with styled():
        figure = Figure(figsize=(3.1 * columns + 0.4, 3.1 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, panel in zip(axes, panels, strict=False):
            seen = ~(np.isnan(panel.truth) | np.isnan(panel.prediction))
            truth, prediction = panel.truth[seen], panel.prediction[seen]
            axis.set_title(title(panel.target, _NAME_SPACE, "\n"), loc="left", fontsize=8)
            if not len(truth):
                axis.text(0.5, 0.5, "no observed value", ha="center", transform=axis.transAxes)
            elif np.isin(truth, (0, 1)).all():
                _two_classes(axis, truth, prediction, panel.note)
            else:
                _cloud(figure, axis, truth, prediction, panel)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
    return figure


def _cloud(figure: Figure, axis: Axes, truth, prediction, panel: Observed) -> None:
    share = panel.unit in SHARES
    scale, meaning = (
        (panel.unit, "") if share else ("x", "\n" + textwrap.fill(f"x: {panel.unit}", 40))
    )
    if not share and truth.min() >= 0 and prediction.min() > -1:
        truth, prediction = np.log2(truth + 1), np.log2(np.maximum(prediction, 0) + 1)
        scale = "log2(x + 1)"
    low = min(truth.min(), prediction.min())
    high = max(truth.max(), prediction.max())
    high = high if high > low else low + 1
    if share:
        low, high = 0, 1
    counts, edges, _ = np.histogram2d(truth, prediction, bins=50, range=[(low, high)] * 2)
    shown = np.ma.masked_equal(counts.T, 0)
    look = {"cmap": "viridis", "norm": LogNorm(), "rasterized": True}
    mesh = axis.pcolormesh(edges, edges, shown, **look)
    axis.plot((low, high), (low, high), color=GREY, linewidth=0.8, linestyle="--")
    axis.set(xlabel=f"observed, {scale}{meaning}", ylabel=f"predicted, {scale}", aspect="equal")
    axis.text(0.04, 0.96, panel.note, transform=axis.transAxes, va="top", fontsize=8)
    count_bar(figure, axis, mesh, "positions")


def _two_classes(axis: Axes, truth, prediction, note: str) -> None:
    edges = np.linspace(prediction.min(), max(prediction.max(), prediction.min() + 1e-6), 31)
    for value, colour, style in ((0, GREY, "--"), (1, FIRST, "-")):
        chosen = prediction[truth == value]
        if len(chosen):
            share = np.full(len(chosen), 1 / len(chosen))
            label = f"observed {value} (n = {len(chosen):,})"
            axis.hist(
                chosen,
                edges,
                weights=share,
                histtype="step",
                color=colour,
                linestyle=style,
                label=label,
            )
    axis.set(xlabel="predicted value", ylabel="share of positions")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.35)
    axis.legend(loc="upper right", title=note or None, title_fontsize=8)


def tracks(
    chrom: str,
    starts: np.ndarray,
    bin_width: int,
    panels: Sequence[Observed],
    heading: str = "",
) -> Figure:
    """Draw observed and predicted values along a stretch of the genome, a row per target.

    Args:
        chrom: chromosome.
        starts: start of each bin, 0-based, ascending; a gap breaks the lines.
        bin_width: bp.
        panels: targets with values of these bins.
        heading: above the first row.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    starts = np.asarray(starts)
    breaks = np.flatnonzero(np.diff(starts) > bin_width) + 1
    edges = np.insert(starts, breaks, starts[breaks - 1] + bin_width) / 1000
    with styled():
        figure = Figure(figsize=(9, 1.45 * len(panels) + 0.9), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True).ravel()
        for axis, panel in zip(axes, panels, strict=True):
            truth, prediction = (
                np.insert(np.asarray(v, float), breaks, np.nan)
                for v in (panel.truth, panel.prediction)
            )
            x = np.append(edges, edges[-1] + bin_width / 1000)
            axis.fill_between(
                x,
                np.append(truth, truth[-1]),
                step="post",
                color="0.75",
                linewidth=0,
                label="observed",
            )
            axis.step(
                x,
                np.append(prediction, prediction[-1]),
                where="post",
                color=FIRST,
                linewidth=1,
                label="predicted",
            )
            axis.margins(x=0)
        _name_rows(figure, axes, panels, heading)
        axes[-1].set_xlabel(f"position on {chrom} (kb), bins of {bin_width} bp")
    return figure


def _name_rows(figure: Figure, axes: Sequence[Axes], panels: Sequence[Observed], heading: str):
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_title(f"{title(panel.target, 60)}   {panel.note}".rstrip(), loc="left")
        axis.set_ylabel(textwrap.fill(panel.unit, 20), fontsize=8)
    figure.align_ylabels(axes)
    axes[-1].ticklabel_format(useOffset=False, style="plain", axis="x")
    figure.suptitle(heading, fontsize=9, x=0.01, ha="left")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)


def sites(
    chrom: str,
    positions: np.ndarray,
    panels: Sequence[Observed],
    heading: str = "",
) -> Figure:
    """Draw observed and predicted values of single bases along a stretch, a row per target.

    Args:
        chrom: chromosome.
        positions: 0-based, ascending.
        panels: targets with a value of each position.
        heading: above the first row.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    x = np.asarray(positions) / 1000
    with styled():
        figure = Figure(figsize=(9, 1.45 * len(panels) + 0.9), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True).ravel()
        for axis, panel in zip(axes, panels, strict=True):
            axis.plot(x, panel.truth, "o", color=GREY, markersize=3, label="observed")
            axis.plot(x, panel.prediction, "_", color=FIRST, markersize=5, label="predicted")
            axis.set_ylim(-0.04, 1.04)
        _name_rows(figure, axes, panels, heading)
        axes[-1].set_xlabel(f"position on {chrom} (kb)")
    return figure
