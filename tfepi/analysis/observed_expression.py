"""A table of measured expression, and which of its genes and samples were predicted."""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from tfepi.analysis.expression_file import Expression
from tfepi.analysis.tss import unversioned
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.number_text import number_of

FEWEST_GENES = 3
_SHOWN = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Observed:
    """Measured expression.

    Attributes:
        path: of the table.
        genes: what its first column says.
        samples: names of the other columns that hold numbers.
        values: float64 [genes, samples], 0 or more; NaN is missing.
        texts: names of columns that do not.
    """

    path: Path
    genes: tuple[str, ...]
    samples: tuple[str, ...]
    values: np.ndarray
    texts: tuple[str, ...] = ()


def read_observed(path: str | Path) -> Observed:
    """Read a table of genes by samples: tab-separated, or comma-separated where it ends in .csv.

    Empty cells and NA are missing. Columns of text (descriptions) are passed over.

    Args:
        path: of the table, plain or .gz.

    Raises:
        InputFileError: no table, no numbers, a gene or column twice, or a value below 0.
    """
    path = existing(path, "observed expression")
    comma = path.name.removesuffix(".gz").endswith(".csv")
    try:
        table = pandas.read_csv(
            path, sep="," if comma else "\t", dtype={0: str}, index_col=0, low_memory=False
        )
    except (
        ValueError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:  # pandas' own errors are ValueErrors
        reason = str(error).splitlines()[0]
        raise InputFileError(
            f"observed expression {path} is no table of genes by samples ({reason}): want columns "
            "separated by tabs, or by commas in a .csv"
        ) from None
    table.index = table.index.astype(str)
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise InputFileError(f"{path} has gene {twice[0]!r} in two rows: keep or add up one")
    numbers = table.select_dtypes("number")
    texts = tuple(str(c) for c in table.columns if c not in numbers.columns)
    if not numbers.size:
        more = f"; {texts[0]!r} is text" if texts else ""
        raise InputFileError(
            f"observed expression {path} has no column of numbers beside its first{more}: want "
            "genes in the first column, a sample in each other one"
        )
    values = numbers.to_numpy(np.float64)
    if (values < 0).any() or np.isinf(values).any():
        row, column = np.argwhere((values < 0) | np.isinf(values))[0]
        raise InputFileError(
            f"{path}: {numbers.columns[column]} of gene {table.index[row]} is "
            f"{values[row, column]:g}: want finite counts or TPM from 0 on, no logarithms"
        )
    return Observed(path, tuple(table.index), tuple(map(str, numbers.columns)), values, texts)


def match_genes(
    observed: Observed, expression: Expression, quiet: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of the observed table, and which predicted gene each is of: int64 [genes] both.

    Genes match by identifier, with or without version, or by name. What several match is left out,
    with a warning unless `quiet`.

    Raises:
        InputFileError: two rows of one gene, or fewer than three genes match.
    """
    known: dict[str, set[int]] = {}
    for number, (gene, name) in enumerate(zip(expression.genes, expression.names, strict=True)):
        for key in {gene, name, unversioned(gene)}:
            known.setdefault(key, set()).add(number)
    rows, numbers, several = [], [], 0
    for row, gene in enumerate(observed.genes):
        found = known.get(gene) or known.get(unversioned(gene)) or set()
        several += len(found) > 1
        if len(found) == 1:
            rows.append(row)
            numbers += found
    rows, numbers = np.array(rows, np.int64), np.array(numbers, np.int64)
    _, first, count = np.unique(numbers, return_index=True, return_counts=True)
    if (count > 1).any():
        number = numbers[first[count > 1][0]]
        same = [observed.genes[r] for r in rows[numbers == number]]
        raise InputFileError(
            f"{observed.path}: rows {same[0]!r} and {same[1]!r} are both of gene "
            f"{expression.genes[number]}: keep one"
        )
    if len(rows) < FEWEST_GENES:
        some = ", ".join(observed.genes[:_SHOWN])
        raise InputFileError(
            f"{len(rows)} of the {len(observed.genes)} genes of {observed.path} ({some}, …) are "
            f"among the {len(expression.genes)} predicted ({expression.genes[0]}, …), want at "
            f"least {FEWEST_GENES}: name them as the annotation does"
        )
    if several and not quiet:
        shared = number_of(several, "gene")
        _log.warning("%s: left out %s of a name that several have", observed.path, shared)
    return rows, numbers


def match_tracks(
    observed: Observed, expression: Expression, quiet: bool = False
) -> list[tuple[int, int]]:
    """Return (sample, track) of those that belong together.

    A sample's name is the identifier of a track, or the description of a single one; of a pair of
    strands the description is that of its sense track. What describes several is left out, with a
    warning unless `quiet`.

    Raises:
        ConfigError: none do.
        InputFileError: a column with a track's name that is text.
    """
    by_id = {name: i for i, name in enumerate(expression.tracks)}
    by_label: dict[str, list[int]] = {}
    for number, (label, strand) in enumerate(
        zip(expression.labels, expression.strands, strict=True)
    ):
        if strand not in ("+", "-"):
            by_label.setdefault(label, []).append(number)
    pairs, unclear = [], []
    for sample, name in enumerate(observed.samples):
        tracks = [by_id[name]] if name in by_id else by_label.get(name, [])
        if len(tracks) == 1:
            pairs.append((sample, tracks[0]))
        elif tracks:
            unclear.append(f"{name!r} ({', '.join(expression.tracks[t] for t in tracks[:_SHOWN])})")
    for name in observed.texts:
        if name in by_id or name in by_label:
            raise InputFileError(f"{observed.path}: column {name!r} has cells that are no numbers")
    if unclear and not quiet:
        _log.warning(
            "%s: left out %s of several tracks, as %s: name them by identifier",
            observed.path,
            number_of(len(unclear), "column"),
            unclear[0],
        )
    if not pairs:
        raise ConfigError(
            f"no column of {observed.path} ({_some(observed.samples)}) is the identifier or "
            f"description of a track ({_some(expression.tracks)}; {_some(expression.labels)}): "
            "rename the columns"
        )
    return pairs


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
