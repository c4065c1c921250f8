"""The targets table: which tracks, how each is summarised, clipped and scaled."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tfrecords_tools import remote
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing, write_text
from tfrecords_tools.remote import named, url_in_table
from tfrecords_tools.text_table import tab_separated

SUM_STATS = (
    "sum",
    "mean",
    "avg",
    "max",
    "peak",
    "sum_sqrt",
    "mean_sqrt",
    "avg_sqrt",
    "max_sqrt",
    "sum_exp75",
    "mean_exp75",
)
NAN_POLICIES = ("zero", "interpolate", "keep")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """One row of targets.txt.

    Attributes:
        index: the row's name, first column; `strand_pair` refers to it.
        identifier: unique name of the track.
        file: bigWig, BED/narrowPeak or HDF5; relative paths are relative to the table.
        clip: hard limit of a bin's value, or None.
        clip_soft: value above which the excess is square-rooted, or None.
        scale: factor on each base's value before pooling.
        sum_stat: how the bases of a bin become one value (`SUM_STATS`).
        strand_pair: index of the same experiment's other strand; its own index if unstranded.
        description: free text.
        nan: what becomes of bases without value (`NAN_POLICIES`), or None for the default.
        peaks: BED of the track's peaks, or None.
        cell: the cell type that was measured, or None.
        mark: what was measured in it, such as H3K27ac, or None; cell and mark name a target
            together, and go together.
        assay: how accessibility was measured (`input_tracks.ASSAYS`), or None.
        threshold: a bin is 1 above it and 0 else, NaN where it has no value; None keeps values.
        tissue: of the sample whose methylation is measured, or None.
    """

    index: int
    identifier: str
    file: str = ""
    clip: float | None = None
    clip_soft: float | None = None
    scale: float = 1.0
    sum_stat: str = "sum"
    strand_pair: int | None = None
    description: str = ""
    nan: str | None = None
    peaks: str | None = None
    cell: str | None = None
    mark: str | None = None
    assay: str | None = None
    threshold: float | None = None
    tissue: str | None = None

    def to_json(self) -> dict:
        """Return the fields that are set, as JSON values."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}


def numbered(count: int) -> tuple[Target, ...]:
    """Return targets of which only the number is known: t0, t1, …"""
    return tuple(Target(i, f"t{i}") for i in range(count))


def is_numbered(target: Target) -> bool:
    """Tell whether a target is of no table: nothing is known but, at most, its strand pair."""
    return replace(target, strand_pair=None) == Target(target.index, f"t{target.index}")


_COLUMNS = tuple(f.name for f in fields(Target))
_NUMBERS = ("clip", "clip_soft", "scale", "threshold")
_IGNORED = ("genome", "group", "strand")  # of the original tools, not used here


def read_targets(
    path: str | Path, with_files: bool = False, extra: bool = False
) -> tuple[Target, ...]:
    """Read a tab-separated targets table whose first column is the index.

    Args:
        path: of the table.
        with_files: refuse a row without `file`.
        extra: of another tool's table: pass over unknown columns, with a note, as the original
            tools do, and do not ask of cells and marks that they go together.

    Returns:
        The targets in the order of the file. `file` and `peaks` are left as written;
        `resolve` turns them into paths.

    Raises:
        InputFileError: no text, no rows, a row of another length, a column twice, a value that
            is no finite number, a scale of 0, a row without file.
        ConfigError: duplicate identifier or index, unknown column, statistic or NaN policy,
            a strand pair that is not mutual, a threshold beside a clip, a cell without mark or
            a mark without cell, a cell and mark twice.
    """
    path = existing(path, "targets table")
    where = f"targets table {path}"
    targets = read_table(path, where, with_files, extra)
    if not extra:
        check_cells(targets, where)
    return targets


def read_table(
    path: Path, where: str, with_files: bool, extra: bool, defaults: dict | None = None
) -> tuple[Target, ...]:
    """Read the rows of a table of tracks, whatever they are for.

    Args:
        path: of the table, which exists.
        where: the table, for messages.
        with_files, extra: as of `read_targets`.
        defaults: of columns that the table leaves out or empty, where not `Target`'s.

    Raises:
        as `read_targets`, but for cells and marks.
    """
    rows = tab_separated(path, where)
    header = [c.strip() for c in rows[0][1]]
    if header[0] in ("", "index") or len(rows[1][1]) == len(header):
        header = header[1:]  # else the index has no name at all
    header = ["index", *header]
    strange = [c for c in header if c not in _COLUMNS and c not in _IGNORED]
    if strange and not extra:
        raise unknown("column", strange[0], _COLUMNS, f"in {where}")
    if strange:
        log.info("%s: columns %s are not used", where, ", ".join(strange))
    for column in header:
        if header.count(column) > 1:
            raise InputFileError(
                f"{where} line {rows[0][0]} names column {column!r} more than once: keep one"
            )
    if with_files and "file" not in header:
        raise InputFileError(
            f"{where} line {rows[0][0]} has no column 'file', which names each track"
        )
    if "identifier" not in header:
        raise InputFileError(
            f"{where} has no column 'identifier': its header is {header}; "
            "the table is tab-separated"
        )
    targets = tuple(
        _target(f"{where} line {number}", header, row, defaults or {}) for number, row in rows[1:]
    )
    for (number, _), target in zip(rows[1:], targets, strict=True):
        if with_files and not target.file:
            raise InputFileError(f"{where} line {number}: file is empty, want the path of a track")
    _check(where, targets)
    return targets


def _target(where: str, header: list[str], row: list[str], defaults: dict) -> Target:
    if len(row) != len(header):
        raise InputFileError(f"{where} has {len(row)} columns, the header has {len(header)}")
    values: dict[str, object] = {}
    for column, text in zip(header, (c.strip() for c in row), strict=True):
        if column not in _COLUMNS or (not text and column != "identifier"):
            continue
        if column in ("index", "strand_pair", *_NUMBERS):
            kind, noun = (float, "number") if column in _NUMBERS else (int, "whole number")
            try:
                values[column] = kind(text)
            except ValueError:
                raise InputFileError(f"{where}: {column} is {text!r}, want a {noun}") from None
            if kind is float and not math.isfinite(values[column]):
                raise InputFileError(
                    f"{where}: {column} is {text!r}, want a finite number, or nothing for none"
                )
            if column == "scale" and not values[column]:
                raise InputFileError(f"{where}: scale is {text!r}, which makes every target 0")
        else:
            values[column] = text
    target = Target(**(defaults | values))
    if not target.identifier:
        raise InputFileError(f"{where} has an empty identifier")
    if target.sum_stat not in SUM_STATS:
        raise unknown("sum_stat", target.sum_stat, SUM_STATS, f"in {where}")
    if target.nan is not None and target.nan not in NAN_POLICIES:
        raise unknown("NaN policy", target.nan, NAN_POLICIES, f"in {where}")
    for column in ("clip", "clip_soft"):
        value = getattr(target, column)
        if value is not None and value <= 0:
            raise ConfigError(f"{where}: {column} is {value}, want a positive number")
        if value is not None and target.threshold is not None:
            raise ConfigError(
                f"{where}: {column} is {value} beside threshold {target.threshold}: what is above "
                f"a threshold is 1, so leave {column} empty"
            )
    return target


def _check(where: str, targets: tuple[Target, ...]) -> None:
    by_index: dict[int, Target] = {}
    identifiers: set[str] = set()
    for target in targets:
        if target.index in by_index:
            raise ConfigError(f"{where} has index {target.index} more than once")
        if target.identifier in identifiers:
            raise ConfigError(
                f"{where} has identifier {target.identifier!r} more than once: "
                "identifiers must be unique"
            )
        by_index[target.index] = target
        identifiers.add(target.identifier)
    for target in targets:
        pair = target.strand_pair
        if pair is None:
            continue
        if pair not in by_index or by_index[pair].strand_pair not in (target.index,):
            raise ConfigError(
                f"{where}: strand_pair of {target.identifier!r} is {pair}, "
                "want the index of a row that pairs back"
            )


def check_cells(targets: Sequence[Target], where: str) -> None:
    """Check that cells and marks go together, and name one target each.

    Args:
        targets: of a table.
        where: the table, for messages.

    Raises:
        ConfigError: a cell without mark, a mark without cell, or both of them twice.
    """
    named: dict[tuple[str, str], Target] = {}
    for target in targets:
        for given, lacking in (("cell", "mark"), ("mark", "cell")):
            if getattr(target, given) is not None and getattr(target, lacking) is None:
                raise ConfigError(
                    f"{where}: target {target.identifier!r} has {given} "
                    f"{getattr(target, given)!r} but no {lacking}: name both, or neither"
                )
        if target.cell is None:
            continue
        pair = (target.cell, target.mark)
        if pair in named:
            raise ConfigError(
                f"{where}: targets {named[pair].identifier!r} and {target.identifier!r} are both "
                f"of cell {target.cell!r} and mark {target.mark!r}: give one of them another mark"
            )
        named[pair] = target


def resolve(targets: tuple[Target, ...], table: str | Path) -> tuple[Target, ...]:
    """Return targets whose relative `file` and `peaks` are relative to the table's folder.

    A relative path that exists from the working directory is kept (the original tools' rule);
    otherwise it is taken from the table's folder. Remote ones are copied, and so are those
    relative to a remote table.

    Raises:
        InputFileError: a remote file cannot be copied, or a remote table names one outside of
            what is remote.
    """
    folder = Path(table).parent
    asked: dict[Path, str] = {}

    def place(name: str | None) -> str | None:
        if not name:
            return name
        if (url := url_in_table(name, table)) is not None:
            asked[remote.place(url)] = url
            return str(remote.place(url))
        if Path(name).is_absolute() or Path(name).exists():
            return name
        return str(folder / name)

    found = tuple(replace(t, file=place(t.file), peaks=place(t.peaks)) for t in targets)
    if asked:
        from tfrecords_tools.remote_files import fetch

        fetch(asked.values(), quiet=not log.isEnabledFor(logging.INFO), folders=False)
    return found


def strand_order(targets: tuple[Target, ...]) -> tuple[int, ...] | None:
    """Return positions that swap strand pairs, or None if no target is stranded.

    `values[..., order]` is what the reverse complement's values mean.

    Raises:
        ConfigError: a target without its strand pair.
    """
    if all(t.strand_pair in (None, t.index) for t in targets):
        return None
    position = {t.index: p for p, t in enumerate(targets)}
    for target in targets:
        if target.strand_pair is not None and target.strand_pair not in position:
            raise ConfigError(
                f"target {target.identifier!r} is there without its strand pair, of index "
                f"{target.strand_pair}: the other strand's values are not known; choose both, or "
                "leave --rc and augment_rc out"
            )
    return tuple(position[t.index if t.strand_pair is None else t.strand_pair] for t in targets)


def select(targets: tuple[Target, ...], names: list[str], where: str = "") -> tuple[int, ...]:
    """Return positions of the targets named by identifier or by index, in the order named.

    Args:
        targets: to choose from.
        names: of targets.
        where: they are looked for, for messages.

    Raises:
        ConfigError: a name that is neither, or twice the same target.
    """
    by_name = {str(t.index): p for p, t in enumerate(targets)}
    by_name |= {t.identifier: p for p, t in enumerate(targets)}
    positions = []
    for name in names:
        if name not in by_name and name.isdigit():
            raise ConfigError(
                f"there is no target {name}{f' {where}' if where else ''}: indices go from "
                f"{min(t.index for t in targets)} to {max(t.index for t in targets)}"
            )
        if name not in by_name:
            raise unknown("target", name, [t.identifier for t in targets], where)
        if by_name[name] in positions:
            raise ConfigError(
                f"target {targets[by_name[name]].identifier!r} is named more than once: name it "
                "once"
            )
        positions.append(by_name[name])
    return tuple(positions)


def format_targets(targets: tuple[Target, ...]) -> str:
    """Return the table's text, with the columns that any target sets."""
    used = ["index", "identifier", "file"] + [
        f.name
        for f in fields(Target)[3:]
        if f.name in ("sum_stat", "description")
        or any(getattr(t, f.name) not in (None, f.default) for t in targets)
    ]
    lines = ["\t".join(["", *used[1:]])]
    for target in targets:
        cells = [getattr(target, column) for column in used]
        lines.append("\t".join("" if c is None else _cell(c) for c in cells))
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return named(str(value))


def write_targets(path: str | Path, targets: tuple[Target, ...]) -> None:
    """Write the table that `read_targets` reads."""
    write_text(path, format_targets(targets))
