"""Plain words with code in backticks, as Markdown for a cell of a table."""

import re

_CODE = re.compile(r"(`[^`]*`)")


def words(text: str) -> str:
    """Return text in one line, in which only backticks are markup."""
    parts = _CODE.split(" ".join(text.split()))
    parts[::2] = [re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).replace("|", "\\|")


def code(text: str) -> str:
    """Return text for the inside of backticks."""
    return " ".join(text.split()).replace("|", "\\|")
