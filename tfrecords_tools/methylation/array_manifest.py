"""Manifests of methylation arrays: where in the genome each probe's CpG lies.

Three layouts are told by their header: Illumina's CSV (`IlmnID`, `CHR`, `MAPINFO`, 1-based; with or
without its [Heading] and [Controls]), sesame's table (`Probe_ID` or `probeID`, `CpG_chrm`,
`CpG_beg`, 0-based), and a plain table of `probe`, `chrom` and `pos` (1-based) or `start` (0-based).
"""

import csv
import itertools
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfrecords_tools.builds import FIRST_CHROMOSOME, build_of
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.text_blocks import TextTable

# https://support.illumina.com/bulletins/2016/08/infinium-methylationepic-manifest-column-headings.html
# https://zwdzwd.github.io/InfiniumAnnotation
_LAYOUTS = (
    ("Illumina", ("ilmnid",), ("chr",), ("mapinfo",), 1),
    ("sesame", ("probe_id", "probeid"), ("cpg_chrm",), ("cpg_beg",), 0),
    (
        "plain",
        ("probe", "probe_id", "probeid", "id", "name"),
        ("chrom", "chr", "chromosome"),
        ("pos", "position"),
        1,
    ),
    (
        "plain",
        ("probe", "probe_id", "probeid", "id", "name"),
        ("chrom", "chr", "chromosome"),
        ("start",),
        0,
    ),
)
_OTHER_BUILDS = {  # columns of Illumina's manifests for a second build
    "hg38 (GRCh38)": ("chr_hg38", "start_hg38", 0),
    "hg18 (NCBI36)": ("chromosome_36", "coordinate_36", 1),
}
_BUILD_COLUMN = "genome_build"
_FOOTER = "[Controls]"
_NOT_CPG = r"^(rs\d|ch\.|nv|ctl)"
_REPLICATE = r"_[TB][CO]\d+$"  # of EPIC v2: strands, chemistry and number of the probe's replicate
_HEADER_WITHIN = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Probes:
    """The probes of a manifest that have a place.

    Attributes:
        path: of the manifest.
        ids: their names.
        chroms: names of chromosomes.
        chrom: int [n], place among `chroms`.
        position: int32 [n], 0-based, of the CpG's C.
        line: int64 [n], in the manifest.
        build: the build the manifest names, or None.
        passed_over: probes without place, or of no CpG, by what they are.
    """

    path: Path
    ids: pa.StringArray
    chroms: list[str]
    chrom: np.ndarray
    position: np.ndarray
    line: np.ndarray
    build: str | None
    passed_over: Counter

    def stems(self) -> pa.StringArray:
        """Return the names without EPIC v2's marks of replicates."""
        return pc.replace_substring_regex(self.ids, _REPLICATE, "")


def of_no_cpg(ids: pa.StringArray) -> np.ndarray:
    """Tell which probes are of SNPs, of cytosines outside CpGs, or controls: bool [n]."""
    return pc.match_substring_regex(ids, _NOT_CPG).to_numpy(zero_copy_only=False)


def read_manifest(path: str | Path, genome: Genome) -> Probes:
    """Read where probes lie.

    Args:
        path: of the manifest, plain or gzip.
        genome: the reference, whose build the manifest's must be, where both are known.

    Raises:
        InputFileError: of no known layout, of another build, without probe, or a probe twice.
    """
    table = TextTable(path, "array manifest")
    header, skip, delimiter = _header(table)
    names = [c.strip().lower() for c in header]
    layout, found, base = _layout(names)
    if layout is None:
        raise InputFileError(
            f"array manifest {path} line {skip} has columns {', '.join(header[:12])}: want "
            "IlmnID, CHR and MAPINFO (Illumina), Probe_ID, CpG_chrm and CpG_beg (sesame), or "
            "probe, chrom and pos"
        )
    probe, chrom, place = (names.index(f) for f in found)
    build = _build(table, names, skip, delimiter)
    ours = build_of(genome.chroms)
    if build and ours and build != ours:
        other = _OTHER_BUILDS.get(ours)
        if other is None or not set(other[:2]) <= set(names):
            raise InputFileError(
                f"array manifest {path} is of {build}, FASTA {genome.path} of {ours}: use the "
                f"array's manifest of {ours}, or the FASTA of {build}"
            )
        chrom, place, base = names.index(other[0]), names.index(other[1]), other[2]
        log.info("%s: coordinates of %s are read from %s, %s", path, ours, *other[:2])
        build = ours
    columns = [f"column {n} ({column})" for n, column in enumerate(header, 1)]  # names may repeat
    kinds = {columns[probe]: pa.string(), columns[chrom]: pa.string(), columns[place]: pa.float64()}
    ids, chroms, places, lines = [], [], [], []
    for line, batch in table.blocks(
        columns, kinds, skip, delimiter, quoted=True, missing=True, footer=_FOOTER
    ):
        cells = [batch.column(columns[n]) for n in (probe, chrom, place)]
        ids.append(pc.fill_null(cells[0], ""))
        chroms.append(pc.fill_null(cells[1], ""))
        places.append(cells[2].to_numpy(zero_copy_only=False))
        lines.append(line)
    if not ids:
        raise InputFileError(f"array manifest {path} has no probes: write it again")
    named = pa.concat_arrays(ids)
    position = np.concatenate(places) - base
    coded = pa.concat_arrays(chroms).dictionary_encode()
    known = coded.dictionary.to_pylist()
    code = coded.indices.to_numpy()
    control = of_no_cpg(named)
    unplaced = ~(position >= 0) | np.isin(code, [n for n, c in enumerate(known) if c in ("", "0")])
    keep = ~control & ~unplaced
    passed = Counter({"probes of no CpG": int(control.sum())})
    passed["probes without place"] = int((unplaced & ~control).sum())
    probes = Probes(
        table.path,
        named.filter(pa.array(keep)),
        [_on(genome, c) for c in known] if layout == "Illumina" else known,
        code[keep],
        position[keep].astype(np.int32),
        np.concatenate(lines)[keep],
        build,
        passed,
    )
    _check_once(probes)
    return probes


def _layout(names: list[str]) -> tuple[str | None, list[str], int]:
    """Return a layout's name, its columns of probe, chromosome and position, and their base."""
    for layout, *alternatives, base in _LAYOUTS:
        found = [next((a for a in known if a in names), "") for known in alternatives]
        if all(found):
            return layout, found, base
    return None, [], 0


def _header(table: TextTable) -> tuple[list[str], int, str]:
    """Return the columns' names, the number of their line, and what separates them."""
    lines = [line for _, line in itertools.islice(table.head(), _HEADER_WITHIN)]
    assay = [n for n, line in enumerate(lines) if line.startswith("[Assay]")]
    first = assay[0] + 1 if assay else 0
    found = [(n + 1, t) for n, t in enumerate(lines) if n >= first and t and t[0] != "#"]
    if not found:
        raise InputFileError(f"array manifest {table.path} has no header: write it again")
    number, line = found[0]
    delimiter = "\t" if "\t" in line else ","
    return next(csv.reader([line], delimiter=delimiter)), number, delimiter


def _build(table: TextTable, names: list[str], skip: int, delimiter: str) -> str | None:
    """Return the build that the first row names, as `builds` calls it, or None."""
    if _BUILD_COLUMN not in names:
        return None
    for number, line in table.head():
        if number > skip:
            cells = next(csv.reader([line], delimiter=delimiter))
            place = names.index(_BUILD_COLUMN)
            return known_build(cells[place]) if place < len(cells) else None
    return None


def known_build(text: str) -> str | None:
    """Return the name in `builds` of what a file names (`37`, `hg19`, `GRCh37`), or None."""
    text = text.strip().lower()
    for name in FIRST_CHROMOSOME.values():
        short = name.lower().replace("(", "").replace(")", "").split()
        if text and text in (*short, *(s.removeprefix("grch").removeprefix("ncbi") for s in short)):
            return name
    return None


def _on(genome: Genome, chrom: str) -> str:
    """Return the genome's name of a chromosome; Illumina's have a prefix since EPIC v2 only."""
    bare = chrom.removeprefix("chr")
    bare = {"MT": "M", "M": "MT"}.get(bare, bare)
    for name in (chrom, f"chr{chrom}", chrom.removeprefix("chr"), f"chr{bare}", bare):
        if name in genome.chroms:
            return name
    return chrom


def _check_once(probes: Probes) -> None:
    if pc.count_distinct(probes.ids).as_py() == len(probes.ids):
        return
    coded = probes.ids.dictionary_encode().indices.to_numpy()
    again = np.ones(len(coded), bool)
    again[np.unique(coded, return_index=True)[1]] = False
    row = int(np.argmax(again))
    raise InputFileError(
        f"array manifest {probes.path} line {probes.line[row]}: probe {probes.ids[row].as_py()!r} "
        "stands in an earlier line too: keep one"
    )
