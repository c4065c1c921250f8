"""Sections to one HTML file that needs no network, and to the JSON twin of its tables.

Code that runs in the reader's browser comes from the installed packages bokeh (plots) and itables
(DataTables) and is written into the page; its own script only connects the two to the page. The
page forbids itself any connection. All text is escaped by jinja2.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

import tfepi
from tfepi.report.page.content import ORDER, Check, Picture, Plot, Section, Table, Value
from tfepi.report.page.number import shown

FORMAT, FORMAT_VERSION = "tfepi-report", 1
_PACKAGE = "tfepi.report.page"
_STATUS = {"pass": "pass", "warn": "look", "fail": "fail", "unknown": "not known"}
_TOTAL = {"pass": "passed", "warn": "to look at", "fail": "failed", "unknown": "not known"}
_SIGN = {"pass": "✓", "warn": "!", "fail": "✗", "unknown": "?"}


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: its heading.
        subtitle: below it.
        sections: in order.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def checks(self) -> list[Check]:
        """All checks, those that failed first."""
        found = [c for s in self.sections for c in s.checks]
        return sorted(found, key=lambda c: ORDER.index(c.status))

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [b for s in self.sections for b in s.blocks if isinstance(b, Table)]

    def to_json(self) -> dict:
        """Return the checks and the tables as a JSON value."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "tfepi_version": tfepi.__version__,
            "title": self.title,
            "checks": [vars(c) for c in self.checks],
            "tables": {t.name: table_json(t) for t in self.tables},
        }


def table_json(table: Table) -> dict:
    """Return a table as a JSON value: all values of its rows, in full."""
    return {
        "caption": table.caption,
        "columns": {c.key: c.title for c in table.columns},
        "rows": [{k: _finite(v) for k, v in row.items()} for row in table.rows],
        "omitted": table.omitted,
    }


def _finite(value: Value) -> Value:
    """Return a value, None for a number that JSON does not have."""
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def render(page: Page) -> str:
    """Return a page as HTML."""
    plots = [b for s in page.sections for b in s.blocks if isinstance(b, Plot)]
    library, items = _bokeh(plots)
    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.PackageLoader(_PACKAGE, ""), undefined=jinja2.StrictUndefined
    )
    # In what Bokeh writes, what comes first is referred to later.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters |= {"shown": shown, "data_url": data_url, "kind": _kind}
    return environment.get_template("page.html").render(
        page=page,
        counts={s: sum(c.status == s for c in page.checks) for s in ORDER},
        words=_STATUS,
        totals=_TOTAL,
        signs=_SIGN,
        version=tfepi.__version__,
        twin=page.to_json(),
        style=_own("page.css"),
        table_style=_itables("dt_bundle.css").replace("</", "<\\/"),
        table_library=base64.b64encode(_itables("dt_bundle.js").encode()).decode("ascii"),
        own_script=_own("page.js"),
        plot_library=library,
        plot_items=items,
    )


def data_url(picture: Picture) -> str:
    """Return a picture as a URL that holds it."""
    kind, body = ("svg+xml", picture.svg.encode()) if picture.svg else ("png", picture.png)
    return f"data:image/{kind};base64,{base64.b64encode(body).decode('ascii')}"


def _bokeh(plots: Sequence[Plot]) -> tuple[str, dict[str, dict]]:
    """Return the library that draws plots, and what it draws by name."""
    if not plots:
        return "", {}
    from bokeh.embed import json_item
    from bokeh.resources import Resources

    library = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    # Nothing in a script element may end it.
    items = {p.name: json_item(p.model) for p in plots}
    return library.replace("</script", "<\\/script"), items


def _kind(block) -> str:
    return type(block).__name__.lower()


def _own(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _itables(name: str) -> str:
    return Path(str(resources.files("itables").joinpath("html", name))).read_text(encoding="utf-8")
