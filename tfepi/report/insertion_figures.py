"""Figures of inserted motifs: their mean effects, and how these depend on offset and strand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled
from tfepi.report.mutagenesis_figures import FOLDER
from tfrecords_tools.files import remove_parts

TABLE = "motifs.tsv"
MOST_MOTIFS, MOST_PANELS = 40, 12
_COLUMNS = 3


def draw_insertions(folder: str | Path, stat: str, quiet: bool = False) -> int:
    """Draw motifs.tsv of a folder: one figure of all motifs, one by offset; return how many.

    They are of the target in which a motif has the largest mean effect.

    Args:
        folder: with motifs.tsv.
        stat: the statistic that is drawn.
        quiet: accepted for likeness; it takes seconds.
    """
    folder = Path(folder)
    texts = {"motif": str, "offset": str, "strand": str, "target": str}
    rows = pandas.read_csv(
        folder / TABLE, sep="\t", dtype=texts, keep_default_na=False, na_values=""
    )
    rows = rows[rows["statistic"] == stat]
    overall = rows[rows["offset"] == "all"]
    some(overall, "motifs")
    target = overall.loc[overall["mean"].abs().fillna(-1).idxmax(), "target"]
    rows, overall = rows[rows["target"] == target], overall[overall["target"] == target]
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    save_figure(motifs_figure(overall, stat, target), folder / FOLDER / "motifs")
    placed = rows[rows["offset"] != "all"].assign(offset=lambda r: r["offset"].astype(int))
    if placed["offset"].nunique() < 2:
        return 1
    names = _by_size(overall)[:MOST_PANELS]
    save_figure(offsets_figure(placed, names, stat, target), folder / FOLDER / "offsets")
    return 2


def _by_size(overall: pandas.DataFrame) -> list[str]:
    order = overall["mean"].abs().fillna(-1).sort_values(ascending=False, kind="stable").index
    return overall.loc[order, "motif"].tolist()


def motifs_figure(overall: pandas.DataFrame, stat: str, target: str) -> Figure:
    """Draw mean effects of motifs with their intervals, the largest first.

    Args:
        overall: rows of motifs.tsv over all offsets and strands, of one target.
        stat: name of the statistic.
        target: name of the target.

    Raises:
        ConfigError: no motifs.
    """
    some(overall, "motifs")
    names = _by_size(overall)
    shown = overall.set_index("motif").loc[names[:MOST_MOTIFS]]
    with styled():
        figure = Figure(figsize=(5.5, 1.1 + 0.22 * len(shown)), layout="constrained")
        axis = figure.add_subplot()
        place = np.arange(len(shown))[::-1]
        mean = shown["mean"].to_numpy(float)
        axis.axvline(0, color=GREY, linewidth=0.6)
        known = shown[["low", "high"]].notna().all(axis=1).to_numpy()
        ends = shown[["low", "high"]].to_numpy(float)[known]
        axis.hlines(place[known], ends[:, 0], ends[:, 1], color=FIRST, linewidth=1.2)
        axis.plot(mean, place, "o", color=FIRST, markersize=4)
        axis.set_yticks(place, [short(n) for n in shown.index])
        axis.set_ylim(-0.6, len(shown) - 0.4)
        axis.set_xlabel(f"mean {stat} of inserting" + (", 95% interval" if known.any() else ""))
        more = f" ({MOST_MOTIFS} of {len(names)})" if len(names) > MOST_MOTIFS else ""
        axis.set_title(f"{short(target, 50)}{more}")
    return figure


def offsets_figure(
    placed: pandas.DataFrame, names: Sequence[str], stat: str, target: str
) -> Figure:
    """Draw mean effects against the motif's offset, a panel per motif, a line per strand.

    Args:
        placed: rows of motifs.tsv by offset and strand, of one target; offsets are numbers.
        names: the motifs that are drawn.
        stat: name of the statistic.
        target: name of the target.

    Raises:
        ConfigError: no motifs.
    """
    some(names, "motifs")
    columns = min(_COLUMNS, len(names))
    lines = -(-len(names) // columns)
    with styled():
        size = (1.2 + 2.6 * columns, 0.9 + 1.9 * lines)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axis, name in zip(axes.flat, names, strict=False):
            axis.axhline(0, color=GREY, linewidth=0.6)
            for strand, colour in (("+", FIRST), ("-", SECOND)):
                rows = placed[(placed["motif"] == name) & (placed["strand"] == strand)]
                rows = rows.sort_values("offset")
                if len(rows):
                    label = "as it is" if strand == "+" else "reverse complement"
                    x = rows["offset"]
                    axis.plot(x, rows["mean"], ".-", color=colour, label=label, linewidth=1)
                    ends = (rows["low"].astype(float), rows["high"].astype(float))
                    axis.fill_between(x, *ends, color=colour, alpha=0.2, linewidth=0)
            axis.set_title(short(name))
        for axis in axes.flat[len(names) :]:
            axis.remove()
        for axis in axes[:, 0]:
            axis.set_ylabel(f"mean {stat}")
        for number in range(max(0, len(names) - columns), len(names)):
            axes.flat[number].set_xlabel("offset of the motif's middle, bp")
            axes.flat[number].xaxis.set_tick_params(labelbottom=True)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
        figure.suptitle(short(target, 50), x=0.02, ha="left", fontsize=9)
    return figure
