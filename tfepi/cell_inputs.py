"""What a conditioned model is told of a cell type, read from accessibility tracks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfepi.spec import ModelSpec
from tfrecords_tools.conditioning import (
    Conditioning,
    check_pooling,
    reference_columns,
    track_channels,
    track_columns,
)
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.input_tracks import read_tracks, track_windows
from tfrecords_tools.targets import Target, resolve
from tfrecords_tools.tracks import Track, check_chroms, open_track

Place = tuple[str, int, int]
_HELD = 256  # windows whose tracks are kept: both alleles of a variant share them


class CellInputs:
    """The inputs besides the sequence of windows of a genome, in one cell type.

    Args:
        spec: of a conditioned model.
        table: of the input tracks, or None where the model takes no tracks and knows the cell
            type's vector.
        cell: the cell type; any that the table has, trained on or not.
        chroms: chromosome → length, bp, of the genome.
        needed: those of them that every track must have; None: of those that it has, the lengths
            are compared, and a window on another is an error.

    Raises:
        InputFileError: a track that is missing or of another assembly, or pooled in another way
            than those the model was trained on.
        ConfigError: the model is not conditioned, or the table is not given.
    """

    def __init__(
        self,
        spec: ModelSpec,
        table: str | Path | None,
        cell: str,
        chroms: dict[str, int],
        needed: dict[str, int] | None = None,
    ):
        conditioning = spec.conditioning
        self._conditioning, self._chroms = conditioning, chroms
        self._needed = needed
        self._open: dict[int, Track] = {}
        self._held: dict[Place, np.ndarray] = {}
        self._state: np.ndarray | None = None
        self.files: dict[str, Path] = {}
        states = conditioning.states
        known = states is not None and cell in states.vectors
        if table is None:
            if conditioning.reference_mode is not None or (states is not None and not known):
                raise ConfigError(
                    f"the model wants the accessibility of cell type {cell!r}: name the table of "
                    "input tracks with --tracks"
                )
            self._tracks: tuple[Target, ...] = ()
        else:
            self._tracks = resolve(read_tracks(table), table)
            self.files["tracks"] = Path(table)
        where = f"the table {table}"
        if conditioning.reference_mode is not None:
            self._own = int(track_columns(self._tracks, (cell,), where)[0])
            self._reference = reference_columns(self._tracks, conditioning, where)
            for column in dict.fromkeys([self._own, *self._reference.tolist()]):
                self._add(column)
        if states is not None:
            computed = states.regions and table is not None
            self._state = self._vector(cell, where) if computed else states.array((cell,))[0]

    def _add(self, column: int) -> Track:
        if column not in self._open:
            row = self._tracks[column]
            check_pooling([row], self._conditioning.pooling, "the table")
            track = open_track(row.file)
            common = {c: n for c, n in self._chroms.items() if c in track.chroms}
            check_chroms(track, self._needed or common or self._chroms)
            self._open[column] = track
            self.files[f"track {row.cell}"] = Path(row.file)
        return self._open[column]

    def _vector(self, cell: str, where: str) -> np.ndarray:
        """Return the vector of a cell type from its accessibility at the marker regions."""
        states = self._conditioning.states
        column = int(track_columns(self._tracks, (cell,), where)[0])
        track, row = self._add(column), self._tracks[column]
        places = [(r.chrom, r.start, r.end) for r in states.regions]
        lengths = {c: self._chroms.get(c, track.chroms.get(c)) for c, _, _ in places}
        check_chroms(track, lengths)
        width = self._conditioning.track_width
        with np.errstate(invalid="ignore"):
            bins = track_windows(track, row, places, width, lengths).astype(np.float32)
            seen = ~np.isnan(bins)
            means = np.where(seen, bins, 0).sum(axis=1) / seen.sum(axis=1)
        return states.vector(means)

    def __call__(self, places: Sequence[Place]) -> dict[str, np.ndarray]:
        """Return inputs by name of the windows at these places.

        Args:
            places: (chromosome, start, end) of each sequence, 0-based, half-open; what reaches
                beyond the chromosome was not measured.
        """
        found: dict[str, np.ndarray] = {}
        if self._conditioning.reference_mode is not None:
            found["tracks"] = np.stack([self._at(place) for place in places])
        if self._state is not None:
            found["cell_state"] = np.repeat(self._state[None], len(places), axis=0)
        return found

    def _at(self, place: Place) -> np.ndarray:
        """Return float32 [track_length, channels] of a window."""
        if place in self._held:
            return self._held[place]
        conditioning = self._conditioning
        chrom, start, end = place
        width = conditioning.track_width
        context = (conditioning.track_length * width - (end - start)) // 2
        span = (chrom, start - context, end + context)
        columns = sorted(self._open)
        values = np.stack(
            [
                track_windows(self._open[c], self._tracks[c], [span], width, self._chroms)[0]
                for c in columns
            ],
            axis=-1,
        )
        own = columns.index(self._own)
        reference = np.searchsorted(columns, self._reference)
        made = track_channels(values, own, reference, conditioning)
        if len(self._held) >= _HELD:
            self._held.clear()
        self._held[place] = made
        return made

    def close(self) -> None:
        """Close the tracks."""
        for track in self._open.values():
            track.close()


class RecordCellInputs:
    """The inputs besides the sequence of records of a data folder, in one cell type.

    Args:
        conditioning: of the model.
        data: the folder.
        cell: any cell type that it has the accessibility of.

    Raises:
        InputFileError: a cell type without accessibility.
        ConfigError: a cell type without a vector, or tracks of other lengths than the model's.
    """

    def __init__(self, conditioning: Conditioning, data: Data, cell: str):
        self._conditioning = conditioning
        where = str(data.folder)
        if conditioning.reference_mode is not None:
            for name in ("track_width", "track_length"):
                ours, theirs = getattr(conditioning, name), getattr(data, name)
                if ours != theirs:
                    raise ConfigError(
                        f"{name} is {ours} in the model and {theirs} in {where}: use the data it "
                        "was trained on, or data built alike"
                    )
            self._own = int(track_columns(data.tracks, (cell,), where)[0])
            self._reference = reference_columns(data.tracks, conditioning, where)
            rows = [data.tracks[c] for c in (self._own, *self._reference)]
            check_pooling(rows, conditioning.pooling, where)
        states = conditioning.states
        self._state = None if states is None else states.array((cell,))[0]

    def __call__(self, tracks: np.ndarray | None, count: int) -> dict[str, np.ndarray]:
        """Return inputs by name.

        Args:
            tracks: float16 [records, track_length, tracks] as the records have them, or None.
            count: of records.
        """
        found: dict[str, np.ndarray] = {}
        if self._conditioning.reference_mode is not None:
            found["tracks"] = track_channels(tracks, self._own, self._reference, self._conditioning)
        if self._state is not None:
            found["cell_state"] = np.repeat(self._state[None], count, axis=0)
        return found
