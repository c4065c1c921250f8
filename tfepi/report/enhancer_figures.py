"""Figures of enhancers and genes: profiles along a window, effects against distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from tfepi.analysis.effect_distance import MASSES, EffectDistance
from tfepi.report.figures import FIRST, GREY, LEGEND_COLUMNS, SECOND, some, styled
from tfrecords_tools.errors import ConfigError

_LOOKS = {True: (SECOND, "regulates the gene"), False: ("0.6", "does not"), None: (FIRST, None)}
_MOST_LINES = 12
_MOST_TICKS = 6
_DRAWN_MASSES = tuple(m for m in MASSES if m in (0.5, 0.9, 0.99))


@dataclass(frozen=True)
class Panel:
    """A profile along a window.

    Attributes:
        label: what is drawn, with its unit.
        values: of stretches of equal width that make up the window, [stretches].
        log: whether the axis is logarithmic; values of 0 are then not drawn.
    """

    label: str
    values: np.ndarray
    log: bool = False


@dataclass(frozen=True)
class Marked:
    """A candidate element in a figure.

    Attributes:
        start: 0-based.
        end: the base behind it.
        label: whether it regulates the gene; None is not known.
    """

    start: int
    end: int
    label: bool | None = None


def profile_figure(
    title: str,
    chrom: str,
    start: int,
    length: int,
    tss: int,
    strand: str,
    panels: Sequence[Panel],
    elements: Sequence[Marked] = (),
) -> Figure:
    """Draw profiles along the window of a gene, with its TSS and candidate elements marked.

    Args:
        title: of the figure.
        chrom: chromosome.
        start: of the window, 0-based.
        length: of it, bp.
        tss: 0-based.
        strand: of the gene.
        panels: one below the other.
        elements: to mark in each.

    Raises:
        ConfigError: no panels.
    """
    some(panels, "profiles")
    with styled():
        figure = Figure(figsize=(9, 1.5 * len(panels) + 1.3), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True).ravel()
        for axis, panel in zip(axes, panels, strict=True):
            edges = (start + np.linspace(0, length, len(panel.values) + 1)) / 1000
            _profile(axis, edges, panel)
            _mark(axis, elements)
            axis.axvline(tss / 1000, color=GREY, linewidth=0.8, linestyle="--", zorder=0.5)
            axis.set_ylabel(panel.label)
            axis.margins(x=0)
        arrow = "TSS ←" if strand == "-" else "TSS →"
        place = (tss / 1000, 1.02)
        transform = axes[0].get_xaxis_transform()
        axes[0].text(*place, arrow, transform=transform, ha="center", va="bottom", fontsize=8)
        if elements:
            _legend(figure, elements)
        axes[-1].set_xlabel(f"position on {chrom} (kb)")
        axes[-1].ticklabel_format(useOffset=False, style="plain", axis="x")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        figure.align_ylabels(axes)
    return figure


def _profile(axis: Axes, edges: np.ndarray, panel: Panel) -> None:
    values = panel.values.astype(float)
    if panel.log:
        values = np.where(values > 0, values, np.nan)
        axis.stairs(values, edges, color=FIRST, linewidth=0.9, baseline=None)
        if np.isfinite(values).any():
            _log_scale(axis, np.nanmin(values), np.nanmax(values))
        return
    axis.stairs(values, edges, color=FIRST, fill=True, linewidth=0)
    if values.min(initial=0) < 0:
        axis.axhline(0, color=GREY, linewidth=0.6)


def _log_scale(axis: Axes, low: float, high: float) -> None:
    """Make an axis logarithmic, with ticks at 1, 2 and 5, or at powers of ten if there are many.

    It goes from a 1, 2 or 5 to another, so that every axis has at least two ticks.
    """
    powers = np.arange(np.floor(np.log10(low)), np.floor(np.log10(high)) + 2)
    ticks = np.array([step * 10.0**power for power in powers for step in (1, 2, 5)])
    first = np.flatnonzero(ticks <= low)[-1]
    last = np.flatnonzero((ticks >= high) & (ticks > ticks[first]))[0]
    ends, ticks = (ticks[first], ticks[last]), ticks[first : last + 1]
    if len(ticks) > _MOST_TICKS:
        ticks = 10.0**powers
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(*ends)


def _mark(axis: Axes, elements: Sequence[Marked]) -> None:
    for element in elements:
        colour, _ = _LOOKS[element.label]
        span = (element.start / 1000, element.end / 1000)
        axis.axvspan(*span, color=colour, alpha=0.25, linewidth=0, zorder=0)
        # A bar that shows even where the element is thinner than a pixel.
        axis.hlines(0.985, *span, color=colour, linewidth=3.5, transform=axis.get_xaxis_transform())


def _legend(figure: Figure, elements: Sequence[Marked]) -> None:
    present = {e.label for e in elements}
    shown = [
        (colour, name or "candidate element")
        for label, (colour, name) in _LOOKS.items()
        if label in present
    ]
    for colour, name in shown:
        figure.axes[0].plot([], [], color=colour, linewidth=3.5, label=name)
    figure.legend(loc="outside upper right", ncols=min(len(shown), LEGEND_COLUMNS))


def pair_effects_figure(
    distance: np.ndarray,
    effect: np.ndarray,
    deviation: np.ndarray,
    label: np.ndarray | None = None,
) -> Figure:
    """Draw what elements do to their genes against the distance between them.

    Args:
        distance: from the TSS, bp, positive in the gene's direction, [elements].
        effect: log2 ratio, [elements]; NaN is left out.
        deviation: over scrambles; NaN has none.
        label: whether each regulates, bool; None is not known.

    Raises:
        ConfigError: no effect is a number.
    """
    known = np.isfinite(effect)
    some(np.flatnonzero(known), "effects of elements")
    with styled():
        figure = Figure(figsize=(6.5, 3.6), layout="constrained")
        axis = figure.subplots()
        axis.axhline(0, color=GREY, linewidth=0.6)
        axis.axvline(0, color=GREY, linewidth=0.6, linestyle="--")
        for value in (False, True) if label is not None else (None,):
            chosen = known & (True if value is None else label == value)
            colour, name = _LOOKS[value]
            x, y = distance[chosen] / 1000, effect[chosen]
            spread = np.nan_to_num(deviation[chosen])
            axis.vlines(x, y - spread, y + spread, color=colour, linewidth=0.8, alpha=0.6)
            axis.plot(x, y, "o", color=colour, markersize=4, label=name)
        axis.set_xlabel("from the TSS to the element, along the gene (kb)")
        axis.set_ylabel("log2(replaced / own)\nmean ± sd over scrambles")
        if label is not None:
            axis.legend()
    return figure


def distance_figure(
    by: EffectDistance,
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    width: int,
    what: str = "gene",
) -> Figure:
    """Draw the size of effects, and its cumulative share, against distance from the TSS.

    Args:
        by: effects by distance.
        lines: name of each gene or start site → distances, rising, and mean |effect| there; drawn
            thin and grey, if they are few.
        width: of the stretches that were replaced, bp.
        what: the lines are of.

    Raises:
        ConfigError: there is no distance away from the TSS.
    """
    away = by.away
    if not away.any():
        raise ConfigError("every stretch lies at the TSS: use smaller tiles to draw distances")
    x = by.distance[away] / 1000
    with styled():
        figure = Figure(figsize=(6.5, 5), layout="constrained")
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.4, 1])
        if 1 < len(lines) <= _MOST_LINES:
            for number, (distance, size) in enumerate(lines.values()):
                label = None if number else f"each {what}"
                top.plot(distance / 1000, _above(size), color="0.75", linewidth=0.7, label=label)
        mean = _above(by.mean[away])
        low, high = _above(by.low[away]), _above(by.high[away])
        if np.isfinite(low).any():
            label = "95% interval of the mean"
            top.fill_between(x, low, high, color=FIRST, alpha=0.2, linewidth=0, label=label)
        note = f"mean of {len(lines)} {what}s" if len(lines) > 1 else next(iter(lines))
        top.plot(x, mean, color=FIRST, linewidth=1.4, marker=".", label=note)
        top.plot(x, _above(by.median[away]), color=SECOND, linewidth=1, label="median")
        if np.isfinite(mean).any():
            top.set_yscale("log")
        top.set_ylabel(f"|log2(replaced / own)|\nof {width:,} bp")
        top.legend(loc="upper right")
        below.plot(x, by.cumulative[away], color=FIRST, linewidth=1.4)
        notes = []
        for share in _DRAWN_MASSES:
            found = by.mass_width(share)
            if found is None:
                continue
            below.plot([0, found / 1000], [share] * 2, color=GREY, linewidth=0.6, linestyle=":")
            below.plot([found / 1000] * 2, [0, share], color=GREY, linewidth=0.6, linestyle=":")
            notes.append(f"{100 * share:g}% within {found / 1000:.3g} kb")
        note = "\n".join(notes)
        plain = {"facecolor": "white", "edgecolor": "none", "pad": 2}
        place = {"transform": below.transAxes, "ha": "right"}
        below.text(0.985, 0.06, note, fontsize=8, bbox=plain, **place)
        below.set(ylim=(0, 1.04), ylabel="share of the effect\nwithin the distance")
        below.set_xlabel("distance from the TSS (kb)")
        below.set_xlim(0, x[-1] * 1.02)
    return figure


def _above(values: np.ndarray) -> np.ndarray:
    """Return values that a logarithmic axis can show, NaN for others."""
    return np.where(np.asarray(values, float) > 0, values, np.nan)
