"""Figures of motifs: a page of logos, each as high as its information."""

from collections.abc import Sequence
from pathlib import Path

import logomaker
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.analysis.meme import CountedMotif
from tfepi.report.figures import GREY, save_figure, some, styled
from tfepi.report.logos import COLOURS, LETTERS
from tfrecords_tools.files import remove_parts
from tfrecords_tools.progress import progress

FOLDER = "figures"
PAGE = 24
_COLUMNS = 4


def draw_motifs(
    motifs: Sequence[CountedMotif],
    table: pandas.DataFrame,
    out: Path,
    most: int | None = None,
    quiet: bool = False,
) -> list[Path]:
    """Draw the motifs that have sites, most correlated with the prediction first.

    Args:
        motifs: one of each filter.
        table: rows of `motif_run`, of the same filters.
        out: folder of the run; pages go to its figures/.
        most: motifs; None for all.
        quiet: no progress bar.

    Returns:
        The files.
    """
    (out / FOLDER).mkdir(exist_ok=True)
    remove_parts(out / FOLDER)
    strength = np.abs(table["r_predicted"].fillna(0).to_numpy())
    order = [i for i in np.argsort(-strength, kind="stable").tolist() if motifs[i].sites]
    order = order[:most]
    paths = []
    pages = range(0, len(order), PAGE)
    for number, low in enumerate(progress(pages, unit="pages", label="draw", quiet=quiet), 1):
        rows = order[low : low + PAGE]
        figure = motif_page([motifs[i] for i in rows], [_note(table.iloc[i]) for i in rows])
        paths += save_figure(figure, out / FOLDER / f"motifs_{number}")
    return paths


def _note(row: pandas.Series) -> str:
    r = "" if np.isnan(row["r_predicted"]) else f", r = {row['r_predicted']:+.2f}"
    return f"{row['sites']:,} sites{r}, {row['effect']}"


def motif_page(motifs: Sequence[CountedMotif], notes: Sequence[str]) -> Figure:
    """Draw motifs as logos.

    Args:
        motifs: each with sites.
        notes: what is written above each.

    Raises:
        ConfigError: no motifs.
    """
    some(motifs, "motifs")
    columns = min(_COLUMNS, len(motifs))
    rows = -(-len(motifs) // columns)
    with styled():
        figure = Figure(figsize=(3.1 * columns + 0.3, 1.45 * rows + 0.3), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, motif, note in zip(axes, motifs, notes, strict=False):
            draw_logo(axis, motif.frequencies * motif.information[:, None])
            axis.set_title(f"{motif.name}\n{note}", fontsize=7.5)
            axis.set_ylim(0, 2)
            axis.set_yticks([0, 1, 2])
        for axis in axes[len(motifs) :]:
            axis.set_axis_off()
        figure.supylabel("bits", fontsize=9)
    return figure


def draw_logo(axis: Axes, heights: np.ndarray, start: float = 0) -> None:
    """Draw letters as a logo; below the line where their height is below 0.

    Args:
        axis: to draw on.
        heights: of A, C, G, T, [positions, 4].
        start: of the first position on the axis.
    """
    table = pandas.DataFrame(heights, columns=list(LETTERS), index=start + np.arange(len(heights)))
    if heights.any():  # it warns of a logo without height
        logomaker.Logo(
            table,
            ax=axis,
            color_scheme=COLOURS,
            font_name="DejaVu Sans",
            flip_below=False,
            baseline_width=0,
        )
    axis.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    axis.spines[["right", "top", "bottom"]].set_visible(False)
    axis.set_xlim(start - 0.5, start + len(heights) - 0.5)
    axis.set_xticks([])
