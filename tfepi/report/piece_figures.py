"""Figures of deletions and scrambles: what each piece of a region is worth."""

import logging
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, save_figure, short, some, styled
from tfepi.report.mutagenesis_figures import FOLDER, MOST_SEQUENCES
from tfrecords_tools.files import remove_parts
from tfrecords_tools.progress import progress

_INCHES = 7.0
_log = logging.getLogger(__name__)


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
    folder = Path(folder)
    numbers = pandas.unique(pq.read_table(folder / name, columns=["number"])["number"].to_pandas())
    if len(numbers) > MOST_SEQUENCES:
        _log.info("no figures: there are %d regions", len(numbers))
        return 0
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    for number in progress(numbers, total=len(numbers), unit="regions", label="draw", quiet=quiet):
        rows = pq.read_table(folder / name, filters=[("number", "==", int(number))]).to_pandas()
        rows = rows[rows["target"] == strongest(rows, stat)]
        save_figure(piece_figure(rows, stat), folder / FOLDER / f"region{number}")
    return len(numbers)


def strongest(rows: pandas.DataFrame, column: str) -> str:
    """Return the target in which a column reaches furthest from 0; NaN counts for nothing."""
    return rows.loc[rows[column].abs().fillna(-1).idxmax(), "target"]


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
