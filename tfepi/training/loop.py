"""The training loop of every strategy, one device included: steps of a model on its replicas.

Each replica computes a slice of every global batch. Its loss is the sum over its examples,
divided by the examples of the global batch, so that the sum of the replicas' gradients is the
gradient of the mean over the batch, however it was divided. Gradients are added up over the
replicas before anything else is done with them: Keras's optimisers do it after they have clipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfepi.training.random_states import assign_states, epoch_states, seed_generators
from tfepi.training.strategy import Team


@dataclass(frozen=True)
class How:
    """How steps are computed; the results are the same but for rounding.

    Attributes:
        pieces: into which a replica's slice is cut, one computed after the other; less memory.
        xla: compile with XLA.
        at_once: steps that TensorFlow is given at once (Keras's steps_per_execution).
    """

    pieces: int = 1
    xla: bool = False
    at_once: int = 1


class Loop:
    """Trains and evaluates a model on the replicas of a team.

    Args:
        team: the replicas; model, optimiser and metrics were made in its scope.
        model: what is trained.
        loss: whose reduction is "sum".
        optimizer: that was built.
        metrics: that add up rows.
        batch_size: examples of a global batch of training.
        how: steps are computed.
        whole: the model that has the random generators, where `model` is a part of it.
    """

    def __init__(
        self,
        team: Team,
        model: keras.Model,
        loss: keras.losses.Loss,
        optimizer: keras.optimizers.Optimizer,
        metrics: Sequence[keras.metrics.Metric],
        batch_size: int,
        how: How,
        whole: keras.Model | None = None,
    ):
        self.team, self.model, self.metrics = team, model, list(metrics)
        self._loss, self._optimizer, self._how = loss, optimizer, how
        self._batch_size = batch_size
        self.at_once = how.at_once
        self._generators = seed_generators(whole or model)
        if team.replicas > 1:
            leave_gradients_alone(optimizer)
        self._moving = _moving_statistics(model) if team.replicas > 1 else []
        if how.xla:
            self._gradients = tf.function(self._gradients, jit_compile=True)
        self._train = tf.function(self._train_steps)
        self._evaluate = tf.function(self._evaluate_batch)

    def states(self, seed: int, epoch: int) -> np.ndarray:
        """Return the states of the random generators in an epoch, for `train`."""
        return epoch_states(len(self._generators), seed, epoch)

    def train(self, batches, steps: int, first: int, states: np.ndarray, signal: float):
        """Train a few steps.

        Args:
            batches: iterator of `Team.batches`.
            steps: to compute.
            first: number of the first of them in the epoch, over all heads.
            states: of the random generators in the epoch.
            signal: what this worker tells the others.

        Returns:
            Tensor float32 [steps, 2]: each step's loss over the global batch, and the sum of
            the workers' signals.

        Raises:
            OutOfRangeError: there are fewer batches.
        """
        number = tf.constant(first, tf.int64)
        told = tf.constant(signal, tf.float32)
        return self._train(batches, steps, number, tf.constant(states), told)

    def evaluate(self, batches, rows: int) -> float:
        """Return the sum of the loss over one batch's examples.

        Args:
            batches: iterator of `Team.batches`.
            rows: examples of the batch.

        Raises:
            OutOfRangeError: there are no more batches.
        """
        return float(self._evaluate(batches, tf.constant(rows, tf.float32)))

    def reset_metrics(self) -> None:
        """Begin all sums of the metrics anew."""
        for metric in self.metrics:
            metric.reset_state()

    def results(self) -> dict[str, float]:
        """Return the metrics; every worker has to call it."""
        return {m.name: float(keras.ops.convert_to_numpy(m.result())) for m in self.metrics}

    def sums(self) -> list[np.ndarray]:
        """Return the sums of the metrics over all replicas; every worker has to call it."""
        return [np.asarray(v.value.read_value()) for m in self.metrics for v in m.variables]

    def set_sums(self, values: Sequence[np.ndarray]) -> None:
        """Go on from sums: the first replica's have all of them, the others' nothing."""
        variables = [v for m in self.metrics for v in m.variables]

        @tf.function
        def assign():
            def of_replica():
                replica = tf.distribute.get_replica_context().replica_id_in_sync_group
                for variable, value in zip(variables, values, strict=True):
                    value = tf.constant(value)
                    variable.assign(tf.where(replica == 0, value, tf.zeros_like(value)))

            self.team.strategy.run(of_replica)

        assign()

    def _train_steps(self, batches, steps: int, first, states, signal):
        def step(number):
            told = self.team.strategy.run(
                self._replica_step, (next(batches), number, states, signal)
            )
            return self.team.strategy.reduce("SUM", told, axis=None)

        if steps == 1:
            return step(first)[None]
        told = tf.TensorArray(tf.float32, steps)
        for i in tf.range(steps):
            told = told.write(i, step(first + tf.cast(i, tf.int64)))
        return told.stack()

    def _replica_step(self, batch, number, states, signal):
        """Compute one replica's part of a step; return its part of the loss, and the signal."""
        replica = _replica()
        assign_states(self._generators, states, number, replica)
        variables = self.model.trainable_variables
        pieces = self._how.pieces
        if pieces == 1:
            loss, gradients, prediction = self._gradients(batch)
            self._count(batch, prediction)
        else:
            size = tf.shape(batch[1])[0]
            loss = tf.zeros([])
            gradients = [None] * len(variables)
            for i in range(pieces):  # no loop of the graph: statistics may be over replicas
                low, high = size * i // pieces, size * (i + 1) // pieces
                # One after the other, or nothing is saved.
                with tf.control_dependencies([g for g in gradients if g is not None]):
                    piece = tf.nest.map_structure(lambda t: tf.identity(t[low:high]), batch)  # noqa: B023
                    part, own, prediction = self._gradients(piece)
                    self._count(piece, prediction)
                loss += part
                gradients = [
                    b if a is None else a if b is None else a + b
                    for a, b in zip(gradients, own, strict=True)
                ]
        if self.team.replicas > 1:
            gradients = self._added_up(gradients)
        self._optimizer.apply(gradients, variables)
        first = replica == self.team.slices.first
        return tf.stack([loss, tf.where(first, signal, 0.0)])

    def _gradients(self, batch):
        """Return a piece's part of the loss, its gradients and its predictions."""
        inputs, truth, weight = _unpacked(batch)
        with tf.GradientTape() as tape:
            prediction = self.model(inputs, training=True)
            loss = self._loss(truth, prediction, weight) / self._batch_size
            if self.model.losses:  # penalties, of which every piece has its share
                share = self.team.replicas * self._how.pieces
                loss += tf.add_n([tf.cast(x, loss.dtype) for x in self.model.losses]) / share
            scaled = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [v.value for v in self.model.trainable_variables])
        return loss, gradients, prediction

    def _added_up(self, gradients):
        """Return the sums of gradients over the replicas; let moving statistics become means."""
        present = [g for g in gradients if g is not None]
        replicas = self.team.replicas
        moving = [tf.convert_to_tensor(v.value) / replicas for v in self._moving]
        context = tf.distribute.get_replica_context()
        total = context.all_reduce(tf.distribute.ReduceOp.SUM, [*present, *moving])
        for variable, mean in zip(self._moving, total[len(present) :], strict=True):
            variable.assign(mean)
        sums = iter(total)
        return [None if g is None else next(sums) for g in gradients]

    def _count(self, batch, prediction) -> None:
        truth = batch[1]
        for metric in self.metrics:
            metric.update_state(truth, prediction)

    def _evaluate_batch(self, batches, rows):
        def of_replica(batch):
            inputs, truth, weight = _unpacked(batch)
            prediction = self.model(inputs, training=False)
            self._count(batch, prediction)
            total = self._loss(truth, prediction, weight)
            if self.model.losses:
                share = rows / self.team.replicas
                total += share * tf.add_n([tf.cast(x, total.dtype) for x in self.model.losses])
            return total

        told = self.team.strategy.run(of_replica, (next(batches),))
        return self.team.strategy.reduce("SUM", told, axis=None)


def leave_gradients_alone(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimiser take gradients as they are: it would add them up over replicas again."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list


class BatchStatistics:
    """Over which rows batch normalisation takes its statistics: each replica's, or all.

    Args:
        model: as it was built; layers that were built to take them over all always do.
    """

    def __init__(self, model: keras.Model):
        norms = (x for x in _batch_norms(model) if x.trainable and not getattr(x, "frozen", False))
        self._built = [(layer, layer.synchronized) for layer in norms]

    def synchronise(self, chosen: bool) -> None:
        """Let all layers take them over all replicas, or those alone that were built so."""
        for layer, built in self._built:
            layer.synchronized = chosen or built

    @property
    def over_all(self) -> list[str]:
        """Names of the layers that take them over all replicas."""
        return [layer.name for layer, _ in self._built if layer.synchronized]

    @property
    def own(self) -> list[str]:
        """Names of the layers that take them over each replica's rows."""
        return [layer.name for layer, _ in self._built if not layer.synchronized]


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    kind = keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def _moving_statistics(model: keras.Model) -> list[keras.Variable]:
    """Return the moving means and variances that replicas would each have of their own."""
    own = [x for x in _batch_norms(model) if x.trainable and not x.synchronized]
    return [v for layer in own for v in (layer.moving_mean, layer.moving_variance)]


def _replica():
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def _unpacked(batch):
    """Return inputs, truth and weights (or None) of a batch of two or three parts."""
    return batch if len(batch) == 3 else (*batch, None)
