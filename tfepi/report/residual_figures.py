"""Figures of residuals: their variance beside what counting laws say, and their spread by value."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from tfepi.analysis.residuals import QUANTILES, Residuals, residuals_table
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, styled
from tfepi.report.target_names import title
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.targets import Target

FORMAT = "tfepi-residuals"
FORMAT_VERSION = 1
_NAMES = {
    "poisson": "Poisson",
    "negative_binomial": "negative binomial ({:.2g})",
    "gaussian": "Gaussian",
}
_BOTH = "Poisson, negative binomial ({:.2g})"
_STYLES = {"poisson": "--", "negative_binomial": "-", "gaussian": ":"}
_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}  # not on dots
_ONE_LINE = 0.02  # laws that differ by less than this share cannot be told apart in the figure


def residual_figure(residuals: Residuals, target: Target, unit: str = "coverage") -> Figure:
    """Draw variance by mean with three laws, and residuals by predicted value.

    On the left each dot is a bin of positions with like predictions, on logarithmic axes; on the
    right bands hold the middle 50% and 90% of residuals. Where the Poisson law and the negative
    binomial, which is followed by its dispersion, agree, they are one line with both names.

    Args:
        residuals: of one target.
        target: which.
        unit: what a value is.
    """
    with styled():
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _variances(left, residuals)
        _bands(right, residuals)
        shown = textwrap.fill(f"predicted {unit}", 50)
        left.set(xlabel=shown, ylabel="variance of observed − predicted")
        right.set(xlabel=shown, ylabel="observed − predicted")
        count = f"{int(residuals.count.sum()):,} positions"
        figure.suptitle(f"{title(target, 60)} ({count})", fontsize=9)
    return figure


def _variances(axis: Axes, residuals: Residuals) -> None:
    x = residuals.predicted
    shown = (x > 0) & (residuals.residual_variance > 0)
    if not shown.any():
        axis.text(0.5, 0.5, "no positive prediction", ha="center", transform=axis.transAxes)
        return
    names, variance = dict(_NAMES), residuals.variance
    if np.allclose(variance["negative_binomial"], variance["poisson"], rtol=_ONE_LINE, atol=0):
        names = {"poisson": _BOTH, "gaussian": _NAMES["gaussian"]}
    for law, name in names.items():
        drawn = shown & (variance[law] > 0)
        if drawn.any():
            name = (
                f"{name.format(residuals.dispersion)}: off by × {10 ** residuals.misfit[law]:.2g}"
            )
            look = {"color": GREY, "linestyle": _STYLES[law], "linewidth": 1.2}
            axis.plot(x[drawn], variance[law][drawn], **look, label=name)
    measured = residuals.residual_variance[shown]
    axis.plot(x[shown], measured, "o", color=FIRST, markersize=4, label="residuals")
    axis.set(xscale="log", yscale="log")
    for along in (axis.xaxis, axis.yaxis):
        _log_ticks(along)
    axis.legend(handlelength=2.6, **_ABOVE)


def _log_ticks(along: Axis) -> None:
    """Label a logarithmic axis with plain numbers, few enough to stand side by side."""
    low, high = along.get_view_interval()
    along.set_minor_formatter(NullFormatter())
    if high < 5 * low:
        along.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    else:
        along.set_major_locator(
            LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,), numticks=8)
        )
    along.set_major_formatter(lambda value, _position: f"{value:g}")


def _bands(axis: Axes, residuals: Residuals) -> None:
    x, values = residuals.predicted, residuals.quantiles
    for (low, high), shade in (((0, 4), "0.88"), ((1, 3), "0.72")):
        share = round(100 * (QUANTILES[high] - QUANTILES[low]))
        axis.fill_between(
            x, values[:, low], values[:, high], color=shade, linewidth=0, label=f"middle {share}%"
        )
    axis.plot(x, values[:, 2], color=GREY, linewidth=1, linestyle="--", label="median")
    axis.plot(x, residuals.residual_mean, color=SECOND, marker="o", markersize=3.5, label="mean")
    axis.axhline(0, color=GREY, linewidth=0.8)
    if (x > 0).all() and x.max() > 20 * x.min():
        axis.set_xscale("log")
        _log_ticks(axis.xaxis)
    axis.legend(ncols=2, **_ABOVE)


def draw_residuals(
    targets: Iterable[tuple[Target, Residuals, str]], folder: str | Path
) -> list[Path]:
    """Write residuals.tsv, residuals.json and a figure residuals_t<index> of each target.

    Args:
        targets: each with its residuals and what its values are; only summaries are held.
        folder: where to; made if absent.

    Returns:
        Paths of the figures, SVG and PNG.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths, found = [], []
    for target, residuals, unit in targets:
        figure = residual_figure(residuals, target, unit)
        paths += save_figure(figure, folder / f"residuals_t{target.index}")
        found.append(residuals)
    write_text(folder / "residuals.tsv", residuals_table(found))
    summary = {"format": FORMAT, "format_version": FORMAT_VERSION}
    write_json(folder / "residuals.json", summary | {"targets": [r.to_json() for r in found]})
    return paths
