"""The table of methylation samples: which files, how they are laid out, of which tissue."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.remote import url_in_table
from tfrecords_tools.text_table import tab_separated

FORMATS = ("bedmethyl", "bismark_cov", "cytosine_report", "bedgraph", "array")


@dataclass(frozen=True)
class Sample:
    """One row of the table.

    Attributes:
        identifier: unique name; with an array's whole matrix, the prefix of its columns' names.
        file: path of the values.
        format: one of `FORMATS`, or None to tell it by the number of columns.
        column: of an array's matrix; None is all of them.
        manifest: path of the table with the coordinates of an array's probes, or None.
        scale: factor on values that are no counts, 0.01 for percent.
        offset: bp added to the file's positions.
        tissue: what samples are grouped by, or None.
        description: free text.
        where: the table and line, for messages.
    """

    identifier: str
    file: str
    format: str | None = None
    column: str | None = None
    manifest: str | None = None
    scale: float = 1.0
    offset: int = 0
    tissue: str | None = None
    description: str = ""
    where: str = ""


_COLUMNS = tuple(f.name for f in fields(Sample) if f.name != "where")


def read_samples(path: str | Path) -> tuple[Sample, ...]:
    """Read a tab-separated table of samples whose first column is an index, which is not used.

    Args:
        path: of the table. Relative paths in it that do not exist from the working directory
            are relative to the table's folder.

    Returns:
        The samples in the order of the table.

    Raises:
        InputFileError: no text, no rows, a row of another length, a column twice, a number that
            is none, a file that is missing.
        ConfigError: unknown column or format, identifier twice, or columns that do not go
            together.
    """
    path = existing(path, "sample table")
    where = f"sample table {path}"
    rows = tab_separated(path, where)
    header = [c.strip() for c in rows[0][1]]
    if len(rows[1][1]) == len(header) + 1:
        header = ["", *header]  # the index has no name at all
    start = 0 if header[0] in _COLUMNS else 1
    header = header[start:]
    for column in header:
        if column not in _COLUMNS:
            raise unknown("column", column, _COLUMNS, f"in {where}")
        if header.count(column) > 1:
            raise InputFileError(f"{where} names column {column!r} more than once: keep one")
    for column in ("identifier", "file"):
        if column not in header:
            raise InputFileError(
                f"{where} has no column {column!r}: its header is {header}; the table is "
                "tab-separated"
            )
    samples, seen = [], {}
    for number, row in rows[1:]:
        sample = _sample(f"{where} line {number}", header, row[start:], path.parent)
        if sample.identifier in seen:
            raise ConfigError(
                f"{sample.where} has identifier {sample.identifier!r}, as line "
                f"{seen[sample.identifier]}: identifiers must be unique"
            )
        seen[sample.identifier] = number
        samples.append(sample)
    return tuple(samples)


def _sample(where: str, header: list[str], row: list[str], folder: Path) -> Sample:
    if len(row) != len(header):
        raise InputFileError(f"{where} has {len(row)} columns, the header has {len(header)}")
    values = {c: t.strip() for c, t in zip(header, row, strict=True) if t.strip()}
    for column in ("identifier", "file"):
        if column not in values:
            raise InputFileError(f"{where} has no {column}: want one in every row")
    for column in ("file", "manifest"):
        if column in values:
            values[column] = str(_place(values[column], folder, where, column))
    for column, kind, noun in (("scale", float, "number"), ("offset", int, "whole number")):
        if column in values:
            try:
                values[column] = kind(values[column])
            except ValueError:
                raise InputFileError(
                    f"{where}: {column} is {values[column]!r}, want a {noun}"
                ) from None
    scale = values.get("scale", 1.0)
    if not (math.isfinite(scale) and scale > 0):
        raise InputFileError(f"{where}: scale is {scale}, want a positive number")
    if "manifest" in values:
        values.setdefault("format", "array")
    sample = Sample(**values, where=where)
    if sample.format is not None and sample.format not in FORMATS:
        raise unknown("format", sample.format, FORMATS, f"in {where}")
    if sample.format == "array" and sample.manifest is None:
        raise ConfigError(
            f"{where} is of format 'array' but names no manifest, which gives the coordinates "
            "of its probes: add the column"
        )
    for column in ("manifest", "column"):
        if getattr(sample, column) is not None and sample.format != "array":
            kind = sample.format or "none"
            raise ConfigError(
                f"{where} has a {column}, which only format 'array' has; its format is {kind!r}"
            )
    return sample


def _place(name: str, folder: Path, where: str, what: str) -> Path:
    if (url := url_in_table(name, folder / "samples.txt")) is not None:
        return existing(url, f"{where}: {what}")
    path = Path(name)
    if not path.is_absolute() and not path.exists():
        path = folder / path
    if not path.is_file():
        raise InputFileError(f"{where}: {what} {path} does not exist: check the path")
    return path
