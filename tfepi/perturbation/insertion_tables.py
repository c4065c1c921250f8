"""Tables of insertions: each motif in each background, and means with intervals.

Intervals are percentile intervals of a bootstrap over regions, whose backgrounds stay together; of
fewer than five regions over backgrounds, and of fewer than five of these there are none.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, interval, multiplicities
from tfepi.perturbation.effects import Rows, labels
from tfepi.perturbation.insertions import Insertions
from tfepi.perturbation.tables import long_rows, write_table
from tfrecords_tools.files import atomic_path

EACH, MEANS = "insertions.parquet", "motifs.tsv"
EACH_FORMAT = "tfepi-insertion-table"
RESAMPLES = 1000
_HEADER = ("motif", "offset", "strand", "target", "statistic", "mean", "low", "high", "units")
_HELD_BYTES = 128 << 20


def write_insertions(path: Path, rows: Rows, design: Insertions) -> None:
    """Write a row for each background, motif, offset, strand and target.

    Args:
        path: of the file.
        rows: of the design.
        design: of the insertions.
    """

    def tables() -> Iterator[pa.Table]:
        each = int(np.prod(design.shape))
        for block in rows.blocks(0, rows.count):
            site, inner = np.divmod(np.arange(block.start, block.stop), each)
            m, o, s = np.unravel_index(inner, design.shape)
            here = [design.sites[n] for n in site]
            places = {
                "number": np.array([b.region for b in here], np.int64),
                "region": [b.site.label or "." for b in here],
                "shuffle": pa.array([b.shuffle for b in here], pa.int64()),
                "motif": [design.motifs[n].name for n in m],
                "offset": np.array(design.offsets, np.int64)[o],
                "strand": [design.strands[n] for n in s],
            }
            values = {name: rows.read(name, block.start, block.stop) for name in rows.stats}
            yield long_rows(places, labels(rows.targets), values)

    write_table(path, EACH_FORMAT, tables())


def write_means(path: Path, rows: Rows, design: Insertions, seed: int) -> None:
    """Write motifs.tsv: means over backgrounds, by offset and strand, and over all of them.

    Args:
        path: of the file.
        rows: of the design.
        design: of the insertions.
        seed: of the resampling.
    """
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as handle:
        handle.write("\t".join(_HEADER) + "\n")
        for line in _lines(rows, design, seed):
            handle.write("\t".join(line) + "\n")


def _lines(rows: Rows, design: Insertions, seed: int) -> Iterator[list[str]]:
    region = np.array([b.region for b in design.sites])
    count = len(np.unique(region))
    unit = region if count >= FEWEST_BLOCKS else np.arange(len(region))
    units, unit = np.unique(unit, return_inverse=True)
    names = labels(rows.targets)
    drawn = multiplicities(len(units), RESAMPLES, seed) if len(units) >= FEWEST_BLOCKS else None
    size = np.bincount(unit).astype(np.float64)
    for stat in rows.stats:
        for first, values in _by_targets(rows, stat, design):
            for motif, effects in zip(design.motifs, np.moveaxis(values, 1, 0), strict=True):
                flat = effects.reshape(len(effects), -1, effects.shape[-1])
                both = np.concatenate([flat.mean(axis=1, keepdims=True), flat], axis=1)
                total = np.zeros((len(units), *both.shape[1:]))
                np.add.at(total, unit, both)
                mean = total.sum(axis=0) / len(unit)
                ends = _ends(total, size, drawn)
                at = [
                    ("all", "all"),
                    *((str(o), s) for o in design.offsets for s in design.strands),
                ]
                for row, place in enumerate(at):
                    for column in range(mean.shape[1]):
                        numbers = (mean[row, column], *ends[:, row, column])
                        shown = ["" if np.isnan(n) else f"{n:.6g}" for n in numbers]
                        target = names[first + column]
                        yield [motif.name, *place, target, stat, *shown, str(len(units))]


def _by_targets(rows: Rows, stat: str, design: Insertions) -> Iterator[tuple[int, np.ndarray]]:
    """Yield first target and values [backgrounds, motifs, offsets, strands, targets]."""
    size = max(1, _HELD_BYTES // (8 * rows.count))
    for low in range(0, len(rows.targets), size):
        values = rows.read(stat, 0, rows.count, slice(low, low + size)).astype(np.float64)
        yield low, values.reshape(len(design.sites), *design.shape, -1)


def _ends(total: np.ndarray, size: np.ndarray, drawn: np.ndarray | None) -> np.ndarray:
    """Return ends of intervals of means [2, places, targets]; NaN where there are none."""
    found = np.full((2, *total.shape[1:]), np.nan)
    if drawn is None:
        return found
    weight = (drawn @ size)[:, None]
    for place in range(total.shape[1]):
        for target in range(total.shape[2]):
            ends = interval((drawn @ total[:, place, target])[:, None] / weight)
            if ends is not None:
                found[:, place, target] = ends
    return found
