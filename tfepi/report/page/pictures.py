"""Figures of matplotlib as pictures of a page."""

import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfepi.report.figures import styled
from tfepi.report.page.content import Picture

_LARGEST_SVG = 200_000  # bytes; above, a PNG is smaller
_DPI = 130


def picture(figure: Figure, name: str, text: str) -> Picture:
    """Return a figure as SVG, or where that is large as PNG.

    Args:
        figure: any.
        name: letters, digits and "_"; unique on the page.
        text: what is to be seen, for those who do not see it.
    """
    FigureCanvasAgg(figure)
    with styled(), matplotlib.rc_context({"svg.fonttype": "path"}):
        vector = io.StringIO()
        figure.savefig(vector, format="svg", metadata={"Date": None})
        svg = vector.getvalue()
        if len(svg) <= _LARGEST_SVG:
            return Picture(name, text, svg=svg[svg.index("<svg") :])
        dots = io.BytesIO()
        figure.savefig(dots, format="png", dpi=_DPI)
    return Picture(name, text, png=dots.getvalue())
