"""Fine-mapped QTLs: one row per variant, that of its highest PIP, from text or Parquet.

A table is read in stretches of rows, and of each variant the best row so far is kept.
"""

import contextlib
import csv
import gzip
import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.association.columns import header as text_header
from tfepi.qtl.exam_columns import (
    find_columns,
    is_packed,
    parse_pairs,
    parsed_variants,
    place_columns,
)
from tfepi.qtl.table_lines import at_row
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing

FEATURES = ("distance", "frequency", "ld_score")
NUMBERS = ("pip", "effect", *FEATURES)
COLUMNS = ("chrom", "pos", "a1", "a2", *NUMBERS, "gene")
_ROWS = 500_000
_PARTS = 8  # stretches of rows, before the best rows of all are found
_MISSING = ["", ".", "NA", "N/A", "NaN", "nan", "-nan", "NULL", "null", "None"]
_KEY = ["chrom", "pos", "a1", "a2"]
_BOUNDS = {"pip": (0, 1), "frequency": (0, 1), "effect": (-np.inf, np.inf)}
_BOUNDS |= {"distance": (0, np.inf), "ld_score": (-np.inf, np.inf)}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QtlTable:
    """The variants of a fine-mapping table.

    Attributes:
        path: of the table.
        table: columns chrom, pos (1-based), a1 (the allele that the effect is of), a2 (both NaN
            in a table without alleles), pip, effect, distance (bp, at least 0), frequency,
            ld_score, gene; NaN where the file has none. A row per variant, indexed by line.
        columns: our name → the file's, of those that are read.
        counts: "rows", "left_out" (by --only), "incomplete" (no place or no PIP), "variants".
    """

    path: Path
    table: pd.DataFrame
    columns: dict[str, str]
    counts: dict[str, int]


def read_qtls(
    path: str | Path,
    named: Sequence[str] = (),
    only: Sequence[str] = (),
    first: int = 1,
    pips: bool = True,
) -> QtlTable:
    """Read fine-mapped QTLs; of a variant with several rows that with the highest PIP counts.

    Args:
        path: tab-, comma- or space-separated text, plain or gzip, or Parquet; see `exam_columns`.
        named: OURS=THEIRS, what a column is called, or several by commas.
        only: COLUMN=VALUE of the rows that are read; several of one column are alternatives.
        first: what the first base of a chromosome is counted as, 1 or 0.
        pips: whether there must be PIPs; else all are 0.

    Raises:
        InputFileError: missing, damaged, empty, without PIPs, or a value that is no number or out
            of range (with its line).
        ConfigError: an unknown column, a text of another form, or no row left.
    """
    if first not in (0, 1):
        raise ConfigError(f"positions count from {first}: want 1 or 0")
    path = existing(path, "QTL table")
    names, frames = _opened(path)
    each = [part for text in named for part in re.split(r",(?=\w+=)", text)]
    pairs = parse_pairs(each, "--columns", "OURS=THEIRS, as pip=prob")
    columns = find_columns(names, path, dict(pairs), pips)
    wanted = _filters(only, names, path)
    place = place_columns(columns)
    read = {c: columns[c] for c in (*place, *NUMBERS, "gene") if c in columns}
    best, counts = [], dict.fromkeys(("rows", "left_out", "incomplete"), 0)
    with contextlib.closing(frames(list(dict.fromkeys([*read.values(), *wanted])))) as parts:
        for frame in parts:
            chosen = np.ones(len(frame), bool)
            for column, values in wanted.items():
                chosen &= frame[column].astype("str").isin(values).to_numpy()
            part = _converted(frame[chosen], read, place, path, first)
            part = part if pips else part.assign(pip=0.0)
            whole = part[["chrom", "pos", "pip"]].notna().all(axis=1)
            counts["rows"] += len(frame)
            counts["left_out"] += int((~chosen).sum())
            counts["incomplete"] += int((~whole).sum())
            best.append(_best(part[whole]))
            if len(best) > _PARTS:
                best = [_best(pd.concat(best))]
    table = _best(pd.concat(best)) if best else pd.DataFrame(columns=list(COLUMNS))
    if table.empty:
        what = " ".join(f"{c}={v}" for c, values in wanted.items() for v in values)
        left = f" with {what}" if counts["left_out"] else ""
        raise InputFileError(
            f"QTL table {path} has no row{left} that has a place and a PIP, of {counts['rows']}"
        )
    if counts["incomplete"]:
        _log.warning(
            "QTL table %s: %d of %d rows lack a place or a PIP and are left out",
            *(path, counts["incomplete"], counts["rows"]),
        )
    table = table.sort_index().astype({"pos": np.int64})
    for column in ("chrom", "a1", "a2"):
        table[column] = table[column].astype("category")
    return QtlTable(path, table, read, counts | {"variants": len(table)})


def _best(table: pd.DataFrame) -> pd.DataFrame:
    """Return each variant's row of the highest PIP; of equal ones the first."""
    order = np.argsort(-table["pip"].to_numpy(float), kind="stable")
    return table.iloc[order].drop_duplicates(_KEY)


def _filters(only: Sequence[str], names: list[str], path: Path) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    lower = {n.lower(): n for n in names}
    for column, value in parse_pairs(only, "--only", "COLUMN=VALUE, as tissue=Liver"):
        if column.lower() not in lower:
            raise unknown("column", column, names, f"in {path}")
        wanted.setdefault(lower[column.lower()], set()).add(value)
    return wanted


def _converted(
    frame: pd.DataFrame, read: Mapping[str, str], place: list[str], path: Path, first: int
) -> pd.DataFrame:
    """Return rows of text as `COLUMNS`."""
    texts = {c: frame[theirs] for c, theirs in read.items()}
    found = pd.DataFrame(index=frame.index)
    where = _place(texts, place)
    found["chrom"], found["a1"], found["a2"] = where["chrom"], where["a1"], where["a2"]
    found["pos"] = numbers(where["pos"], "pos", path) + (1 - first)
    for name in NUMBERS:
        found[name] = numbers(texts[name], name, path) if name in texts else np.nan
    found["gene"] = texts["gene"].astype("str") if "gene" in texts else None
    found["distance"] = found["distance"].abs()
    _check(found, path, first)
    return found[list(COLUMNS)]


def _place(texts: Mapping[str, pd.Series], place: list[str]) -> dict[str, pd.Series]:
    """Return chrom, pos, a1 (the allele of the effect) and a2 of rows, as text."""
    if place[0] == "variant":
        parts = parsed_variants(texts["variant"])
        if len(place) > 1:  # names that say less, as rs numbers
            parts["chrom"] = parts["chrom"].fillna(texts["chrom"].astype("str"))
            parts["pos"] = parts["pos"].fillna(texts["pos"].astype("str"))
        return {
            "chrom": parts["chrom"],
            "pos": parts["pos"],
            "a1": parts["alt"],
            "a2": parts["ref"],
        }
    none = pd.Series(np.nan, texts["chrom"].index, dtype="str")
    found = {"chrom": texts["chrom"].astype("str"), "pos": texts["pos"], "a1": none, "a2": none}
    if "alt" in place:
        ref, alt = texts["ref"].astype("str"), texts["alt"].astype("str")
        of_ref = pd.Series(False, ref.index)
        if "effect_allele" in place:
            effect = texts["effect_allele"].astype("str").str.upper()
            of_ref = effect == ref.str.upper()
            known = of_ref | (effect == alt.str.upper())
            ref, alt = ref.where(known), alt.where(known)
        found |= {"a1": alt.where(~of_ref, ref), "a2": ref.where(~of_ref, alt)}
    elif "effect_allele" in place:
        found |= {c: texts[n].astype("str") for c, n in zip(("a1", "a2"), place[2:], strict=True)}
    return {c: v.str.upper() if c in ("a1", "a2") else v for c, v in found.items()}


def numbers(values: pd.Series, name: str, path: Path) -> pd.Series:
    """Return text as float64, NaN where it is missing.

    Raises:
        InputFileError: the first line with something else.
    """
    found = pd.to_numeric(values, errors="coerce").astype(np.float64)
    bad = found.isna() & values.notna()
    if bad.any():
        line = bad.index[bad.to_numpy()][0]
        raise InputFileError(
            f"{at_row(path, line)} has {name} {str(values[line])[:40]!r}: want a number, or NA"
        )
    return found


def _check(found: pd.DataFrame, path: Path, first: int) -> None:
    def refuse(bad: pd.Series, name: str, want: str) -> None:
        if bad.any():
            line = bad.index[bad.to_numpy()][0]
            value = found.loc[line, name] - ((1 - first) if name == "pos" else 0)
            raise InputFileError(f"{at_row(path, line)} has {name} {value:.10g}: want {want}")

    if first:
        zero = "a position counted from 1 (does it count from 0? then --base 0)"
        refuse(found["pos"] == 0, "pos", zero)
    refuse(found["pos"] < 1, "pos", f"{first} or more")
    refuse((found["pos"] % 1 > 0) | (found["pos"] >= 1 << 31), "pos", "a whole number of bp")
    for name, (low, high) in _BOUNDS.items():
        want = "a probability, 0 to 1" if high == 1 else "a finite number"
        refuse((found[name] < low) | (found[name] > high) | np.isinf(found[name]), name, want)


def _opened(path: Path):
    """Return the names of a table's columns, and a function: names → its frames, by line."""
    with open(path, "rb") as handle:
        start = handle.read(4)
    if start == b"PAR1":
        try:
            names = pq.read_schema(path).names
        except (pa.ArrowException, OSError) as error:
            raise InputFileError(f"QTL table {path} is damaged Parquet ({error})") from None
        return names, lambda wanted: _parquet(path, wanted)
    names, separator, line = text_header(path)
    packed = "gzip" if is_packed(path) else None
    return names, lambda wanted: _text(path, wanted, names, separator, line, packed)


def _parquet(path: Path, wanted: list[str]) -> Iterator[pd.DataFrame]:
    row = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=wanted):
                frame = batch.to_pandas()
                frame.index = pd.RangeIndex(row, row + len(frame))
                row += len(frame)
                yield frame
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(f"QTL table {path} is damaged Parquet ({error})") from None


def _text(
    path: Path, wanted: list[str], names: list[str], separator: str, line: int, packed: str | None
) -> Iterator[pd.DataFrame]:
    number = {names.index(name): name for name in wanted}
    try:
        with pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=line,
            usecols=list(number),
            dtype="str",
            na_values=_MISSING,
            keep_default_na=False,
            compression=packed,
            chunksize=_ROWS,
            skip_blank_lines=False,
        ) as frames:
            for frame in frames:
                frame = frame.rename(columns=number)
                frame.index += line + 1
                yield frame.dropna(how="all")
    except pd.errors.EmptyDataError:
        return
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(
            f"QTL table {path} is damaged gzip ({error}): fetch it again"
        ) from None
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError, ValueError) as error:
        raise InputFileError(f"QTL table {path} is no table ({error}): is it cut off?") from None
