"""Scores of variants for an exam: of a folder of `tfepi_variants.py`, or of any table.

Of several targets two numbers are made: a score with a sign, which says the direction of the
effect, and a size, which says how large it is.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.joining import plain_chromosome
from tfepi.qtl.exam_score_table import KEY, ScoreTable, score_table
from tfepi.variants.output import TABLE
from tfepi.variants.score_file import FILES, ScoreFile
from tfepi.variants.subsets import Subset, subset_columns
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.number_text import number_of
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target, select

OVER = ("max", "mean")
_BLOCK_BYTES = 32 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """Which scores are examined.

    Attributes:
        stat: statistic, of a folder or a scores.parquet.
        targets: identifiers or indices; of another table names of columns; () for all.
        query: that chooses them instead (`target_query`).
        over: what several targets become: "max", the score of the largest magnitude, or "mean",
            the mean of scores for the sign and the mean of magnitudes for the size.
        raw: the size is the score itself, so that negative scores are low ones.

    Raises:
        ConfigError: an unknown `over`, or both targets and a query.
    """

    stat: str = "SAD"
    targets: tuple[str, ...] = ()
    query: str | None = None
    over: str = "max"
    raw: bool = False

    def __post_init__(self):
        if self.over not in OVER:
            raise unknown("summary over targets", self.over, OVER, "in --over")
        if self.targets and self.query:
            raise ConfigError("--target and --query both choose targets: give one")

    def of(self, targets: Sequence[Target], where: object) -> tuple[int, ...]:
        """Return the places of the chosen ones among targets."""
        if self.query:
            return query_targets(targets, self.query, str(where))
        return select(tuple(targets), list(self.targets), f"in {where}") or tuple(
            range(len(targets))
        )


@dataclass(frozen=True)
class Scores:
    """The scores of variants under a name.

    Attributes:
        name: of the scores.
        table: columns chrom, pos (1-based), id, ref, alt, score (with its sign) and size, a row
            per variant; NaN is no score.
        targets: that were summarised.
        path: of the file that was read.
        choice: what of it.
        source: rows and targets as they lie on disk.
        places: of the summarised targets among these.
    """

    name: str
    table: pd.DataFrame
    targets: tuple[Target, ...]
    path: Path
    choice: Choice
    source: ScoreFile | ScoreTable
    places: tuple[int, ...]

    def by_target(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of some rows in each target, float32 [rows, targets].

        Args:
            rows: labels of `table`.
        """
        found = np.full((len(rows), len(self.places)), np.nan, np.float32)
        for low, block in self.source.scores(_step(self.source)):
            inside = (rows >= low) & (rows < low + len(block))
            found[inside] = block[rows[inside] - low][:, list(self.places)]
        return found


def read_scores(name: str, path: str | Path, choice: Choice) -> Scores:
    """Read scores: a folder of `tfepi_variants.py`, its scores.h5 or .parquet, or another table.

    A variant that is there twice is kept once, with a warning.

    Raises:
        InputFileError: missing, damaged or without variants.
        ConfigError: a statistic or target that is not there.
    """
    source = _source(Path(path), choice)
    unclear = isinstance(source, ScoreTable) and source.any_table and len(source.targets) > 1
    if unclear and not (choice.targets or choice.query):
        raise ConfigError(
            f"scores {path} have the columns {', '.join(source.columns)[:200]}: name the score "
            "with --target"
        )
    places = choice.of(source.targets, source.path)
    score, size = _summary(source, places, choice)
    table = pd.DataFrame(source.variants(0, source.rows))
    table = table.assign(score=score, size=size)
    for column in ("chrom", "ref", "alt"):
        table[column] = table[column].astype("category")
    again = table.duplicated(KEY)
    if again.any():
        _log.warning(
            "scores %s: %s again that is there already: each variant is kept once",
            *(path, number_of(int(again.sum()), "row")),
        )
    targets = tuple(source.targets[i] for i in places)
    return Scores(name, table[~again], targets, source.path, choice, source, places)


def _summary(source, places: tuple[int, ...], choice: Choice) -> tuple[np.ndarray, np.ndarray]:
    """Return the score and the size of every row, float64."""
    subset = Subset("s", "", places)
    names = [t.identifier for t in source.targets]
    score, size = (np.full(source.rows, np.nan) for _ in range(2))
    for low, block in source.scores(_step(source)):
        found = subset_columns(block, subset, names)
        at = slice(low, low + len(block))
        score[at], size[at] = found[f"s_{choice.over}"], found[f"s_{choice.over}_abs"]
    return score, score.copy() if choice.raw else size


def _step(source) -> int:
    return max(1, _BLOCK_BYTES // (8 * len(source.targets)))


def common_rows(all_scores: Sequence[Scores]) -> tuple[np.ndarray, ...]:
    """Return the rows of variants that all have, with a score in each: labels of each table.

    Variants are the same where chromosome (with or without "chr"), position and alleles are.

    Raises:
        InputFileError: there are none.
    """
    keys = []
    for number, scores in enumerate(all_scores):
        key = scores.table[KEY][scores.table["size"].notna()].reset_index(names=f"row{number}")
        names = {c: plain_chromosome(c) for c in key["chrom"].cat.categories}
        for column in ("ref", "alt"):
            key[column] = key[column].astype("str").str.upper()
        keys.append(key.assign(chrom=key["chrom"].astype("str").map(names)))
    both = keys[0]
    for other in keys[1:]:
        both = both.merge(other, on=KEY, how="inner")
    if both.empty:
        several = " in common, with a score in each" if len(keys) > 1 else " with a score"
        raise InputFileError(
            f"scores {' and '.join(s.name for s in all_scores)} have no variant{several}: score "
            "the same variants, in targets for which that is defined"
        )
    return tuple(both[f"row{n}"].to_numpy() for n in range(len(keys)))


def _source(path: Path, choice: Choice) -> ScoreFile | ScoreTable:
    if path.is_dir():
        if not (path / TABLE).exists() or any((path / name).exists() for name in FILES):
            return ScoreFile.of(path, choice.stat)
        path = path / TABLE
    existing(path, "scores")
    is_table = path.suffix != ".h5"
    return score_table(path, choice.stat) if is_table else ScoreFile.of(path, choice.stat)


def named_scores(texts: Sequence[str], choice: Choice) -> dict[str, tuple[str, Choice]]:
    """Return name → path and choice of texts [NAME=]PATH[,stat=…][,target=…][,query=…].

    Args:
        texts: without a name, scores are called after the last part of the path.
        choice: where a text does not say another.

    Raises:
        ConfigError: a name that is no word, or used twice.
    """
    found: dict[str, tuple[str, Choice]] = {}
    for text in texts:
        place, *own = re.split(r",(?=(?:stat|target|query)=)", text)
        name, sign, path = place.partition("=")
        if not sign or Path(place).exists():
            name, path = Path(place).resolve().name.split(".")[0], place
        if not re.fullmatch(r"[\w.+-]+", name) or not path:
            raise ConfigError(
                f"scores {text!r}: want NAME=PATH, the name of letters, digits, . + - and _"
            )
        if name in found:
            raise ConfigError(f"two scores are called {name!r}: name them, as one=PATH two=PATH")
        changes: dict = dict(part.split("=", 1) for part in own)
        if "target" in changes:
            changes = {"query": None} | changes
            changes["targets"] = listed(changes.pop("target"))
        elif "query" in changes:
            changes["targets"] = ()
        found[name] = path, replace(choice, **changes)
    return found


def listed(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(filter(None, (t.strip() for t in text.split(","))))
