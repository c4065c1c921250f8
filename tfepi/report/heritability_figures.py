"""Figures of heritability: specific beside ubiquitous clusters, and each cluster on its own.

The first is made in the manner of Figure 2 of Kathail et al. 2023: bars of shares of heritability
with their standard errors, of one trait or of the mean over several. A ratio is written where both
shares are clearly above 0.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfepi.heritability.read_run import Found
from tfepi.heritability.shares import INDEPENDENT, JACKKNIFE, Comparison, Z
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled

_WIDTH = 0.38
_MANY = 6  # rows, from which on names are turned
_COLOURS = 10  # traits that are told apart in the figure of clusters
_ERRORS = {"fmt": "none", "ecolor": "black", "elinewidth": 1, "capsize": 3}
_MOST = 16  # rows, from which on bars have no numbers and the figure is no wider


def share_figure(found: Found) -> Figure:
    """Draw the shares of specific and ubiquitous clusters, the mean over traits first.

    Args:
        found: with at least one comparison.

    Raises:
        ConfigError: without clusters.
    """
    some(found.comparisons, "shares of clusters")
    rows = [*([found.mean] if found.mean else []), *found.comparisons]
    with styled():
        wide = 3.0 + 0.75 * min(len(rows), _MOST)
        figure = Figure(figsize=(wide, 3.8), layout="constrained")
        axis = figure.subplots()
        place = np.arange(len(rows), dtype=float)
        if found.mean:
            place[1:] += 0.5  # the mean stands apart
            axis.axvline(0.75, color=GREY, linewidth=0.8, linestyle=":")
        _bars(axis, rows, place - _WIDTH / 2, "specific", SECOND, "cell-type specific")
        if found.ubiquitous is not None:
            _bars(axis, rows, place + _WIDTH / 2, "ubiquitous", FIRST, "ubiquitous")
        for x, row in zip(place, rows, strict=True) if len(rows) <= _MOST else ():
            _ratio(axis, x, row)
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.margins(y=0.15)
        axis.set(ylabel="share of heritability")
        axis.yaxis.set_major_formatter(_percent)
        turned = {"rotation": 30, "ha": "right"} if len(rows) > _MANY else {}
        axis.set_xticks(place, [short(r.name) for r in rows], **turned)
        axis.errorbar([], [], [], label=_errors_text(found), **_ERRORS)
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1.02), borderaxespad=0)
    return figure


def _errors_text(found: Found) -> str:
    """Return what the error bars are."""
    methods = {c.method for c in found.comparisons}
    text = "± standard error"
    if methods == {JACKKNIFE}:
        text += " (jackknife)"
    elif methods == {INDEPENDENT}:
        text += " (clusters as independent)"
    return text + (",\nof the mean: between traits" if found.mean else "")


def _percent(value: float, _position: int) -> str:
    return f"{100 * value:g}%".replace("-", "−")


def _bars(
    axis: Axes, rows: Sequence[Comparison], place: np.ndarray, group: str, colour: str, label: str
) -> None:
    height = np.array([getattr(r, group) for r in rows])
    error = np.array([getattr(r, f"{group}_se") for r in rows])
    axis.bar(place, height, _WIDTH, color=colour, label=label)
    axis.errorbar(place, height, error, **_ERRORS)


def _ratio(axis: Axes, x: float, row: Comparison) -> None:
    """Write how many times the ubiquitous share the specific one is, if both are above 0."""
    clear = (row.specific > Z * row.specific_se) and (row.ubiquitous > Z * row.ubiquitous_se)
    if np.isfinite(row.ratio) and clear:
        top = max(row.specific + row.specific_se, row.ubiquitous + row.ubiquitous_se)
        axis.annotate(
            f"{row.ratio:.2g}×", (x, top), (0, 3), textcoords="offset points", ha="center"
        )


def cluster_figure(table: pd.DataFrame) -> Figure:
    """Draw share and enrichment of each annotation, a dot with its standard error for each trait.

    Args:
        table: a line per trait and annotation.
    """
    some(table, "annotations")
    names, traits = list(dict.fromkeys(table["annotation"])), list(dict.fromkeys(table["trait"]))
    with styled():
        high = (0.2 + 0.12 * min(len(traits), _COLOURS)) * len(names)
        figure = Figure(figsize=(7.5, 1.6 + high), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        colours = seaborn.color_palette("colorblind", _COLOURS)
        away = np.linspace(-0.25, 0.25, len(traits)) if len(traits) > 1 else np.zeros(1)
        for trait, offset in zip(traits, away, strict=True):
            rows = table[table["trait"] == trait]
            y = np.array([names.index(n) for n in rows["annotation"]]) + offset
            one = len(traits) == 1 or len(traits) > _COLOURS
            colour = FIRST if one else colours[traits.index(trait)]
            label = short(trait)
            if len(traits) > _COLOURS:
                label = f"{len(traits)} traits" if trait == traits[0] else None
            look = {"fmt": "o", "markersize": 3.5, "elinewidth": 1, "color": colour}
            left.errorbar(rows["prop_h2"], y, xerr=rows["prop_h2_se"], label=label, **look)
            right.errorbar(rows["enrichment"], y, xerr=rows["enrichment_se"], **look)
        first = table.drop_duplicates("annotation")
        tick = {"color": GREY, "markersize": 10, "markeredgewidth": 1.5, "linewidth": 0}
        y = range(len(names))
        left.plot(first["prop_snps"], y, marker="|", label="share of SNPs", **tick)
        left.axvline(0, color=GREY, linewidth=0.8)
        right.axvline(1, color=GREY, linewidth=0.8, linestyle="--")
        left.set(xlabel="share of heritability ± standard error")
        right.set(xlabel="enrichment ± standard error")
        left.xaxis.set_major_formatter(_percent)
        left.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
        left.set_yticks(y, [short(n) for n in names])
        left.set_ylim(len(names) - 0.5, -0.5)
        figure.legend(loc="outside upper left", ncols=min(4, len(traits) + 1))
    return figure


def draw_heritability(found: Found, folder: str | Path) -> list[Path]:
    """Write the figures clusters and, where there are clusters, shares.

    Args:
        found: what results say.
        folder: where to; made if absent.

    Returns:
        Paths, SVG and PNG.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = save_figure(cluster_figure(found.table), folder / "clusters")
    if found.comparisons:
        paths += save_figure(share_figure(found), folder / "shares")
    return paths
