"""Figures of saturation mutagenesis: which letters matter, what gain and loss is within reach.

One figure is of one sequence and one target, in lines of up to 100 bp: the sequence as a logo
whose letters are as high as their replacement costs, the largest gain and loss at each position,
and all changes as a heat map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import logomaker
import matplotlib
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfepi.report.figures import GREY, some, styled

LINE_BP = 100
LETTERS = "ACGT"
COLOURS = dict(zip(LETTERS, ("#029e73", "#0173b2", "#de8f05", "#c1272d"), strict=True))
_GAIN, _LOSS = "#b2182b", "#2166ac"  # the ends of the map RdBu
_UNSIGNED = (
    "scd",
    "D1",
    "logD1",
    "sqrtD1",
    "D2",
    "logD2",
    "sqrtD2",
    "JS",
    "logJS",
    "JSD",
    "logJSD",
)
_RISES = (*_UNSIGNED, "REF_RATIO")  # larger where the sequence's own letter matters
_LINE_INCHES = 2.9


@dataclass(frozen=True)
class Changes:
    """One sequence's scores of one target.

    Attributes:
        scores: [positions, 4], as in scores.h5.
        own: the sequence, bool [positions, 4]; no letter for N.
        chrom: chromosome.
        start: lowest position, 0-based.
        strand: "-" where the sequence runs down the chromosome.
        stat: name of the statistic.
        title: of the figure.
    """

    scores: np.ndarray
    own: np.ndarray
    chrom: str
    start: int
    strand: str
    stat: str
    title: str

    @property
    def change(self) -> np.ndarray:
        """Scores less that of the sequence's own letter, NaN there: [positions, 4]; 0 is no effect.

        Where the own letter is none of ACGT, scores are taken as they are.
        """
        base = np.where(self.own, self.scores, 0).sum(axis=1, keepdims=True)
        return np.where(self.own, np.nan, self.scores - base)

    @property
    def importance(self) -> np.ndarray:
        """What replacing the own letter costs, mean of three; NaN for N: [positions]."""
        known = self.own.any(axis=1)
        total = np.where(self.own, 0, self.change).sum(axis=1) / 3
        return np.where(known, total if self.stat in _RISES else -total, np.nan)

    def position(self, index: int) -> int:
        """Return where on the chromosome a position of the sequence lies, 0-based."""
        return self.start + (index if self.strand == "+" else len(self.own) - 1 - index)

    def round_positions(self, line: range, widest: int) -> list[int]:
        """Return the indexes of a line whose places on the chromosome are round numbers."""
        step = next((s for s in (20, 10, 5, 2) if widest >= 3 * s), 1)
        return [i for i in line if self.position(i) % step == 0]


def mutagenesis_figure(changes: Changes) -> Figure:
    """Draw one sequence's logo, gain and loss, and heat map.

    Raises:
        ConfigError: no positions.
    """
    some(changes.own, "positions")
    length = len(changes.own)
    lines = [range(low, min(low + LINE_BP, length)) for low in range(0, length, LINE_BP)]
    change, importance = changes.change, changes.importance
    signed = changes.stat not in _UNSIGNED
    limit = _largest(change)
    high, low = _extremes(change)
    letters = pandas.DataFrame(
        np.where(changes.own, np.nan_to_num(importance)[:, None], 0), columns=list(LETTERS)
    )
    widest = max(map(len, lines))
    with styled():
        width = 1.9 + max(3.2, 0.085 * widest)
        figure = Figure(figsize=(width, 0.5 + _LINE_INCHES * len(lines)), layout="constrained")
        figure.suptitle(changes.title, fontsize=10)
        grid = figure.add_gridspec(3 * len(lines), 1, height_ratios=[1.3, 0.8, 0.9] * len(lines))
        axes = np.array([figure.add_subplot(cell) for cell in grid]).reshape(-1, 3)
        for line, (logo, extremes, heat) in zip(lines, axes, strict=True):
            _draw_logo(logo, letters, line)
            _draw_extremes(extremes, line, high, low if signed else None)
            image = _draw_heat(heat, change, changes.own, line, limit, signed)
            ticks = changes.round_positions(line, widest)
            for axis in (logo, extremes, heat):
                axis.set_xlim(line.start - 0.5, line.start + widest - 0.5)
                axis.set_xticks([])
                axis.spines["bottom"].set_visible(False)
            heat.set_xticks(ticks, [f"{changes.position(x):,}" for x in ticks])
        for column, values in ((0, importance), (1, np.r_[high, low if signed else 0])):
            _same_limits(axes[:, column], values)
        axes[-1, 2].set_xlabel(
            f"{changes.chrom}, 0-based position"
            + ("" if changes.strand == "+" else "; minus strand: positions fall")
        )
        aspect = 9 * (3 * len(lines) - 2)  # a bar as wide beside one line as beside many
        bar = figure.colorbar(image, ax=list(axes[:, 2]), pad=0.01, aspect=aspect, fraction=0.06)
        bar.outline.set_visible(False)
        bar.set_label(f"change in {changes.stat}")
    return figure


def _largest(change: np.ndarray) -> float:
    finite = np.abs(change[np.isfinite(change)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _extremes(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest gain and the largest loss of each position, 0 where there is none."""
    known = np.nan_to_num(change)
    return np.maximum(known.max(axis=1), 0), np.minimum(known.min(axis=1), 0)


def _draw_logo(axis: Axes, letters: pandas.DataFrame, line: range) -> None:
    part = letters.iloc[line.start : line.stop]
    if part.to_numpy().any():  # it warns of a logo without height
        logomaker.Logo(
            part,
            ax=axis,
            color_scheme=COLOURS,
            font_name="DejaVu Sans",
            flip_below=False,
            fade_below=0.4,
            baseline_width=0,
        )
    axis.spines[["right", "top", "bottom"]].set_visible(False)
    axis.plot([line.start - 0.5, line.stop - 0.5], [0, 0], color=GREY, linewidth=0.6, zorder=0)
    axis.set_ylabel("importance")


def _draw_extremes(axis: Axes, line: range, high: np.ndarray, low: np.ndarray | None) -> None:
    x = np.arange(line.start, line.stop)
    axis.bar(x, high[x], width=1, color=_GAIN, label="gain")
    if low is not None:
        axis.bar(x, low[x], width=1, color=_LOSS, label="loss")
    axis.plot([line.start - 0.5, line.stop - 0.5], [0, 0], color=GREY, linewidth=0.6)
    axis.set_ylabel("largest\ngain, loss" if low is not None else "largest\nchange")


def _draw_heat(
    axis: Axes, change: np.ndarray, own: np.ndarray, line: range, limit: float, signed: bool
):
    part = slice(line.start, line.stop)
    image = axis.imshow(
        change[part].T,
        cmap=matplotlib.colormaps["RdBu_r" if signed else "Reds"].with_extremes(bad="0.88"),
        vmin=-limit if signed else 0,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
        extent=(line.start - 0.5, line.stop - 0.5, 3.5, -0.5),
    )
    place, letter = np.nonzero(own[part])
    axis.plot(line.start + place, letter, ".", color=GREY, markersize=2.5, markeredgewidth=0)
    axis.set_yticks(range(4), list(LETTERS))
    axis.tick_params(axis="y", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image


def _same_limits(axes: Sequence[Axes], values: np.ndarray) -> None:
    """Give the lines of a figure one scale, 0 within it."""
    known = values[np.isfinite(values)]
    low, high = min(0, known.min(initial=0)), max(0, known.max(initial=0))
    room = 0.06 * (high - low) or 1.0
    for axis in axes:
        axis.set_ylim(low - room if low < 0 else 0, high + room)
        axis.yaxis.set_major_locator(MaxNLocator(4))
    figure = axes[0].figure
    figure.align_ylabels(axes)
