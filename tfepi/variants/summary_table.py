"""summary.parquet: each variant's scores over all targets in a few numbers, straight from parts.

The numbers are those of `subsets`. Where there are millions of variants and thousands of targets
this is a table to read, and may be the only file that is kept.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfepi.variants.manifest import Manifest
from tfepi.variants.output import (
    ROW_FIELDS,
    PartFolder,
    batch_of,
    blocks,
    parts,
    row_arrays,
    tabled,
    write_batches,
)
from tfepi.variants.scores import NO_EFFECT
from tfepi.variants.subsets import Subset, subset_columns, subset_fields

NAME = "summary.parquet"
FORMAT = "tfepi-variant-summary"
FORMAT_VERSION = 1


def write_summary(path: Path, manifest: Manifest, folder: PartFolder) -> None:
    """Write one row per REF and ALT, with columns STAT_… of each statistic but REF and ALT.

    Args:
        path: of the file.
        manifest: of the run.
        folder: which folder holds a part.
    """
    stats = tabled(manifest)
    fields = [field for stat in stats for field in subset_fields(stat)]
    facts = {"format": FORMAT, "format_version": str(FORMAT_VERSION)}
    schema = pa.schema([*ROW_FIELDS, *fields], metadata=facts)
    names = [t.identifier for t in manifest.targets]

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts(manifest, folder):
            if not len(part["pos"]):
                continue
            columns = dict(zip((f.name for f in ROW_FIELDS), row_arrays(part), strict=True))
            for stat in stats:
                subset = Subset(stat, "", tuple(range(len(names))))
                each = [
                    subset_columns(_effects(block, stat), subset, names)
                    for block in blocks(part[stat])
                ]
                columns |= {k: np.concatenate([e[k] for e in each]) for k in each[0]}
            yield batch_of(columns, schema)

    write_batches(path, schema, batches())


def _effects(values: np.ndarray, stat: str) -> np.ndarray:
    """Return scores less what is no effect, float64; what is no finite number is NaN."""
    values = values.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    return values - NO_EFFECT.get(stat, 0.0)
