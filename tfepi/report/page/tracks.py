"""Values along the genome as linked panels that pan and zoom: a row per target, one axis.

Rows share the horizontal range and the source of data. Nothing that comes from input files is read
as HTML or as TeX: names are drawn on the canvas as plain text, and what hovers holds numbers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from bokeh.models import ColumnDataSource, Range1d, Span
from bokeh.plotting import figure

from tfepi.report.figures import FIRST, SECOND, some
from tfepi.report.page.content import Plot
from tfepi.report.page.panel_style import add_legend, hover, panel, spanning, stacked, y_axis

Form = Literal["area", "line", "dashes", "bars"]
MOST_BINS = 600  # that are drawn of a stretch: more are thinned to means
AREA, BAR = "#c4c4c4", "#7f7f7f"
_ROW = 140  # px
_TOP, _BOTTOM = 22, 40  # px more of the first row, for the legend, and of the last, for the axis


@dataclass(frozen=True)
class Series:
    """Values of one kind.

    Attributes:
        name: in the legend and where the pointer is: words of the program's, never of inputs.
        form: a filled step, a line, a dashed line, or bars from 0 up and down.
        values: one per bin; NaN is missing.
    """

    name: str
    form: Form
    values: np.ndarray


@dataclass(frozen=True)
class Row:
    """One panel.

    Attributes:
        title: above it, such as a target's name.
        unit: of the values.
        series: what is drawn, in order.
        note: below the title, such as how well the two agree.
    """

    title: str
    unit: str
    series: Sequence[Series]
    note: str = ""


@dataclass(frozen=True)
class Place:
    """A span that is marked in every panel, 0-based, half-open; its name is the program's."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Bins:
    """Consecutive stretches of the genome, in order; they may leave gaps. 0-based, half-open."""

    chrom: str
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, chrom: str, starts: np.ndarray, width: int) -> "Bins":
        """Return bins of one width, bp."""
        starts = np.asarray(starts, np.int64)
        return cls(chrom, starts, starts + width)

    @property
    def runs(self) -> list[slice]:
        """Bins without a gap between them."""
        breaks = np.flatnonzero(self.starts[1:] != self.ends[:-1]) + 1
        return [slice(a, b) for a, b in zip([0, *breaks], [*breaks, len(self.starts)], strict=True)]

    def __str__(self) -> str:
        return f"{self.chrom}:{self.starts[0]:,}–{self.ends[-1]:,}"

    def at(self, index: int) -> str:
        """Return one bin as text."""
        return f"{self.chrom}:{self.starts[index]:,}–{self.ends[index]:,}"


def tracks_plot(
    name: str,
    text: str,
    bins: Bins,
    rows: Sequence[Row],
    place: Place | None = None,
    region: Place | None = None,
) -> Plot:
    """Draw rows of values along the genome.

    Args:
        name: of the figure, letters, digits and "_".
        text: what is to be seen, for those who do not see it.
        bins: of all values; more than `MOST_BINS` are drawn as means of several, which the text
            is told.
        rows: panels, from above.
        place: what is marked by a line, such as a variant.
        region: what is marked by a band.

    Raises:
        ConfigError: no rows, or no bins.
    """
    some(rows, "targets")
    some(bins.starts, "bins")
    count = -(-len(bins.starts) // MOST_BINS)
    if count > 1:
        bins, rows = thinned(bins, rows, count)
        text += f" Drawn are means of {count} bins."
    source = ColumnDataSource(_columns(bins, rows))
    low, high = int(bins.starts[0]), int(bins.ends[-1])
    room = 2 * (high - low)
    x_range = Range1d(low, high, bounds=(low - room // 20, high + room // 20), min_interval=20)
    pointer = Span(dimension="height", line_color="#555555", line_width=0.8)
    panels, last = [], len(rows) - 1
    for number, row in enumerate(rows):
        height = _ROW + _TOP * (number == 0) + _BOTTOM * (number == last)
        chrom = bins.chrom if number == last else None
        drawn = panel(row.title, row.note, x_range, height, chrom, pointer)
        y_axis(drawn, row.unit, np.concatenate([s.values for s in row.series]))
        bands = []
        if region is not None:
            band = drawn.vstrip(
                x0=[region.start],
                x1=[region.end],
                fill_color="#029e73",
                fill_alpha=0.3,
                line_color=None,
            )
            bands = [(region.name, band)]
        entries = bands + [
            (s.name, _draw(drawn, source, s, f"r{number}_{k}")) for k, s in enumerate(row.series)
        ]
        if place is not None:
            middle = (place.start + place.end) / 2
            line = drawn.vspan(x=[middle], line_color="#c1272d", line_width=1.2, line_dash="dotted")
            entries.append((place.name, line))
        shown = [(s.name, f"r{number}_{k}") for k, s in enumerate(row.series)]
        drawn.add_tools(hover(spanning(drawn, source), "bin from", shown))
        if number == 0:
            add_legend(drawn, entries)
        panels.append(drawn)
    return Plot(name, text, stacked(panels), [x_range])


def thinned(bins: Bins, rows: Sequence[Row], count: int) -> tuple[Bins, list[Row]]:
    """Return means of `count` consecutive bins, fewer before a gap; NaN where all are missing."""
    firsts = np.concatenate([np.arange(run.start, run.stop, count) for run in bins.runs])
    stops = np.append(firsts[1:], len(bins.starts))

    def means(values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values)
        total = np.add.reduceat(np.where(known, values, 0).astype(float), firsts)
        number = np.add.reduceat(known.astype(float), firsts)
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)

    fewer = [
        replace(r, series=[Series(s.name, s.form, means(s.values)) for s in r.series]) for r in rows
    ]
    return Bins(bins.chrom, bins.starts[firsts], bins.ends[stops - 1]), fewer


def _columns(bins: Bins, rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Return the source's columns: a line per bin, and after each run one that ends its steps.

    Between runs another line without values breaks the steps.
    """
    runs = bins.runs

    def joined(values: np.ndarray, closing: float | None, gap: float | None) -> np.ndarray:
        parts = []
        for run in runs:
            part = values[run]
            parts += [part, part[-1:] if closing is None else [closing]]
            if run is not runs[-1]:
                parts.append(bins.ends[run][-1:] if gap is None else [gap])
        return np.concatenate(parts)

    ends = joined(bins.ends, None, None).astype(np.int32)
    lefts = joined(bins.starts, -1, -1)
    lefts = np.where(lefts < 0, ends, lefts).astype(np.int32)
    found = {"x": lefts, "end": ends}
    for number, row in enumerate(rows):
        for k, series in enumerate(row.series):
            closing = None if series.form in ("line", "dashes") else np.nan
            values = joined(np.asarray(series.values, np.float32), closing, np.nan)
            found[f"r{number}_{k}"] = values.astype(np.float32)
    return found


def _draw(drawn: figure, source: ColumnDataSource, series: Series, column: str):
    """Draw a series; return what draws it."""
    if series.form in ("area", "bars"):
        colour = AREA if series.form == "area" else BAR
        return drawn.quad(
            left="x",
            right="end",
            bottom=0,
            top=column,
            source=source,
            fill_color=colour,
            line_color=colour,
            line_width=0.5,
        )
    dashed = series.form == "dashes"
    return drawn.step(
        "x",
        column,
        source=source,
        mode="after",
        line_color=SECOND if dashed else FIRST,
        line_width=2.2 if dashed else 1.6,
        line_dash=[5, 3] if dashed else "solid",
    )
