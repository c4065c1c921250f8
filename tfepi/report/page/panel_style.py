"""How panels of the page's moving figures look and are moved: fonts, axes, tools, legends.

Bokeh reads plain strings as TeX where they look like it; `PlainText` it draws as it is. Every text
that comes from input files is given as such.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import (
    BoxZoomTool,
    CrosshairTool,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    InlineStyleSheet,
    Legend,
    LegendItem,
    NoOverlap,
    NumeralTickFormatter,
    PanTool,
    PlainText,
    Range1d,
    ResetTool,
    Span,
    Title,
    WheelZoomTool,
)
from bokeh.plotting import figure

from tfepi.report.figures import short

TEXT = "#222222"
FONT = "system-ui, sans-serif"
_LEFT, _RIGHT = 56, 26  # px beside the frames, at least
_UNIT_LETTERS, _UNIT_LINES = 19, 2
_TITLE, _NOTE = 34, 46  # letters, so that they fit on a telephone


def panel(
    title: str,
    note: str,
    x_range: Range1d,
    height: int,
    chrom: str | None,
    pointer: Span | None = None,
) -> figure:
    """Return an empty panel, which moves along the horizontal axis only.

    The wheel zooms with the Ctrl key held, or by pinching, so that it can scroll the page.

    Args:
        title: above the frame.
        note: smaller, below the title; or "".
        x_range: bp.
        height: px.
        chrom: whose positions the axis counts; None leaves the axis out.
        pointer: line where the pointer is, of all panels.
    """
    wheel = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    pan = PanTool(dimensions="width")
    drawn = figure(
        height=height,
        sizing_mode="stretch_width",
        x_range=x_range,
        y_range=Range1d(0, 1),
        tools=[pan, wheel, BoxZoomTool(dimensions="width"), ResetTool()],
        active_drag=pan,
        active_scroll=wheel,
        title=_title(title, _TITLE, "12px", "bold"),
        toolbar_location=None,
        min_border_left=_LEFT,
        min_border_right=_RIGHT,
        min_border_top=4,
        min_border_bottom=6,
        outline_line_color=None,
        min_width=200,
    )
    if note:
        drawn.add_layout(_title(note, _NOTE, "11px", "normal"), "above")
    drawn.toolbar.logo = None
    drawn.grid.grid_line_color = None
    if pointer is not None:
        drawn.add_tools(CrosshairTool(overlay=pointer))
    drawn.axis.axis_line_color = drawn.axis.major_tick_line_color = "#777777"
    drawn.axis.minor_tick_line_color = None
    drawn.axis.major_label_text_font = drawn.axis.axis_label_text_font = FONT
    drawn.axis.major_label_text_color = drawn.axis.axis_label_text_color = TEXT
    drawn.axis.major_label_text_font_size = drawn.axis.axis_label_text_font_size = "11px"
    drawn.axis.axis_label_text_font_style = "normal"
    drawn.yaxis.axis_label_text_font_size = "10px"
    if chrom is None:
        drawn.xaxis.major_label_text_font_size = "0px"
        drawn.xaxis.major_tick_in = drawn.xaxis.major_tick_out = 0
    else:
        drawn.xaxis.formatter = NumeralTickFormatter(format="0,0")
        drawn.xaxis.ticker.desired_num_ticks = 4
        drawn.xaxis.ticker.min_interval = 1
        drawn.xaxis.major_label_policy = NoOverlap(min_distance=8)
        drawn.xaxis.axis_label = PlainText(text=f"position on {short(chrom, 24)} (bp, from 0)")
    return drawn


def _title(text: str, letters: int, size: str, style: str) -> Title:
    return Title(
        text=PlainText(text=short(text, letters)),
        text_font=FONT,
        text_font_size=size,
        text_font_style=style,
        text_color=TEXT,
        standoff=2,
    )


def y_axis(drawn: figure, unit: str, values: np.ndarray) -> None:
    """Set the vertical axis: its range holds all values and 0; some round ticks; the unit.

    Args:
        drawn: the panel.
        unit: of the values.
        values: that are drawn; NaN is passed over.
    """
    known = values[np.isfinite(values)]
    low, high = min(0.0, known.min(initial=0)), max(0.0, known.max(initial=0))
    if low == high:
        high = 1.0
    span = high - low
    drawn.y_range.start = float(low - 0.06 * span if low < 0 else 0)
    drawn.y_range.end = float(high + 0.06 * span)
    ticks = round_ticks(low, high)
    drawn.yaxis.ticker = FixedTicker(ticks=ticks)
    drawn.yaxis.major_label_overrides = {t: tick_text(t) for t in ticks}
    lines = textwrap.wrap(unit, _UNIT_LETTERS)
    if len(lines) > _UNIT_LINES:
        lines = [*lines[: _UNIT_LINES - 1], short(" ".join(lines[_UNIT_LINES - 1 :]), 19)]
    drawn.yaxis.axis_label = PlainText(text="\n".join(lines))


def round_ticks(low: float, high: float) -> list[float]:
    """Return two to four round numbers between two of which one may be 0, with 0."""
    step = 10.0 ** np.floor(np.log10(high - low))
    while (high - low) / step < 2:
        step /= 2 if round(step / 10 ** np.floor(np.log10(step))) != 5 else 2.5
    while (high - low) / step > 4:
        step *= 2
    numbers = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return [float(f"{n * step:.6g}") + 0.0 for n in numbers]  # no −0


def tick_text(value: float) -> str:
    """Return a number in few letters: 12k, 1.5M, 0.25; −3 with a minus sign."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            value /= 1e3 if letter == "k" else size
            break
    else:
        letter = ""
    return f"{value:g}".replace("-", "−") + letter


def spanning(drawn: figure, source, left: str = "x", right: str = "end") -> GlyphRenderer:
    """Return invisible boxes over the whole height, so that a bin is found wherever one points."""
    low, high = drawn.y_range.start, drawn.y_range.end
    return drawn.quad(
        left=left,
        right=right,
        bottom=low,
        top=high,
        source=source,
        fill_alpha=0,
        line_alpha=0,
        level="underlay",
    )


def hover(
    boxes: GlyphRenderer, what: str, shown: Sequence[tuple[str, str]], digits: int = 4
) -> HoverTool:
    """Return the tool that says the numbers of a bin.

    Args:
        boxes: of `spanning`.
        what: the start of a box is.
        shown: words of the program's, and the column of numbers.
        digits: significant ones.
    """
    lines = [(what, "@x{0,0}")]
    lines += [(name, f"@{column}{{%.{digits}g}}") for name, column in shown]
    formats = {f"@{column}": "printf" for _, column in shown}
    return HoverTool(
        renderers=[boxes],
        tooltips=lines,
        formatters=formats,
        point_policy="follow_mouse",
        attachment="horizontal",
    )


def stacked(panels: Sequence[figure]):
    """Return panels one above the other, with one set of tools."""
    for renderer in (r for p in panels for r in p.renderers):  # nothing is selected or muted
        renderer.nonselection_glyph = renderer.muted_glyph = None
    grid = gridplot(
        [[p] for p in panels],
        merge_tools=True,
        toolbar_location="above",
        toolbar_options={"logo": None},
        sizing_mode="stretch_width",
    )
    grid.toolbar.stylesheets = [InlineStyleSheet(css="@media print { :host { display: none; } }")]
    return grid


def add_legend(drawn: figure, entries: Sequence[tuple[str, GlyphRenderer]]) -> None:
    """Put a legend above a panel."""
    items = [
        LegendItem(label={"value": name}, renderers=[renderer])
        for name, renderer in dict(entries).items()
    ]
    legend = Legend(
        items=items,
        orientation="horizontal",
        border_line_color=None,
        background_fill_alpha=0,
        label_text_font=FONT,
        label_text_font_size="11px",
        label_text_color=TEXT,
        glyph_width=20,
        glyph_height=12,
        spacing=10,
        padding=0,
        margin=2,
        location="left",
    )
    drawn.above.insert(0, legend)  # the first is nearest to the frame
