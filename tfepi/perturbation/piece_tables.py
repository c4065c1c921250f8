"""Tables of deletions and scrambles: what becomes of predictions without each piece."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfepi.perturbation.design import Piece
from tfepi.perturbation.effects import Rows, labels, mean_and_sd
from tfepi.perturbation.tables import long_rows, write_table
from tfepi.variants.mutagenesis_sites import Site

DELETIONS, SCRAMBLES = "deletions.parquet", "scrambles.parquet"
DELETIONS_FORMAT, SCRAMBLES_FORMAT = "tfepi-deletion-table", "tfepi-kmer-scramble-table"


def write_deletions(path: Path, rows: Rows, sites: Sequence[Site], pieces: Sequence[Piece]) -> None:
    """Write a row for each piece and target with its statistics.

    Args:
        path: of the file.
        rows: one of each piece.
        sites: windows.
        pieces: what was deleted.
    """

    def tables() -> Iterator[pa.Table]:
        for block in rows.blocks(0, rows.count):
            span = (block.start, block.stop)
            values = {name: rows.read(name, *span) for name in rows.stats}
            here = pieces[block.start : block.stop]
            yield long_rows(_places(here, sites), labels(rows.targets), values)

    write_table(path, DELETIONS_FORMAT, tables())


def write_scrambles(
    path: Path, rows: Rows, sites: Sequence[Site], pieces: Sequence[Piece], repeats: int
) -> None:
    """Write a row for each piece and target with mean and standard deviation over scrambles.

    Args:
        path: of the file.
        rows: of each piece, `repeats`.
        sites: windows.
        pieces: what was scrambled.
        repeats: scrambles of each.
    """

    def tables() -> Iterator[pa.Table]:
        for block in rows.blocks(0, rows.count, repeats):
            span = (block.start, block.stop)
            here = pieces[block.start // repeats : block.stop // repeats]
            differ = rows.read("differ", *span).reshape(-1, repeats)
            places = _places(here, sites) | {"differ": differ.mean(axis=1).astype(np.float32)}
            values = {}
            for name in rows.stats:
                each = rows.read(name, *span).reshape(-1, repeats, len(rows.targets))
                values[name], values[f"{name}_sd"] = mean_and_sd(each, 1)
            yield long_rows(places, labels(rows.targets), values)

    write_table(path, SCRAMBLES_FORMAT, tables())


def _places(pieces: Sequence[Piece], sites: Sequence[Site]) -> dict[str, Sequence]:
    return {
        "number": np.array([p.region for p in pieces], np.int64),
        "region": [sites[p.site].label or "." for p in pieces],
        "chrom": [sites[p.site].chrom for p in pieces],
        "start": np.array([p.start for p in pieces], np.int64),
        "end": np.array([p.end for p in pieces], np.int64),
        "strand": [sites[p.site].strand for p in pieces],
    }
