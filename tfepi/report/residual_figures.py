"""Figures of residuals: their variance beside what losses assume, their spread, which loss fits."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from tfepi.analysis.residuals import QUANTILES, Residuals, residuals_table
from tfepi.analysis.variance_laws import LAWS
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, styled
from tfepi.report.target_names import title
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.targets import Target

FORMAT = "tfepi-residuals"
FORMAT_VERSION = 2
_NAMES = {
    "poisson": "Poisson (φ {phi})",
    "negative_binomial": "negative binomial (φ {phi}, α {alpha})",
    "gaussian": "Gaussian",
    "gaussian_log1p": "Gaussian on logs",
}
_BOTH = "Poisson, negative binomial (φ {phi}, α {alpha})"
_STYLES = {
    "poisson": "--",
    "negative_binomial": "-",
    "gaussian": ":",
    "gaussian_log1p": "-.",
}
_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}  # not on dots
_ONE_LINE = 0.02  # laws that differ by less than this share cannot be told apart in the figure


def residual_figure(residuals: Residuals, target: Target, unit: str = "coverage") -> Figure:
    """Draw variance by mean with the laws, residuals and those of logs, and which law fits.

    Top left each dot is a bin of positions with like predictions, on logarithmic axes; on the right
    bands hold the middle 50% and 90% of residuals, below them of residuals of log(1 + y). Bottom
    left is how much lower each law scores than the best. Where the Poisson law and the negative
    binomial agree, they are one line with both names.

    Args:
        residuals: of one target.
        target: which.
        unit: what a value is.
    """
    with styled():
        figure = Figure(figsize=(8.5, 8), layout="constrained")
        (top, right), (bottom, logs) = figure.subplots(2, 2)
        _variances(top, residuals)
        _bands(right, residuals, residuals.quantiles, residuals.residual_mean)
        _margins(bottom, residuals)
        shown = textwrap.fill(f"predicted {unit}", 50)
        top.set(xlabel=shown, ylabel="variance of observed − predicted")
        right.set(xlabel=shown, ylabel="observed − predicted")
        logs.set(xlabel=shown, ylabel="log(1 + observed) − log(1 + predicted)")
        if np.isnan(residuals.log_mean).all():
            logs.text(0.5, 0.5, "values of −1 or less", ha="center", transform=logs.transAxes)
            logs.set(xticks=[], yticks=[])
        else:
            _bands(logs, residuals, residuals.log_quantiles, residuals.log_mean)
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
        names["negative_binomial"] = _BOTH
        del names["poisson"]
    for law, name in names.items():
        drawn = shown & (variance[law] > 0)
        if drawn.any():
            found = residuals.fit.laws[law]
            phi = _number(found.scale, 3) if found.determined else "undetermined"
            name = name.format(phi=phi, alpha=_number(found.dispersion, 2))
            name = f"{name}: off by × {_number(10 ** residuals.misfit[law], 2)}"
            look = {"color": GREY, "linestyle": _STYLES[law], "linewidth": 1.2}
            axis.plot(x[drawn], variance[law][drawn], **look, label=name)
    measured = residuals.residual_variance[shown]
    axis.plot(x[shown], measured, "o", color=FIRST, markersize=4, label="residuals")
    axis.set(xscale="log", yscale="log")
    for along in (axis.xaxis, axis.yaxis):
        _log_ticks(along)
    axis.legend(handlelength=2.6, **_ABOVE)


def _margins(axis: Axes, residuals: Residuals) -> None:
    """Draw how each law scores beside the one to take, with intervals, and name that.

    One that lies to the right is the negative binomial, where it is not told apart from Poisson.
    """
    fit = residuals.fit
    rows = [law for law in LAWS if fit.laws[law] is not None]
    for y, law in enumerate(rows):
        margin = fit.margins.get(law, {"value": 0.0, "interval": None})
        if margin["interval"] is not None:
            axis.plot([-v for v in margin["interval"]], [y, y], color=GREY, linewidth=1.2)
        colour = SECOND if law == fit.best else FIRST
        axis.plot(-margin["value"], y, "o", color=colour, markersize=5)
    axis.axvline(0, color=GREY, linewidth=0.8)
    plain = {law: name.partition(" (")[0] for law, name in _NAMES.items()}
    axis.set_yticks(range(len(rows)), [plain[law] for law in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set(xlabel=f"score minus that of {plain[fit.best]} (nats per position)")
    told = "" if not fit.alike else f"; not told apart: {', '.join(plain[w] for w in fit.alike)}"
    unsure = "; φ undetermined, so no divisor" if fit.divisor is None else ""
    text = f"law to take: {plain[fit.best]}{unsure}{told}"
    axis.set_title(textwrap.fill(text, 52), loc="left")


def _number(value: float, digits: int) -> str:
    """Return a number in so many digits, with a minus in its exponent."""
    return f"{value:.{digits}g}".replace("-", "−")


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
    along.set_major_formatter(lambda value, _position: _number(value, 6))


def _bands(axis: Axes, residuals: Residuals, values: np.ndarray, mean: np.ndarray) -> None:
    x = residuals.predicted
    for (low, high), shade in (((0, 4), "0.88"), ((1, 3), "0.72")):
        share = round(100 * (QUANTILES[high] - QUANTILES[low]))
        axis.fill_between(
            x, values[:, low], values[:, high], color=shade, linewidth=0, label=f"middle {share}%"
        )
    axis.plot(x, values[:, 2], color=GREY, linewidth=1, linestyle="--", label="median")
    axis.plot(x, mean, color=SECOND, marker="o", markersize=3.5, label="mean")
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
