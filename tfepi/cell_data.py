"""A data folder as one cell type's: its targets, and what a conditioned model is told of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tfepi.cell_inputs import RecordCellInputs
from tfepi.cell_predictor import cell_spec
from tfepi.spec import ModelSpec
from tfrecords_tools.conditioning import Conditioning, target_columns
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target


class CellData:
    """The marks of one cell type in a data folder, to test a conditioned model on.

    Args:
        data: the folder.
        conditioning: of the model.
        cell: the cell type, trained on or not.

    Attributes:
        targets: the model's marks, named CELL_MARK; one without a track was never observed.
        others: as of `Data`.

    Raises:
        ConfigError: the folder has no target of the cell type.
        others: as `RecordCellInputs`.
    """

    def __init__(self, data: Data, conditioning: Conditioning, cell: str):
        columns = target_columns(data.targets, (cell,), conditioning.marks)[0]
        if (columns < 0).all():
            raise ConfigError(
                f"{data.folder} has no target of cell type {cell!r} with a mark of the model "
                f"({', '.join(conditioning.marks)}): there is nothing to test it on"
            )
        self._columns = columns
        self.targets = tuple(
            replace(
                data.targets[column] if column >= 0 else Target(0, mark, cell=cell, mark=mark),
                index=number,
                identifier=f"{cell}_{mark}",
            )
            for number, (mark, column) in enumerate(
                zip(conditioning.marks, columns.tolist(), strict=True)
            )
        )
        self._data = data
        self._inputs = RecordCellInputs(conditioning, data, cell)
        self._with_tracks = conditioning.reference_mode is not None
        for name in ("seq_length", "crop_bp", "pool_width", "target_length", "labels", "counts"):
            setattr(self, name, getattr(data, name))
        self.manifest_sha256, self.folder = data.manifest_sha256, data.folder

    def windows(self, label: str) -> list[Interval]:
        """Return a label's windows."""
        return self._data.windows(label)

    def records(self, label: str) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Yield (inputs by name, float16 targets [bins, marks]) of a label's records."""
        if not self._with_tracks:
            for sequence, target in self._data.records(label):
                yield self._made(sequence, None), self._chosen(target)
            return
        for sequence, target, tracks in self._data.records_with_tracks(label):
            yield self._made(sequence, tracks[None]), self._chosen(target)

    def _chosen(self, target: np.ndarray) -> np.ndarray:
        """Return the marks' columns of targets, NaN where there is none."""
        return np.where(self._columns < 0, np.float16(np.nan), target[:, self._columns])

    def _made(self, sequence: np.ndarray, tracks: np.ndarray | None) -> dict[str, np.ndarray]:
        further = {name: array[0] for name, array in self._inputs(tracks, 1).items()}
        return {"sequence": sequence} | further


def asked_in(spec: ModelSpec, data: Data, cell: str | None) -> tuple[ModelSpec, Data | CellData]:
    """Return a model's contract and data, of one cell type if one is named."""
    if cell is None:
        return spec, data
    return cell_spec(spec, cell), CellData(data, spec.conditioning, cell)
