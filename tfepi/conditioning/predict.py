"""Predictions of every model, seed and baseline in every cell type, as .npy files."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfepi.cell_inputs import RecordCellInputs
from tfepi.cell_predictor import cell_values
from tfepi.conditioning.baselines import Neighbours, fit_logistic, mean_of_cells
from tfepi.conditioning.check import tested_cells
from tfepi.conditioning.measured import Key
from tfepi.conditioning.plan import ACCESSIBILITY, AVERAGE, Plan
from tfepi.conditioning.runs import run_folder
from tfepi.conditioning.scores import Experiment
from tfepi.predictors import load_predictor
from tfrecords_tools.conditioning import (
    marks_of,
    target_columns,
    track_columns,
)
from tfrecords_tools.data import Data
from tfrecords_tools.files import atomic_path
from tfrecords_tools.progress import progress

_BATCH = 32


def predict_all(plan: Plan, data: Data, out: Path, quiet: bool = False) -> Experiment:
    """Write what is not there yet of labels and predictions on the test records.

    Args:
        plan: models and seeds, all trained.
        data: their data.
        out: folder of the experiment; arrays go to out/predictions.
        quiet: no progress bars.

    Returns:
        Labels and predictions by cell type, each float32 [windows, bins, marks] in a file.
    """
    folder = out / "predictions"
    folder.mkdir(exist_ok=True)
    seen, unseen = tested_cells(plan, data)
    cells, label = (*seen, *unseen), plan.labels[2]
    marks = marks_of(t for t in data.targets if t.cell in seen)
    shape = (data.counts[label], data.target_length, len(marks))
    truth = {cell: folder / f"labels-{cell}.npy" for cell in cells}
    columns = target_columns(data.targets, cells, marks)
    with _arrays(truth, shape) as arrays:
        if arrays:
            for row, (_, target) in enumerate(data.records(label)):
                wide = np.pad(target.astype(np.float32), ((0, 0), (0, 1)), constant_values=np.nan)
                for number, cell in enumerate(cells):
                    arrays[cell][row] = wide[:, columns[number]]
    predictions: dict[Key, Path] = {}
    runs = [(name, seed) for name in plan.models for seed in plan.seeds]
    total = len(runs) * shape[0]
    with progress(total=total, unit="window", label="predict", quiet=quiet) as bar:
        for name, seed in runs:
            paths = {cell: folder / f"{name}-seed{seed}-{cell}.npy" for cell in cells}
            with _arrays(paths, shape) as arrays:
                if arrays:
                    _predict(run_folder(out, name, seed), data, label, arrays, bar.update)
                else:
                    bar.update(shape[0])
            predictions |= {(name, seed, cell): path for cell, path in paths.items()}
    predictions |= _baselines(plan, data, folder, seen, unseen, marks, truth, shape)
    windows = tuple(data.windows(label))
    absent = frozenset(
        (cell, mark)
        for cell, row in zip(cells, columns, strict=True)
        for mark, column in zip(marks, row.tolist(), strict=True)
        if column < 0
    )
    return Experiment(windows, seen, unseen, marks, truth, predictions, absent)


@contextlib.contextmanager
def _arrays(paths: dict[str, Path], shape: tuple) -> Iterator[dict[str, np.ndarray]]:
    """Give arrays to fill, by cell type, renamed to their paths when full; {} if all are there."""
    if all(path.exists() for path in paths.values()):
        yield {}
        return
    with contextlib.ExitStack() as stack:
        parts = {c: stack.enter_context(atomic_path(path)) for c, path in paths.items()}
        yield {
            c: np.lib.format.open_memmap(part, "w+", np.float32, shape) for c, part in parts.items()
        }


def record_batches(data: Data, label: str) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield (sequences, input tracks or None) of batches of records."""
    if data.tracks:
        records = ((s, t) for s, _, t in data.records_with_tracks(label))
    else:
        records = ((s, None) for s, _ in data.records(label))
    while batch := list(itertools.islice(records, _BATCH)):
        tracks = np.stack([t for _, t in batch]) if data.tracks else None
        yield np.stack([s for s, _ in batch]), tracks


def _predict(run: Path, data: Data, label: str, arrays: dict[str, np.ndarray], advance) -> None:
    """Fill the predictions of one trained model."""
    predictor = load_predictor(run, _BATCH)
    conditioning = predictor.spec.conditioning
    head = predictor.spec.head().name
    given = {cell: RecordCellInputs(conditioning, data, cell) for cell in arrays}
    start = 0
    for sequences, tracks in record_batches(data, label):
        rows, values = slice(start, start + len(sequences)), None
        for cell, array in arrays.items():
            if values is None or conditioning.by_input:
                inputs = given[cell](tracks, len(sequences))
                values = predictor.predict(inputs | {"sequence": sequences})[head]
            array[rows] = cell_values(values, conditioning, cell)
        start = rows.stop
        advance(len(sequences))


def _baselines(plan, data, folder, seen, unseen, marks, truth, shape) -> dict[Key, Path]:
    """Write the baselines' predictions: the mean of other cells, and accessibility alone."""
    found: dict[Key, Path] = {}
    cells = (*seen, *unseen)
    paths = {c: folder / f"baseline-average-{c}.npy" for c in cells if len(seen) > 1 or c in unseen}
    with _arrays(paths, shape) as arrays:
        if arrays:
            rate = positive_rates(data, plan.labels[0], seen, marks)
            labels = {c: np.load(truth[c], mmap_mode="r") for c in seen}
            for cell, array in arrays.items():
                for low in range(0, shape[0], _BATCH):
                    rows = slice(low, low + _BATCH)
                    array[rows] = mean_of_cells((labels[c][rows] for c in seen if c != cell), rate)
    found |= {(AVERAGE, None, c): path for c, path in paths.items()}
    if not data.tracks:
        return found
    paths = {c: folder / f"baseline-accessibility-{c}.npy" for c in cells}
    with _arrays(paths, shape) as arrays:
        if arrays:
            _logistic(plan, data, seen, marks, arrays)
    return found | {(ACCESSIBILITY, None, c): path for c, path in paths.items()}


def positive_rates(data: Data, label: str, cells: tuple[str, ...], marks) -> np.ndarray:
    """Return each mark's share of positives among the labels of cell types: float [marks]."""
    columns = target_columns(data.targets, cells, marks)
    positive, count = np.zeros(len(marks)), np.zeros(len(marks))
    for _, target in data.records(label):
        for row in columns:
            for mark, column in enumerate(row.tolist()):
                if column >= 0:
                    values = target[:, column]
                    positive[mark] += int((values > 0).sum())
                    count[mark] += int((~np.isnan(values)).sum())
    return positive / np.maximum(count, 1)


def _logistic(plan, data, seen, marks, arrays) -> None:
    near = Neighbours(data.track_width, data.track_length, data.pool_width, data.target_length)
    columns = target_columns(data.targets, seen, marks)
    own = track_columns(data.tracks, seen, str(data.folder))

    def training():
        records = ((y, t) for _, y, t in data.records_with_tracks(plan.labels[0]))
        while batch := list(itertools.islice(records, _BATCH)):
            target = np.stack([y for y, _ in batch]).astype(np.float32)
            target = np.pad(target, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
            tracks = np.stack([t for _, t in batch]).astype(np.float32)
            for cell in range(len(seen)):
                yield near.features(tracks[:, :, own[cell]]), target[:, :, columns[cell]]

    fitted = fit_logistic(training())
    places = track_columns(data.tracks, tuple(arrays), str(data.folder))
    start = 0
    for _, tracks in record_batches(data, plan.labels[2]):
        for column, array in zip(places, arrays.values(), strict=True):
            features = near.features(tracks[:, :, column].astype(np.float32))
            array[start : start + len(tracks)] = fitted.predict(features)
        start += len(tracks)
