"""Columns of text tables by whatever name their header gives them: tabs, commas or spaces.

A frame's index is the number of each line in its file, so that whoever finds fault with a row
later can name it.
"""

import contextlib
import csv
import gzip
import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

_log = logging.getLogger(__name__)

ALIASES = {
    "snp": "snp rsid rs_id rs id snpid snp_id markername marker variant_id variant hm_rsid",
    "chrom": "chr chrom chromosome hm_chrom",
    "pos": "pos bp position base_pair_location genpos ps hm_pos",
    "a1": "a1 effect_allele ea allele1 tested_allele hm_effect_allele alt",
    "a2": "a2 other_allele nea non_effect_allele allele2 allele0 hm_other_allele omitted ref",
    "frq": "frq freq freq1 eaf effect_allele_frequency a1freq a1_freq freq_a1 af fcon frq_u",
    "beta": "beta b effect es log_odds hm_beta",
    "or": "or odds_ratio oddsratio hm_odds_ratio",
    "se": "se stderr standard_error sebeta log_odds_se",
    "p": "p pval pvalue p_value p-value p.value p_val",
    "log10p": "log10p mlog10p mlogp neg_log10_p neg_log_10_p_value neglog10p nlog10p",
    "n": "n neff n_eff obs_ct sample_size n_total totaln weight",
    "locus": "locus locus_id region credible_set cs",
    "pip": "pip posterior posterior_prob posterior_probability prob pp ppa",
    "cpg_pos": "cpg_pos cpg_position cpg_bp",
    "fdr": "fdr qval qvalue q_value padj",
    "tissue": "tissue",
}
"""Our name of a column → the names it may have in a file (any case), the best one first."""

_INSTEAD = {"or": "beta", "log10p": "p"}  # read, and turned into the other
_CATEGORIES = ("chrom", "a1", "a2", "ref", "alt", "locus", "tissue", "score_task")
_TEXTS = ("snp", "id")
_MISSING = ["", *[".", "NA", "N/A", "NaN", "nan", "-nan", "NULL", "null", "None"]]
_BOUNDS = dict.fromkeys(("p", "pip", "fdr", "frq"), (0, 1))
_BOUNDS |= dict.fromkeys(("or", "log10p", "se", "n", "score"), (0, np.inf))


def read_columns(
    path: str | Path, what: str, columns: Sequence[str], needed: Sequence[str]
) -> pd.DataFrame:
    """Read named columns of a table of variants; lines that lack a needed value are left out.

    Args:
        path: tab-, comma- or space-separated text, plain or gzip; lines "##…" may come first.
        what: the table, for messages.
        columns: our names of the columns wanted (`ALIASES`).
        needed: those that must be there.

    Returns:
        All of `columns`, NaN where the file has no such column. Odds ratios have become
        beta = ln(OR), and −log10 p has become p.

    Raises:
        InputFileError: missing, damaged, empty, a needed column absent, a value that is no
            number or out of range.
    """
    path = existing(path, what)
    names, separator, line = header(path)
    names = [re.sub(r"^(frq_[au])_\d+$", r"\1", name.lower()) for name in names]
    if "af_allele2" in names:
        raise InputFileError(
            f"{what} {path} is SAIGE's, whose Allele2 is the effect allele: rename Allele2 to A1 "
            "and Allele1 to A2"
        )
    read = {}
    for name in (*columns, *(n for n, other in _INSTEAD.items() if other in columns)):
        there = [alias for alias in ALIASES[name].split() if alias in names]
        if there and _INSTEAD.get(name) not in read:
            read[name] = names.index(there[0])
    for name in needed:
        aliases = [n for n in (name, *_INSTEAD) if name in (n, _INSTEAD.get(n))]
        if not any(n in read for n in aliases):
            raise InputFileError(
                f"{what} {path} has no column {name.upper()}: it may be called "
                f"{', '.join(a for n in aliases for a in ALIASES[n].split())}; the header has "
                f"{', '.join(names)[:200]}"
            )
    frame = parse(path, read, separator, line)
    check_values(frame, path, what)
    with np.errstate(divide="ignore"):
        if "or" in frame:
            frame["beta"] = np.log(frame["or"]).replace(-np.inf, np.nan)
    if "log10p" in frame:
        frame["p"] = 10.0 ** -frame["log10p"]
    return complete(frame, path, what, needed).reindex(columns=list(columns))


def complete(frame: pd.DataFrame, path: Path, what: str, needed: Sequence[str]) -> pd.DataFrame:
    """Return the rows that have every needed value, with whole positions.

    Raises:
        InputFileError: there is none.
    """
    lacking = frame[list(needed)].isna().any(axis=1)
    if lacking.all():
        raise InputFileError(f"{what} {path} has no line with all of {', '.join(needed)}")
    if lacking.any():
        first = frame.index[lacking.to_numpy()][0]
        _log.warning(
            f"{what} {path}: {lacking.sum()} of {len(frame)} lines are left out, which lack one "
            f"of {', '.join(needed)} (the first is line {first})"
        )
        frame = frame[~lacking]
    return frame.assign(pos=frame["pos"].astype(np.int64))


def header(path: Path) -> tuple[list[str], str, int]:
    """Return the names of a table's columns, its separator and the header's line number.

    Raises:
        InputFileError: empty, no text, or damaged gzip.
    """
    with _opened(path) as handle:
        for number, line in enumerate(handle, 1):
            if line.strip() and not line.startswith("##"):
                separator = next((s for s in "\t," if s in line), r"\s+")
                cells = re.split(separator, line.strip("\r\n \ufeff").removeprefix("#"))
                return [cell.strip(' "') for cell in cells], separator, number
    raise InputFileError(f"{path} has no header: is it the right file?")


def parse(path: Path, columns: Mapping[str, int], separator: str, line: int) -> pd.DataFrame:
    """Return columns of a table, by our name → their number, indexed by line.

    Args:
        path: the table.
        columns: name → number of the column, from 0.
        separator: between them.
        line: number of the header's line.

    Raises:
        InputFileError: no rows, quotes that do not end, a value that is no number.
    """
    columns = dict(sorted(columns.items(), key=lambda item: item[1]))
    kinds = dict.fromkeys(_CATEGORIES, "category") | dict.fromkeys(_TEXTS, "str")
    kinds = {c: kinds.get(c, np.float64) for c in columns}
    try:
        with _damage(path):
            frame = pd.read_csv(
                path,
                sep=separator,
                header=None,
                skiprows=line,
                usecols=list(columns.values()),
                names=list(columns),
                dtype=kinds,
                na_values=_MISSING,
                keep_default_na=False,
                skip_blank_lines=False,
                compression="gzip" if _is_packed(path) else None,
            )
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    except pd.errors.ParserError as error:
        raise InputFileError(f"{path} is no table ({error}): is it cut off?") from None
    except ValueError as error:
        numbers = {name: at for name, at in columns.items() if kinds[name] is np.float64}
        raise _no_number(path, numbers, separator, line) or error from None
    if frame.empty:
        where = f" below its header (line {line})" if line else ""
        raise InputFileError(f"{path} has no rows{where}")
    frame.index = pd.RangeIndex(line + 1, line + 1 + len(frame), name="line")
    return frame


def check_values(frame: pd.DataFrame, path: Path, what: str) -> None:
    """Check that numbers are in range and positions whole, from 1; NaN is missing.

    Raises:
        InputFileError: naming the first line that is not.
    """

    def refuse(bad: pd.Series, name: str, want: str) -> None:
        if bad.any():
            row = frame.loc[bad].iloc[0]
            raise InputFileError(
                f"{what} {path} line {row.name} has {name.upper()} {row[name]:g}: want {want}"
            )

    for name in (c for c in ("pos", "cpg_pos") if c in frame):
        refuse(frame[name] == 0, name, "a position counted from 1 (this file looks 0-based)")
        refuse(frame[name] < 1, name, "a position counted from 1")
        refuse(frame[name] % 1 > 0, name, "a whole number")
        refuse(frame[name] >= 1 << 31, name, "a position in bp")
    for name, (low, high) in _BOUNDS.items():
        if name in frame:
            want = f"{low} to {high}" if high < np.inf else f"{low} or more"
            refuse((frame[name] < low) | (frame[name] > high), name, want)


def _no_number(
    path: Path, numbers: Mapping[str, int], separator: str, line: int
) -> InputFileError | None:
    """Return the error of the first value of a column of numbers that is none."""
    with _opened(path) as handle:
        for number, text in enumerate(handle, 1):
            if number <= line or not text.strip():
                continue
            cells = re.split(separator, text.strip("\r\n") if separator != r"\s+" else text.strip())
            for name, at in numbers.items():
                cell = cells[at].strip(' "') if at < len(cells) else ""
                try:
                    float("nan" if cell in _MISSING else cell)
                except ValueError:
                    return InputFileError(
                        f"{path} line {number} has {name.upper()} {cell[:40]!r}: want a number, "
                        "or NA"
                    )
    return None


def _is_packed(path: Path) -> bool:
    with open(path, "rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    with (
        _damage(path),
        (gzip.open if _is_packed(path) else open)(path, "rt", encoding="utf-8") as handle,
    ):
        yield handle


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(f"{path} is damaged gzip ({error}): fetch or write it again") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"{path} is no text ({error}): want a table, plain or gzip") from None
