"""What a page is made of: sections of checks, tables, figures and paragraphs.

Sections say what is shown; `render` says how. Text is plain: whatever comes from input files is
escaped where the page is written, nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["pass", "warn", "fail", "unknown"]
ORDER: tuple[Status, ...] = ("fail", "warn", "unknown", "pass")
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Check:
    """One question about the runs, and its answer.

    Attributes:
        name: of the check, some words.
        status: "pass", "warn", "fail", or "unknown" where the folders do not tell.
        found: what was found, with its numbers.
        advice: what to do; empty where all is well.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: of the value in each row.
        title: above the column, with the unit.
        digits: significant digits of numbers; None shows them as they are.
    """

    key: str
    title: str
    digits: int | None = 4


@dataclass(frozen=True)
class Table:
    """A table that can be sorted and searched, with a JSON twin.

    Attributes:
        name: letters, digits and "_"; unique on the page.
        caption: what the rows are.
        columns: in order.
        rows: values by column key; missing is None.
        sort: key of the column it is ordered by at first, or None for the order of the rows.
        descending: that order.
        omitted: rows that the whole table has besides these, which are the first.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[dict[str, Value]]
    sort: str | None = None
    descending: bool = False
    omitted: int = 0


@dataclass(frozen=True)
class Picture:
    """A figure that does not move.

    Attributes:
        name: letters, digits and "_"; unique on the page.
        text: what is to be seen, for those who do not see it.
        svg: the figure's source, without XML declaration; or "".
        png: the figure as PNG, where there is no SVG.
    """

    name: str
    text: str
    svg: str = ""
    png: bytes = b""


@dataclass(frozen=True)
class Plot:
    """A Bokeh figure that pans and zooms.

    Attributes:
        name: letters, digits and "_"; unique on the page.
        text: what is to be seen, for those who do not see it.
        model: Bokeh layout.
        ranges: the Bokeh ranges of the horizontal axis, which the page's buttons move.
    """

    name: str
    text: str
    model: object
    ranges: Sequence[object] = ()


@dataclass(frozen=True)
class Note:
    """A paragraph of plain text, or a list of points."""

    text: str = ""
    points: Sequence[str] = ()


Block = Table | Picture | Plot | Note


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: letters, digits and "_"; its anchor.
        title: heading.
        blocks: in order.
        checks: that its folders answer, for the verdict box.
    """

    name: str
    title: str
    blocks: Sequence[Block]
    checks: Sequence[Check] = field(default_factory=tuple)
