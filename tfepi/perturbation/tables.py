"""Long tables as Parquet: a row for each change and target, written in groups of rows."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.variants.disk import full_disk
from tfrecords_tools.files import atomic_path

FORMAT_VERSION = 1


def long_rows(
    places: Mapping[str, Sequence], targets: Sequence[str], values: Mapping[str, np.ndarray]
) -> pa.Table:
    """Return a row for each place and target, place by place.

    Args:
        places: columns of the places, arrays of numbers or lists of texts, [places] each.
        targets: names.
        values: columns of float32 [places, targets].
    """
    count = len(next(iter(places.values())))
    place = pa.array(np.repeat(np.arange(count), len(targets)))
    target = pa.array(np.tile(np.arange(len(targets)), count))
    columns = {name: pa.array(column).take(place) for name, column in places.items()}
    columns["target"] = pa.array(list(targets)).take(target)
    columns |= {n: pa.array(np.ascontiguousarray(v).reshape(-1)) for n, v in values.items()}
    return pa.table(columns)


def write_table(path: Path, kind: str, tables: Iterable[pa.Table]) -> None:
    """Write a Parquet file, whole or not at all.

    Args:
        path: of the file.
        kind: its format, kept in its metadata.
        tables: of the same columns; at least one.
    """
    tables = iter(tables)
    first = next(tables)
    facts = {"format": kind, "format_version": str(FORMAT_VERSION)}
    schema = first.schema.with_metadata(facts)
    with (
        atomic_path(path) as temporary,
        full_disk(path),
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for table in chain([first], tables):
            writer.write_table(table.replace_schema_metadata(facts))
