"""Figures of residuals: their variance beside what counting laws say, and their spread by value."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.analysis.residuals import LAWS, QUANTILES, Residuals, residuals_table
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, styled
from tfrecords_tools.files import write_json, write_text

FORMAT = "tfepi-residuals"
FORMAT_VERSION = 1
_NAMES = {
    "poisson": "Poisson: mean",
    "negative_binomial": "negative binomial",
    "gaussian": "Gaussian: constant",
}
_STYLES = {"poisson": "--", "negative_binomial": "-", "gaussian": ":"}


def residual_figure(residuals: Residuals, unit: str = "value") -> Figure:
    """Draw variance by mean with three laws, and residuals by predicted value.

    On the left each dot is a bin of positions with like predictions, on logarithmic axes; on the
    right bands hold the middle 50% and 90% of residuals.

    Args:
        residuals: of one target.
        unit: what a value is.
    """
    with styled():
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _variances(left, residuals)
        _bands(right, residuals)
        left.set(xlabel=f"predicted {unit}", ylabel=f"variance of the residual {unit}")
        right.set(xlabel=f"predicted {unit}", ylabel="observed − predicted")
        count = f"{int(residuals.count.sum()):,} positions"
        figure.suptitle(f"{short(residuals.identifier, 60)}, {count}", fontsize=9)
    return figure


def _variances(axis: Axes, residuals: Residuals) -> None:
    x = residuals.predicted
    shown = (x > 0) & (residuals.residual_variance > 0)
    for law in LAWS:
        variance = residuals.variance[law]
        drawn = shown & (variance > 0)
        if not drawn.any():
            continue
        misfit = residuals.misfit[law]
        name = _NAMES[law]
        if law == "negative_binomial":
            name += f" ({residuals.dispersion:.3g})"
        axis.plot(
            x[drawn],
            variance[drawn],
            color=GREY,
            linestyle=_STYLES[law],
            linewidth=1.2,
            label=f"{name}, off by × {10**misfit:.2g}",
        )
    axis.plot(
        x[shown],
        residuals.residual_variance[shown],
        "o",
        color=FIRST,
        markersize=4,
        label="residuals",
    )
    if shown.any():
        axis.set(xscale="log", yscale="log")
        axis.legend(loc="best", handlelength=2.6)
    else:
        axis.text(0.5, 0.5, "no positive prediction", ha="center", transform=axis.transAxes)


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
    axis.legend(loc="best", ncols=2)


def draw_residuals(
    targets: Iterable[tuple[int, Residuals]], folder: str | Path, unit: str = "value"
) -> list[Path]:
    """Write residuals.tsv, residuals.json and a figure residuals_t<index> of each target.

    Args:
        targets: index in the targets table, and residuals; only these summaries are held.
        folder: where to; made if absent.
        unit: what a value is.

    Returns:
        Paths of the figures, SVG and PNG.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths, found = [], []
    for index, residuals in targets:
        paths += save_figure(residual_figure(residuals, unit), folder / f"residuals_t{index}")
        found.append(residuals)
    write_text(folder / "residuals.tsv", residuals_table(found))
    summary = {"format": FORMAT, "format_version": FORMAT_VERSION}
    write_json(folder / "residuals.json", summary | {"targets": [r.to_json() for r in found]})
    return paths
