"""The cell types that an experiment trains on and tests, and what the data need of them."""

from tfepi.conditioning.plan import Plan
from tfrecords_tools.conditioning import cells_of, track_columns, training_cells
from tfrecords_tools.data import Data


def tested_cells(plan: Plan, data: Data) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the cell types trained on, and those held out that have labels to score against."""
    seen = training_cells(data.targets, plan.hold_out, data.tracks)
    return seen, tuple(c for c in plan.hold_out if c in cells_of(data.targets))


def check_cells(plan: Plan, data: Data) -> None:
    """Check that the data have what the models of a plan are told of every cell type.

    Raises:
        ConfigError: an unknown cell type, none left to train on, or no input tracks.
        InputFileError: a cell type that is trained on or tested without accessibility.
    """
    cells = [c for group in tested_cells(plan, data) for c in group]
    sections = [params.conditioning for params in plan.models.values()]
    computed = [s for s in sections if s.cell_state is not None and s.cell_state.file is None]
    if computed or any(s.reference_mode is not None for s in sections):
        track_columns(data.tracks, cells, str(data.folder))
