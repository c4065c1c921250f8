"""One training run: epochs, what is kept after each and within, and going on from it."""

import logging
import math
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfepi.params import Params
from tfepi.training import epoch_line, faults
from tfepi.training.checkpoints import BEST, Checkpoint
from tfepi.training.epoch import EpochState, train_epoch
from tfepi.training.head import HeadTraining, Source, epoch_steps
from tfepi.training.layer_rates import undecayed_variables, variable_rates
from tfepi.training.loop import BatchStatistics
from tfepi.training.losses import make_loss
from tfepi.training.metrics import make_metrics
from tfepi.training.profile import Profile
from tfepi.training.run_folder import RunFolder
from tfepi.training.schedules import make_optimizer
from tfepi.training.state import Kept, Settings
from tfepi.training.strategy import Team
from tfrecords_tools.dataset import Augmentation
from tfrecords_tools.errors import ConfigError, Terminated, TfepiError

_SAVE, _STOP = 1.0, 1024.0  # what workers tell each other
log = logging.getLogger(__name__)


class Run:
    """One training run: the model, its heads' data and the files it keeps.

    Made in the scope of the team. The chief alone writes and reads files of the folder.

    Args:
        team: the replicas.
        model: the whole model, not compiled.
        params: params.json.
        sources: what each head learns from.
        out: the run folder.
        settings: what the command sets.
        key: what must be equal for the run to be continued.
    """

    def __init__(
        self,
        team: Team,
        model: keras.Model,
        params: Params,
        sources: list[Source],
        out: Path,
        settings: Settings,
        key: dict,
    ):
        self.team, self.model, self.params, self.out = team, model, params, out
        self.settings = settings
        self.quiet = settings.quiet or not team.chief
        self.at = Checkpoint(0, replicas=0)
        train = params.train
        augmentation = Augmentation(
            params.model.augment_rc, params.model.augment_shift, train.augment_per
        )
        labels = (settings.train_label, settings.valid_label)
        steps = sum(epoch_steps(s, train, labels[0]) for s in sources)
        rates = variable_rates(model, params.transfer)
        undecayed = undecayed_variables(model) if train.weight_decay_on == "kernels" else ()
        optimizer = make_optimizer(train, steps, rates, undecayed)
        if settings.precision == "mixed_float16":
            # The policy is the layers', not the model's, so Keras would not do it by itself.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        monitored = {}
        if len(sources) == 1:  # for those who load the file and go on with Keras
            monitored["loss"] = make_loss(train, model)
            monitored["metrics"] = make_metrics(train, len(sources[0].targets))
        model.compile(optimizer=optimizer, **monitored)  # so that checkpoints hold the optimiser
        self._synchronise_batch_norm()
        self.folder = RunFolder(out, model, self._statistics, settings, key)
        self.heads = [
            HeadTraining(team, model, s, train, optimizer, labels, augmentation, settings)
            for s in sources
        ]
        self.optimizer = optimizer

    def _synchronise_batch_norm(self) -> None:
        """Let statistics be those of all replicas, or say that they are not.

        Keras then computes them in another way, so that one device does, too, if asked to.
        """
        self._statistics = BatchStatistics(self.model)
        self._statistics.synchronise(self.settings.sync_batch_norm)
        shared = self._statistics.over_all
        if self.team.replicas == 1:
            return
        if shared and self.settings.xla:
            raise ConfigError(
                f"--xla cannot compile layer {shared[0]!r}, which takes its statistics over "
                f"{self.team.replicas} replicas: leave --xla, or --sync_batch_norm, out"
            )
        if self._statistics.own:
            rows = self.team.slices.largest(self.params.train.batch_size)
            log.info(
                "batch normalisation takes its statistics from each replica's %d examples; "
                "--sync_batch_norm takes them from all",
                rows,
            )

    def start(self, kept: Kept | None) -> None:
        """Begin, or go on from what was kept; every worker has to call it.

        Raises:
            UnfinishedError: no checkpoint is whole.
        """
        sums: list[list[np.ndarray]] = []
        if self.team.chief:
            self.at, sums = self.folder.begin(kept, [_number_of_sums(h) for h in self.heads])
            if kept is not None:
                log.info("resuming at %s", self.at)
            if self.at.replicas not in (0, self.team.replicas):
                log.info(
                    "it was of %d replica(s), goes on with %d: the same batches; dropout and "
                    "statistics of each replica's rows are others",
                    self.at.replicas,
                    self.team.replicas,
                )
        self._share(sums)
        self._board = None
        if self.settings.tensorboard and self.team.chief:
            self._board = tf.summary.create_file_writer(str(self.out / "tensorboard"))

    def _share(self, sums: list[list[np.ndarray]]) -> None:
        """Give the chief's weights and place to all workers."""
        if self.team.workers > 1:
            for variable in (*self.model.weights, *self.optimizer.variables):
                variable.assign(self.team.from_chief(keras.ops.convert_to_numpy(variable)))
            at = self.at
            best = -math.inf if at.best is None else at.best
            place = [at.epoch, at.step, best, at.best_epoch, at.unimproved]
            losses = list(at.losses) or [0.0] * len(self.heads)
            # Minus infinity is no number to add zeros to: its place is told apart.
            place += [float(at.best is None)]
            place[2] = 0.0 if at.best is None else place[2]
            told = self.team.from_chief(np.array([*place, *losses], np.float64)).tolist()
            self.at = Checkpoint(
                int(told[0]),
                int(told[1]),
                None if told[5] else told[2],
                int(told[3]),
                int(told[4]),
                tuple(told[6:]),
            )
            if self.at.step:
                zeros = [
                    [np.zeros(v.shape, np.float32) for m in h.metrics for v in m.variables]
                    for h in self.heads
                ]
                sums = [[self.team.from_chief(a) for a in of_head] for of_head in (sums or zeros)]
        self._state = EpochState(self.at.step, list(self.at.losses), sums)

    def all_epochs(self) -> None:
        """Train until the patience or the epochs are used up; every worker has to call it.

        Raises:
            TfepiError: a loss that is no number; SIGTERM; a worker was lost.
        """
        train = self.params.train
        started, first = time.monotonic(), self.at.epoch
        with (
            self.team.terminate.taken(),
            Profile(self._profiled()) as self._profile,
        ):
            self._saved = time.monotonic()
            while self.at.epoch < train.train_epochs_max:
                if self.at.epoch >= train.train_epochs_min and self.at.unimproved > train.patience:
                    break
                line = self._epoch(self.at.epoch)
                self._keep_epoch(line)
                done = self.at.epoch - first
                left = (time.monotonic() - started) / done
                left *= train.train_epochs_max - self.at.epoch
                if self.team.chief:
                    best = self.at.best_epoch == line["epoch"]
                    log.info("%s", epoch_line.told(line, self.heads, best, left))
        if self._board:
            self._board.close()

    def _profiled(self) -> Path | None:
        chosen = self.settings.profile and self.team.chief
        return self.out / "tensorboard" if chosen else None

    def signal(self) -> float:
        """Return what this worker tells the others: to keep a state, or to stop."""
        self._profile.step()
        if self.team.terminate.asked:
            return _STOP
        every = 60 * self.settings.save_minutes
        late = every and time.monotonic() - self._saved > every
        return _SAVE if late and self.team.chief else 0.0

    def look(self, head: int, first: int, losses: np.ndarray, told: float) -> bool:
        """Check the losses of steps; tell whether to keep a state.

        Raises:
            TfepiError: a loss that is no number.
        """
        bad = np.flatnonzero(~np.isfinite(losses))
        if bad.size:
            number, epoch = first + int(bad[0]), self.at.epoch
            folder = self.out if self.team.chief else None
            known = faults.name_bad_batch(
                self.heads[head], self.settings.seed, epoch, number, folder
            )
            raise TfepiError(
                f"the loss became {losses[bad[0]]} in epoch {epoch}, step {number}: {known}; "
                f"{self.out} keeps what was before"
            )
        self._stop = told >= _STOP
        return told > 0

    def late(self) -> bool:
        """Tell whether to keep a state before validation; every worker has to call it."""
        every = 30 * self.settings.save_minutes  # half of it, as validation may take long
        asked = _STOP if self.team.terminate.asked else 0.0
        if every and self.team.chief and time.monotonic() - self._saved > every:
            asked += _SAVE
        told = float(self.team.total([asked])[0])
        self._stop = told >= _STOP
        return told > 0

    def keep(self, state: EpochState) -> None:
        """Keep a state within an epoch; stop where a worker was told to.

        Raises:
            Terminated: it was.
        """
        at = self.at
        best = (at.best, at.best_epoch, at.unimproved)
        here = Checkpoint(at.epoch, state.step, *best, tuple(state.losses), self.team.replicas)
        if self.team.chief:
            self.folder.write(here, state.sums)
        self._saved = time.monotonic()
        if self._stop:
            self.team.total([0.0])  # no one leaves before the chief has written
            raise Terminated(
                f"told to end (SIGTERM): {self.out} keeps {here}; run the same command with "
                "--resume to go on"
            )

    def _epoch(self, epoch: int) -> dict:
        """Train and validate one epoch; return its line of metrics.jsonl."""
        started, seed = time.monotonic(), self.settings.seed
        state, before = self._state, self._state.step
        self._state = EpochState()
        try:
            trained = train_epoch(self.heads, seed, epoch, self, self.quiet, state)
            examples = (state.step - before) * self.params.train.batch_size
            rate = examples / max(time.monotonic() - started, 1e-9)
            valid = [head.validate() for head in self.heads]
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
            self._check_records()
            raise
        for head, found in zip(self.heads, valid, strict=True):
            faults.check_validated(head, found["loss"], epoch, self.out)
        return {
            "epoch": epoch,
            **epoch_line.metrics(self.heads, trained, valid),
            "learning_rate": float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)),
            "seconds": round(time.monotonic() - started, 3),
            "examples_per_second": round(rate, 3),
        }

    def _check_records(self) -> None:
        """Raise the error that names the damaged record, if there is one."""
        for head in self.heads:
            for label in (self.settings.train_label, self.settings.valid_label):
                head.check_seen(label)
                if head.source.embeddings is not None:
                    head.source.embeddings.verify(head.source.data, label)

    def _keep_epoch(self, line: dict) -> None:
        """Write the epoch's models and metrics, then the state that speaks of them."""
        at, epoch, score = self.at, line["epoch"], epoch_line.score(line, self.params.train)
        if not math.isfinite(score):
            raise TfepiError(
                f"the validation score of epoch {epoch} is {score}: the last good model is "
                f"{self.out / BEST}; use a lower learning rate or clip_norm"
            )
        better = at.best is None or score > at.best
        best = (score, epoch, 0) if better else (at.best, at.best_epoch, at.unimproved + 1)
        self.at = Checkpoint(epoch + 1, 0, *best, replicas=self.team.replicas)
        self._saved = time.monotonic()
        if not self.team.chief:
            return
        self.folder.append(line)
        self.folder.write(self.at, better=better)
        if self._board:
            with self._board.as_default(step=epoch):
                for name, value in line.items():
                    if name != "epoch" and not isinstance(value, list):
                        tf.summary.scalar(name, value)
            self._board.flush()


def _number_of_sums(head: HeadTraining) -> int:
    return sum(len(metric.variables) for metric in head.metrics)
