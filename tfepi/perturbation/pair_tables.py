"""Tables of double mutants: effects of two changes, alone and together, and their epistasis."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfepi.perturbation.double_mutants import PositionPairs
from tfepi.perturbation.effects import Rows, labels, mean_and_sd
from tfepi.perturbation.interval_pairs import IntervalPairs
from tfepi.perturbation.tables import long_rows, write_table
from tfepi.variants.alleles import Window
from tfrecords_tools.genome import Genome

POSITIONS, INTERVALS = "pairs.parquet", "interval_pairs.parquet"
POSITIONS_FORMAT, INTERVALS_FORMAT = "tfepi-position-pair-table", "tfepi-interval-pair-table"
_BASES = np.array(list("ACGTN"))


def epistasis(a: np.ndarray, b: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Return S(ab) - S(a) - S(b) of differences from the sequence as it is: float32."""
    return (both.astype(np.float64) - a - b).astype(np.float32)


def write_position_pairs(path: Path, rows: Rows, design: PositionPairs, genome: Genome) -> None:
    """Write a row for each pair of changes and target.

    Args:
        path: of the file.
        rows: of the design.
        design: all pairs of positions.
        genome: the FASTA.
    """

    def tables() -> Iterator[pa.Table]:
        window = Window(design.length, 1, 0, 0)
        for site, region in enumerate(design.regions):
            first, last = design.bounds[site : site + 2].tolist()
            count = design.singles(site)
            single = {name: rows.read(name, first, first + count) for name in rows.stats}
            letters = design.letters(site, design.sites[site].sequence(genome, window))
            position = region.start + np.arange(count) // design.variants
            own, new = _BASES[letters[1]], _BASES[letters[2]]
            for block in rows.blocks(first + count, last):
                a, b = design.doubles(site, np.arange(block.start, block.stop) - first - count)
                places = {
                    "number": np.full(len(block), site, np.int64),
                    "region": [region.label or "."] * len(block),
                    "chrom": [region.chrom] * len(block),
                    "strand": [region.strand] * len(block),
                    **{"a": position[a], "own_a": own[a].tolist(), "new_a": new[a].tolist()},
                    **{"b": position[b], "own_b": own[b].tolist(), "new_b": new[b].tolist()},
                }
                values = {}
                for name, alone in single.items():
                    both = rows.read(name, block.start, block.stop)
                    values |= {f"{name}_a": alone[a], f"{name}_b": alone[b], f"{name}_ab": both}
                    values[f"{name}_epistasis"] = epistasis(alone[a], alone[b], both)
                yield long_rows(places, labels(rows.targets), values)

    write_table(path, POSITIONS_FORMAT, tables())


def write_interval_pairs(path: Path, rows: Rows, design: IntervalPairs) -> None:
    """Write a row for each pair and target, means over the repeats and deviation of epistasis.

    Args:
        path: of the file.
        rows: of the design.
        design: pairs of intervals.
    """

    def tables() -> Iterator[pa.Table]:
        for block in rows.blocks(0, rows.count, design.unit):
            here = design.pairs[block.start // design.unit : block.stop // design.unit]
            places = {"chrom": [p.chrom for p in here]} | {
                f"{end}_{x}": np.array([getattr(p, x)[i] for p in here], np.int64)
                for x in "ab"
                for i, end in enumerate(("start", "end"))
            }
            values = {}
            for name in rows.stats:
                shape = (len(here), design.repeats, 3, len(rows.targets))
                each = rows.read(name, block.start, block.stop).reshape(shape)
                a, b, both = (each[:, :, n] for n in range(3))
                for key, of in (("a", a), ("b", b), ("ab", both)):
                    values[f"{name}_{key}"], _ = mean_and_sd(of, 1)
                found = mean_and_sd(epistasis(a, b, both), 1)
                values[f"{name}_epistasis"], values[f"{name}_epistasis_sd"] = found
            yield long_rows(places, labels(rows.targets), values)

    write_table(path, INTERVALS_FORMAT, tables())
