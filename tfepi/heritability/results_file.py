"""LDSC's .results files: share of heritability by annotation; its .part_delete files.

A .results file of `ldsc.py --h2 … --overlap-annot` has the columns Category, Prop._SNPs, Prop._h2,
Prop._h2_std_error, Enrichment, Enrichment_std_error, Enrichment_p and, with --print-coefficients,
Coefficient, Coefficient_std_error and Coefficient_z-score. A category is called as its column of
the .annot file, then L2_ and the number of its file set in --ref-ld-chr; the only annotation of a
file set is called L2_ and that number. A .part_delete file (--print-delete-vals) has a line for
each block of the jackknife that was left out and a column for each category: its coefficient.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

COLUMNS = {
    "Category": "category",
    "Prop._SNPs": "prop_snps",
    "Prop._h2": "prop_h2",
    "Prop._h2_std_error": "prop_h2_se",
    "Enrichment": "enrichment",
    "Enrichment_std_error": "enrichment_se",
    "Enrichment_p": "enrichment_p",
}
COEFFICIENTS = {
    "Coefficient": "coefficient",
    "Coefficient_std_error": "coefficient_se",
    "Coefficient_z-score": "coefficient_z",
}
_CATEGORY = re.compile(r"(.*)L2_(\d+)")
FEWEST_BLOCKS = 10
_WANT = "want what ldsc.py --h2 … --overlap-annot wrote to .results"


@dataclass(frozen=True)
class Results:
    """The results of one regression.

    Attributes:
        path: of the .results file.
        table: a line per category, columns as the values of `COLUMNS` and `COEFFICIENTS`; the
            latter are NaN where the file has none.
        delete: coefficients with each block left out, float64 [blocks, categories], or None.
    """

    path: Path
    table: pd.DataFrame
    delete: np.ndarray | None

    @property
    def names(self) -> list[str]:
        """Name of each category's annotation; "" of one that LDSC did not name."""
        return [plain_category(c) for c in self.table["category"]]

    def rows(self, annotations: Sequence[str], alone: str | None = None) -> dict[str, int]:
        """Return annotation → number of its line, of those that have one.

        Args:
            annotations: names.
            alone: the annotation that is the only one of its file set, and so has no name.

        Raises:
            InputFileError: an annotation with several lines.
        """
        names = [alone if name == "" and alone else name for name in self.names]
        for name in annotations:
            if names.count(name) > 1:
                raise InputFileError(
                    f"{self.path} has {names.count(name)} categories of annotation {name!r}: "
                    "give file sets with names of their own"
                )
        return {name: names.index(name) for name in annotations if name in names}


def plain_category(category: str) -> str:
    """Return the name of a category's annotation: "T cells" of "T cellsL2_1"."""
    found = _CATEGORY.fullmatch(category)
    return found[1] if found else category


def read_results(path: str | Path) -> Results:
    """Read a .results file, and the .part_delete file beside it where there is one.

    Raises:
        InputFileError: missing, a column or number that is not there, or two files that disagree.
    """
    path = existing(path, "results file")
    try:
        table = pd.read_csv(path, sep="\t", dtype={"Category": str}, na_values=["NA"])
    except pd.errors.EmptyDataError:
        raise InputFileError(f"{path} is empty: {_WANT}") from None
    except (ValueError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise InputFileError(f"cannot read results from {path} ({reason}): {_WANT}") from None
    if str(next(iter(table), "")).startswith(("{", "[")):
        raise InputFileError(f"{path} is a JSON file: {_WANT}")
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise InputFileError(f"{path} has no column {', '.join(missing)}: {_WANT}")
    if not len(table):
        raise InputFileError(f"{path} has no category: run ldsc.py again")
    table = table.reindex(columns=[*COLUMNS, *COEFFICIENTS]).rename(columns=COLUMNS | COEFFICIENTS)
    for name in (c for c in table if c != "category"):
        try:
            table[name] = table[name].astype(float)
        except ValueError as error:
            raise InputFileError(f"{path}, column {name}: {error}") from None
    needed = table[["prop_snps", "prop_h2", "prop_h2_se"]]
    if not np.isfinite(needed.to_numpy()).all():
        line = int(np.flatnonzero(~np.isfinite(needed.to_numpy()).all(axis=1))[0]) + 2
        raise InputFileError(f"{path}, line {line}: a share that is no number; see LDSC's log")
    deletes = path.with_suffix(".part_delete")
    delete = _read_delete(deletes, path, len(table)) if deletes.exists() else None
    return Results(path, table, delete)


def _read_delete(path: Path, of: Path, categories: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is an error below
            values = np.loadtxt(path, ndmin=2)
    except (ValueError, OSError) as error:
        raise InputFileError(f"cannot read jackknife values from {path}: {error}") from None
    if values.shape[1:] != (categories,) or not np.isfinite(values).all():
        raise InputFileError(
            f"{path} has {values.shape[1]} columns of numbers, {of} has {categories} categories: "
            "keep together what one run of ldsc.py wrote"
        )
    if len(values) < FEWEST_BLOCKS:
        raise InputFileError(
            f"{path} has {len(values)} blocks, too few for a standard error (at least "
            f"{FEWEST_BLOCKS}): run ldsc.py with more --n-blocks"
        )
    return values
