"""The figure of models against each other: do they agree on variants, and how far do they see?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from seaborn import color_palette

from tfepi.comparison.options import LOG_RATIO
from tfepi.comparison.table import CURVES, JSON, VARIANTS, note_lines
from tfepi.report.comparison_panels import (
    MOST_PAIRS,
    NAME,
    distances_panel,
    fields_panel,
    regions_panel,
    two_digits,
)
from tfepi.report.figures import GREY, count_bar, save_figure, short, some, styled
from tfrecords_tools.files import read_json

_CELLS = 60  # of the scatter, along either axis
_POINTS = 2000  # more are drawn as counts
_MOST_NOTES = 12  # lines below the figure


def draw_comparison(folder: str | Path) -> list[Path]:
    """Write the figure of a comparison, one of each target that is compared.

    Args:
        folder: of `tfepi_compare.py`; figures go into its figures/ as compare, or compare_0,
            compare_1, … of several targets.

    Returns:
        Paths of the files, SVG and PNG.
    """
    folder = Path(folder)
    result = read_json(folder / JSON)
    variants = pd.read_parquet(folder / VARIANTS)
    curves = pd.read_csv(folder / CURVES, sep="\t")
    (folder / "figures").mkdir(exist_ok=True)
    paths, labels = [], [s["label"] for s in result["series"]]
    for number, label in enumerate(labels):
        end = f"_{number}" if len(labels) > 1 else ""
        figure = comparison_figure(result, variants, curves, label)
        paths += save_figure(figure, folder / "figures" / f"compare{end}")
    return paths


def comparison_figure(
    result: Mapping, variants: pd.DataFrame, curves: pd.DataFrame, label: str
) -> Figure:
    """Draw agreement on variants, effects by distance, receptive fields, and regions if any.

    Args:
        result: the value of compare.json.
        variants: the table of variants.parquet.
        curves: the table of effect_distance.tsv.
        label: of the series that is drawn.
    """
    names = [m["name"] for m in result["models"]]
    some(names, "models")
    pairs = [p for p in result["pairs"] if p["series"] == label]
    regions = [p for p in result.get("regions", {}).get("pairs", ()) if p["series"] == label]
    colours = dict(zip(names, color_palette("colorblind", max(len(names), 1)), strict=False))
    with styled():
        columns = 4 if regions else 3
        figure = Figure(figsize=(4.1 * columns, 7.6), layout="constrained")
        axes = figure.subplots(2, columns)
        _heat(figure, axes[0, 0], names, pairs, _correlation, "correlation of scores", (-1, 1))
        axes[0, 0].set_xlabel("above the diagonal: Spearman, below: Pearson")
        _heat(figure, axes[0, 1], names, pairs, _sign, "share of equal signs", (0, 1))
        axes[0, 1].set_xlabel("both beyond their median |score|; 0.5 is chance")
        if (floor := result["comparing"]["floor"]) != 0.5:
            axes[0, 1].set_xlabel(f"both beyond quantile {floor:g} of |score|; 0.5 is chance")
        _largest(axes[0, 2], pairs)
        distances_panel(axes[1, 0], curves[curves.series == label], colours)
        fields_panel(axes[1, 1], names, result["fields"], colours)
        _scatter(figure, axes[1, 2], variants, pairs[0], result, label)
        if regions:
            among = [*names, "observed"] if _observed(regions) else names
            there = [n for n in among if any(n in (p["first"], p["second"]) for p in regions)]
            _heat(
                figure, axes[0, 3], there, regions, _regional, "correlation over regions", (-1, 1)
            )
            axes[0, 3].set_xlabel("above the diagonal: Spearman, below: Pearson of logs")
            regions_panel(axes[1, 3], regions, result["regions"])
        span = f", {result['span']:,} bp around the variant" if result["span"] else ""
        head = f"{result['variants']:,} variants, {result['stat']}{span}"
        figure.suptitle(f"{short(label, 60)}: {head}", fontsize=10)
        notes = note_lines(result)
        if notes:
            figure.supxlabel("\n".join(notes[:_MOST_NOTES]), fontsize=7, ha="left", x=0.01)
    return figure


def _observed(pairs: Sequence[Mapping]) -> bool:
    return any("observed" in (p["first"], p["second"]) for p in pairs)


def _correlation(pair: Mapping, above: bool) -> float | None:
    return pair["spearmanr" if above else "pearsonr"]["value"]


def _sign(pair: Mapping, above: bool) -> float | None:
    return pair["sign"]["agreement"]["value"] if pair["sign"] else None


def _regional(pair: Mapping, above: bool) -> float | None:
    found = pair.get("spearmanr" if above else "pearsonr_log2")
    return found and found["value"]


def _heat(
    figure: Figure,
    axis: Axes,
    names: Sequence[str],
    pairs: Sequence[Mapping],
    value: Callable[[Mapping, bool], float | None],
    title: str,
    limits: tuple[float, float],
) -> None:
    """Draw a value of each pair of models, written into its cell; "–" where it is undefined."""
    place = {name: i for i, name in enumerate(names)}
    cells = np.full((len(names), len(names)), np.nan)
    for pair in pairs:
        if pair["first"] in place and pair["second"] in place:
            i, j = place[pair["first"]], place[pair["second"]]
            for row, column in ((i, j), (j, i)):
                found = value(pair, row < column)
                cells[row, column] = np.nan if found is None else found
    drawn = axis.imshow(cells, cmap="RdBu_r", vmin=limits[0], vmax=limits[1])
    middle, half = sum(limits) / 2, (limits[1] - limits[0]) / 2
    for (row, column), found in np.ndenumerate(cells):
        if row != column:
            text = "–" if np.isnan(found) else two_digits(found)
            dark = abs(found - middle) > 0.7 * half
            axis.text(
                column, row, text, ha="center", va="center", color="white" if dark else "black"
            )
    shown = [short(n, NAME) for n in names]
    axis.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), shown)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title(title, loc="left")
    figure.colorbar(drawn, ax=axis, shrink=0.7, pad=0.02)


def _largest(axis: Axes, pairs: Sequence[Mapping]) -> None:
    """Draw how many of the variants with the largest scores two models share."""
    shown = [p for p in pairs if p["top"]][:MOST_PAIRS]
    numbers = sorted({t["k"] for p in shown for t in p["top"]})
    axis.set_title("largest scores in common", loc="left")
    axis.set_xlim(-0.03, 1.03)
    axis.set_xlabel("share of the top k in common")
    if not shown:
        axis.text(0.5, 0.5, "too few variants", ha="center", transform=axis.transAxes)
        axis.set_yticks([])
        return
    colours = color_palette("viridis", len(numbers))
    for number, k in enumerate(numbers):
        offset = (number - (len(numbers) - 1) / 2) * 0.22
        for row, pair in enumerate(shown):
            top = next((t for t in pair["top"] if t["k"] == k), None)
            if top is None or top["overlap"]["value"] is None:
                continue
            y, x = row + offset, top["overlap"]["value"]
            if top["overlap"]["interval"]:
                axis.plot(top["overlap"]["interval"], (y, y), color=colours[number], linewidth=1.2)
            axis.plot(x, y, "o", color=colours[number], markersize=4)
            axis.plot(top["expected"], y, "|", color=GREY, markersize=9)
        axis.plot([], [], "o-", color=colours[number], markersize=4, label=f"k = {k:,}")
    axis.plot([], [], "|", color=GREY, markersize=9, label="chance")
    named = [f"{short(p['first'], NAME)},\n{short(p['second'], NAME)}" for p in shown]
    axis.set_yticks(range(len(shown)), named, fontsize=7)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.legend(loc="upper right", ncols=1)


def _scatter(
    figure: Figure,
    axis: Axes,
    variants: pd.DataFrame,
    pair: Mapping,
    result: Mapping,
    label: str,
) -> None:
    """Draw the scores of the first two models against each other."""
    end = f"_{label}" if len(result["series"]) > 1 else ""
    first, second = (variants[f"{pair[k]}{end}"].to_numpy(float) for k in ("first", "second"))
    seen = np.isfinite(first) & np.isfinite(second)
    if result["comparing"]["edges"] == "drop":
        for name in (pair["first"], pair["second"]):
            seen &= ~variants[f"{name}_beyond_chromosome"].to_numpy()
    first, second = first[seen], second[seen]
    if len(first) <= _POINTS:
        axis.plot(first, second, "o", color=GREY, alpha=0.5, markersize=2.5, markeredgewidth=0)
    else:
        counts, columns, rows = np.histogram2d(first, second, bins=_CELLS)
        shown = np.ma.masked_equal(counts.T, 0)
        mesh = axis.pcolormesh(
            columns, rows, shown, cmap="viridis", norm=LogNorm(), rasterized=True
        )
        count_bar(figure, axis, mesh, "variants")
    for line in (axis.axhline, axis.axvline):
        line(0, color=GREY, linewidth=0.6)
    what = result["stat"] if result["stat"] != LOG_RATIO else "log ratio"
    axis.set(
        xlabel=f"{what} of {short(pair['first'])}", ylabel=f"{what} of {short(pair['second'])}"
    )
    value = pair["spearmanr"]["value"]
    rho = "undefined" if value is None else two_digits(value)
    of = " of sizes" if pair["of"] == "sizes" else ""
    axis.set_title(f"{result['stat']}, n = {pair['n']:,}, Spearman{of} {rho}", loc="left")
