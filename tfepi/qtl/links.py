"""The links of a QTL table: pairs of a SNP and the target it acts on, that pass the filters."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfepi.qtl.chromosomes import OTHER, UNKNOWN, Names
from tfepi.qtl.layouts import Layout
from tfepi.qtl.significance import Significance, largest_significant
from tfepi.qtl.snps import Labels, SnpColumns, Snps, assembly_of_names
from tfepi.qtl.table_blocks import QtlTable, read_blocks
from tfepi.qtl.table_lines import at_row
from tfepi.qtl.targets import RowTargets, TargetColumns, Targets
from tfrecords_tools.errors import InputFileError

MAX_DISTANCE = 1_000_000
LEFT_OUT = ("missing", "not_significant", "other_chromosome", "across_chromosomes", "too_far")


@dataclass(frozen=True)
class LinkReader:
    """How the links of a table are read.

    Attributes:
        table: the file.
        layout: what its columns are.
        snps: how SNPs are read.
        targets: how targets are read.
        significance: which rows count.
        base: 0 or 1: what SNP positions are counted from.
        target_base: likewise of targets.
    """

    table: QtlTable
    layout: Layout
    snps: SnpColumns
    targets: TargetColumns
    significance: Significance
    base: int = 1
    target_base: int = 1

    @property
    def roles(self) -> dict[str, str]:
        """Role → kind of each column that is read."""
        return self.significance.roles | self.snps.roles | self.targets.roles


@dataclass
class Links:
    """Links on the counted chromosomes, duplicates among them.

    Attributes:
        counts: "rows", and of them those left out by reason (`LEFT_OUT`).
        place: chromosome number, start and end of each target, 0-based: int64 [3, targets].
        parts: of each chromosome, blocks of target number, SNP position (0-based) and number of
            the SNP's alleles: int32 [3, links].
        assembly: as SNPs' names say, or None.
        renamed: a chromosome that the lengths write otherwise ("1 is chr1"), or None.
    """

    counts: dict[str, int]
    place: np.ndarray
    parts: list[list[np.ndarray]]
    assembly: str | None = None
    renamed: str | None = None

    def take(self, chrom: int) -> np.ndarray:
        """Return the links of a chromosome, int32 [3, links], and forget them."""
        parts, self.parts[chrom] = self.parts[chrom], []
        return np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), np.int32)


@dataclass(frozen=True)
class _Block:
    """What a thread makes of a block of rows: those that may be links."""

    rows: int
    missing: int
    insignificant: int
    numbers: np.ndarray
    snps: Snps
    targets: RowTargets


@dataclass
class _Growing:
    """Numbers of alleles, in the order they are seen."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, labels: Labels) -> np.ndarray:
        if labels.names is None:
            return labels.codes
        numbers = self.numbers
        own = [numbers.setdefault(name, len(numbers)) for name in (*labels.names, "")]
        return np.array(own, np.int32)[labels.codes]  # -1, no alleles, is the last: ""


def read_links(
    reader: LinkReader,
    names: Names,
    lengths: Sequence[int],
    place: str = "midpoint",
    max_distance: int = MAX_DISTANCE,
    quiet: bool = False,
) -> Links:
    """Read the links of a table that are significant, on one chromosome and near enough.

    Args:
        reader: how the table is read.
        names: of chromosomes.
        lengths: of the counted chromosomes, bp.
        place: "start": distances are to the target's first base; else to its midpoint.
        max_distance: between SNP and target, bp.
        quiet: no progress bar.

    Raises:
        InputFileError: a row that cannot be read or placed, or none that is left.
    """
    path = reader.table.path
    if reader.significance.asked.bh:
        reader = replace(reader, significance=corrected(reader, quiet))
    targets = Targets(path, names, lengths, reader.target_base, reader.targets.file)
    length = np.array(lengths, np.int64)
    counts = dict.fromkeys(("rows", *LEFT_OUT), 0)
    parts: list[list[np.ndarray]] = [[] for _ in lengths]
    alleles, assembly, renamed = _Growing(), None, None
    for block in _blocks(reader, quiet):
        counts["rows"] += block.rows
        counts["missing"] += block.missing
        counts["not_significant"] += block.insignificant
        if not len(block.numbers):
            continue
        if assembly is None and block.snps.alleles.names:
            assembly = assembly_of_names(block.snps.alleles.names)
        renamed = renamed or names.renamed(block.snps.chrom.names)
        snp_chrom = names.numbers(block.snps.chrom.names)[block.snps.chrom.codes]
        _check_known(names, block, snp_chrom, path)
        number = targets.number(block.targets, block.numbers)
        chrom, start, end = targets.place()
        anchor = (start if place == "start" else (start + end) // 2)[number]
        chrom = chrom[number]
        pos = block.snps.pos - reader.base
        _check_inside(block, pos, snp_chrom, length, reader)
        other = (snp_chrom == OTHER) | (chrom == OTHER)
        across = (snp_chrom != chrom) & ~other
        far = (np.abs(pos - anchor) > max_distance) & ~other & ~across
        kept = ~(other | across | far)
        for name, left in zip(LEFT_OUT[2:], (other, across, far), strict=True):
            counts[name] += int(left.sum())
        columns = (number, pos, alleles.number(block.snps.alleles))
        chosen = slice(None) if kept.all() else kept
        found = np.stack([c[chosen].astype(np.int32) for c in columns])
        for c, which in _by_chromosome(chrom[chosen]):
            parts[c].append(found[:, which])
    if not counts["rows"]:
        raise InputFileError(f"QTL table {path} has no rows below its header")
    if not any(part.shape[1] for of_chrom in parts for part in of_chrom):
        raise InputFileError(f"QTL table {path} has no links: {left_out(counts)}")
    return Links(counts, targets.place(), parts, assembly, renamed)


def corrected(reader: LinkReader, quiet: bool = False) -> Significance:
    """Return the significance of a table with the p-value that --bh finds, from one more reading.

    Raises:
        InputFileError: not all tests are listed, or a value is no p-value.
    """
    by = reader.significance

    def use(rows: pa.Table, numbers: np.ndarray) -> tuple[int, float, np.ndarray]:
        value = by.values(rows.rename_columns(["p"]), numbers)
        value = value[~np.isnan(value)]
        return len(value), value.max(initial=0.0), value[value < by.asked.fdr]

    found = list(read_blocks(reader.table, [by.column], ["number"], use, quiet))
    tests = by.check_tests(sum(n for n, _, _ in found), max((m for _, m, _ in found), default=0.0))
    small = np.concatenate([np.zeros(0), *(p for _, _, p in found)])
    return replace(by, limit=largest_significant(small, tests, by.asked.fdr))


def left_out(counts: dict[str, int]) -> str:
    """Return how many rows were left out, by reason, in words."""
    words = {
        "missing": "lack a value",
        "not_significant": "are not significant",
        "other_chromosome": "are on chromosomes that --chroms does not count",
        "across_chromosomes": "link two chromosomes",
        "too_far": "are too far apart",
        "duplicates": "are duplicates",
    }
    shown = [f"{counts[name]:,} {text}" for name, text in words.items() if counts.get(name)]
    return f"of {counts['rows']:,} rows " + (", ".join(shown) if shown else "none is left out")


def _blocks(reader: LinkReader, quiet: bool):
    roles = reader.roles
    columns = [reader.layout.columns[role] for role in roles]

    def use(rows: pa.Table, numbers: np.ndarray) -> _Block:
        rows = rows.rename_columns(list(roles))
        kept, missing = reader.significance.of_rows(rows, numbers)
        numbers = numbers[kept]
        chosen = rows.filter(pa.array(kept)) if not kept.all() else rows
        snps = reader.snps.read(chosen, numbers)
        targets = reader.targets.read(chosen, snps, numbers)
        absent = snps.missing | targets.missing
        insignificant = rows.num_rows - int(missing.sum()) - int(kept.sum())
        return _Block(
            rows.num_rows,
            int(missing.sum() + absent.sum()),
            insignificant,
            numbers[~absent],
            snps[~absent] if absent.any() else snps,
            targets[~absent] if absent.any() else targets,
        )

    return read_blocks(reader.table, columns, list(roles.values()), use, quiet)


def _by_chromosome(chrom: np.ndarray):
    """Yield each chromosome and which links are on it: a slice or indices."""
    if len(chrom) and chrom[0] == chrom[-1] and (chrom == chrom[0]).all():
        yield int(chrom[0]), slice(None)
        return
    for c in np.unique(chrom).tolist():
        yield c, np.flatnonzero(chrom == c)


def _check_known(names: Names, block: _Block, chrom: np.ndarray, path: Path) -> None:
    bad = np.flatnonzero(chrom == UNKNOWN)
    if len(bad):
        name = block.snps.chrom.names[block.snps.chrom.codes[bad[0]]]
        raise names.unknown(name, f"{at_row(path, block.numbers[bad[0]])}: the SNP")


def _check_inside(
    block: _Block, pos: np.ndarray, chrom: np.ndarray, length: np.ndarray, reader: LinkReader
) -> None:
    path = reader.table.path
    low = np.flatnonzero(pos < 0)
    if len(low):
        at = int(block.snps.pos[low[0]])
        advice = f": want {reader.base} or more"
        if at == 0:
            advice = ", and positions are counted from 1: if the table counts from 0, say --base 0"
        raise InputFileError(f"{at_row(path, block.numbers[low[0]])} has a SNP at {at}{advice}")
    high = np.flatnonzero((chrom >= 0) & (pos >= length[np.maximum(chrom, 0)]))
    if len(high):
        h = high[0]
        name = block.snps.chrom.names[block.snps.chrom.codes[h]]
        raise InputFileError(
            f"{at_row(path, block.numbers[h])} has a SNP at {name}:{block.snps.pos[h]}, and the "
            f"chromosome has {length[chrom[h]]} bp: is the table of another assembly than the "
            "lengths?"
        )
