"""Panels in which models are rows: values with intervals and seeds, and ratios of gradients."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from tfepi.report.figures import FIRST, GREY

NO_ESTIMATE = {"value": None, "interval": None, "by_seed": {}}


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Name the lines of an axis, the first on top."""
    axis.set_yticks(np.arange(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)


def draw_estimates(
    axis: Axes,
    estimates: Sequence[dict],
    colour: str = FIRST,
    marker: str = "o",
    offset: float = 0.0,
    label: str = "",
) -> None:
    """Draw values with intervals and seeds, one line of the axis each.

    Args:
        axis: of the panel.
        estimates: `{"value", "interval", "by_seed"}`; undefined ones are left out.
        colour, marker: of the values.
        offset: of their lines, downwards; single seeds lie below where there is none.
        label: for the legend.
    """
    y = np.arange(len(estimates)) + offset
    value, low, high = np.array([_ends(e) for e in estimates], float).T
    below = y + (0.2 if offset == 0 else 0.0)
    seeds = [(v, place) for e, place in zip(estimates, below, strict=True) for v in _seeds(e)]
    seeds = np.array(seeds, float).reshape(-1, 2)
    axis.plot(
        *seeds.T,
        "o",
        color=colour,
        markersize=3,
        fillstyle="none",
        markeredgewidth=0.6,
        alpha=0.7,
        linestyle="none",
    )
    axis.hlines(y, low, high, color=colour, linewidth=1.3)
    axis.plot(value, y, marker, color=colour, markersize=5, linestyle="none", label=label or None)


def _seeds(estimate: dict) -> list[float]:
    return [v for v in estimate["by_seed"].values() if v is not None]


def _ends(estimate: dict) -> tuple[float, float, float]:
    value = np.nan if estimate["value"] is None else estimate["value"]
    low, high = estimate["interval"] or (value, value)
    return value, low, high


def draw_ratios(axis: Axes, ratios: Sequence[Sequence[float]]) -> None:
    """Draw the ratio of each seed, and their geometric mean, a line of the axis per model.

    Args:
        axis: of the panel.
        ratios: of each model's seeds, sequence over accessibility; none without accessibility.
    """
    for y, values in enumerate(ratios):
        if len(values):
            axis.plot(
                values, np.full(len(values), y), "o", color=GREY, markersize=3, fillstyle="none"
            )
            axis.plot(np.exp(np.log(values).mean()), y, "D", color=GREY, markersize=5)
        else:
            axis.text(
                0.03,
                y,
                "no accessibility",
                transform=axis.get_yaxis_transform(),
                fontsize=7,
                va="center",
                color=GREY,
            )
    axis.set_xscale("log")
    axis.axvline(1, color=GREY, linewidth=0.9, linestyle="--")
    every = np.array([1.0, *(v for values in ratios for v in values)])
    few = every.max() / every.min() < 30  # so that the numbers do not touch
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if few else LogLocator(numticks=5))
    axis.xaxis.set_major_formatter(_plain)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(labelbottom=True)
    axis.set(title="gradient ratio", xlabel="sequence / accessibility")


def _plain(value: float, _position: int) -> str:
    return f"{value:g}"
