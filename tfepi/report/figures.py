"""What all figures share: style, colours, files; the same numbers give the same bytes.

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
        figure: any figure.
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
    beside = axis.inset_axes(
        (1.03, 0, 0.05, 0.94)
    )  # never higher than the axis, whatever its shape
    bar = figure.colorbar(drawn, cax=beside, ticks=ticks, format=_whole)
    bar.set_label(what, fontsize=8)
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
