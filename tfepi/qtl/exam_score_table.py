"""Tables of variant scores that are no scores.h5: Parquet or text, read as `ScoreFile` is.

A scores.parquet of `tfepi_variants.py` says which columns are scores of which targets; of another
table each column of numbers is a target.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.association.columns import header as text_header
from tfepi.qtl.exam_columns import ALIASES, is_packed, parsed_variants
from tfepi.qtl.table_lines import at_row, is_vcf, line_of_row
from tfepi.variants.scores import NO_EFFECT
from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.targets import Target

KEY = ["chrom", "pos", "ref", "alt"]
_FORMAT = "tfepi-variant-table"


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores, read as `ScoreFile` is.

    Attributes:
        path: of the table.
        stat: statistic.
        targets: one for each column of scores.
        columns: their names; or one name, of a column of lists.
        place: our name → the file's of the columns that say which variant a row is.
        text: (names, separator, line of the header) of a text table, None of Parquet.
        neutral: what is no effect.
        any_table: whether tfepi did not make it, so that a column may be no score.
    """

    path: Path
    stat: str
    targets: tuple[Target, ...]
    columns: tuple[str, ...]
    place: Mapping[str, str]
    text: tuple[list[str], str, int] | None
    neutral: float = 0.0
    any_table: bool = False

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._places)

    def variants(self, first: int, last: int) -> dict[str, object]:
        """Return columns chrom, pos (1-based), id, ref and alt of some rows."""
        return {n: self._places[n].to_numpy()[first:last] for n in self._places}

    @cached_property
    def _places(self) -> pd.DataFrame:
        frame = self._read(list(self.place.values())).rename(
            columns={theirs: ours for ours, theirs in self.place.items()}
        )
        if "chrom" not in self.place:
            frame = frame.join(parsed_variants(frame["variant"]))
        frame["pos"] = pd.to_numeric(frame["pos"], errors="coerce")
        bad = frame[["chrom", "pos", "ref", "alt"]].isna().any(axis=1) | (frame["pos"] % 1 != 0)
        if bad.any():
            row = int(np.flatnonzero(bad)[0]) + 1
            if self.text is not None:
                row = line_of_row(self.path, row, self.text[2])
            raise InputFileError(
                f"{at_row(self.path, row, 'scores')} has no chrom, pos, ref and alt: every variant "
                "needs its place and alleles"
            )
        frame = frame.assign(id=frame.get("id", "."))
        return frame[["chrom", "pos", "id", "ref", "alt"]].astype({"pos": np.int64})

    def scores(self, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, float64 [rows, targets]): scores less what is no effect."""
        if self.text is None and self.columns == (self.stat,) and len(self.targets) > 1:
            low = 0
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(step, columns=[self.stat]):
                    flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
                    values = flat.reshape(len(batch), -1).astype(np.float64)
                    yield low, self._finite(values)
                    low += len(batch)
            return
        frame = self._read(list(self.columns))
        values = frame[list(self.columns)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        for low in range(0, len(values), step):
            yield low, self._finite(values[low : low + step])

    def _finite(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(values), values, np.nan) - self.neutral

    def _read(self, columns: list[str]) -> pd.DataFrame:
        try:
            if self.text is None:
                return pq.read_table(self.path, columns=columns).to_pandas()
            names, separator, line = self.text
            kinds = {names.index(c): c for c in columns}
            frame = pd.read_csv(
                self.path,
                sep=separator,
                header=None,
                skiprows=line,
                usecols=list(kinds),
                dtype="str",
                compression="gzip" if is_packed(self.path) else None,
            )
            return frame.rename(columns=kinds)
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            raise InputFileError(f"scores {self.path} cannot be read ({error})") from None


def score_table(path: Path, stat: str) -> ScoreTable:
    """Return a table's scores.

    Args:
        path: .parquet, or else text, plain or gzip.
        stat: statistic that is wanted of a scores.parquet.

    Raises:
        InputFileError: damaged, without columns of variants or of scores.
        ConfigError: no such statistic.
    """
    if path.suffix != ".parquet":
        text = text_header(path)
        place = _place(text[0], path)
        return _of_columns(path, stat, text[0], place, text)
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(f"scores {path} are no Parquet file ({error})") from None
    names, facts, place = schema.names, schema.metadata or {}, _place(schema.names, path)
    if facts.get(b"format") != _FORMAT.encode():
        kinds = {f.name: f.type for f in schema}
        numbers = (pa.types.is_floating, pa.types.is_integer)
        names = [n for n, kind in kinds.items() if any(test(kind) for test in numbers)]
        return _of_columns(path, stat, names, place)
    targets = json.loads(facts[b"targets"])
    columns = (stat,) if stat in names else tuple(f"{stat}_{t}" for t in targets)
    if not set(columns) <= set(names):
        there = list(dict.fromkeys(n.removesuffix(f"_{targets[0]}") for n in names[5:]))
        raise unknown("statistic", stat, there, f"of {path}")
    found = tuple(Target(i, t) for i, t in enumerate(targets))
    return ScoreTable(path, stat, found, columns, place, None, NO_EFFECT.get(stat, 0.0))


def _of_columns(
    path: Path,
    stat: str,
    names: Sequence[str],
    place: Mapping[str, str],
    text: tuple[list[str], str, int] | None = None,
) -> ScoreTable:
    others = tuple(n for n in names if n not in place.values())
    if not others:
        raise InputFileError(f"scores {path} have no column of scores beside {', '.join(names)}")
    targets = tuple(Target(i, n) for i, n in enumerate(others))
    return ScoreTable(path, stat, targets, others, place, text, any_table=True)


def _place(names: list[str], path: Path) -> dict[str, str]:
    if is_vcf(names):
        raise InputFileError(
            f"scores {path} is a VCF: want the folder that tfepi_variants.py wrote for it, or its "
            "scores.h5 or scores.parquet"
        )
    lower = {n.lower(): n for n in reversed(names)}
    found = {}
    for ours in ("chrom", "pos", "ref", "alt", "variant"):
        there = [lower[a] for a in ALIASES[ours].split() if a in lower]
        if there:
            found[ours] = there[0]
    if set(KEY) <= set(found):
        place = {c: found[c] for c in KEY}
    elif "variant" in found:
        place = {"variant": found["variant"]}
    else:
        raise InputFileError(
            f"scores {path} do not say which variants they are of: want columns chrom, pos, ref, "
            f"alt, or variant (chr1_123_A_G); the header has {', '.join(names)[:200]}"
        )
    return place | ({"id": lower["id"]} if "id" in lower else {})
