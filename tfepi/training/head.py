"""One head of a model: what it learns from, its metrics, its loop of training."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from tfepi.params import TrainParams
from tfepi.training.embedded import head_model
from tfepi.training.loop import How, Loop
from tfepi.training.losses import make_loss
from tfepi.training.metrics import make_metrics
from tfepi.training.rematerialise import rematerialised
from tfepi.training.strategy import Team
from tfrecords_tools.conditioning import CellExamples
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import Augmentation, eval_dataset, train_dataset, whole_batches
from tfrecords_tools.embedded_dataset import embedded_eval_dataset, embedded_train_dataset
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.record_order import batch_records
from tfrecords_tools.slices import WHOLE, Slices
from tfrecords_tools.targets import Target

log = logging.getLogger(__name__)
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

    rematerialise: bool
    how: How


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
        team: the replicas, in whose scope this is made.
        model: the whole model.
        source: the head and what it learns from.
        train: the train section.
        optimizer: of the whole model.
        labels: of training and validation records.
        augmentation: of training records.
        settings: how steps are computed; `rematerialise` trains a model of the same layers.

    Raises:
        ConfigError: truth that the loss cannot have; a batch smaller than there are replicas, or
            pieces of their slices.
    """

    def __init__(
        self,
        team: Team,
        model: keras.Model,
        source: Source,
        train: TrainParams,
        optimizer: keras.optimizers.Optimizer,
        labels: tuple[str, str],
        augmentation: Augmentation,
        settings: Steps,
    ):
        self.team, self.source, self.train = team, source, train
        self.label, self.valid_label = labels
        self._augmentation = augmentation
        every = source.chosen == tuple(range(len(source.data.targets))) or source.training
        self._chosen = None if every else source.chosen
        several = isinstance(model.output, dict)
        self.model = keras.Model(model.input, model.output[source.head]) if several else model
        if source.embeddings is not None:
            self.model = head_model(self.model, source.embeddings.layer, self.model.output)
        elif settings.rematerialise:
            self.model = rematerialised(self.model)
        if train.loss in _RANGES:
            for label in labels:
                _check_range(source, label, train.batch_size, train.loss)
        _check_slices(train.batch_size, team.replicas, settings.how.pieces)
        self.steps = epoch_steps(source, train, self.label)
        if self.steps < (train.steps_per_epoch or 0):
            log.warning(
                "steps_per_epoch is %d; the records of label %r make %d batches, so an epoch "
                "has these",
                train.steps_per_epoch,
                self.label,
                self.steps,
            )
        self.metrics = make_metrics(train, len(source.targets), self._origin())
        loss = make_loss(train, model, source.head if several else None)
        loss.reduction = "sum"
        self.loop = Loop(
            team, self.model, loss, optimizer, self.metrics, train.batch_size, settings.how, model
        )
        self._valid = team.batches(self._validation)

    def _origin(self) -> list[float]:
        """Return each target's mean in the first batch of validation records, 0 where unknown."""
        truth = next(iter(self._validation(WHOLE)))[1].numpy().astype(np.float64)
        seen = ~np.isnan(truth)
        totals = np.where(seen, truth, 0).sum(axis=(0, 1))
        return (totals / np.maximum(seen.sum(axis=(0, 1)), 1)).tolist()

    def _validation(self, slices: Slices) -> tf.data.Dataset:
        source, size = self.source, self.train.batch_size
        if source.embeddings is not None:
            return embedded_eval_dataset(
                source.data, source.embeddings, self.valid_label, size, self._chosen, slices
            )
        return eval_dataset(
            source.data,
            self.valid_label,
            size,
            self._chosen,
            slices,
            examples=source.validation,
            coverage_cap=self.train.coverage_cap,
        )

    def batches(self, seed: int, epoch: int, skip: int = 0, slices: Slices = WHOLE):
        """Return the training batches of an epoch, or this process's slices of them.

        Args:
            seed, epoch: order and augmentation are functions of these.
            skip: batches to leave out at the start.
            slices: of every batch.
        """
        source, drawn = self.source, (self.label, self.train.batch_size, seed, epoch)
        buffer = self.train.shuffle_buffer
        if source.embeddings is not None:
            return embedded_train_dataset(
                source.data, source.embeddings, *drawn, buffer, self._chosen, slices, skip
            )
        return train_dataset(
            source.data,
            *drawn,
            self._augmentation,
            buffer,
            self._chosen,
            slices,
            examples=source.training,
            coverage_cap=self.train.coverage_cap,
            skip=skip,
        )

    def shared_batches(self, seed: int, epoch: int, skip: int) -> Iterator:
        """Return an iterator over the rest of an epoch's batches, for the loop."""
        return iter(self.team.batches(lambda slices: self.batches(seed, epoch, skip, slices)))

    def batch_records(self, seed: int, epoch: int, number: int) -> list[tuple[str, int]]:
        """Return (shard, record) of each example of one batch of an epoch."""
        drawn = (self.label, self.train.batch_size, seed, epoch, number)
        buffer = self.train.shuffle_buffer
        return batch_records(self.source.data, *drawn, buffer, self.source.training)

    def check_seen(self, label: str) -> None:
        """Refuse a folder that has fewer records than its files tell.

        Raises:
            InputFileError: with both numbers.
        """
        for _ in self.source.data.records(label):
            pass  # raises at the end, with both numbers

    def check_trained(self) -> None:
        """Refuse training records as `check_seen` does."""
        self.check_seen(self.label)

    def validate(self) -> dict[str, float]:
        """Return loss and metrics on the validation records; every worker has to call it.

        Raises:
            InputFileError: the folder has fewer than its files tell.
        """
        each = self.source.validation.per_window if self.source.validation else 1
        count = self.source.data.counts[self.valid_label] * each
        self.loop.reset_metrics()
        batches, totals, seen = iter(self._valid), [], 0
        try:
            while seen < count:
                rows = min(self.train.batch_size, count - seen)
                totals.append(self.loop.evaluate(batches, rows))
                seen += rows
        except (tf.errors.OutOfRangeError, StopIteration):
            self.check_seen(self.valid_label)
            raise
        return {"loss": math.fsum(totals) / count, **self.loop.results()}

    def per_target(self) -> dict[str, list[float | None]]:
        """Return each metric of each target as last validated, None where it is undefined."""
        found = {}
        for metric in self.metrics:
            if not metric.each_target:
                continue
            values = keras.ops.convert_to_numpy(metric.per_target()).tolist()
            found[metric.name] = [round(v, 6) if math.isfinite(v) else None for v in values]
        return found


def _check_slices(batch_size: int, replicas: int, pieces: int) -> None:
    """Refuse batches that leave a replica, or a piece of its slice, without an example."""
    if pieces < 1:
        raise ConfigError(f"--accumulate is {pieces}, want at least 1")
    if batch_size < replicas * pieces:
        raise ConfigError(
            f"train.batch_size is {batch_size}, too few for {replicas} replica(s) and --accumulate "
            f"{pieces}: it is the global batch, want at least {replicas * pieces}"
        )


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
