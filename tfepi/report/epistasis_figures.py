"""Figures of double mutants: epistasis of all pairs of positions, beside single effects."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, short, some, styled
from tfepi.report.region_figures import draw_regions

TABLE = "pairs.parquet"
_LETTERED = 60  # positions up to which letters are written


def draw_epistasis(folder: str | Path, stat: str, quiet: bool = False) -> int:
    """Draw the regions of pairs.parquet; return how many figures.

    One figure per region, of the target with the largest epistasis; none where there are more
    than 12 regions.

    Args:
        folder: with pairs.parquet.
        stat: the statistic that is drawn.
        quiet: no progress bar.
    """
    table = Path(folder) / TABLE
    return draw_regions(
        table, f"{stat}_epistasis", lambda rows: epistasis_figure(rows, stat), quiet
    )


def epistasis_figure(rows: pandas.DataFrame, stat: str) -> Figure:
    """Draw the mean epistasis of each pair of positions over pairs of letters, as a heat map.

    Above it the mean effect of changing each position alone.

    Args:
        rows: of pairs.parquet, of one region and target.
        stat: name of the statistic.

    Raises:
        ConfigError: no pairs.
    """
    some(rows, "pairs")
    first = rows.iloc[0]
    low, high = int(rows["a"].min()), int(rows["b"].max()) + 1
    size = high - low
    grid = np.full((size, size), np.nan)
    means = rows.groupby(["a", "b"])[f"{stat}_epistasis"].mean()
    for (a, b), value in means.items():
        grid[a - low, b - low] = grid[b - low, a - low] = value
    alone, letters = np.full(size, np.nan), [""] * size
    for x in "ab":
        for position, part in rows.groupby(x):
            alone[position - low] = part.drop_duplicates(f"new_{x}")[f"{stat}_{x}"].mean()
            letters[position - low] = part[f"own_{x}"].iloc[0]
    finite = np.abs(grid[np.isfinite(grid)])
    limit = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    side = min(8.0, max(3.2, 0.14 * size))
    with styled():
        figure = Figure(figsize=(side + 1.6, side + 1.9), layout="constrained")
        bars, heat = figure.subplots(2, 1, height_ratios=[0.9, side], sharex=True)
        bars.bar(np.arange(size), alone, color=FIRST, width=0.9)
        bars.axhline(0, color=GREY, linewidth=0.6)
        bars.set_ylabel(f"{stat}\nalone")
        bars.tick_params(bottom=False, labelbottom=False)
        image = heat.imshow(
            grid,
            cmap=matplotlib.colormaps["RdBu_r"].with_extremes(bad="0.88"),
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )
        ticks = range(size) if size <= _LETTERED else range(0, size, max(1, size // 10))
        names = [letters[t] if size <= _LETTERED else f"{low + t:,}" for t in ticks]
        heat.set_xticks(ticks, names)
        heat.set_yticks(ticks, names)
        for spine in heat.spines.values():
            spine.set_visible(False)
        heat.tick_params(length=0)
        label = "" if first["region"] == "." else f"{short(first['region'])}, "
        strand = "" if first["strand"] == "+" else "; letters of the minus strand"
        heat.set_xlabel(f"{first['chrom']}:{low:,}–{high:,} (0-based){strand}")
        bar = figure.colorbar(image, ax=heat, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(f"epistasis of {stat}, mean over letters")
        figure.suptitle(f"{label}{short(first['target'], 50)}", fontsize=9)
    return figure
