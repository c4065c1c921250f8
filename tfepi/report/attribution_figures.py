"""Figures of attributions: which bases around a CpG its predicted methylation comes from.

From the top: a logo of each method near the CpG, whose letters are as high as the base adds to the
prediction; then both along the distance from the CpG.
"""

import logging
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.analysis.attribution import at_own, corrected
from tfepi.methylation.attribution import cost
from tfepi.methylation.attribution_files import NAME, Attributed, read_attributions
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, styled
from tfepi.report.motif_figures import draw_logo
from tfrecords_tools.files import remove_parts

FOLDER = "figures"
LOGO_HALF = 40
MOST = 50
_log = logging.getLogger(__name__)


def draw_attributions(folder: Path, most: int = MOST, task: str | None = None) -> int:
    """Draw the CpGs of a folder with attribution.h5 into its figures/; return how many.

    Args:
        folder: of the run.
        most: draw the first so many.
        task: which; None: of each CpG the one whose prediction its bases move most.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    drawn = 0
    for cpg in read_attributions(folder / NAME):
        if drawn == most:
            _log.info("figures are of the first %d CpGs: --figures N draws more", most)
            break
        number = _strongest(cpg) if task is None else cpg.tasks.index(task)
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in cpg.place.chrom)
        stem = folder / FOLDER / f"{name}_{cpg.place.position + 1}"
        save_figure(attribution_figure(cpg, number), stem)
        drawn += 1
    return drawn


def _strongest(cpg: Attributed) -> int:
    values = cpg.gradient if cpg.change is None else cpg.change
    return int(np.ptp(values, axis=(0, 1)).argmax())


def attribution_figure(cpg: Attributed, task: int) -> Figure:
    """Draw what the bases around one CpG do to one task's prediction.

    Args:
        cpg: with gradients, mutagenesis or both.
        task: number of the task.
    """
    tracks = _tracks(cpg, task)
    with styled():
        rows = len(tracks) + 1
        figure = Figure(figsize=(9, 1.5 * rows + 1), layout="constrained")
        axes = figure.subplots(rows, 1)
        value = cpg.prediction[task]
        figure.suptitle(
            f"CpG {cpg.place.chrom}:{cpg.place.position + 1:,}, {short(cpg.tasks[task], 40)}: "
            f"predicted methylation {value:.2f}",
            fontsize=10,
        )
        for axis, (name, distance, values, _) in zip(axes, tracks, strict=False):
            near = np.abs(distance) <= LOGO_HALF
            own = cpg.own[distance[near] + cpg.middle]
            draw_logo(axis, np.nan_to_num(values[near])[:, None] * own, float(distance[near][0]))
            _mark_cpg(axis)
            axis.set_ylabel(name)
            axis.set_xticks(range(-LOGO_HALF, LOGO_HALF + 1, 10))
            axis.set_xlim(distance[near][0] - 0.5, distance[near][-1] + 0.5)
        _draw_tracks(axes[-1], tracks)
        if len(tracks) == 2:
            found = cpg.agreement(task)
            axes[-1].set_title(
                f"gradient and mutagenesis agree with r = {found.letters:.2f} over "
                f"{found.positions} bases",
                fontsize=8,
                loc="right",
            )
    return figure


def _tracks(cpg: Attributed, task: int) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
    """Return name, distances from the C, values and colour of each method."""
    found = []
    if cpg.gradient is not None:
        gradient = cpg.gradient[:, :, task : task + 1]
        values = at_own(corrected(gradient), cpg.own)[:, 0]
        distance = np.arange(len(cpg.own)) - cpg.middle
        found.append(("gradient × input", distance, values, SECOND))
    if cpg.change is not None:
        span = slice(cpg.first, cpg.first + len(cpg.change))
        values = cost(cpg.change[:, :, task : task + 1], cpg.own[span])[:, 0]
        distance = np.arange(span.start, span.stop) - cpg.middle
        found.append(("mutagenesis", distance, values, FIRST))
    return found


def _mark_cpg(axis: Axes) -> None:
    axis.axvspan(-0.5, 1.5, color="0.9", zorder=-1, linewidth=0)


def _draw_tracks(axis: Axes, tracks: list) -> None:
    for name, distance, values, colour in tracks:
        axis.vlines(distance, 0, np.nan_to_num(values), color=colour, linewidth=0.8, label=name)
    axis.axhline(0, color=GREY, linewidth=0.6)
    _mark_cpg(axis)
    axis.set_xlabel("distance from the C, bp")
    axis.set_ylabel("added to the\nprediction")
    axis.margins(x=0.01)
    axis.legend(loc="upper left", ncols=2)
