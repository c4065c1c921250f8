"""How messages name what is wrong with a table: by the line of a text, by the row of Parquet.

Lines and rows are counted from 1, and a header is a line.
"""

import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

_VCF = ("chrom", "pos", "id", "ref", "alt", "qual", "filter", "info")


def at_row(path: object, number: int, what: str = "QTL table") -> str:
    """Return where a row is: "QTL table t.tsv line 5"; Parquet has rows.

    Args:
        path: of the table.
        number: of the line, or of the row of Parquet.
        what: the table.
    """
    return f"{what} {path} {'row' if _starts(path, b'PAR1') else 'line'} {number}"


def line_of_row(path: Path, row: int, header: int) -> int:
    """Return the line of a text's row; blank lines are no rows.

    Args:
        path: plain or gzip.
        row: below the header, from 1.
        header: line of the header.
    """
    with (gzip.open if _starts(path, b"\x1f\x8b") else open)(path, "rb") as handle:
        rows = (n for n, line in enumerate(handle, 1) if n > header and line.strip(b" \r\n"))
        return next(islice(rows, row - 1, None))


def is_vcf(header: Sequence[str]) -> bool:
    """Tell whether a table's columns are a VCF's."""
    return tuple(name.lower() for name in header[: len(_VCF)]) == _VCF


def _starts(path: object, magic: bytes) -> bool:
    """Tell whether a file begins so; one that is not there does not."""
    try:
        with open(path, "rb") as handle:
            return handle.read(len(magic)) == magic
    except OSError:
        return False
