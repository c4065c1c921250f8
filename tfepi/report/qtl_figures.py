"""Figures of QTL connectivity: distances, connections per region, and laws of their number.

In the manner of the Data Study Group report: distances are its Figure 1, connections per region its
Figures 5–10.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfepi.qtl.connect_run import KINDS, Result
from tfepi.qtl.degree_laws import ScaleFree
from tfepi.qtl.power_law import counted
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled

_WHAT = {"connected": "connected QTLs", "binned": "binned QTLs"}
_STEPS = 100  # of a histogram, at most
_COLUMNS = 3
_NAMES = {
    "lognormal": "log-normal of all",
    "exponential": "exponential of all",
    "stretched_exponential": "stretched exponential of all",
}
_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}  # not on lines
_LINES = {"lognormal": "--", "exponential": ":", "stretched_exponential": "-."}


def draw_connectivity(results: Mapping[str, Result], out: Path) -> list[Path]:
    """Write distances, and NAME_regions and NAME_degrees of each table, into figures/.

    Args:
        results: name of a table → what was found.
        out: folder of the run.

    Returns:
        Paths of the figures, SVG and PNG.
    """
    folder = Path(out) / "figures"
    folder.mkdir(exist_ok=True)
    paths = save_figure(distance_figure(results), folder / "distances")
    for name, result in results.items():
        paths += save_figure(region_figure(name, result), folder / f"{name}_regions")
        if any(law is not None for law in result.laws.values()):
            paths += save_figure(degree_figure(name, result), folder / f"{name}_degrees")
    return paths


def distance_figure(results: Mapping[str, Result]) -> Figure:
    """Draw the number of links by distance of the SNP from its target, a panel for each table.

    Raises:
        ConfigError: no tables.
    """
    some(results, "tables")
    columns = min(_COLUMNS, len(results))
    rows = -(-len(results) // columns)
    with styled():
        figure = Figure(figsize=(3.4 * columns + 0.6, 2.5 * rows + 0.2), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, (name, result) in zip(axes, results.items(), strict=False):
            found = result.found
            axis.stairs(found.distances, found.edges / 1000, fill=True, color=FIRST)
            axis.set_title(f"{short(name)} ({found.links:,} links)", loc="left", fontsize=8)
            axis.margins(x=0)
            axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for axis in axes[len(results) :]:
            axis.set_axis_off()
        step = (found.edges[1] - found.edges[0]) / 1000
        figure.supxlabel("SNP − target (kb)", fontsize=9)
        figure.supylabel(f"links per {step:g} kb", fontsize=9)
    return figure


def region_figure(name: str, result: Result) -> Figure:
    """Draw how many regions have how many connected (top) and binned QTLs (bottom).

    Regions with none are a bar of their own, left of 1, at the tick "none".

    Args:
        name: of the table.
        result: what was found.
    """
    with styled():
        figure = Figure(figsize=(6, 5), layout="constrained")
        for axis, kind in zip(figure.subplots(2, 1), KINDS, strict=True):
            _regions(axis, result, kind)
        figure.suptitle(name, fontsize=9)
    return figure


def _regions(axis: Axes, result: Result, kind: str) -> None:
    degrees, summary = getattr(result.found, kind), result.summary[kind]
    most = max(1, int(degrees.max()))
    step = _round_step(most)
    edges = np.arange(1, most + step + 1, step) - 0.5  # bars are about whole numbers
    axis.stairs(np.histogram(degrees, edges)[0], edges, fill=True, color=FIRST)
    width = max(1.0, most / 60)
    none, at = summary["without"], -1.5 * width
    axis.bar(at, none, width, color=GREY, label=f"none: {none:,} regions")
    ticks = MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]).tick_values(1, most)
    ticks = [int(tick) for tick in ticks if 1 <= tick <= most]
    axis.set_xticks([at, *ticks], ["none", *map(str, ticks)])
    unit = "" if step == 1 else f" (bars of {step})"
    axis.set(
        yscale="log",
        ylim=(0.7, None),
        xlabel=f"{_WHAT[kind]} of a region{unit}",
        ylabel="regions",
    )
    many = summary["over_than"]
    if most > many:
        label = f"> {many}: {summary['over']:,} regions, {summary['share_over']:.2%} of all"
        axis.axvline(many + 0.5, color=SECOND, linestyle="--", linewidth=1, label=label)
    axis.legend(loc="upper right")


def _round_step(most: int) -> int:
    """Return the width of bars: 1, 2, 5, 10, 20, … so that there are at most `_STEPS`."""
    steps = (s * 10**k for k in range(12) for s in (1, 2, 5))
    return next(step for step in steps if most <= step * _STEPS)


def degree_figure(name: str, result: Result) -> Figure:
    """Draw the share of connected regions with x or more connections, and laws of it.

    The power law is that of the tail and is drawn there; the others are fitted to all degrees.

    Args:
        name: of the table.
        result: what was found; one without laws has an empty panel.
    """
    with styled():
        figure = Figure(figsize=(9, 5), layout="constrained")
        for axis, kind in zip(figure.subplots(1, 2), KINDS, strict=True):
            x, count = counted(getattr(result.found, kind))
            share = np.cumsum(count[::-1])[::-1] / count.sum()
            axis.plot(x, share, "o", color="0.7", markersize=4, label="regions")
            if result.laws[kind] is not None:
                _laws(axis, result.laws[kind], x)
            axis.set(
                xscale="log",
                yscale="log",
                ylim=(0.5 / count.sum(), 1.5),
                xlabel=f"x: {_WHAT[kind]} of a region",
                ylabel="share of connected regions with x or more",
            )
            axis.legend(**_ABOVE)
        figure.suptitle(name, fontsize=9)
    return figure


def _laws(axis: Axes, test: ScaleFree, x: np.ndarray) -> None:
    law = test.fitted.law
    points = np.unique(np.geomspace(law.xmin, x[-1], 200).round())
    share = law.tail / test.values
    label = f"power law of the tail, x ≥ {law.xmin}: exponent {law.alpha:.2f};\n"
    label += test.fitted.p_shown
    ratio = next(iter(test.tail.values()))
    above = ratio.power_law.above(points, law.xmin)
    axis.plot(points, share * above, color=SECOND, linewidth=1.6, label=label)
    points = np.unique(np.geomspace(x[0], x[-1], 300).round())
    for law_name, found in test.whole.items():
        look = {"color": FIRST, "linestyle": _LINES[law_name], "linewidth": 1.1}
        axis.plot(points, found.law.above(points, x[0]), **look, label=_NAMES[law_name])
