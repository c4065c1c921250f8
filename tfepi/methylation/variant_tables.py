"""The tables of methylation effects, assembled from parts in their order."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pysam

from tfepi.methylation.cpgs import KINDS
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.variants.disk import full_disk
from tfepi.variants.output import ROW_FIELDS, PartFolder, parts, row_arrays, write_batches
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path

VARIANTS, PAIRS = "variants.parquet", "pairs.parquet"
TEXT, BED_GRAPH, NO_CPG = "variants.tsv.gz", "variants.bedGraph.gz", "no_cpg.tsv"
ORIGINAL = "original.tsv.gz"
FORMAT_VERSION = 1
_COUNT, _PLACE, _VALUE = pa.int32(), pa.int64(), pa.float32()
_OVERALL = {
    "cpgs": _COUNT,
    "score": _VALUE,
    "score_task": pa.string(),
    "score_cpg": _PLACE,
    "score_ref": _VALUE,
    "score_alt": _VALUE,
    "score_diff": _VALUE,
}
_LOST_AND_NEW = {
    "created": _COUNT,
    "created_max": _VALUE,
    "created_cpg": _PLACE,
    "destroyed": _COUNT,
    "destroyed_max": _VALUE,
    "destroyed_cpg": _PLACE,
}
_PAIR = {"cpg": _PLACE, "kind": pa.string()}
_ORIGINAL = {
    "task": pa.string(),
    "chr": pa.string(),
    "cpg_pos": _PLACE,
    "snp_pos": _PLACE,
    "ref": pa.string(),
    "ref_pred": _VALUE,
    "alt": pa.string(),
    "alt_pred": _VALUE,
    "abs_diff": _VALUE,
}
_PAIRS_AT_ONCE, _ROWS_AT_ONCE = 1 << 14, 1 << 12


def _schema(
    name: str, manifest: MethylationManifest, before: dict, by_task: dict, behind: dict
) -> pa.Schema:
    """Return chrom, pos, id, ref and alt, then columns, among them some of each task."""
    tasks = [t.identifier for t in manifest.targets]
    of_tasks = [(f"{t}_{n}", kind) for t in tasks for n, kind in by_task.items()]
    columns = [*before.items(), *of_tasks, *behind.items()]
    return pa.schema(
        [*ROW_FIELDS, *(pa.field(n, kind) for n, kind in columns)],
        metadata={
            "format": name,
            "format_version": str(FORMAT_VERSION),
            "tasks": json.dumps(tasks),
        },
    )


def variant_schema(manifest: MethylationManifest) -> pa.Schema:
    """Return the columns of variants.parquet.

    Raises:
        ConfigError: a task whose columns would have the names of others.
    """
    by_task = {"score": _VALUE, "cpg": _PLACE, "diff": _VALUE}
    name = "tfepi-methylation-variant-table"
    found = _schema(name, manifest, _OVERALL, by_task, _LOST_AND_NEW)
    for target in manifest.targets:
        for name in by_task:
            column = f"{target.identifier}_{name}"
            if found.names.count(column) > 1:
                raise ConfigError(
                    f"task {target.identifier!r} would have a column {column!r}, which there is "
                    "already: leave it out with --targets, or give it another name"
                )
    return found


def _pair_schema(manifest: MethylationManifest) -> pa.Schema:
    by_task = dict.fromkeys(("ref", "alt", "diff"), _VALUE)
    return _schema("tfepi-methylation-pair-table", manifest, _PAIR, by_task, {})


class Scores:
    """The scores of a part's rows.

    Attributes:
        by_task: |ALT − REF|, float32 [rows, tasks]; NaN where there is none.
        diff: ALT − REF, the same.
        cpg: 1-based positions, int64 [rows, tasks]; 0 where there is none.
        ref, alt: predictions, float32 [rows, tasks].
        best: task with the largest, int64 [rows].
        scored: which rows have any, bool [rows].
    """

    def __init__(self, part: h5py.File):
        self.cpg = part["cpg"][()]
        self.ref, self.alt = part["pred_ref"][()], part["pred_alt"][()]
        self.diff = self.alt - self.ref
        self.by_task = np.abs(self.diff)
        sizes = np.where(np.isnan(self.by_task), -1, self.by_task)
        self.best = sizes.argmax(axis=1)
        self.scored = sizes.max(axis=1) >= 0

    def of_best(self, values: np.ndarray) -> np.ndarray:
        """Return the values of the task with the largest score: [rows]."""
        return np.take_along_axis(values, self.best[:, None], axis=1)[:, 0]


def _values(values: np.ndarray) -> pa.Array:
    """Return numbers, null for NaN."""
    return pa.array(np.ascontiguousarray(values), from_pandas=True)


def _places(places: np.ndarray) -> pa.Array:
    """Return 1-based positions, null for 0."""
    return pa.array(np.ascontiguousarray(places), mask=places == 0)


def _variant_batches(manifest: MethylationManifest, folder: PartFolder) -> Iterator:
    schema = variant_schema(manifest)
    tasks = np.array([t.identifier for t in manifest.targets], object)
    for part in parts(manifest, folder):
        if not len(part["pos"]):
            continue
        scores = Scores(part)
        columns = [
            *row_arrays(part),
            pa.array(part["cpgs"][()]),
            _values(scores.of_best(scores.by_task)),
            pa.array(tasks[scores.best], pa.string(), mask=~scores.scored),
            _places(scores.of_best(scores.cpg)),
            *(_values(scores.of_best(v)) for v in (scores.ref, scores.alt, scores.diff)),
        ]
        for t in range(len(tasks)):
            columns.append(_values(scores.by_task[:, t]))
            columns.append(_places(scores.cpg[:, t]))
            columns.append(_values(scores.diff[:, t]))
        for name in ("created", "destroyed"):
            columns.append(pa.array(part[name][()]))
            columns.append(_values(part[f"{name}_max"][()]))
            columns.append(_places(part[f"{name}_cpg"][()]))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def write_variants(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write one row per REF and ALT as Parquet; what is missing is null."""
    write_batches(path, variant_schema(manifest), _variant_batches(manifest, folder))


def _written(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of variants.parquet, which lies beside a path and is written first."""
    with pq.ParquetFile(path.with_name(VARIANTS)) as file:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(_ROWS_AT_ONCE, row_groups=[group])


def write_text(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write variants.parquet as text; what is missing is empty."""
    _write_lines(path, variant_schema(manifest).names, _written(path))


def write_no_cpg(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write the rows without score, as no CpG that is compared lies within reach."""
    names = [*(f.name for f in ROW_FIELDS), "created", "destroyed"]
    batches = (b.filter(pc.is_null(b["score"])).select(names) for b in _written(path))
    _write_lines(path, names, batches)


def write_bed_graph(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write the largest score at each record's position."""

    def batches() -> Iterator[pa.RecordBatch]:
        held: tuple[str, int, float] | None = None
        for batch in _written(path):
            rows = batch.select(["chrom", "pos", "score"]).filter(pc.is_valid(batch["score"]))
            done: list[tuple[str, int, float]] = []
            for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                if held is not None and row[:2] == held[:2]:
                    held = (*row[:2], max(row[2], held[2]))
                    continue
                if held is not None:
                    done.append(held)
                held = row
            yield _intervals(done)
        yield _intervals([] if held is None else [held])

    _write_lines(path, None, batches())


def _intervals(rows: list[tuple[str, int, float]]) -> pa.RecordBatch:
    chroms, positions, scores = zip(*rows, strict=True) if rows else ((), (), ())
    ends = np.array(positions, np.int64)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(chroms, pa.string()),
            pa.array(ends - 1),
            pa.array(ends),
            pa.array(scores, _VALUE),
        ],
        ["chrom", "start", "end", "score"],
    )


def write_original(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write the columns of INTERACT's Fine_mapping.py, behind the name of the task."""
    schema = pa.schema(_ORIGINAL.items())

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts(manifest, folder):
            scores = Scores(part)
            chrom, pos, _, ref, alt = row_arrays(part)
            for t, target in enumerate(manifest.targets):
                task = pa.array([target.identifier] * len(pos), pa.string())
                numbers = (scores.ref, scores.alt, scores.by_task)
                before, after, size = (_values(v[:, t]) for v in numbers)
                columns = [task, chrom, _places(scores.cpg[:, t]), pos, ref, before, alt, after]
                batch = pa.RecordBatch.from_arrays([*columns, size], schema=schema)
                yield batch.filter(pc.is_valid(size))

    _write_lines(path, schema.names, batches())


def write_pairs(path: Path, manifest: MethylationManifest, folder: PartFolder) -> None:
    """Write one row per variant and CpG, with the predictions of both sequences."""
    schema = _pair_schema(manifest)
    kinds = np.array(KINDS, object)

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts(manifest, folder):
            rows = pa.RecordBatch.from_arrays(row_arrays(part), [f.name for f in ROW_FIELDS])
            for low in range(0, len(part["pair_row"]), _PAIRS_AT_ONCE):
                some = slice(low, low + _PAIRS_AT_ONCE)
                ref, alt = part["pair_ref"][some], part["pair_alt"][some]
                columns = [
                    *rows.take(pa.array(part["pair_row"][some])).columns,
                    pa.array(part["pair_cpg"][some]),
                    pa.array(kinds[part["pair_kind"][some]]),
                ]
                for t in range(ref.shape[1]):
                    columns += [_values(v[:, t]) for v in (ref, alt, alt - ref)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    write_batches(path, schema, batches())


def _write_lines(path: Path, header: list[str] | None, batches: Iterable[pa.RecordBatch]) -> None:
    """Write rows separated by tabs, bgzip-compressed where the name ends in .gz."""
    with atomic_path(path) as temporary, full_disk(path):
        opened = (
            pysam.BGZFile(str(temporary), "wb") if path.suffix == ".gz" else open(temporary, "wb")  # noqa: SIM115 closed below
        )
        with opened as out:
            if header is not None:
                out.write(("\t".join(header) + "\n").encode())
            for batch in batches:
                if len(batch):
                    cells = [pc.fill_null(pc.cast(c, pa.string()), "") for c in batch.columns]
                    lines = pc.binary_join_element_wise(*cells, "\t").to_pylist()
                    out.write(("\n".join(lines) + "\n").encode())
