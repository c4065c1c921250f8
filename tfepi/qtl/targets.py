"""Where the targets of a table's rows lie: the stretches whose signal a QTL changes.

The place of a target comes from a file of its own, from columns, from the distance of the SNP to
it, or from an identifier that holds it ("10:1016421:1019322", "K27AC_chr10:1016421-1019322").
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfepi.qtl.chromosomes import OTHER, Names
from tfepi.qtl.layouts import Layout, lacking
from tfepi.qtl.place_bases import half_open, no_bases, shown
from tfepi.qtl.place_files import PlaceFile
from tfepi.qtl.snps import Labels, Snps, whole
from tfepi.qtl.table_lines import at_row
from tfrecords_tools.errors import InputFileError

# A place may begin anywhere in an identifier, so that matches overlap: hence the lookahead.
_PLACED = re.compile(
    r"(?:^|(?<=[_|,;=~/@ ]))"
    r"(?=(?P<chrom>[A-Za-z0-9.]+)[:_](?P<start>\d+)(?:[-:_]|\.\.)(?P<end>\d+)(?![A-Za-z0-9]))"
)
PLACES = ("midpoint", "start", "overlap")


@dataclass(frozen=True)
class RowTargets:
    """The targets of some rows.

    Attributes:
        labels: identifiers.
        chrom: chromosome of each row's target as the table names it; None where identifiers or a
            file say.
        start: first base as the table counts it, int64 [rows]; None likewise.
        end: last base (counted from 1) or the base behind it (from 0); None likewise.
        missing: rows without target, bool [rows].
        by: column of distances that places are reckoned from, or None.
    """

    labels: Labels
    chrom: Labels | None
    start: np.ndarray | None
    end: np.ndarray | None
    missing: np.ndarray
    by: str | None = None

    def __getitem__(self, kept: np.ndarray) -> "RowTargets":
        """Return the targets of some of the rows."""
        parts = (self.labels, self.chrom, self.start, self.end, self.missing)
        return RowTargets(*(None if part is None else part[kept] for part in parts), self.by)


class TargetColumns:
    """How the targets of a table are read.

    Args:
        path: of the table, for messages.
        header: names of its columns.
        layout: what they are.
        places: a file of targets by name, or None.

    Raises:
        InputFileError: no column says what a target is.
    """

    def __init__(
        self,
        path: str | Path,
        header: Sequence[str],
        layout: Layout,
        places: PlaceFile | None = None,
    ):
        self._path, self._layout, self.file = path, layout, places
        self.source = "name"
        if places is not None:
            self.source = "file"
        elif layout.has("target_start"):
            self.source = "columns"
        elif layout.has("distance"):
            self.source = "distance"
        if self.source != "columns" and not layout.has("target"):
            raise lacking(path, header, "target", "target", "target_start")

    @property
    def roles(self) -> dict[str, str]:
        """Role → kind (as of `read_blocks`) of each column that is read."""
        read = {"target": "label"} if self._layout.has("target") else {}
        optional = {
            "columns": {"target_chrom": "label", "target_start": "number", "target_end": "number"},
            "distance": {"distance": "number", "end_distance": "number"},
        }.get(self.source, {})
        return read | {role: kind for role, kind in optional.items() if self._layout.has(role)}

    @property
    def words(self) -> str:
        """Where targets lie, in words."""
        columns = self._layout.columns
        used = ", ".join(columns[r] for r in self.roles if r != "target")
        return {
            "name": f"in the names of column {columns.get('target')}",
            "file": "by name in the file of targets",
            "columns": f"columns {used}",
            "distance": f"by {used} from the SNP",
        }[self.source]

    def read(self, rows: pa.Table, snps: Snps, numbers: np.ndarray) -> RowTargets:
        """Return the targets of rows.

        Args:
            rows: columns named by role.
            snps: of the same rows.
            numbers: of the rows in the table, for messages.

        Raises:
            InputFileError: a position that is not whole.
        """
        missing = np.zeros(len(numbers), bool)
        chrom = start = end = by = None
        if self.source in ("columns", "distance"):
            first, last = {
                "columns": ("target_start", "target_end"),
                "distance": ("distance", "end_distance"),
            }[self.source]
            start = self._whole(rows, first, numbers, missing)
            end = self._whole(rows, last, numbers, missing) if last in rows.column_names else start
            if self.source == "distance":
                start, end, by = snps.pos - start, snps.pos - end, self._layout.columns["distance"]
            chrom = snps.chrom
            if "target_chrom" in rows.column_names:
                chrom = Labels.of(rows["target_chrom"])
            missing |= chrom.codes < 0
        if "target" in rows.column_names:
            labels = Labels.of(rows["target"])
        else:
            names = pa.array(chrom.names, pa.string()).take(pa.array(np.maximum(chrom.codes, 0)))
            numbers_of = [pa.array(v).cast(pa.string()) for v in (start, end)]
            labels = Labels.of(pc.binary_join_element_wise(names, *numbers_of, ":"))
        missing |= labels.codes < 0
        return RowTargets(labels, chrom, start, end, missing, by)

    def _whole(
        self, rows: pa.Table, role: str, numbers: np.ndarray, missing: np.ndarray
    ) -> np.ndarray:
        value = rows[role].to_numpy()
        missing |= np.isnan(value)
        return whole(value, self._path, self._layout.columns[role], numbers)


@dataclass
class Targets:
    """The targets seen so far, numbered in the order of the table; 0-based and half-open.

    Attributes:
        path: of the table, for messages.
        names: of chromosomes.
        lengths: of the counted chromosomes, bp.
        base: 0 or 1: what targets are counted from.
        file: of targets by name, or None.
        numbers: identifier → number.
    """

    path: Path
    names: Names
    lengths: Sequence[int]
    base: int
    file: PlaceFile | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    _places: np.ndarray = field(default_factory=lambda: np.zeros((3, 1024), np.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self) -> np.ndarray:
        """Return chromosome number (`OTHER`: not counted), start and end: int64 [3, targets]."""
        return self._places[:, : len(self)]

    def number(self, rows: RowTargets, numbers: np.ndarray) -> np.ndarray:
        """Return the number of each row's target, int32; new ones are added.

        Args:
            rows: of a block, none of them missing.
            numbers: of the rows in the table.

        Raises:
            InputFileError: a target without place, on an unknown chromosome, beyond the end of
                its chromosome, or with two places.
        """
        codes = rows.labels.codes
        first = np.full(len(rows.labels.names), -1)
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last assignment stays
        used = np.flatnonzero(first >= 0)
        known = np.zeros(len(rows.labels.names), np.int32)
        fresh = []
        for code, row in zip(used.tolist(), first[used].tolist(), strict=True):
            number = self.numbers.get(rows.labels.names[code])
            if number is None:
                fresh.append((code, row))
            else:
                known[code] = number
        in_file = None
        if self.file is not None:
            in_file = self.file.find([rows.labels.names[code] for code, _ in fresh])
        for k, (code, row) in enumerate(fresh):
            name = rows.labels.names[code]
            where = partial(self._where, numbers[row], name)
            at = None if in_file is None else int(in_file[k])
            known[code] = self._add(where, name, at, rows, row)
            self.numbers[name] = int(known[code])
        found = known[codes]
        if rows.start is not None:
            self._same_place(rows, found, numbers)
        return found

    def _where(self, number: int, name: str) -> str:
        """Return how an error begins; it reads from the file, so only when there is one."""
        return f"{at_row(self.path, number)}: target {name!r}"

    def _add(self, where: Callable, name: str, at: int | None, rows: RowTargets, row: int) -> int:
        base = self.base
        if at is not None:
            if at < 0:
                raise InputFileError(
                    f"{where()} is not in {self.file.path}: add it, or its version"
                )
            base = base if self.file.base is None else self.file.base
            chrom = self.file.chroms[self.file.chrom[at]]
            start, end = int(self.file.start[at]), int(self.file.end[at])
        elif rows.start is not None:
            chrom = rows.chrom.names[rows.chrom.codes[row]]
            start, end = int(rows.start[row]), int(rows.end[row])
        else:
            chrom, start, end = self._named(where, name)
        number = self.names.number(chrom)
        if number is None:
            raise self.names.unknown(chrom, where())
        low, high = half_open(start, end, base)
        if low < 0 or high <= low:
            place = shown(chrom, start, end)
            raise InputFileError(f"{where()} is at {place}{no_bases(start, base, rows.by)}")
        if number != OTHER and high > self.lengths[number]:
            raise InputFileError(
                f"{where()} ends at {high} on {chrom}, which has {self.lengths[number]} bp: is the "
                "table of another assembly than the lengths?"
            )
        if len(self) == self._places.shape[1]:
            self._places = np.hstack([self._places, np.zeros_like(self._places)])
        self._places[:, len(self)] = number, low, high
        return len(self)

    def _named(self, where: Callable, name: str) -> tuple[str, int, int]:
        matches = [m.group("chrom", "start", "end") for m in _PLACED.finditer(name)]
        if not matches:
            raise InputFileError(
                f"{where()} holds no place as chr1:1000-2000 or 1:1000:2000, and no column is "
                "known to say where it lies: name one with --columns target_start=COLUMN (and "
                "target_end, target_chrom) or distance=COLUMN (SNP minus target, bp), or give a "
                "file of places with --targets"
            )
        known = [m for m in matches if self.names.number(m[0]) is not None]
        chrom, start, end = (known or matches)[0]
        return chrom, int(start), int(end)

    def _same_place(self, rows: RowTargets, found: np.ndarray, numbers: np.ndarray) -> None:
        """Refuse rows that place a target elsewhere than the first row of it did."""
        chrom, start, end = self.place()[:, found]
        of_row = self.names.numbers(rows.chrom.names)[rows.chrom.codes]
        low, high = half_open(rows.start, rows.end, self.base)
        bad = np.flatnonzero((of_row != chrom) | (low != start) | (high != end))
        if len(bad):
            b = bad[0]
            name = rows.labels.names[rows.labels.codes[b]]
            here = shown(rows.chrom.names[rows.chrom.codes[b]], rows.start[b], rows.end[b])
            there = shown(self.names.name(chrom[b]), start[b] + self.base, end[b])
            reason = f"is {rows.by} SNP minus target, in bp? else " if rows.by else ""
            raise InputFileError(
                f"{at_row(self.path, numbers[b])} has target {name!r} at {here}, and a row above "
                f"has it at {there}: {reason}name a column that tells targets apart with --columns "
                "target=COLUMN"
            )
