"""calibrated.parquet: a row per variant, its summaries over targets and their quantiles."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa

from tfepi.variants.background import SUMMARIES, Background
from tfepi.variants.empirical import adjusted, at_least, p_values, ranked
from tfepi.variants.output import ROW_FIELDS, batch_of, write_batches
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.subsets import Subset, subset_columns, subset_fields
from tfrecords_tools.progress import progress

TABLE = "calibrated.parquet"
FORMAT = "tfepi-calibration-table"
FORMAT_VERSION = 1
_BLOCK_BYTES = 32 << 20
_CACHE_BYTES, _CACHE_SLOTS = 32 << 20, 10_007


def table_fields(subset: str, null: bool) -> list[pa.Field]:
    """Return the columns of a subset."""
    fields = subset_fields(subset)
    for name in SUMMARIES:
        ends = ("quantile", "p", "q") if null else ("quantile",)
        fields += [pa.field(f"{subset}_{name}_{end}", pa.float32()) for end in ends]
    return [
        *fields,
        pa.field(f"{subset}_top_quantile", pa.float32()),
        pa.field(f"{subset}_top_track", pa.string()),
        pa.field(f"{subset}_over", pa.int32()),
    ]


def write_table(
    path: Path,
    calibrated: Path,
    scores: ScoreFile,
    background: Background,
    subsets: Sequence[Subset],
    null: bool,
    over: float,
    quiet: bool = True,
) -> None:
    """Write the table.

    Args:
        path: of the table.
        calibrated: calibrated.h5.
        scores: that were calibrated.
        background: with the summaries of its variants.
        subsets: all tracks, then others.
        null: with p and adjusted values.
        over: count the targets whose quantile is at least this.
        quiet: no progress bar.
    """
    ordered = {f"{s.name}_{n}": background.summary(s.name, n) for s in subsets for n in SUMMARIES}
    facts = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "stat": scores.stat}
    facts |= {"over": str(over), "background_variants": str(background.variants)}
    fields = [field for s in subsets for field in table_fields(s.name, null)]
    schema = pa.schema([*ROW_FIELDS, *fields], metadata=facts)
    passes = 2 if null else 1
    total = passes * scores.rows
    with progress(total=total, unit="variants", label="table", quiet=quiet) as bar:

        def summaries() -> Iterator[tuple[int, dict[str, np.ndarray]]]:
            for low, block in scores.scores(max(1, _BLOCK_BYTES // (8 * len(scores.targets)))):
                columns: dict[str, np.ndarray] = {}
                for subset in subsets:
                    columns |= subset_columns(block, subset, scores.names)
                yield low, columns
                bar.update(len(block))

        levels = _levels(summaries(), ordered) if null else {}

        def batches() -> Iterator[pa.RecordBatch]:
            with h5py.File(
                calibrated, "r", rdcc_nbytes=_CACHE_BYTES, rdcc_nslots=_CACHE_SLOTS
            ) as file:
                for low, columns in summaries():
                    last = low + len(columns[f"{subsets[0].name}_mean"])
                    for key, background_values in ordered.items():
                        columns |= _placed(key, columns[key], background_values, levels.get(key))
                    each = file["quantile"][low:last]
                    for subset in subsets:
                        columns |= _tops(each, subset, scores.names, over)
                    yield batch_of(columns | scores.variants(low, last), schema)

        write_batches(path, schema, batches())


def _levels(
    blocks: Iterator[tuple[int, dict[str, np.ndarray]]], ordered: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the adjusted value of every possible p of each summary."""
    occurring = {key: np.zeros(len(values) + 1, np.int64) for key, values in ordered.items()}
    for _, columns in blocks:
        for key, found in occurring.items():
            count = at_least(ordered[key], columns[key])
            found += np.bincount(count[count >= 0], minlength=len(found))
    return {key: adjusted(found) for key, found in occurring.items()}


def _placed(
    key: str, values: np.ndarray, ordered: np.ndarray, levels: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return the columns that place a summary among the background's."""
    placed, count = ranked(ordered, values)
    found = {f"{key}_quantile": placed.astype(np.float32)}
    if levels is not None:
        found[f"{key}_p"] = p_values(count, len(ordered)).astype(np.float32)
        found[f"{key}_q"] = np.where(count < 0, np.nan, levels[count]).astype(np.float32)
    return found


def _tops(
    each: np.ndarray, subset: Subset, names: Sequence[str], over: float
) -> dict[str, np.ndarray]:
    """Return the largest quantile of a subset's targets, its target, and how many reach `over`."""
    values = each[:, list(subset.tracks)]
    size = np.where(np.isnan(values), -1.0, values)
    place = size.argmax(axis=1)
    largest = size[np.arange(len(size)), place]
    track = np.array([names[i] for i in subset.tracks], object)[place]
    track[largest < 0] = None
    return {
        f"{subset.name}_top_quantile": np.where(largest < 0, np.nan, largest).astype(np.float32),
        f"{subset.name}_top_track": track,
        f"{subset.name}_over": (size >= over).sum(axis=1).astype(np.int32),
    }
