"""The cell types that an experiment trains on and tests, and what the data need of them."""

import os

import numpy as np

from tfepi.conditioning.accuracy import POSITION_BYTES
from tfepi.conditioning.plan import Plan
from tfrecords_tools.conditioning import cells_of, track_columns, training_cells
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.output import shown_size


def tested_cells(plan: Plan, data: Data) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the cell types trained on, and those held out that have labels to score against."""
    seen = training_cells(data.targets, plan.hold_out, data.tracks)
    return seen, tuple(c for c in plan.hold_out if c in cells_of(data.targets))


def check_cells(plan: Plan, data: Data) -> None:
    """Check that the data have what the models of a plan are told of every cell type, and labels.

    Raises:
        ConfigError: an unknown cell type, none left to train on, no input tracks, or targets that
            are no labels or leave nothing to score in the test records; more of these than
            fit into memory.
        InputFileError: a cell type that is trained on or tested without accessibility.
    """
    cells = [c for group in tested_cells(plan, data) for c in group]
    for cell in cells:
        if "/" in cell or cell.startswith("."):
            raise ConfigError(
                f"cell type {cell!r} cannot be part of a file's name: rename it in the tables, "
                "without / and without a dot at its start"
            )
    positions = data.counts[plan.labels[2]] * data.target_length
    need = positions * POSITION_BYTES
    if need > (there := os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        raise ConfigError(
            f"AUPRC over {positions:,} positions of {plan.labels[2]!r} takes about "
            f"{shown_size(need)} of memory, this machine has {shown_size(there)}: build the data "
            "with wider bins (-w) or fewer test chromosomes"
        )
    _check_labels(data, plan.labels[2], cells)
    sections = [params.conditioning for params in plan.models.values()]
    computed = [s for s in sections if s.cell_state is not None and s.cell_state.file is None]
    if computed or any(s.reference_mode is not None for s in sections):
        track_columns(data.tracks, cells, str(data.folder))


def _check_labels(data: Data, label: str, cells: list[str]) -> None:
    """Check that every target of cell types has both labels in a label's records, and no others.

    Before hours of training, not after them.
    """
    columns = [n for n, target in enumerate(data.targets) if target.cell in cells]
    seen = np.zeros((2, len(columns)), np.int64)
    for _, values in data.records(label):
        values = values[:, columns]
        ones, zeros = values == 1, values == 0
        other = ~(ones | zeros | np.isnan(values))
        if other.any():
            row, number = np.argwhere(other)[0]
            raise ConfigError(
                f"target {data.targets[columns[number]].identifier!r} has the value "
                f"{values[row, number]:g}, but models are compared by AUPRC, which wants labels of "
                "0 and 1: build the data with the column threshold; real-valued models are tested "
                "by tfepi_test.py --cell"
            )
        seen += ones.sum(axis=0), zeros.sum(axis=0)
    for number, column in enumerate(columns):
        if not seen[:, number].all():
            ones, zeros = seen[:, number].tolist()
            raise ConfigError(
                f"target {data.targets[column].identifier!r} has {ones} positive and {zeros} "
                f"negative positions in {label!r}, so AUPRC is undefined: change its threshold, "
                "test more windows, or leave it out"
            )
