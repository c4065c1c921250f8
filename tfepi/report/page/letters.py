"""What each base adds to a prediction, as a logo that pans and zooms.

Letters are few polygons, so that a page with several logos stays small: of a long window only the
bases around the largest value are letters, the others are bars.
"""

import numpy as np
from bokeh.models import ColumnDataSource, Range1d

from tfepi.report.figures import some
from tfepi.report.logos import COLOURS, LETTERS
from tfepi.report.page.content import Plot
from tfepi.report.page.panel_style import hover, panel, spanning, stacked, y_axis

MOST_LETTERS = 200  # bases that are drawn as letters
MOST_BASES = 1000  # that are drawn
_VIEW = 60  # bases at first
_HEIGHT = 210  # px
_PAD = 0.04  # of a base, beside its letter
_SHORTEST = 0.01  # of the highest letter: lower ones cannot be seen


def _arc(low: float, high: float, count: int, rx: float, ry: float) -> np.ndarray:
    """Return points of an ellipse around the middle of a letter, from one angle to another."""
    angle = np.radians(np.linspace(low, high, count))
    return np.c_[0.5 + rx * np.cos(angle), 0.5 + ry * np.sin(angle)]


def _outlines() -> dict[str, np.ndarray]:
    """Return the outline of each letter in the unit square, [points, 2]; NaN between parts."""
    gap = [[np.nan, np.nan]]
    left = [[0, 0], [0.4, 1], [0.6, 1], [0.21, 0]]
    right = [[1 - x, y] for x, y in left]
    bar = [[0.25, 0.22], [0.31, 0.38], [0.69, 0.38], [0.75, 0.22]]
    outer, inner = _arc(42, 318, 8, 0.5, 0.5), _arc(312, 48, 7, 0.29, 0.33)
    spur = [[0.87, 0.16], [0.87, 0.5], [0.52, 0.5], [0.52, 0.36], [0.68, 0.36], [0.68, 0.24]]
    return {
        "A": np.array(left + gap + right + gap + bar),
        "C": np.concatenate([outer, inner]),
        "G": np.concatenate([_arc(42, 318, 8, 0.5, 0.5), spur, _arc(300, 48, 6, 0.29, 0.33)]),
        "T": np.array(
            [[0, 1], [1, 1], [1, 0.84], [0.61, 0.84], [0.61, 0], [0.39, 0], [0.39, 0.84], [0, 0.84]]
        ),
    }


OUTLINES = _outlines()


def polygons(letter: str, starts: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outlines of one letter at several places, one after the other, NaN between.

    Args:
        letter: of ACGT.
        starts: position of each, 0-based.
        heights: of each; below 0 it hangs from the axis, upright.

    Returns:
        x float64 and y float32.
    """
    shape = np.concatenate([OUTLINES[letter], [[np.nan, np.nan]]])
    x = starts[:, None] + _PAD + (1 - 2 * _PAD) * shape[:, 0]
    y = np.minimum(heights, 0)[:, None] + np.abs(heights)[:, None] * shape[:, 1]
    return x.ravel().astype(float), y.ravel().astype(np.float32)


def lettered(contributions: np.ndarray, most: int = MOST_LETTERS) -> slice:
    """Return the bases around the largest contribution that are drawn as letters."""
    middle = int(np.abs(contributions).argmax())
    first = int(np.clip(middle - most // 2, 0, max(0, len(contributions) - most)))
    return slice(first, min(first + most, len(contributions)))


def letters_plot(
    name: str,
    text: str,
    chrom: str,
    start: int,
    sequence: np.ndarray,
    contributions: np.ndarray,
    title: str,
    unit: str,
    note: str = "",
) -> Plot:
    """Draw what each base of a window contributes.

    Args:
        name: of the figure, letters, digits and "_".
        text: what is to be seen, for those who do not see it.
        chrom: chromosome.
        start: of the window, 0-based; of more than `MOST_BASES` those around the largest are drawn.
        sequence: base indices, uint8 [length]; N is no letter.
        contributions: of the bases, float [length].
        title: above the figure.
        unit: of the contributions.
        note: below the title.

    Raises:
        ConfigError: no bases.
    """
    some(sequence, "bases")
    values = np.asarray(contributions, np.float32)
    near = lettered(values, MOST_BASES)
    start, sequence, values = start + near.start, sequence[near], values[near]
    part = lettered(values)
    middle = start + int(np.abs(values).argmax()) + 0.5
    low, high = start, start + len(values)
    view = min(_VIEW, len(values))
    first = float(np.clip(middle - view / 2, low, high - view))
    x_range = Range1d(first, first + view, bounds=(low - 10, high + 10), min_interval=10)
    drawn = panel(title, note, x_range, _HEIGHT, chrom)
    y_axis(drawn, unit, values)
    places = np.arange(len(values))
    bars = (places < part.start) | (places >= part.stop)
    source = ColumnDataSource(
        {
            "x": (start + places).astype(np.int32),
            "end": (start + places + 1).astype(np.int32),
            "value": values,
            "bar": np.where(bars, values, np.nan).astype(np.float32),
            "base": np.array([*LETTERS, "N"])[sequence].tolist(),
        }
    )
    drawn.quad(
        left="x", right="end", bottom=0, top="bar", source=source,
        fill_color="#9a9a9a", line_color="#9a9a9a", line_width=0.4,
    )  # fmt: skip
    seen = np.abs(values) >= _SHORTEST * np.abs(values).max(initial=0)
    seen &= ~bars & (values != 0)
    for index, letter in enumerate(LETTERS):
        chosen = np.flatnonzero(seen & (sequence == index))
        x, y = polygons(letter, start + chosen, values[chosen])
        drawn.patch(x, y, fill_color=COLOURS[letter], fill_alpha=1, line_color=None)
    drawn.segment([low], [0], [high], [0], line_color="#777777", line_width=0.8)
    tool = hover(spanning(drawn, source), "position", [("contribution", "value")])
    tool.tooltips.append(("base", "@base"))
    drawn.add_tools(tool)
    return Plot(name, text, stacked([drawn]), [x_range])
