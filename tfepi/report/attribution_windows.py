"""Figures of attributed windows: the sequence as a logo, its seqlets and their motifs marked."""

from pathlib import Path

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.analysis.attribution_file import NAME, AttributedWindow, read_outputs, read_windows
from tfepi.analysis.attribution_report import SEQLETS
from tfepi.report.figures import FIRST, SECOND, save_figure, short, some, styled
from tfepi.report.logos import LINE_BP
from tfepi.report.motif_figures import draw_logo
from tfrecords_tools.files import remove_parts
from tfrecords_tools.progress import progress

FOLDER = "figures"
MOST_BP = 600
_LINE_INCHES = 1.25


def draw_windows(folder: Path, most: int = 12, quiet: bool = False) -> int:
    """Draw the first windows of a folder with attributions.h5 into its figures/; return how many.

    Of several outputs the one is drawn to which a base of the window contributes most.

    Args:
        folder: of the run.
        most: windows.
        quiet: no progress bar.
    """
    outputs = read_outputs(folder / NAME)
    path = folder / SEQLETS
    marks = pandas.read_csv(path, sep="\t", keep_default_na=False) if path.exists() else None
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    drawn = 0
    with progress(total=most, unit="windows", label="draw", quiet=quiet) as bar:
        for window in read_windows(folder / NAME):
            if drawn == most:
                break
            output = int(np.abs([window.of(i) for i in range(len(outputs))]).max(axis=1).argmax())
            name, stem = outputs[output]
            mine = None
            if marks is not None:
                mine = marks[(marks["window"] == window.number) & (marks["output"] == name)]
            figure = window_figure(window, output, name, mine)
            save_figure(figure, folder / FOLDER / f"window{window.number}_{stem}")
            drawn += 1
            bar.update()
    return drawn


def window_figure(
    window: AttributedWindow, output: int, name: str, seqlets: pandas.DataFrame | None = None
) -> Figure:
    """Draw what the bases of a window contribute, in lines of 100 bp; of long ones the middle.

    Args:
        window: the window.
        output: which of its outputs.
        name: of that.
        seqlets: rows of seqlets.tsv that lie in the window, to be marked; None for no marks.

    Raises:
        ConfigError: a window without bases.
    """
    some(window.own, "bases")
    length = len(window.own)
    begin = max(0, length // 2 - MOST_BP // 2)
    stop = min(length, begin + MOST_BP)
    heights = np.where(window.own, window.hypothetical[:, :, output], 0)
    lines = [range(low, min(low + LINE_BP, stop)) for low in range(begin, stop, LINE_BP)]
    widest = max(map(len, lines))
    high, low = heights[begin:stop].max(initial=0), heights[begin:stop].min(initial=0)
    room = 0.1 * (high - low) or 1.0
    with styled():
        figure = Figure(
            figsize=(1.4 + max(3.2, 0.085 * widest), 0.7 + _LINE_INCHES * len(lines)),
            layout="constrained",
        )
        label = f"  {short(window.label)}" if window.label != "." else ""
        middle = f", middle {stop - begin} bp" if stop - begin < length else ""
        figure.suptitle(
            f"{window.chrom}:{window.start:,}–{window.end:,} ({window.strand}){label}{middle}\n"
            f"{short(name, 60)}",
            fontsize=9,
        )
        axes = figure.subplots(len(lines), 1, squeeze=False)[:, 0]
        for line, axis in zip(lines, axes, strict=True):
            draw_logo(axis, heights[line.start : line.stop], line.start)
            axis.set_xlim(line.start - 0.5, line.start + widest - 0.5)
            axis.set_ylim(low - room, high + 3 * room)
            _mark(axis, window, line, seqlets, high + 1.2 * room)
            ticks = [i for i in line if (window.place(i, 1)) % 20 == 0]
            axis.set_xticks(ticks, [f"{window.place(i, 1):,}" for i in ticks])
        figure.supylabel("contribution", fontsize=9)
        down = "" if window.strand == "+" else "; minus strand: positions fall"
        axes[-1].set_xlabel(f"{window.chrom}, 0-based position{down}")
    return figure


def _mark(
    axis: Axes,
    window: AttributedWindow,
    line: range,
    seqlets: pandas.DataFrame | None,
    height: float,
) -> None:
    """Draw a bar above each seqlet, with the name of its motif."""
    if seqlets is None:
        return
    for row in seqlets.itertuples():
        size = row.end - row.start
        first = row.start - window.start if window.strand == "+" else window.end - row.end
        low, high = max(first, line.start), min(first + size, line.stop)
        if low >= high:
            continue
        colour = FIRST if row.score > 0 else SECOND
        axis.plot([low - 0.4, high - 0.6], [height, height], color=colour, linewidth=2)
        motif = getattr(row, "motif", "NA")
        if motif != "NA" and low == first:
            axis.annotate(
                short(motif, 18),
                (low, height),
                (0, 2),
                textcoords="offset points",
                fontsize=6.5,
                color=colour,
            )
