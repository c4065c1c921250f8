"""The final files, assembled from parts in their order: scores.h5, scores.parquet, skipped.tsv."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.variants.checks import skipped_header
from tfepi.variants.disk import full_disk
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.manifest import Manifest
from tfepi.variants.parts import (
    opened_part,
    score_shape,
    skipped_lines,
    strings,
    texts,
)
from tfepi.variants.percentiles import PERCENTILES, column_percentiles, percentiles
from tfepi.variants.row_chunks import CHUNK_BYTES, PACKED, RowWriter, chunk_shape
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.files import atomic_path

TABLE, SKIPPED = "scores.parquet", "skipped.tsv"
FORMAT_VERSION = 1
WIDE_COLUMNS = 1000  # above, the table holds one list column per statistic
_GROUP_BYTES = 8 << 20
_HELD_BYTES = 64 << 20
_COPIED_BYTES = 16 << 20
_ROWS_AT_ONCE = 1 << 16
_TEXT = {"chr": "chrom", "snp": "id", "ref_allele": "ref", "alt_allele": "alt"}

ROW_FIELDS = (
    pa.field("chrom", pa.string()),
    pa.field("pos", pa.int64()),
    *(pa.field(name, pa.string()) for name in ("id", "ref", "alt")),
)

PartFolder = Callable[[int], Path]
"""Which folder holds a part: the run's own, or the shard's that wrote it."""


def parts(manifest: Manifest, folder: PartFolder) -> Iterator[h5py.File]:
    """Yield the open parts of a run, in order."""
    for number in range(manifest.chunks):
        with opened_part(folder(number), manifest, number) as part:
            yield part


def target_labels(manifest: Manifest) -> list[str]:
    """Return each target's description, or its identifier where it has none."""
    return [t.description or t.identifier for t in manifest.targets]


def write_scores(path: Path, manifest: Manifest, folder: PartFolder) -> None:
    """Write Basenji's HDF5 layout in float32, with percentiles of each statistic per target."""
    rows = manifest.survey.rows
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = "tfepi-variant-scores"
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["scoring"] = json.dumps(asdict(manifest.scoring))
        for name, values in (
            ("target_ids", [t.identifier for t in manifest.targets]),
            ("target_labels", target_labels(manifest)),
        ):
            file[name] = strings(values, max(1, *(len(v.encode()) for v in values)))
        file["percentiles"] = PERCENTILES
        count = max(1, min(rows, CHUNK_BYTES // 4))
        file.create_dataset("pos", (rows,), np.uint32, chunks=(count,), **PACKED)
        names = ("pos", *_TEXT, *manifest.scoring.stats)
        for name, key in _TEXT.items():
            width = manifest.survey.widths[key]
            count = max(1, min(rows, CHUNK_BYTES // width))
            file.create_dataset(name, (rows,), f"S{width}", chunks=(count,), compression="gzip")
        for name in manifest.scoring.stats:
            shape = score_shape(manifest, name)
            chunks = chunk_shape(rows, shape)
            file.create_dataset(name, (rows, *shape), np.float32, chunks=chunks, **PACKED)
        writers = {n: RowWriter(file[n], file[n].chunks[0], check) for n in names}
        for part in parts(manifest, folder):
            for name, writer in writers.items():
                for block in blocks(part[name]):
                    writer.write(block)
        for writer in writers.values():
            writer.close()
        for name in tabled(manifest):
            file[f"{name}_pct"] = _percentiles(file[name])


def blocks(scores: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yield an array of a part in stretches of rows of a few megabytes."""
    step = max(1, _COPIED_BYTES // max(1, scores.dtype.itemsize * int(np.prod(scores.shape[1:]))))
    for low in range(0, len(scores), step):
        yield scores[low : low + step]


def _percentiles(scores: h5py.Dataset) -> np.ndarray:
    """Return float32 [targets, percentiles]; as many columns as memory holds are read at once."""
    (count, targets), stripe = scores.shape, scores.chunks[1]
    held = min(stripe, _HELD_BYTES // (4 * count))

    def stretches(column: int) -> Iterator[np.ndarray]:
        for start in range(0, count, _ROWS_AT_ONCE):
            yield scores[start : start + _ROWS_AT_ONCE, column]

    if not held:
        return np.stack([percentiles(partial(stretches, column)) for column in range(targets)])
    found = []
    for first in range(0, targets, stripe):
        last = min(first + stripe, targets)
        for low in range(first, last, held):
            columns = scores[:, low : min(low + held, last)].T
            found += [column_percentiles(column) for column in columns]
    return np.stack(found)


def is_wide(manifest: Manifest) -> bool:
    """Tell whether the table has one column per statistic and target."""
    return len(manifest.targets) * len(tabled(manifest)) <= WIDE_COLUMNS


def tabled(manifest: Manifest) -> list[str]:
    """Return the statistics with one number per target: all but REF and ALT."""
    return [s for s in manifest.scoring.stats if s not in PREDICTIONS]


def _schema(manifest: Manifest) -> pa.Schema:
    fields = list(ROW_FIELDS)
    identifiers = [t.identifier for t in manifest.targets]
    for name in tabled(manifest):
        if is_wide(manifest):
            fields += [pa.field(f"{name}_{i}", pa.float32()) for i in identifiers]
        else:
            fields.append(pa.field(name, pa.list_(pa.float32(), len(identifiers))))
    return pa.schema(
        fields,
        metadata={
            "format": "tfepi-variant-table",
            "format_version": str(FORMAT_VERSION),
            "targets": json.dumps(identifiers),
        },
    )


def write_table(path: Path, manifest: Manifest, folder: PartFolder) -> None:
    """Write one row per REF and ALT as Parquet.

    Columns are chrom, pos (1-based), id, ref, alt, then STAT_target for each statistic and
    target; above `WIDE_COLUMNS` of those, one fixed-size list per statistic, whose order the
    schema's metadata names under "targets". REF and ALT are in scores.h5 only.
    """
    schema = _schema(manifest)
    batches = (
        _record_batch(part, manifest, schema)
        for part in parts(manifest, folder)
        if len(part["pos"])
    )
    write_batches(path, schema, batches)


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write Parquet whose row groups are of a few megabytes, however small the batches."""
    with (
        atomic_path(path) as temporary,
        full_disk(path),
        pq.ParquetWriter(temporary, schema) as out,
    ):
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(b.nbytes for b in held) >= _GROUP_BYTES:
                out.write_table(pa.Table.from_batches(held).combine_chunks())
                held = []
        if held:
            out.write_table(pa.Table.from_batches(held).combine_chunks())


def batch_of(columns: Mapping[str, object], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns by name as Arrow's, in the order and of the types of a schema."""
    arrays = []
    for field in schema:
        values = columns[field.name]
        if isinstance(values, np.ndarray) and values.dtype != object:
            values = np.ascontiguousarray(values)
        arrays.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def row_arrays(part: h5py.File) -> list[pa.Array]:
    """Return a part's columns chrom, pos (1-based), id, ref and alt."""
    return [
        pa.array(texts(part, "chr")),
        pa.array(part["pos"][()].astype(np.int64)),
        *(pa.array(texts(part, name)) for name in ("snp", "ref_allele", "alt_allele")),
    ]


def _record_batch(part: h5py.File, manifest: Manifest, schema: pa.Schema) -> pa.RecordBatch:
    arrays = row_arrays(part)
    for name in tabled(manifest):
        values = part[name][()]
        if is_wide(manifest):
            arrays += [pa.array(np.ascontiguousarray(column)) for column in values.T]
        else:
            flat = pa.array(values.ravel())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def write_skipped(path: Path, manifest: Manifest, folder: PartFolder) -> None:
    """Write what was not scored and why; only the header where everything was."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        out.write(skipped_header())
        for part in parts(manifest, folder):
            out.write(skipped_lines(part))
