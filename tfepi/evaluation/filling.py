"""Filling numbered parts with a label's observed and predicted values."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from tfepi.evaluation.matching import LabelledData
from tfepi.evaluation.predictions import PredictionParts
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.progress import progress


def other_count(label: str, records: int, windows: int) -> InputFileError:
    """Return the error for a label with another number of records than of windows."""
    return InputFileError(
        f"label {label!r} has {records} records, sequences.bed lists {windows}: the data folder "
        "is damaged; build it again"
    )


def fill_parts(
    parts: PredictionParts,
    data: LabelledData,
    predict: Callable[[np.ndarray], np.ndarray],
    targets: list[int],
    batch_size: int,
    quiet: bool,
    observe: Callable[[np.ndarray], np.ndarray] | None = None,
    own: Callable[[Sequence[int]], Sequence[int]] = list,
) -> None:
    """Write every missing part of predictions, or the process's own among them.

    Args:
        parts: where to.
        data: records.
        predict: function of base indices [windows, seq_length], or of inputs by name where the
            records have these, to [windows, bins, targets].
        targets: positions of the targets in the data.
        batch_size: windows a call.
        quiet: no progress bar.
        observe: what is done to observed values [windows, bins, targets] first.
        own: takes numbers of parts and returns those to write.

    Raises:
        InputFileError: the records are not as many as the windows.
    """
    layout = parts.layout
    numbers = own(parts.plan.missing(parts.folder))
    missing, total, count = {parts.spans[n] for n in numbers}, len(layout.windows), 0
    records = iter(data.records(layout.label))
    with progress(total=total, unit="window", label="predict", quiet=quiet) as bar:
        for start, stop in parts.spans:
            held = []
            for low in range(start, stop, batch_size):
                batch = list(itertools.islice(records, min(batch_size, stop - low)))
                count += len(batch)
                bar.update(len(batch))
                if batch and (start, stop) in missing:
                    truth = np.stack([t[:, targets] for _, t in batch])
                    truth = truth if observe is None else observe(truth)
                    held.append((truth, predict(_stacked([x for x, _ in batch]))))
            if held and count == stop:
                parts.write(start, *(np.concatenate(v) for v in zip(*held, strict=True)))
    count += sum(1 for _ in records)
    if count != total:
        raise other_count(layout.label, count, total)


def _stacked(inputs: Sequence[np.ndarray | dict[str, np.ndarray]]):
    """Return arrays, or dicts of arrays, of which each is one window's, of all windows."""
    if isinstance(inputs[0], dict):
        return {name: np.stack([x[name] for x in inputs]) for name in inputs[0]}
    return np.stack(inputs)
