"""Which cluster each cell, known by its barcode, belongs to."""

import csv
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

_HEADERS = ("barcode", "barcodes", "cell", "cells", "cell_id", "cellid", "cb", "index", "")


def read_clusters(path: str | Path) -> dict[str, str]:
    """Return barcode → cluster of a table whose first two columns these are.

    Args:
        path: tab- or comma-separated; a first line that starts with "barcode" or the like (or
            nothing, as pandas writes an index) is a header.

    Raises:
        InputFileError: missing, no text, without row, a row of one column or with an empty
            name, a barcode in two clusters.
    """
    path = existing(path, "table of clusters")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"table of clusters {path} is no text ({error.reason} at byte {error.start}): want "
            "barcode and cluster, tab- or comma-separated"
        ) from None
    tabs = any("\t" in line for line in lines[:2])
    found: dict[str, str] = {}
    for number, row in enumerate(csv.reader(lines, delimiter="\t" if tabs else ","), 1):
        row = [field.strip() for field in row]
        if not any(row) or (number == 1 and row[0].lower() in _HEADERS):
            continue
        if len(row) < 2 or not row[0] or not row[1]:
            raise InputFileError(
                f"table of clusters {path} line {number} is {','.join(row)[:60]!r}: want barcode "
                "and cluster, tab- or comma-separated"
            )
        barcode, cluster = row[:2]
        if found.setdefault(barcode, cluster) != cluster:
            raise InputFileError(
                f"table of clusters {path} line {number} puts barcode {barcode!r} in "
                f"{cluster!r}, a line before in {found[barcode]!r}: keep one"
            )
    if not found:
        raise InputFileError(f"table of clusters {path} lists no barcode")
    return found
