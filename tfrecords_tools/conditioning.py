"""Cell types as conditions: which inputs and targets belong to an example of a cell type.

Targets and input tracks belong to cell types by the column `cell` of their tables. A model that
is conditioned predicts either one value per mark, for the cell type that its inputs choose, or one
per mark and training cell type. Nothing here reads a target of a cell type that is held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfrecords_tools.cell_states import CellStates
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.input_tracks import AVERAGE
from tfrecords_tools.targets import Target

OUTPUTS = ("marks", "cells")
REFERENCE_MODES = ("delta", "average")
MISSING_LABELS = ("mask", "zero")
POOLING = ("sum_stat", "clip", "clip_soft", "nan")  # and scale, which is a track's own


@dataclass(frozen=True)
class Conditioning:
    """What a conditioned model is asked and given; it travels with the model.

    Attributes:
        cells: cell types trained on, which also make the average.
        marks: what is predicted of a cell type, in order.
        outputs: "marks", one output per mark; or "cells", one per cell type and mark, all marks
            of the first cell type first.
        reference_mode: second channel of the input tracks: "delta", the cell's less the average,
            or "average"; None: no input tracks.
        track_mask: a third channel, 1 where the cell's track was measured.
        track_width: bp per bin of the input tracks.
        track_length: their bins, centred on the sequence.
        given_average: whether the average is a track of its own.
        pooling: how the input tracks' bases became bins: their table's `POOLING` columns.
        states: vectors of cell types, or None.
        absent: pairs of a cell type and a mark that have no track.

    Raises:
        ConfigError: an unknown name.
    """

    cells: tuple[str, ...]
    marks: tuple[str, ...]
    outputs: str = "marks"
    reference_mode: str | None = None
    track_mask: bool = False
    track_width: int = 0
    track_length: int = 0
    given_average: bool = False
    pooling: dict | None = None
    states: CellStates | None = None
    absent: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        if self.outputs not in OUTPUTS:
            raise unknown("outputs", self.outputs, OUTPUTS, "in conditioning of params.json")
        if self.reference_mode not in (None, *REFERENCE_MODES):
            raise unknown(
                "reference_mode",
                self.reference_mode,
                REFERENCE_MODES,
                "in conditioning of params.json",
            )

    @property
    def channels(self) -> int:
        """Channels of the input tracks, 0 without."""
        return 0 if self.reference_mode is None else 2 + self.track_mask

    @property
    def by_input(self) -> bool:
        """Whether inputs say which cell type is meant."""
        return self.reference_mode is not None or self.states is not None

    def to_json(self) -> dict:
        """Return the JSON value."""
        value = {k: v for k, v in self.__dict__.items() if v is not None and k != "states"}
        value |= {"cells": list(self.cells), "marks": list(self.marks)}
        value["absent"] = [list(pair) for pair in self.absent]
        if self.states is not None:
            value["states"] = self.states.to_json()
        return value

    @classmethod
    def from_json(cls, value: dict) -> "Conditioning":
        """Return what `to_json` was of."""
        states = value.get("states")
        lists = {k: tuple(value[k]) for k in ("cells", "marks")}
        lists["absent"] = tuple(map(tuple, value.get("absent", ())))
        return cls(**(value | lists | {"states": states and CellStates.from_json(states)}))


@dataclass(frozen=True)
class CellExamples:
    """How the records of a data folder become examples of cell types.

    Attributes:
        conditioning: of the model.
        cells: whose examples are made.
        random: draw one of the cells for each window and epoch; else every window is an example
            of every cell.
        scale: bounds of a uniform random factor of the cell's own track (training only); the
            reference is made before.
        missing: of labels: "mask" leaves them out of the loss, "zero" takes them as 0.
        inputs: names of the model's inputs.
    """

    conditioning: Conditioning
    cells: tuple[str, ...]
    random: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    missing: str = "mask"
    inputs: tuple[str, ...] = ("sequence",)

    @property
    def per_window(self) -> int:
        """Examples that each window makes."""
        return 1 if self.random else len(self.cells)


def marks_of(targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the marks of a table in the order of their first row."""
    return tuple(dict.fromkeys(t.mark for t in targets if t.mark is not None))


def cells_of(targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the cell types of a table in the order of their first row, without the average."""
    names = dict.fromkeys(t.cell for t in targets if t.cell is not None)
    return tuple(name for name in names if name != AVERAGE)


def training_cells(
    targets: Sequence[Target], hold_out: Sequence[str], tracks: Sequence[Target] = ()
) -> tuple[str, ...]:
    """Return the cell types of a targets table that are not held out.

    Args:
        targets: of the data.
        hold_out: cell types to leave out.
        tracks: input tracks, whose cell types may be held out too.

    Raises:
        ConfigError: no target belongs to a cell type, one that is held out is unknown, or none
            is left.
    """
    cells = cells_of(targets)
    if not cells:
        raise ConfigError(
            "conditioning wants targets of cell types, but no row of targets.txt has a cell: add "
            "the columns cell and mark and build again"
        )
    known = tuple(dict.fromkeys((*cells, *cells_of(tracks))))
    for name in hold_out:
        if name not in known:
            raise unknown("cell type", name, known, "to hold out")
    left = tuple(c for c in cells if c not in hold_out)
    if not left:
        raise ConfigError(f"hold_out {', '.join(hold_out)} leaves no cell type to train on")
    return left


def target_columns(
    targets: Sequence[Target], cells: Sequence[str], marks: Sequence[str]
) -> np.ndarray:
    """Return the position of each cell type's marks in a table: int [cells, marks], -1 for none."""
    position = {(t.cell, t.mark): p for p, t in enumerate(targets)}
    return np.array([[position.get((c, m), -1) for m in marks] for c in cells], np.int32)


def track_columns(tracks: Sequence[Target], cells: Sequence[str], where: str) -> np.ndarray:
    """Return the position of each cell type's accessibility among the input tracks: int [cells].

    Raises:
        ConfigError: the data has no input tracks.
        InputFileError: a cell type without.
    """
    position = {t.cell: p for p, t in enumerate(tracks)}
    if not position:
        raise ConfigError(
            f"conditioning wants input tracks, but {where} has none: build it with --tracks"
        )
    for cell in cells:
        if cell not in position:
            raise InputFileError(
                f"cell type {cell!r} has no accessibility track in {where}, which has "
                f"{', '.join(map(str, position))}: add a row for it to the table of tracks"
            )
    return np.array([position[c] for c in cells], np.int32)


def reference_columns(
    tracks: Sequence[Target], conditioning: Conditioning, where: str
) -> np.ndarray:
    """Return the positions of the tracks whose mean is the average: int [n].

    That is the track named `average` where there is one, else those of the training cell types.
    """
    names = (AVERAGE,) if conditioning.given_average else conditioning.cells
    return track_columns(tracks, names, where)


def pooling_of(tracks: Sequence[Target]) -> dict:
    """Return how the bases of input tracks become bins, by column of their table.

    Raises:
        ConfigError: they differ.
    """
    for name in POOLING:
        for track in tracks[1:]:
            if getattr(track, name) != getattr(tracks[0], name):
                raise ConfigError(
                    f"input tracks of {tracks[0].cell!r} and {track.cell!r} have {name} "
                    f"{getattr(tracks[0], name)!r} and {getattr(track, name)!r}, but a model takes "
                    "both for the same input: build the data with one"
                )
    return {name: getattr(tracks[0], name) for name in POOLING}


def check_pooling(tracks: Sequence[Target], wanted: dict | None, where: str) -> None:
    """Check that input tracks are pooled as those that a model was trained on.

    Raises:
        InputFileError: naming the cell type and the column.
    """
    for track in tracks if wanted is not None else ():
        for name, value in wanted.items():
            if getattr(track, name) != value:
                raise InputFileError(
                    f"the track of cell type {track.cell!r} in {where} has {name} "
                    f"{getattr(track, name)!r}, the model was trained on tracks with {value!r}: "
                    "give the same in the table"
                )


def track_channels(
    values: np.ndarray, cell: int, reference: np.ndarray, conditioning: Conditioning
) -> np.ndarray:
    """Return the input tracks of a cell type.

    Args:
        values: float [..., tracks]; NaN is not measured.
        cell: position of the cell type's track.
        reference: `reference_columns`.
        conditioning: mode and mask.

    Returns:
        float32 [..., channels]: the cell's track, 0 where it was not measured; the average over
        the reference tracks measured there (0 if none), or the difference to it (0 where either
        is missing); the mask.
    """
    own = values[..., cell].astype(np.float32)
    others = values[..., reference].astype(np.float32)
    seen, count = ~np.isnan(own), (~np.isnan(others)).sum(axis=-1)
    average = np.nansum(others, axis=-1) / np.maximum(count, 1)
    filled = np.where(seen, own, 0)
    if conditioning.reference_mode == "delta":
        second = np.where(seen & (count > 0), filled - average, 0)
    else:
        second = average
    parts = [filled, second, seen][: conditioning.channels]
    return np.stack(parts, axis=-1).astype(np.float32)


def head_targets(targets: Sequence[Target], conditioning: Conditioning) -> tuple[Target, ...]:
    """Return what the outputs of a conditioned model are.

    With outputs "cells" these are the data's own targets; a pair of cell type and mark that the
    data lack is a target that was never observed. With "marks" they are the marks of whichever
    cell type is chosen.

    Raises:
        ConfigError: rows of one mark that are made differently.
    """
    if conditioning.outputs == "marks":
        trained = [t for t in targets if t.cell in conditioning.cells]
        found = []
        for number, mark in enumerate(conditioning.marks):
            rows = [t for t in trained if t.mark == mark]
            made = Target(number, mark, mark=mark, description="in the cell type chosen")
            for name in ("sum_stat", "scale", "clip", "clip_soft", "threshold"):
                values = {getattr(t, name) for t in rows}
                if len(values) > 1 and name != "scale":
                    raise ConfigError(
                        f"targets of mark {mark!r} have different {name} "
                        f"({' and '.join(map(str, values))}), but one output stands for all of "
                        "them: build the data with one"
                    )
                made = replace(made, **{name: values.pop()}) if len(values) == 1 else made
            found.append(made)
        return tuple(found)
    columns = target_columns(targets, conditioning.cells, conditioning.marks)
    found = []
    for cell, row in zip(conditioning.cells, columns, strict=True):
        for mark, column in zip(conditioning.marks, row.tolist(), strict=True):
            like = Target(0, f"{cell}_{mark}", cell=cell, mark=mark)
            found.append(replace(targets[column] if column >= 0 else like, index=len(found)))
    return tuple(found)
