"""Which rows of a QTL table are significant."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tfepi.qtl.layouts import Layout, lacking
from tfepi.qtl.table_lines import at_row
from tfrecords_tools.errors import ConfigError, InputFileError

FDR = 0.05
_MOST = 0.9  # largest p-value of a table that is taken to hold all tests
_P_NAME = re.compile(r"p|pnominal|nominalp|(nom|nominal)?pval(?!.*(adj|bonf|fdr|corr)).*")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What significance is asked for.

    Attributes:
        fdr: below which a row is significant.
        pvalue: instead: below which its p-value is.
        bh: compute false discovery rates from p-values (Benjamini and Hochberg 1995).
        tests: number of tests made, of which the table may list the smallest p-values.

    Raises:
        ConfigError: a value out of range, or two that exclude each other.
    """

    fdr: float = FDR
    pvalue: float | None = None
    bh: bool = False
    tests: int | None = None

    def __post_init__(self):
        for name, value in (("fdr", self.fdr), ("pvalue", self.pvalue)):
            if value is not None and not 0 < value <= 1:
                raise ConfigError(f"--{name} is {value:g}: want a number above 0, up to 1")
        if self.pvalue is not None and self.bh:
            raise ConfigError("--pvalue and --bh are both given: want one")
        if self.tests is not None and (not self.bh or self.tests < 1):
            raise ConfigError(f"--tests is {self.tests}: want a number from 1, with --bh")


@dataclass(frozen=True)
class Significance:
    """How significance is read from a table.

    Attributes:
        path: of the table, for messages.
        role: "fdr", "p", or "threshold" (p at most a threshold that each row gives).
        column: whose name is.
        asked: what for.
        limit: largest p-value that is significant, with --bh, once it is known.
    """

    path: object
    role: str
    column: str
    asked: Asked
    limit: float = -1.0

    @classmethod
    def of(
        cls, path: object, header: Sequence[str], layout: Layout, asked: Asked
    ) -> "Significance":
        """Return how significance is read.

        Raises:
            InputFileError: the table has no such column: p-values where FDR is asked.
            ConfigError: another FDR is asked for than a list of significant pairs has.
        """
        columns = layout.columns
        if asked.pvalue is not None or asked.bh:
            if not layout.has("p"):
                raise lacking(path, header, "p-value", "p")
            return cls(path, "p", columns["p"], asked)
        if layout.has("fdr"):
            if is_p(columns["fdr"]):
                _log.warning(
                    "QTL table %s: %s, which is named as a p-value, is read as FDR; --pvalue P "
                    "takes p-values below P, and --bh computes their FDR",
                    *(path, columns["fdr"]),
                )
            return cls(path, "fdr", columns["fdr"], asked)
        if layout.has("threshold", "p"):
            if asked.fdr != FDR:
                raise ConfigError(
                    f"--fdr is {asked.fdr:g}, and {path} gives each gene's threshold at the "
                    f"study's own FDR, {FDR} in GTEx: leave --fdr out, or give --pvalue"
                )
            return cls(path, "threshold", columns["threshold"], asked)
        if layout.has("p"):
            raise InputFileError(
                f"{path} has p-values ({columns['p']}) and no FDR, which is asked for (--fdr "
                f"{asked.fdr:g}): name the column with --columns fdr=COLUMN, give --pvalue P, or, "
                "if all tests are in the table, compute the FDR with --bh"
            )
        raise lacking(path, header, "false discovery rate", "fdr", "p")

    @property
    def roles(self) -> dict[str, str]:
        """Role → kind (as of `read_blocks`) of each column that is read."""
        both = ("p", "threshold") if self.role == "threshold" else (self.role,)
        return dict.fromkeys(both, "number")

    @property
    def words(self) -> str:
        """What is significant, in words."""
        if self.role == "threshold":
            return f"p up to {self.column} of the row (the study's own FDR)"
        if self.asked.bh:
            return f"FDR of {self.column} (Benjamini-Hochberg) < {self.asked.fdr:g}"
        limit = self.asked.fdr if self.role == "fdr" else self.asked.pvalue
        read = " (read as FDR)" if self.role == "fdr" and is_p(self.column) else ""
        return f"{self.column}{read} < {limit:g}"

    def values(self, rows: pa.Table, numbers: np.ndarray) -> np.ndarray:
        """Return p-values or false discovery rates of rows; NaN is missing.

        Args:
            rows: columns named by role.
            numbers: of the rows in the table, for messages.

        Raises:
            InputFileError: a value out of 0 to 1.
        """
        role = "p" if self.role == "threshold" else self.role
        value = rows[role].to_numpy()
        bad = np.flatnonzero((value < 0) | (value > 1))
        if len(bad):
            column = "its p-value" if self.role == "threshold" else self.column
            raise InputFileError(
                f"{at_row(self.path, numbers[bad[0]])} has {column} {value[bad[0]]:g}: want 0 to "
                "1; −log10 and scores are not read"
            )
        return value

    def of_rows(self, rows: pa.Table, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are significant, and which have no value.

        Args:
            rows: columns named by role.
            numbers: of the rows in the table, for messages.

        Raises:
            InputFileError: a value out of 0 to 1.
        """
        value = self.values(rows, numbers)
        missing = np.isnan(value)
        if self.role == "threshold":
            limit = rows["threshold"].to_numpy()
            return value <= limit, missing | np.isnan(limit)
        if self.asked.bh:
            return value <= self.limit, missing
        return value < (self.asked.fdr if self.role == "fdr" else self.asked.pvalue), missing

    def check_tests(self, count: int, largest: float) -> int:
        """Return the number of tests that --bh corrects for.

        Args:
            count: rows with a p-value.
            largest: of the p-values.

        Raises:
            InputFileError: the table seems to list the smallest p-values alone.
            ConfigError: fewer tests than rows.
        """
        if self.asked.tests is None and largest < _MOST:
            raise InputFileError(
                f"{self.path} has no p-value above {largest:.3g}, so that not all tests are "
                "listed, which --bh needs: say how many were made with --tests N"
            )
        if self.asked.tests is not None and self.asked.tests < count:
            raise ConfigError(f"--tests is {self.asked.tests}, and {self.path} lists {count} tests")
        return self.asked.tests or count


def is_p(column: str) -> bool:
    """Tell whether a column is named as p-values that are not corrected for many tests."""
    return bool(_P_NAME.fullmatch(re.sub("[^a-z]", "", column.lower())))


def largest_significant(p: np.ndarray, tests: int, fdr: float) -> float:
    """Return the largest p-value whose false discovery rate is below a limit, or -1.

    Args:
        p: p-values, among them all that are below `fdr`; any order.
        tests: number of tests made.
        fdr: the limit.

    Source: Benjamini and Hochberg 1995, J R Stat Soc B 57:289.
    """
    p = np.sort(p)
    below = np.flatnonzero(p * tests / np.arange(1, len(p) + 1) < fdr)
    return float(p[below[-1]]) if len(below) else -1.0
