"""Tables as text: rows as aligned columns, and rows of tab-separated files."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tfrecords_tools.errors import InputFileError


def tab_separated(path: Path, where: str) -> list[tuple[int, list[str]]]:
    """Return (number from 1, cells) of the lines of a tab-separated file that are not empty.

    Args:
        path: of the file, which exists.
        where: the file, for messages.

    Raises:
        InputFileError: no text, or nothing below the header.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text), delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(
            f"{where} is no tab-separated text ({error}): is it the right file?"
        ) from None
    rows = [(n, r) for n, r in enumerate(rows, 1) if any(c.strip() for c in r)]
    if len(rows) < 2:
        raise InputFileError(f"{where} has no rows below its header")
    return rows


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
