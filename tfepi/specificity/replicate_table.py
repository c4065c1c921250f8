"""The table of replicate tracks: which donors' tracks there are of each cell type."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfepi.specificity.track_signal import TrackSignal
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import Interval
from tfrecords_tools.remote import url_in_table
from tfrecords_tools.targets import Target
from tfrecords_tools.text_table import tab_separated

COLUMNS = ("cell_type", "donor", "file")


def read_replicates(path: str | Path, cell_types: Sequence[Target]) -> dict[str, list[Target]]:
    """Read a tab-separated table with columns cell_type, donor and file.

    Args:
        path: of the table; relative paths in it are relative to its folder.
        cell_types: of the model; a donor's track is summarised, clipped and scaled as its cell
            type's target is.

    Returns:
        Cell type → a target for each donor's track.

    Raises:
        InputFileError: no text, another header, an empty cell, or a track that is not there.
        ConfigError: a cell type that the model has not, a donor twice, or only one donor.
    """
    path = existing(path, "table of replicates")
    where = f"table of replicates {path}"
    rows = tab_separated(path, where)
    header = [c.strip() for c in rows[0][1]]
    if sorted(header) != sorted(COLUMNS):
        raise InputFileError(f"{where} has columns {', '.join(header)}: want {', '.join(COLUMNS)}")
    known = {t.identifier: t for t in cell_types}
    found: dict[str, dict[str, Target]] = {}
    for number, row in rows[1:]:
        cells = [c.strip() for c in row]
        if len(cells) != len(COLUMNS) or not all(cells):
            raise InputFileError(f"{where} line {number} has an empty cell: fill in {COLUMNS}")
        cell, donor, file = (cells[header.index(c)] for c in COLUMNS)
        if cell not in known:
            raise unknown("cell type", cell, known, f"in {where} line {number}")
        if donor in found.setdefault(cell, {}):
            raise ConfigError(f"{where} has donor {donor!r} of {cell!r} twice: keep one")
        place = Path(file) if Path(file).exists() else path.parent / file
        place = existing(url_in_table(file, path) or place, f"{where} line {number}: track")
        found[cell][donor] = replace(known[cell], identifier=donor, file=str(place))
    for cell, donors in found.items():
        if len(donors) < 2:
            raise ConfigError(
                f"{where} has one donor of {cell!r}, and a correlation between donors needs two: "
                "add another, or leave the cell type out"
            )
    return {cell: list(donors.values()) for cell, donors in found.items()}


def replicate_signals(
    replicates: dict[str, list[Target]], bins: Sequence[Interval], quiet: bool = True
) -> dict[str, np.ndarray]:
    """Return each donor's signal in bins: cell type → float32 [bins, donors].

    Raises:
        InputFileError: a track that cannot be read, lacks a chromosome or is shorter.
    """
    return {
        cell: TrackSignal(targets, quiet=quiet).at(bins) for cell, targets in replicates.items()
    }
