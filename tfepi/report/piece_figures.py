"""Figures of deletions and scrambles: what each piece of a region is worth."""

from pathlib import Path

import numpy as np
import pandas
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, short, some, styled
from tfepi.report.region_figures import draw_regions

_INCHES = 7.0


def draw_pieces(folder: str | Path, name: str, stat: str, quiet: bool = False) -> int:
    """Draw the regions of a table of deletions or scrambles; return how many figures.

    One figure per region, of the target in which its pieces have the largest effect; none where
    there are more than 12 regions.

    Args:
        folder: with the table.
        name: of the table.
        stat: the statistic that is drawn.
        quiet: no progress bar.
    """
    table = Path(folder) / name
    return draw_regions(table, stat, lambda rows: piece_figure(rows, stat), quiet)


def piece_figure(rows: pandas.DataFrame, stat: str) -> Figure:
    """Draw the effect of each piece of one region in one target, with ± standard deviation.

    Args:
        rows: of a table of deletions or scrambles.
        stat: name of the statistic.

    Raises:
        ConfigError: no pieces.
    """
    some(rows, "pieces")
    first, scrambles = rows.iloc[0], f"{stat}_sd" in rows
    start, end = rows["start"].to_numpy(), rows["end"].to_numpy()
    value = rows[stat].to_numpy(float)
    with styled():
        figure = Figure(figsize=(_INCHES, 2.6), layout="constrained")
        axis = figure.add_subplot()
        side_by_side = (start[1:] >= end[:-1]).all()
        axis.axhline(0, color=GREY, linewidth=0.6)
        if side_by_side:
            axis.bar(start, value, end - start, align="edge", color=FIRST, edgecolor="white")
        else:
            axis.plot((start + end) / 2, value, color=FIRST, marker=".", linewidth=1)
        if scrambles:
            spread = np.nan_to_num(rows[f"{stat}_sd"].to_numpy(float))
            axis.errorbar((start + end) / 2, value, spread, fmt="none", ecolor=GREY, elinewidth=0.8)
        what = "scrambling" if scrambles else "deleting"
        axis.set_ylabel(f"{stat} of {what}" + ("\n(mean ± sd)" if scrambles else ""))
        axis.set_xlabel(f"{first['chrom']}, 0-based position")
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axis.xaxis.get_major_locator().set_params(nbins=6, integer=True)
        label = "" if first["region"] == "." else f"{short(first['region'])}, "
        place = f"{first['chrom']}:{start.min():,}–{end.max():,} ({first['strand']})"
        axis.set_title(f"{label}{place}, {short(first['target'], 60)}")
    return figure
