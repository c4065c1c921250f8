"""Sphinx extension: docstrings are text with code in single backticks.

What reStructuredText would else read as markup (`*`, `|`, a trailing `_`) is escaped.
"""

import re

PACKAGES = ("tfepi.", "tfrecords_tools.")
_CODE = re.compile(r"(`+[^`]+`+)")
_NAMES = re.compile(r"^(\s+(?:\w+, )*\w+,)\n\s+(?=(?:\w+, )*\w+[:,])", re.MULTILINE)
_MARKUP = re.compile(r"(?<!\S)\*[\w ]+\*(?!\w)|[*|\\]|_(?=\W|$)")


def plain(line: str) -> str:
    """Return a docstring's line with all markup but code escaped."""
    parts = _CODE.split(line)
    parts[::2] = [_MARKUP.sub(_escaped, part) for part in parts[::2]]
    parts[1::2] = [_code(part.strip("`")) for part in parts[1::2]]
    return _apart(parts)


def _code(text: str) -> str:
    """Return code as reStructuredText: a link where it is a name of ours in full, else as it is.

    A short name may be that of several things, and a wrong link is worse than none.
    """
    return f"`{text}`" if text.startswith(PACKAGES) else f"``{text}``"


def _escaped(found: re.Match) -> str:
    """Return markup that shows as it is written; a *word* in stars stays emphasised."""
    return found[0] if len(found[0]) > 1 else "\\" + found[0]


def _apart(parts: list[str]) -> str:
    """Join text and code; a letter that touches code is set off by a mark that shows nothing."""
    joined = parts[0]
    for code, after in zip(parts[1::2], parts[2::2], strict=True):
        before = "\\ " if joined[-1:].isalnum() else ""
        joined += before + code + ("\\ " if after[:1].isalnum() else "") + after
    return joined


def _on_docstring(app, what, name, thing, options, lines: list[str]) -> None:
    # Code that a line break divides is one piece, and so is a list of arguments.
    text = _CODE.sub(lambda found: " ".join(found[0].split()), "\n".join(lines))
    while (joined := _NAMES.sub(r"\1 ", text)) != text:
        text = joined
    lines[:] = [plain(line) for line in text.split("\n")]


def _skip_foreign(app, what, name, thing, skip, options):
    """Leave out what a module has from a library that does not say whose it is."""
    owner = getattr(thing, "__module__", None)
    foreign = what == "module" and callable(thing) and not str(owner).startswith(PACKAGES)
    return True if foreign else None


def setup(app) -> dict:
    """Escape before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _on_docstring, priority=100)
    app.connect("autodoc-skip-member", _skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
