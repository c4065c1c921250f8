"""What a conditioned model learns from: examples of the cell types of a data folder."""

from dataclasses import replace

import numpy as np

from tfepi.conditioning_params import ConditioningParams
from tfrecords_tools.cell_states import CellStates, marker_states, read_states
from tfrecords_tools.conditioning import (
    CellExamples,
    Conditioning,
    cells_of,
    marks_of,
    pooling_of,
    reference_columns,
    target_columns,
    track_columns,
    training_cells,
)
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.input_tracks import AVERAGE
from tfrecords_tools.manifest import read_manifest


def make_conditioning(
    params: ConditioningParams, data: Data, label: str, hold_out: tuple[str, ...] = ()
) -> Conditioning:
    """Return the conditioning of a model that is trained on a data folder.

    Cell types that are held out make neither the average nor the scale of cell states; of their
    records only the accessibility is ever looked at.

    Args:
        params: the conditioning section.
        data: the folder.
        label: of the training windows.
        hold_out: cell types to leave out; () for those that the section names.

    Raises:
        ConfigError: no cell types, an unknown one, or none left; strand pairs among the targets.
        InputFileError: a cell type without accessibility, or without a vector.
    """
    hold_out = hold_out or params.hold_out
    cells = training_cells(data.targets, hold_out, data.tracks)
    _check_choice(data, hold_out)
    if data.strand_order is not None:
        raise ConfigError(
            "conditioning wants unstranded targets, but targets.txt pairs strands: remove "
            "strand_pair and build again"
        )
    found = Conditioning(
        cells,
        marks_of(t for t in data.targets if t.cell in cells),
        params.outputs,
        params.reference_mode,
        params.track_mask,
        data.track_width,
        data.track_length,
        any(t.cell == AVERAGE for t in data.tracks),
    )
    columns = target_columns(data.targets, cells, found.marks)
    absent = [(cells[c], found.marks[m]) for c, m in np.argwhere(columns < 0).tolist()]
    found = replace(found, absent=tuple(absent))
    if params.reference_mode is not None:
        columns = track_columns(data.tracks, cells, str(data.folder)).tolist()
        columns += reference_columns(data.tracks, found, str(data.folder)).tolist()
        found = replace(found, pooling=pooling_of([data.tracks[c] for c in columns]))
    if params.cell_state is not None:
        found = replace(found, states=_states(params, data, label, cells))
    return found


def _check_choice(data: Data, hold_out: tuple[str, ...]) -> None:
    """Refuse data whose windows were chosen by the targets of a cell type that is held out.

    Raises:
        ConfigError: naming the cell type and the option.
    """
    for folder in data.folders:
        manifest = read_manifest(folder)
        options = {} if manifest is None else manifest.get("options", {})
        chosen = [
            option
            for option, value in (
                ("--peaks", options.get("peaks_only")),
                ("--regions", options.get("regions", "all") != "all"),
                ("--positive_share", options.get("positive_share") is not None),
            )
            if value
        ]
        looked_at = [c for c in hold_out if c not in options.get("hold_out", ())]
        if chosen and looked_at:
            raise ConfigError(
                f"cell type {looked_at[0]!r} is to be held out, but its targets had a part in "
                f"choosing the windows of {folder} ({', '.join(chosen)}): build the data with "
                f"--hold_out {','.join(hold_out)}"
            )


def _states(
    params: ConditioningParams, data: Data, label: str, cells: tuple[str, ...]
) -> CellStates:
    state = params.cell_state
    if state.file is not None:
        return read_states(state.file, cells)
    track_columns(data.tracks, cells, str(data.folder))
    every = cells_of(data.tracks)
    columns = dict(zip(every, track_columns(data.tracks, every, ""), strict=True))
    return marker_states(data, label, columns, cells, state.regions, state.region_bp)


def input_names(conditioning: Conditioning) -> tuple[str, ...]:
    """Return the names of the inputs that a conditioned model takes."""
    names = ["sequence"]
    if conditioning.reference_mode is not None:
        names.append("tracks")
    if conditioning.states is not None:
        names.append("cell_state")
    return tuple(names)


def training_examples(params: ConditioningParams, conditioning: Conditioning) -> CellExamples:
    """Return the examples of an epoch of training.

    A model without any input or output of its own for cell types makes one example of a window.
    """
    cells = conditioning.cells
    if conditioning.outputs == "cells" and not conditioning.by_input:
        cells = cells[:1]
    return CellExamples(
        conditioning,
        cells,
        random=params.cell_sampling == "random",
        scale=params.augment_scale,
        missing=params.missing,
        inputs=input_names(conditioning),
    )


def validation_examples(params: ConditioningParams, conditioning: Conditioning) -> CellExamples:
    """Return every example of the training cell types, unchanged, missing labels left out."""
    found = training_examples(params, conditioning)
    return replace(found, random=False, scale=(1.0, 1.0), missing="mask")


def trained_targets(data: Data, conditioning: Conditioning) -> tuple[int, ...]:
    """Return the positions of the targets that a conditioned model learns from."""
    columns = target_columns(data.targets, conditioning.cells, conditioning.marks)
    return tuple(c for c in columns.ravel().tolist() if c >= 0)
