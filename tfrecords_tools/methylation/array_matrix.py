"""Matrices of methylation arrays: betas of probes × samples, placed by a manifest."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.compute as pc

from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.array_manifest import Probes, of_no_cpg, read_manifest
from tfrecords_tools.methylation.formats import SiteBlock, check_betas
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.sites import GenomeCpgs, Placement
from tfrecords_tools.methylation.strands import Part
from tfrecords_tools.methylation.text_blocks import TextTable
from tfrecords_tools.number_text import number_of

_NO_BETA = re.compile(r"detection[ _.]?p|(^|[ _.])p[ _.]?val(ue)?$", re.I)
log = logging.getLogger(__name__)


class ArrayFile:
    """A matrix of betas, one row per probe, one column per sample.

    The first column names the probe. A header may lack a name for it, as R writes it. Without
    `column` every other one becomes a sample, named after the identifier and the column, but
    GEO's detection p-values.

    Args:
        rows: of the sample table that name the matrix, with one manifest.
        genome: the reference.

    Attributes:
        samples: with their columns.
        places: which of `rows` each sample is of.
        counts: False: an array does not count reads.
        size: of the matrix, bytes.

    Raises:
        InputFileError: missing, empty, without column, or a manifest of another build.
        ConfigError: an unknown column.
    """

    counts = False

    def __init__(self, rows: tuple[Sample, ...], genome: Genome):
        self._genome, self._row = genome, rows[0]
        self._table = TextTable(rows[0].file, "array matrix")
        self.size = self._table.size
        self._header, self._skip, self._delimiter = self._columns()
        self.samples: tuple[Sample, ...] = ()
        self.places: tuple[int, ...] = ()
        for place, row in enumerate(rows):
            found = self._samples(row)
            self.samples += found
            self.places += (place,) * len(found)

    def _columns(self) -> tuple[list[str], int, str]:
        """Return the names of the columns with values, their line, and what separates them."""
        lines = self._table.head()
        number, line = next(((n, t) for n, t in lines if t and t[0] not in "#!"), (0, ""))
        delimiter = "\t" if "\t" in line else ","
        header = next(csv.reader([line], delimiter=delimiter), [])
        first = next((next(csv.reader([t], delimiter=delimiter)) for _, t in lines if t), [])
        if not first:
            raise InputFileError(f"array matrix {self._table.path} has no rows below its header")
        if len(first) == len(header):
            header = header[1:]
        header = [c.strip() for c in header]
        if not header:
            raise InputFileError(
                f"array matrix {self._table.path} line {number} has one column: want probes and "
                "betas, tab- or comma-separated"
            )
        for column in header:
            if header.count(column) > 1:
                raise InputFileError(
                    f"array matrix {self._table.path} line {number} names column {column!r} more "
                    "than once: give each sample a name"
                )
        return header, number, delimiter

    def _samples(self, row: Sample) -> tuple[Sample, ...]:
        if row.column is not None:
            if row.column not in self._header:
                raise unknown("column", row.column, self._header, f"of {row.file} ({row.where})")
            return (row,)
        columns = [c for c in self._header if not _NO_BETA.search(c)]
        if len(columns) < len(self._header):
            log.info(
                "%s: passed over %s of detection p-values",
                *(row.file, number_of(len(self._header) - len(columns), "column")),
            )
        return tuple(replace(row, column=c, identifier=f"{row.identifier}_{c}") for c in columns)

    def read(self, cpgs: GenomeCpgs, folder: Path, merge: bool, advance: Callable) -> dict:
        """Write the matrix's `Part`s to a folder; return what was passed over, as JSON values.

        Probes of one CpG, such as replicates, are averaged; `merge` has no meaning here.

        Raises:
            InputFileError: a beta outside 0–1, a probe twice, no probe that the manifest knows,
                positions that do not fit the genome.
        """
        probes = read_manifest(self._row.manifest, self._genome)
        number, cpg, slot, placement = _places(probes, cpgs, self._row.offset)
        sums = _Sums(folder / "probes.sums", len(cpg), len(self.samples))
        passed = Counter(probes.passed_over)
        unknown_probes = self._fill(probes, slot, sums, passed, advance)
        for chrom in np.unique(number).tolist():
            low, high = np.searchsorted(number, [chrom, chrom + 1])
            total, weight = sums.between(low, high)
            keep = np.flatnonzero((weight > 0).any(1))
            if len(keep):
                Part(folder, chrom).write(cpg[low + keep], total[keep], weight[keep])
        sums.remove()
        others = {what: count for what, count in passed.items() if count}
        if others:
            shown = ", ".join(f"{n:,} {what}" for what, n in others.items())
            log.info("%s: passed over %s", self._table.path, shown)
        if unknown_probes:
            others["probes that the manifest lacks"] = unknown_probes
        return {"merged": 0, "misfits": placement.misfits, "passed_over": others}

    def _fill(self, probes: Probes, slot: np.ndarray, sums: "_Sums", passed, advance) -> int:
        """Add the matrix up by CpG; return how many of its probes the manifest lacks."""
        names = {c: f"column {c!r}" for c in self._header}  # none of which can be "probe"
        used = list(dict.fromkeys(s.column for s in self.samples))
        sample_of = [used.index(s.column) for s in self.samples]
        kinds = {"probe": pa.string()} | {names[c]: pa.float64() for c in used}
        ids, seen, first, lacking, known = None, np.zeros(len(slot), bool), "", 0, 0
        for line, batch in self._table.blocks(
            ["probe", *names.values()],
            kinds,
            self._skip,
            self._delimiter,
            quoted=True,
            missing=True,
            advance=advance,
        ):
            named = pc.fill_null(batch.column("probe"), "")
            if ids is None:
                ids, place_of = _known_by(named, probes)
            found = ids.get_indexer(named.to_pylist())
            probe = np.where(found < 0, -1, place_of[found])
            columns = [batch.column(names[c]).to_numpy(zero_copy_only=False) for c in used]
            raw = np.column_stack(columns)
            beta = raw * self._row.scale
            check_betas(beta, raw, line, self._row, used)
            self._check_once(probe, seen, named, line)
            other = of_no_cpg(named)
            lost = (probe < 0) & ~other
            if lost.any():
                first = first or named[int(np.argmax(lost))].as_py()
            passed["probes of no CpG"] += int(other.sum())
            lacking += int(lost.sum())
            known += int((probe >= 0).sum())
            rows = np.flatnonzero((probe >= 0) & (slot[probe] >= 0))
            sums.add(slot[probe[rows]], beta[rows][:, sample_of])
        where = f"array matrix {self._table.path}"
        if ids is None:
            raise InputFileError(f"{where} has no rows below its header")
        if not known:
            raise InputFileError(
                f"{where} has no probe that manifest {probes.path} places: it has {first!r}, the "
                f"manifest {probes.ids[0].as_py()!r}; is the manifest that of the array?"
            )
        if lacking:
            log.warning(
                "%s: left out %s that manifest %s does not place, the first: %s",
                *(where, number_of(lacking, "probe"), probes.path, first),
            )
        return lacking

    def _check_once(self, probe, seen, named, line) -> None:
        """Refuse a probe that was there before, and mark those that are there."""
        rows = np.flatnonzero(probe >= 0)
        repeated = np.ones(len(rows), bool)
        repeated[np.unique(probe[rows], return_index=True)[1]] = False
        again = rows[seen[probe[rows]] | repeated]
        if len(again):
            raise InputFileError(
                f"{self._table.path} line {line[again[0]]}: probe {named[int(again[0])].as_py()!r} "
                "stands in an earlier line too: keep one"
            )
        seen[probe[rows]] = True


class _Sums:
    """Sums of betas at CpGs × samples, on disk, and how many are in each."""

    def __init__(self, path: Path, cpgs: int, samples: int):
        self._path, self._shape = path, (2, cpgs, samples)
        with open(path, "wb") as handle:
            handle.truncate(int(np.prod(self._shape)) * 4)

    def add(self, slot: np.ndarray, beta: np.ndarray) -> None:
        """Add betas [n, samples] to their CpGs; NaN is none."""
        sums = np.memmap(self._path, np.float32, "r+", shape=self._shape)
        there = np.isfinite(beta)
        for total, value in zip(sums, (np.where(there, beta, 0), there), strict=True):
            if len(np.unique(slot)) == len(slot):
                total[slot] += value.astype(np.float32)
            else:
                np.add.at(total, slot, value.astype(np.float32))

    def between(self, low: int, high: int) -> np.ndarray:
        """Return the sums and how many betas are in each: float32 [2, high - low, samples]."""
        return np.memmap(self._path, np.float32, "r", shape=self._shape)[:, low:high]

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink()


def _places(probes: Probes, cpgs: GenomeCpgs, offset: int):
    """Return the CpGs that probes are of, in the genome's order, and which one each is of.

    Returns:
        Chromosomes' numbers [m], places among their CpGs [m], place among these of every probe
        [n] (−1 for none), and the placement.
    """
    build = f"the manifest says it is of {probes.build}" if probes.build else ""
    placement = Placement(cpgs, f"array manifest {probes.path}", offset, "probes", build)
    place = probes.position + np.int32(offset)
    none = np.zeros(len(place), np.int8)
    block = SiteBlock(probes.chroms, probes.chrom, place, none, probes.line, none, None)
    number, cpg = np.full((2, len(place)), -1, np.int64)
    for placed in placement.place(block):
        number[placed.rows], cpg[placed.rows] = cpgs.number(placed.chrom), placed.cpg
    placement.finish()
    rows = np.flatnonzero(cpg >= 0)
    keys, inverse = np.unique((number[rows] << 32) | cpg[rows], return_inverse=True)
    slot = np.full(len(place), -1, np.int64)
    slot[rows] = inverse
    return keys >> 32, keys & 0xFFFFFFFF, slot, placement


def _known_by(named: pa.StringArray, probes: Probes) -> tuple[pandas.Index, np.ndarray]:
    """Return unique names of probes as the matrix has them, and each one's place in the manifest.

    They are whole, or without EPIC v2's marks of replicates where none is known as a whole.
    """
    whole = pandas.Index(probes.ids.to_pylist())
    if (whole.get_indexer(named.to_pylist()) >= 0).any():
        return whole, np.arange(len(whole))
    stems = pandas.Index(probes.stems().to_pylist())
    first = np.flatnonzero(~stems.duplicated())
    return stems[first], first
