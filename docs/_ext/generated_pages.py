"""Sphinx extension: pages that are made of the code, at build time, and kept nowhere.

A line `<!-- generated: commands -->` of a page stands for the Markdown of that function, and a
line `<!-- pages: serving/* -->` of a table of contents for the pages of these patterns, if any.
"""

import re
from collections.abc import Callable
from pathlib import Path

import api_pages
import command_pages
import params_reference

ROOT = Path(__file__).resolve().parents[2]
MAKERS: dict[str, Callable[[], str]] = {
    "commands": lambda: command_pages.commands_markdown(ROOT / "scripts"),
    "params": params_reference.params_markdown,
    "models": params_reference.models_markdown,
    "blocks": params_reference.blocks_markdown,
    "presets": params_reference.presets_markdown,
}
DOCS = ROOT / "docs"
_PAGES = re.compile(r"^<!-- pages: (.+) -->$", re.MULTILINE)
_PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """Return a page's text with what is generated in its places."""
    text = _PAGES.sub(lambda found: "\n".join(pages(found[1].split())), text)
    return _PLACE.sub(lambda found: MAKERS[found[1]](), text)


def pages(patterns: list[str]) -> list[str]:
    """Return the names of the pages that match, pattern by pattern."""
    found = [path for pattern in patterns for path in sorted(DOCS.glob(f"{pattern}.md"))]
    return [path.relative_to(DOCS).with_suffix("").as_posix() for path in found]


def _on_read(app, page: str, content: list[str]) -> None:
    content[0] = fill(content[0])


def _write_api(app) -> None:
    api_pages.write_pages(Path(app.srcdir) / "reference" / "api")


def setup(app) -> dict:
    """Fill pages as they are read, and write those of the API before."""
    app.connect("builder-inited", _write_api)
    app.connect("source-read", _on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
