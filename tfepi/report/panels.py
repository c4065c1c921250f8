"""Figures of values: observed against predicted, and along the genome."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, count_bar, short, some, styled

SHARES = ("beta", "probability")  # units that lie between 0 and 1


@dataclass(frozen=True)
class Observed:
    """Observed and predicted values of one target.

    Attributes:
        name: identifier of the target.
        truth: observed values; NaN is missing.
        prediction: predicted values, same shape.
        note: what is written into the panel ("r = 0.65").
    """

    name: str
    truth: np.ndarray
    prediction: np.ndarray
    note: str = ""


def observed_predicted(panels: Sequence[Observed], unit: str = "coverage") -> Figure:
    """Draw observed against predicted values, one panel per target.

    Numbers of positions are shown by colour, on axes of log2(x + 1) where no value is
    negative, unless they are shares of 1; a 0/1 truth gives the distributions of predictions for
    either value.

    Args:
        panels: one or more targets.
        unit: what a value is.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    shares = unit in SHARES
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with styled():
        figure = Figure(figsize=(3.1 * columns + 0.4, 2.8 * rows + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, panel in zip(axes, panels, strict=False):
            seen = ~(np.isnan(panel.truth) | np.isnan(panel.prediction))
            truth, prediction = panel.truth[seen], panel.prediction[seen]
            axis.set_title(short(panel.name))
            if not len(truth):
                axis.text(0.5, 0.5, "no observed value", ha="center", transform=axis.transAxes)
            elif np.isin(truth, (0, 1)).all():
                _two_classes(axis, truth, prediction, panel.note)
            else:
                _cloud(figure, axis, truth, prediction, panel.note, unit if shares else None)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        if not shares:
            figure.supxlabel(f"x: {unit}", fontsize=9)
    return figure


def _cloud(figure: Figure, axis: Axes, truth, prediction, note: str, share: str | None) -> None:
    scale = share or "x"
    if share is None and truth.min() >= 0 and prediction.min() > -1:
        truth, prediction = np.log2(truth + 1), np.log2(np.maximum(prediction, 0) + 1)
        scale = "log2(x + 1)"
    low = min(truth.min(), prediction.min())
    high = max(truth.max(), prediction.max())
    high = high if high > low else low + 1
    if share is not None:
        low, high = 0, 1
    counts, edges, _ = np.histogram2d(truth, prediction, bins=50, range=[(low, high)] * 2)
    shown = np.ma.masked_equal(counts.T, 0)
    look = {"cmap": "viridis", "norm": LogNorm(), "rasterized": True}
    mesh = axis.pcolormesh(edges, edges, shown, **look)
    axis.plot((low, high), (low, high), color=GREY, linewidth=0.8, linestyle="--")
    axis.set(xlabel=f"observed, {scale}", ylabel=f"predicted, {scale}", aspect="equal")
    axis.text(0.04, 0.96, note, transform=axis.transAxes, va="top", fontsize=8)
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
    unit: str = "coverage",
    title: str = "",
) -> Figure:
    """Draw observed and predicted values along a stretch of the genome, a row per target.

    Args:
        chrom: chromosome.
        starts: start of each bin, 0-based, ascending; a gap breaks the lines.
        bin_width: bp.
        panels: targets with values of these bins.
        unit: what a value is.
        title: above the first row.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    starts = np.asarray(starts)
    breaks = np.flatnonzero(np.diff(starts) > bin_width) + 1
    edges = np.insert(starts, breaks, starts[breaks - 1] + bin_width) / 1000
    with styled():
        figure = Figure(figsize=(9, 1.35 * len(panels) + 0.9), layout="constrained")
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
            axis.set_title(f"{short(panel.name, 60)}   {panel.note}".rstrip(), loc="left")
            axis.margins(x=0)
        axes[0].legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.28), borderaxespad=0)
        figure.supylabel(unit, fontsize=9)
        axes[-1].set_xlabel(f"position on {chrom} (kb), bins of {bin_width} bp")
        axes[-1].ticklabel_format(useOffset=False, style="plain", axis="x")
        if title:
            figure.suptitle(title, fontsize=9)
    return figure


def sites(
    chrom: str,
    positions: np.ndarray,
    panels: Sequence[Observed],
    unit: str = "beta",
    title: str = "",
) -> Figure:
    """Draw observed and predicted values of single bases along a stretch, a row per target.

    Args:
        chrom: chromosome.
        positions: 0-based, ascending.
        panels: targets with a value of each position.
        unit: what a value is.
        title: above the first row.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "targets")
    x = np.asarray(positions) / 1000
    with styled():
        figure = Figure(figsize=(9, 1.35 * len(panels) + 0.9), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True).ravel()
        for axis, panel in zip(axes, panels, strict=True):
            axis.plot(x, panel.truth, "o", color=GREY, markersize=3, label="observed")
            axis.plot(x, panel.prediction, "_", color=FIRST, markersize=5, label="predicted")
            axis.set_title(f"{short(panel.name, 60)}   {panel.note}".rstrip(), loc="left")
            axis.set_ylim(-0.04, 1.04)
        axes[0].legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.28), borderaxespad=0)
        figure.supylabel(unit, fontsize=9)
        axes[-1].set_xlabel(f"position on {chrom} (kb)")
        axes[-1].ticklabel_format(useOffset=False, style="plain", axis="x")
        if title:
            figure.suptitle(title, fontsize=9)
    return figure
