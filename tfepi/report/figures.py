"""Figures of accuracy and of training; what all figures share.

Each function draws one figure from numbers; the same numbers give the same bytes.

Colours are told apart by readers with any colour vision (seaborn's "colorblind" palette, the
map "viridis"), and every axis names its quantity and unit.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path

GREY = "0.35"
FIRST, SECOND = (matplotlib.colors.to_hex(seaborn.color_palette("colorblind")[i]) for i in (0, 1))
MANY_TARGETS = 40
LEGEND_COLUMNS = 3  # of legends above a figure: more are wider than it
_STYLE = {
    "svg.hashsalt": "tfepi",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def save_figure(figure: Figure, stem: str | Path) -> list[Path]:
    """Write a figure as SVG and PNG (150 dots per inch) without dates.

    Args:
        figure: any figure of this module.
        stem: path without suffix.

    Returns:
        The two paths.
    """
    FigureCanvasAgg(figure)
    paths = []
    with matplotlib.rc_context(_STYLE):
        for suffix, metadata in ((".svg", {"Date": None}), (".png", {})):
            path = Path(f"{stem}{suffix}")
            with atomic_path(path) as part:
                figure.savefig(part, dpi=150, metadata=metadata)
            paths.append(path)
    return paths


def training_curves(epochs: Sequence[dict]) -> Figure:
    """Draw loss, correlation, R2 and learning rate by epoch.

    Args:
        epochs: one dict per epoch: "epoch", and any of "loss", "pearsonr", "r2", each also
            with "valid_" before it, "learning_rate". A dotted line marks the best epoch:
            highest valid_pearsonr + valid_r2 / 4, or lowest valid_loss where there is AUROC.

    Raises:
        ConfigError: no epochs, or none of these quantities.
    """
    some(epochs, "epochs")
    quantities = [
        (name, label)
        for name, label in (
            ("loss", "loss"),
            ("pearsonr", "Pearson r, mean over targets"),
            ("r2", "R2, mean over targets"),
            ("auroc", "AUROC, mean over targets"),
            ("auprc", "AUPRC, mean over targets"),
            ("learning_rate", "learning rate"),
        )
        if any(_is_number(e.get(k)) for e in epochs for k in (name, f"valid_{name}"))
    ]
    some(quantities, "quantities (loss, pearsonr, …) in the training metrics")
    number = np.array([e.get("epoch", i) for i, e in enumerate(epochs)], float)

    def curve(name: str) -> np.ndarray:
        return np.array([e[name] if _is_number(e.get(name)) else np.nan for e in epochs], float)

    score = curve("valid_pearsonr") + curve("valid_r2") / 4
    if "auroc" in dict(quantities):
        score = -curve("valid_loss")
    columns = min(2, len(quantities))
    rows = -(-len(quantities) // columns)
    with styled():
        figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, (name, label) in zip(axes, quantities, strict=False):
            for key, colour, style, who in (
                (name, GREY, "--", "training"),
                (f"valid_{name}", FIRST, "-", "validation"),
            ):
                values = curve(key)
                if not np.isnan(values).all():
                    marker = "o" if len(values) <= 30 else None
                    axis.plot(
                        number,
                        values,
                        color=colour,
                        linestyle=style,
                        marker=marker,
                        markersize=3,
                        label=who,
                    )
            if not np.isnan(score).all():
                best = number[np.nanargmax(score)]
                axis.axvline(best, color=SECOND, linewidth=0.8, linestyle=":", label="best epoch")
            axis.set(xlabel="epoch", ylabel=label)
            axis.xaxis.get_major_locator().set_params(integer=True)
            if name != "learning_rate":
                axis.legend()
        for axis in axes[len(quantities) :]:
            axis.set_axis_off()
    return figure


def accuracy_per_target(
    names: Sequence[str],
    estimates: dict[str, Sequence[dict]],
    label: str = "accuracy",
) -> Figure:
    """Draw each target's accuracy with its interval as a dot plot.

    Above 40 targets their names give way to their rank by the first statistic.

    Args:
        names: identifiers of the targets.
        estimates: name of a statistic → `{"value", "interval"}` per target; undefined ones
            are left out. Up to two.
        label: of the axis.

    Raises:
        ConfigError: no targets or no statistics.
    """
    some(names, "targets")
    some(estimates, "statistics")
    many = len(names) > MANY_TARGETS
    order = np.arange(len(names))
    if many:
        first = next(iter(estimates.values()))
        order = np.argsort([-np.inf if e["value"] is None else e["value"] for e in first])
    place = np.empty(len(names))
    place[order] = np.arange(len(names)) if many else np.arange(len(names))[::-1]
    with styled():
        height = 4.5 if many else 0.32 * len(names) + 1.1
        figure = Figure(figsize=(6, height), layout="constrained")
        axis = figure.subplots()
        offsets = np.linspace(0.12, -0.12, len(estimates)) if len(estimates) > 1 else [0.0]
        looks = zip((FIRST, SECOND, GREY), ("o", "s", "^"), strict=True)
        for (name, values), offset, (colour, marker) in zip(
            estimates.items(), offsets, looks, strict=False
        ):
            y = place + (0 if many else offset)
            value, low, high = np.array([_ends(e) for e in values], float).T
            axis.hlines(y, low, high, color=colour, linewidth=0.6 if many else 1.2)
            axis.plot(
                value,
                y,
                marker,
                color=colour,
                markersize=2 if many else 4.5,
                linestyle="none",
                label=name,
            )
        if many:
            axis.set_ylabel("target, by rank")
        else:
            axis.set_yticks(place, [short(n) for n in names])
            axis.set_ylim(-0.6, len(names) - 0.4)
        axis.grid(axis="x", color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_xlabel(label)
        figure.legend(loc="outside upper right", ncols=min(len(estimates), LEGEND_COLUMNS))
    return figure


def _ends(estimate: dict) -> tuple[float, float, float]:
    value = np.nan if estimate["value"] is None else estimate["value"]
    low, high = estimate["interval"] or (value, value)
    return value, low, high


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and np.isfinite(value)


def count_bar(figure: Figure, axis: Axes, drawn: ScalarMappable, what: str) -> None:
    """Add the colour bar of counts on a logarithmic scale, with 1, 10, … and the largest.

    Args:
        figure: that holds the axis.
        axis: beside which the bar stands.
        drawn: counts, with a norm that is a `LogNorm`; all 0 or masked is as one.
        what: is counted.
    """
    most = max(2, int(np.ma.compressed(drawn.get_array()).max(initial=0)))
    drawn.set_clim(1, most)
    decades = 10 ** np.arange(np.log10(most))
    ticks = [1, *(int(d) for d in decades if 1 < d <= most / 2), most]
    bar = figure.colorbar(drawn, ax=axis, shrink=0.75, pad=0.02, ticks=ticks, format=_whole)
    bar.ax.set_title(what, fontsize=7)
    bar.ax.minorticks_off()


def _whole(value: float, _position: int) -> str:
    return f"{value:,.0f}"


def short(name: str, length: int = 28) -> str:
    """Return a name cut to a length."""
    return name if len(name) <= length else name[: length - 1] + "…"


def some(things: Sequence | dict, what: str) -> None:
    """Refuse to draw nothing.

    Raises:
        ConfigError: there are none.
    """
    if not len(things):
        raise ConfigError(f"there are no {what} to draw")


def styled():
    """Return the context in which figures are drawn."""
    return matplotlib.rc_context(_STYLE)
