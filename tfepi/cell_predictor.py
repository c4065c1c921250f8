"""A conditioned model as a model of one cell type."""

from dataclasses import replace

import numpy as np

from tfepi.spec import ModelSpec, Predictor
from tfrecords_tools.conditioning import Conditioning, track_channels
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.input_tracks import AVERAGE


def cell_spec(spec: ModelSpec, cell: str) -> ModelSpec:
    """Return the contract of a conditioned model when it is asked about one cell type.

    The only head's targets are then the marks in that cell type.

    Raises:
        ConfigError: the model is not conditioned.
    """
    conditioning = spec.conditioning
    if conditioning is None:
        raise ConfigError(
            f"--cell {cell}: the model {spec.name!r} is not conditioned on cell types; choose "
            "among its targets instead"
        )
    head = spec.head()
    marks = {t.mark: t for t in reversed(head.targets)}
    targets = tuple(
        replace(marks[mark], index=n, identifier=f"{cell}_{mark}", cell=cell)
        for n, mark in enumerate(conditioning.marks)
    )
    dispersion = head.dispersion
    if dispersion is not None and conditioning.outputs == "cells":
        by_cell = dict(
            zip(conditioning.cells, np.reshape(dispersion, (-1, len(marks))), strict=True)
        )
        dispersion = tuple(by_cell[cell].tolist()) if cell in by_cell else None
    return replace(spec, heads=(replace(head, targets=targets, dispersion=dispersion),))


def cell_values(values: np.ndarray, conditioning: Conditioning, cell: str) -> np.ndarray:
    """Return the marks of a cell type among a conditioned model's outputs.

    A model with outputs for every training cell type gives, for another one, the mean of those
    that were trained.

    Args:
        values: float32 [batch, bins, outputs].
        conditioning: of the model.
        cell: the cell type.

    Returns:
        float32 [batch, bins, marks].
    """
    if conditioning.outputs == "marks":
        return values
    by_cell = values.reshape(*values.shape[:2], len(conditioning.cells), -1)
    if cell in conditioning.cells:
        return by_cell[:, :, conditioning.cells.index(cell)]
    has = np.ones(by_cell.shape[2:], np.float32)  # [cells, marks]
    for one, mark in conditioning.absent:
        has[conditioning.cells.index(one), conditioning.marks.index(mark)] = 0
    return (by_cell * has).sum(axis=2) / has.sum(axis=0)


class CellPredictor:
    """A Predictor of the marks of one cell type.

    Args:
        predictor: of a conditioned model; kept as `asked`.
        cell: the cell type.
    """

    def __init__(self, predictor: Predictor, cell: str):
        self.spec = cell_spec(predictor.spec, cell)
        self.asked, self.cell = predictor, cell

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, marks]}; inputs are those of the model."""
        name = self.spec.head().name
        values = self.asked.predict(inputs)[name]
        return {name: cell_values(values, self.spec.conditioning, self.cell)}


def in_cell(predictor: Predictor, cell: str | None) -> Predictor:
    """Return a Predictor, of one cell type if one is named."""
    return predictor if cell is None else CellPredictor(predictor, cell)


class PredictedAccessibility:
    """A Predictor that gives a conditioned model accessibility predicted from the sequence.

    So a variant also acts through the accessibility that it changes.

    Args:
        predictor: the conditioned model, whose input tracks cover its sequence.
        accessibility: model of accessibility, one target per cell type, of the same sequence
            and bins.
        cell: the cell type.

    Raises:
        ConfigError: the models do not fit each other, or a cell type has no target.
    """

    def __init__(self, predictor: Predictor, accessibility: Predictor, cell: str):
        spec, conditioning = predictor.spec, predictor.spec.conditioning
        own, reference = accessibility_columns(spec, accessibility.spec, cell)
        self.spec = replace(spec, inputs={"sequence": spec.inputs["sequence"]})
        self._predictor, self._accessibility = predictor, accessibility
        self._own, self._reference = own, np.array(reference)
        self._state = None
        if conditioning.states is not None:
            self._state = conditioning.states.array((cell,))

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, outputs]} of sequences."""
        name = self._accessibility.spec.head().name
        values = self._accessibility.predict(inputs)[name]
        tracks = track_channels(values, self._own, self._reference, self.spec.conditioning)
        given = inputs | {"tracks": tracks}
        if self._state is not None:
            given["cell_state"] = np.repeat(self._state, len(values), axis=0)
        return self._predictor.predict(given)


def accessibility_columns(spec: ModelSpec, other: ModelSpec, cell: str) -> tuple[int, list[int]]:
    """Return which of an accessibility model's targets are a cell type's, and the average's.

    Args:
        spec: of a conditioned model, whose input tracks are to be predicted.
        other: of the accessibility model.
        cell: the cell type.

    Raises:
        ConfigError: the models do not fit each other: sizes, what a value is, cell types.
    """
    conditioning = spec.conditioning
    if conditioning is None or conditioning.reference_mode is None:
        raise ConfigError(
            f"the model {spec.name!r} takes no accessibility: leave --accessibility out"
        )
    head = other.head()
    for name, ours, theirs in (
        ("sequence", spec.seq_length, other.seq_length),
        ("bin width of the tracks", conditioning.track_width, other.bin_width),
        ("number of bins of the tracks", conditioning.track_length, other.target_length),
        ("number of inputs", 1, len(other.inputs)),
    ):
        if ours != theirs:
            raise ConfigError(
                f"{name}: {ours} is wanted of the accessibility model, it has {theirs}: train "
                "one of the sequence alone on the same windows, with bins of "
                f"{conditioning.track_width} bp"
            )
    if head.units == "probability":
        raise ConfigError(
            "the accessibility model predicts probabilities, not accessibility: train one with "
            "the loss poisson, mse or negative_binomial"
        )
    position = {t.cell: p for p, t in enumerate(head.targets)}
    if len(position) < len(head.targets):
        raise ConfigError(
            f"the accessibility model has {len(head.targets)} targets of {len(position)} cell "
            "types: want one each, its accessibility"
        )
    average = (AVERAGE,) if conditioning.given_average else conditioning.cells
    for name in (cell, *average):
        if name not in position:
            raise ConfigError(
                f"the accessibility model has no target of cell type {name!r}, only of "
                f"{', '.join(str(c) for c in position)}"
            )
        target = head.targets[position[name]]
        for column, value in (conditioning.pooling or {}).items():
            if column != "nan" and getattr(target, column) != value:
                raise ConfigError(
                    f"{column} of {name!r} is {getattr(target, column)!r} in the accessibility "
                    f"model and {value!r} in the tracks of the conditioned one: train it on "
                    "targets made like the tracks"
                )
    return position[cell], [position[c] for c in average]
