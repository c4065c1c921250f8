"""One epoch over the heads of a model, each with data of its own.

With one head an epoch is a call of Keras's `fit`. With several, the heads' batches are
interleaved in an order drawn from (seed, epoch), or in turn, and a batch moves only the trunk and
its own head: every head is a functional model that shares its layers and the optimiser with the
others.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from tfepi.params import TrainParams
from tfepi.training.embedded import head_model
from tfepi.training.losses import make_loss
from tfepi.training.metrics import make_metrics
from tfepi.training.rematerialise import rematerialised
from tfrecords_tools.conditioning import CellExamples
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import Augmentation, eval_dataset, train_dataset, whole_batches
from tfrecords_tools.embedded_dataset import embedded_eval_dataset, embedded_train_dataset
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

log = logging.getLogger(__name__)
_HEADS = 1  # spawn key of the order of heads
# Loss → lowest and highest truth, in words, and what to do about others.
_RANGES = {
    "bce": (
        0,
        1,
        "from 0 to 1",
        "use poisson, or build the data with threshold, sum_stat peak or from BED files",
    ),
    "negative_binomial": (0, math.inf, "from 0 up", "use mse, or build the data from counts"),
}


class Steps(Protocol):
    """How steps are computed (of `run.Settings`)."""

    xla: bool
    rematerialise: bool


@dataclass(frozen=True)
class Source:
    """What a head learns from.

    Attributes:
        head: the output's name.
        data: an open data folder, or several joined.
        chosen: positions of its targets that are trained on.
        targets: what the head's outputs are.
        training, validation: how records become examples of cell types, for a conditioned model.
        embeddings: of the records, on which the head alone is trained, or None.
    """

    head: str
    data: Data
    chosen: tuple[int, ...]
    targets: tuple[Target, ...]
    training: CellExamples | None = None
    validation: CellExamples | None = None
    embeddings: Embeddings | None = None


def epoch_steps(source: Source, train: TrainParams, label: str) -> int:
    """Return the batches of an epoch: as many as the records make, at most steps_per_epoch.

    Raises:
        ConfigError: the records do not make one.
    """
    whole = whole_batches(source.data, label, train.batch_size, source.training)
    return min(train.steps_per_epoch or whole, whole)


class HeadTraining:
    """The part of a model that ends in one head, its metrics and its data.

    Args:
        model: the whole model.
        source: the head and what it learns from.
        train: the train section.
        optimizer: of the whole model.
        labels: of training and validation records.
        augmentation: of training records.
        settings: with `xla`, and `rematerialise`, which trains a model of the same layers.
    """

    def __init__(
        self,
        model: keras.Model,
        source: Source,
        train: TrainParams,
        optimizer: keras.optimizers.Optimizer,
        labels: tuple[str, str],
        augmentation: Augmentation,
        settings: "Steps",
    ):
        self.source, self.train = source, train
        self._label, self._valid_label = labels
        self._augmentation = augmentation
        every = source.chosen == tuple(range(len(source.data.targets))) or source.training
        self._chosen = None if every else source.chosen
        several = isinstance(model.output, dict)
        self.model = keras.Model(model.input, model.output[source.head]) if several else model
        if source.embeddings is not None:
            self.model = head_model(self.model, source.embeddings.layer, self.model.output)
        elif settings.rematerialise:
            self.model = rematerialised(self.model)
        self.metrics = make_metrics(train, len(source.targets))
        loss = make_loss(train, model, source.head if several else None)
        # Weights of values are the loss's; metrics count each value once.
        self.model.compile(
            optimizer=optimizer, loss=loss, metrics=self.metrics, jit_compile=settings.xla
        )
        if train.loss in _RANGES:
            for label in labels:
                _check_range(source, label, train.batch_size, train.loss)
        self.steps = epoch_steps(source, train, self._label)
        if self.steps < (train.steps_per_epoch or 0):
            log.warning(
                "steps_per_epoch is %d; the records of label %r make %d batches, so an epoch "
                "has these",
                train.steps_per_epoch,
                self._label,
                self.steps,
            )
        if source.embeddings is not None:
            self._valid = embedded_eval_dataset(
                source.data,
                source.embeddings,
                self._valid_label,
                train.batch_size,
                self._chosen,
            )
            return
        self._valid = eval_dataset(
            source.data,
            self._valid_label,
            train.batch_size,
            targets=self._chosen,
            examples=source.validation,
            coverage_cap=train.coverage_cap,
        )

    def batches(self, seed: int, epoch: int) -> tf.data.Dataset:
        """Return the training batches of an epoch."""
        source, drawn = self.source, (self._label, self.train.batch_size, seed, epoch)
        buffer = self.train.shuffle_buffer
        if source.embeddings is not None:
            dataset = embedded_train_dataset(
                source.data, source.embeddings, *drawn, buffer, self._chosen
            )
        else:
            dataset = train_dataset(
                source.data,
                *drawn,
                self._augmentation,
                buffer,
                self._chosen,
                examples=source.training,
                coverage_cap=self.train.coverage_cap,
            )
        return dataset.take(self.steps) if self.train.steps_per_epoch else dataset

    def check_seen(self, steps: int, wanted: int, label: str) -> None:
        """Refuse a pass that ended early, because records are fewer than the folder tells.

        Raises:
            InputFileError: with both numbers.
        """
        if steps < wanted:
            for _ in self.source.data.records(label):
                pass  # raises at the end, with both numbers

    def check_trained(self, steps: int) -> None:
        """Refuse an epoch of fewer steps than `steps`; see `check_seen`."""
        self.check_seen(steps, self.steps, self._label)

    def validate(self) -> dict[str, float]:
        """Return loss and metrics on the validation records.

        Raises:
            InputFileError: the folder has fewer than its files tell.
        """
        watch = _Count()
        found = self.model.evaluate(self._valid, verbose=0, return_dict=True, callbacks=[watch])
        each = self.source.validation.per_window if self.source.validation else 1
        count = self.source.data.counts[self._valid_label] * each
        wanted = -(-count // self.train.batch_size)
        self.check_seen(watch.seen, wanted, self._valid_label)
        return {k: float(v) for k, v in found.items()}

    def per_target(self) -> dict[str, list[float | None]]:
        """Return each metric of each target as last validated, None where it is undefined."""
        found = {}
        for metric in self.metrics:
            if not metric.each_target:
                continue
            values = keras.ops.convert_to_numpy(metric.per_target()).tolist()
            found[metric.name] = [round(v, 6) if math.isfinite(v) else None for v in values]
        return found


def _check_range(source: Source, label: str, count: int, loss: str) -> None:
    """Refuse truth that a loss cannot have, by the first records of a label.

    Raises:
        ConfigError: a value out of range, with its target.
    """
    low, high, want, advice = _RANGES[loss]
    _, values = source.data.arrays(label, 0, count)
    for column in source.chosen:
        target = values[:, :, column]
        outside = target[(target < low) | (target > high)]
        if outside.size:
            raise ConfigError(
                f"loss {loss} wants targets {want}, {source.data.targets[column].identifier!r} "
                f"of label {label!r} has {outside[0]:g}: {advice}"
            )


def head_order(steps: Sequence[int], order: str, seed: int, epoch: int) -> np.ndarray:
    """Return which head each step of an epoch is of.

    Args:
        steps: of each head.
        order: "random" or "alternating" (`TrainParams.head_order`).
        seed, epoch: what a random order is a function of.
    """
    numbers = np.repeat(np.arange(len(steps)), steps)
    if order == "alternating":
        # Step i of n stands at (i + 1/2) / n of the epoch.
        places = np.concatenate([(np.arange(n) + 0.5) / n for n in steps])
        return numbers[np.argsort(places, kind="stable")]
    stream = np.random.SeedSequence(seed, spawn_key=(epoch, _HEADS))
    np.random.default_rng(stream).shuffle(numbers)
    return numbers


def train_epoch(
    heads: list[HeadTraining],
    seed: int,
    epoch: int,
    check: Callable[[int, float], None],
    quiet: bool,
) -> list[dict[str, float]]:
    """Train every head on its batches of one epoch.

    Args:
        heads: of one model.
        seed, epoch: order and augmentation are functions of these.
        check: called with the number of each step and the loss so far.
        quiet: no progress bar.

    Returns:
        Loss and metrics of each head over the epoch.

    Raises:
        InputFileError: a folder has fewer records than its files tell.
    """
    total = sum(head.steps for head in heads)
    with progress(total=total, unit="step", label=f"epoch {epoch}", quiet=quiet) as bar:
        if len(heads) == 1:
            watch = _Watch(bar, check)
            history = heads[0].model.fit(
                heads[0].batches(seed, epoch),
                epochs=1,
                # Told where to end: a step that finds no batch still counts in the optimiser.
                steps_per_epoch=heads[0].steps,
                verbose=0,
                shuffle=False,
                callbacks=[watch],
            )
            heads[0].check_trained(watch.seen)
            return [{k: float(v[0]) for k, v in history.history.items()}]
        order = head_order([h.steps for h in heads], heads[0].train.head_order, seed, epoch)
        batches = [iter(head.batches(seed, epoch)) for head in heads]
        logs: list[dict] = [{} for _ in heads]
        for head in heads:
            head.model.reset_metrics()
        for step, number in enumerate(order.tolist()):
            batch = next(batches[number], None)
            if batch is None:
                heads[number].check_trained(0)
            logs[number] = heads[number].model.train_on_batch(*batch, return_dict=True)
            bar.update(1)
            check(step, float(logs[number]["loss"]))
    return [{k: float(v) for k, v in log.items()} for log in logs]


class _Count(keras.callbacks.Callback):
    """Counts batches: an epoch that runs out of data early ends without a word."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1

    def on_test_batch_end(self, batch, logs=None):
        self.seen += 1


class _Watch(_Count):
    """Also moves the bar and shows each step's loss to `check`."""

    def __init__(self, bar, check: Callable[[int, float], None]):
        super().__init__()
        self._bar, self._check = bar, check

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        self._bar.update(1)
        self._check(batch, logs["loss"])
