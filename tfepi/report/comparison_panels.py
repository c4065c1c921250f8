"""Panels of the figure of models against each other: effect by distance, fields, regions."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter
from seaborn import color_palette

from tfepi.comparison.left_out import regions_text
from tfepi.report.figures import GREY, short
from tfrecords_tools.number_text import number_of

NAME = 14  # letters of a model's name
MOST_PAIRS = 10  # in the panel of the largest, which has a row of each
_SMALLEST = 1e-6  # of an effect relative to that at the variant, on the logarithmic axis
_WHOLE = {"color": "black", "marker": "D", "markersize": 5, "linestyle": "none"}
_CUT = _WHOLE | {"markerfacecolor": "white"}
_MOST = {"color": "black", "marker": "|", "markersize": 12, "linestyle": "none"}
BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.19), "ncols": 2}
_OVER_REGIONS = {
    "spearmanr": "Spearman",
    "pearsonr": "Pearson",
    "pearsonr_log2": "Pearson of logs",
}


def distances_panel(axis: Axes, curves: pd.DataFrame, colours: Mapping) -> None:
    """Draw the mean effect by distance on logarithmic axes, that at the variant at 1."""
    curves = curves[(curves.grid == "log") & (curves.relative > 0)]
    axis.set_title("mean |ALT − REF| by distance", loc="left")
    axis.set(xlabel="bp from the variant to the bin", ylabel="relative to the variant's bin")
    if curves.empty:
        axis.text(0.5, 0.5, "no model predicts several bins", ha="center", transform=axis.transAxes)
        return
    for name, curve in curves.groupby("model", sort=False):
        x = np.where(curve.low > 0, np.sqrt(np.maximum(curve.low, 0.5) * (curve.high - 1)), 0.5)
        axis.plot(x, curve.relative, "o-", color=colours[name], markersize=3, label=short(name))
        low = np.maximum(curve.relative_low, _SMALLEST)
        axis.fill_between(x, low, curve.relative_high, color=colours[name], alpha=0.2, linewidth=0)
    axis.set(xscale="log", yscale="log")
    axis.set_ylim(bottom=max(_SMALLEST, 0.5 * curves.relative.min()))
    axis.xaxis.set_minor_formatter(NullFormatter())
    ticks = [0.5, *(10.0**p for p in range(int(np.log10(curves.high.max())) + 1))]
    axis.set_xticks(ticks, ["0", *(f"{t:,.0f}" for t in ticks[1:])])
    axis.legend(loc="lower left")


def fields_panel(
    axis: Axes, names: Sequence[str], fields: Sequence[Mapping], colours: Mapping
) -> None:
    """Draw bp of the input, of what an output needs by arithmetic, and what was measured."""
    axis.set_title("receptive field", loc="left")
    by = {f["model"]: f for f in fields}
    for row, name in enumerate(names):
        field = by.get(name)
        if field is None:
            axis.text(0.02, row, "scores alone", transform=axis.get_yaxis_transform(), va="center")
            continue
        axis.barh(row, field["input"], 0.72, color="0.9")
        if field["theory"]:
            axis.barh(row, field["theory"]["most"], 0.4, color=colours[name])
        if seen := field["measured"]:
            look = _CUT if seen["cut_by"] else _WHOLE
            axis.plot(seen["span_max"], row, **look)
            axis.plot(seen["above_1e-02"], row, **_MOST)
    axis.set_yticks(range(len(names)), [short(n, NAME) for n in names])
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlabel("bp")
    if by:
        axis.set_xscale("log")
        axis.set_xlim(left=10)
        axis.legend(handles=_field_legend(by.values()), fontsize=7, labelspacing=1.1, **BELOW)


def _field_legend(fields: Iterable[Mapping]) -> list[Artist]:
    """Return what stands for input, theory and measurements; what is nowhere is left out."""
    fields = list(fields)
    seen = [f["measured"] for f in fields if f["measured"]]
    handles: list[Artist] = [Patch(color="0.9", label="input")]
    if any(f["theory"] for f in fields):
        handles.append(Patch(color=GREY, label="needed by one output"))
    marks = [(_MOST, "changed above 1% of the largest")] if seen else []
    cut = {bool(s["cut_by"]) for s in seen}
    marks += [(_WHOLE, "any change")] if False in cut else []
    marks += [(_CUT, "any change, cut by an end of\ninput or output")] if True in cut else []
    return handles + [Line2D([], [], **look, label=label) for look, label in marks]


def regions_panel(axis: Axes, pairs: Sequence[Mapping], regions: Mapping) -> None:
    """Draw the correlations over regions with their intervals, a row for each pair."""
    shown = pairs[:MOST_PAIRS]
    for number, (name, label) in enumerate(_OVER_REGIONS.items()):
        offset = (number - (len(_OVER_REGIONS) - 1) / 2) * 0.22
        colour = color_palette("viridis", len(_OVER_REGIONS))[number]
        for row, pair in enumerate(shown):
            found = pair.get(name)
            if found is None or found["value"] is None:
                continue
            if found["interval"]:
                y = row + offset
                axis.plot(found["interval"], (y, y), color=colour, linewidth=1.2)
            axis.plot(found["value"], row + offset, "o", color=colour, markersize=4)
        axis.plot([], [], "o-", color=colour, markersize=4, label=label)
    named = [f"{short(p['first'], NAME)},\n{short(p['second'], NAME)}" for p in shown]
    axis.set_yticks(range(len(shown)), named, fontsize=7)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    size = f"{number_of(regions['bins'], 'bin')} of {regions['bin_width']} bp each"
    axis.set_title(f"{regions_text(regions)}, {size}", loc="left")
    axis.set_xlabel("correlation")
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.set_xlim(right=1.03)
    axis.legend(fontsize=7, **BELOW | {"ncols": 3})


def two_digits(value: float) -> str:
    """Return a number with two digits behind the point, and a minus that is one."""
    return f"{value:.2f}".replace("-", "−")
