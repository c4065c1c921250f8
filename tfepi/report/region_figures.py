"""A figure for each region of a table of effects, of the target with the largest."""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from tfepi.report.figures import save_figure
from tfepi.report.mutagenesis_figures import FOLDER, MOST_SEQUENCES
from tfrecords_tools.files import remove_parts
from tfrecords_tools.progress import progress

_log = logging.getLogger(__name__)


def draw_regions(
    table: Path, column: str, figure: Callable[[pandas.DataFrame], Figure], quiet: bool = False
) -> int:
    """Draw the regions of a table into figures/ beside it; return how many figures.

    One figure per region, of the target in which a column reaches furthest from 0; none where
    there are more than 12 regions.

    Args:
        table: Parquet with the columns number, of the region, and target.
        column: that decides which target is drawn.
        figure: of the rows of one region and target.
        quiet: no progress bar.
    """
    numbers = pandas.unique(pq.read_table(table, columns=["number"])["number"].to_pandas())
    if len(numbers) > MOST_SEQUENCES:
        _log.info("no figures: there are %d regions", len(numbers))
        return 0
    folder = table.parent / FOLDER
    folder.mkdir(exist_ok=True)
    remove_parts(folder)
    for number in progress(numbers, total=len(numbers), unit="regions", label="draw", quiet=quiet):
        rows = pq.read_table(table, filters=[("number", "==", int(number))]).to_pandas()
        rows = rows[rows["target"] == strongest(rows, column)]
        save_figure(figure(rows), folder / f"region{number}")
    return len(numbers)


def strongest(rows: pandas.DataFrame, column: str) -> str:
    """Return the target in which a column reaches furthest from 0; NaN counts for nothing."""
    return rows.loc[rows[column].abs().fillna(-1).idxmax(), "target"]
