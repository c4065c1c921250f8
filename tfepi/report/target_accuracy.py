"""Figure of each target's accuracy: by name where there are few, by kind where there are many."""

from collections.abc import Sequence

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, LEGEND_COLUMNS, SECOND, some, styled
from tfepi.report.target_names import title, track_groups
from tfrecords_tools.targets import Target

MANY_TARGETS = 40
_LEAST_SHARE = 0.05  # of the height, for a kind of few targets: its name needs a line


def accuracy_per_target(
    targets: Sequence[Target], estimates: dict[str, Sequence[dict]], label: str = "accuracy"
) -> Figure:
    """Draw each target's accuracy with its interval as a dot plot.

    Above 40 targets their names give way to their kinds, by what comes before the first colon of
    the description: each has a colour and a band, in which targets are ranked by the first
    statistic; a panel per statistic also marks the kinds' medians.

    Args:
        targets: one or more.
        estimates: name of a statistic → `{"value", "interval"}` per target; undefined ones
            are left out. Up to three.
        label: of the axis.

    Raises:
        ConfigError: no targets or no statistics.
    """
    some(targets, "targets")
    some(estimates, "statistics")
    ends = {name: np.array([_ends(e) for e in es], float).T for name, es in estimates.items()}
    with styled():
        draw = _by_kind if len(targets) > MANY_TARGETS else _by_name
        return draw(targets, ends, label)


def _ends(estimate: dict) -> tuple[float, float, float]:
    value = np.nan if estimate["value"] is None else estimate["value"]
    low, high = estimate["interval"] or (value, value)
    return value, low, high


def _by_name(targets: Sequence[Target], ends: dict[str, np.ndarray], label: str) -> Figure:
    names = [title(target, 28) for target in targets]
    size = (5 + 0.055 * max(len(name) for name in names), 0.32 * len(names) + 1.1)
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    place = np.arange(len(names))[::-1]
    offsets = np.linspace(0.12, -0.12, len(ends)) if len(ends) > 1 else [0.0]
    looks = zip((FIRST, SECOND, GREY), ("o", "s", "^"), strict=True)
    for (name, values), offset, (colour, marker) in zip(ends.items(), offsets, looks, strict=False):
        value, low, high = values
        axis.hlines(place + offset, low, high, color=colour, linewidth=1.2)
        look = {"color": colour, "markersize": 4.5, "linestyle": "none"}
        axis.plot(value, place + offset, marker, **look, label=name)
    axis.set_yticks(place, names)
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_xlabel(label)
    _grid(axis)
    figure.legend(loc="outside upper right", ncols=min(len(ends), LEGEND_COLUMNS))
    return figure


def _by_kind(targets: Sequence[Target], ends: dict[str, np.ndarray], label: str) -> Figure:
    groups = track_groups([target.description for target in targets])
    if list(groups) == ["other"]:
        groups = {"all": groups["other"]}
    place, borders = _bands(groups, next(iter(ends.values()))[0])
    figure = Figure(
        figsize=(2 + 3.3 * len(ends), max(4.5, 0.32 * len(groups) + 1.5)), layout="constrained"
    )
    axes = figure.subplots(1, len(ends), squeeze=False, sharex=True, sharey=True).ravel()
    colours = seaborn.color_palette("colorblind")
    for axis, (name, (value, low, high)) in zip(axes, ends.items(), strict=True):
        for number, (group, chosen) in enumerate(groups.items()):
            y, colour = place[chosen], colours[number % len(colours)]
            axis.hlines(y, low[chosen], high[chosen], color=colour, linewidth=0.6, alpha=0.6)
            axis.plot(value[chosen], y, "o", color=colour, markersize=2.5, label=group)
            if not np.isnan(value[chosen]).all():
                middle = np.nanmedian(value[chosen])
                axis.vlines(
                    middle,
                    borders[number + 1],
                    borders[number],
                    color="black",
                    linewidth=1.2,
                    label="" if number else "median of a kind",
                )
        axis.hlines(
            borders[1:-1], 0, 1, transform=axis.get_yaxis_transform(), color="0.8", linewidth=0.6
        )
        axis.set_title(name)
        _grid(axis)
    middles = (borders[:-1] + borders[1:]) / 2
    axes[0].set_yticks(middles, [f"{name} ({len(chosen):,})" for name, chosen in groups.items()])
    axes[0].set_ylim(borders[-1], borders[0])
    axes[0].set_ylabel("targets of a kind, by rank")
    for axis in axes:
        axis.tick_params(axis="y", length=0)
    figure.supxlabel(label, fontsize=9)
    lines = [line for line in axes[0].collections if line.get_label() == "median of a kind"]
    figure.legend(handles=lines, loc="outside upper right")
    return figure


def _bands(groups: dict[str, np.ndarray], value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the height of each target, and the borders of the kinds' bands, from the top.

    A band is as high as its kind has targets, or `_LEAST_SHARE` of all of them.
    """
    sizes = [max(len(chosen), _LEAST_SHARE * len(value)) for chosen in groups.values()]
    borders = -np.concatenate([[0], np.cumsum(sizes)])
    place = np.empty(len(value))
    for chosen, top, size in zip(groups.values(), borders, sizes, strict=False):
        order = chosen[np.argsort(np.where(np.isnan(value), np.inf, -value)[chosen], kind="stable")]
        place[order] = top - (np.arange(len(order)) + 0.5) * size / len(order)
    return place, borders


def _grid(axis: Axes) -> None:
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
