"""One training run: epochs, what is kept after each, and going on from it."""

import json
import logging
import math
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfepi.params import Params
from tfepi.training.epoch import HeadTraining, Source, epoch_steps, train_epoch
from tfepi.training.layer_rates import undecayed_variables, variable_rates
from tfepi.training.schedules import make_optimizer
from tfepi.training.state import Progress, Settings, write_state
from tfrecords_tools.dataset import Augmentation
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import atomic_path, write_text

log = logging.getLogger(__name__)


class Run:
    """One training run: the model, its heads' data and the files it keeps.

    Args:
        model: the whole model, not compiled.
        params: params.json.
        sources: what each head learns from.
        out: the run folder.
        settings: what the command sets.
        key: what must be equal for the run to be continued.
    """

    def __init__(
        self,
        model: keras.Model,
        params: Params,
        sources: list[Source],
        out: Path,
        settings: Settings,
        key: dict,
    ):
        self.model, self.params, self.out = model, params, out
        self.settings, self.key = settings, key
        self.progress = Progress()
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
        if len(sources) > 1 or settings.rematerialise or settings.embeddings:
            model.compile(optimizer=optimizer)  # so that checkpoints hold the optimiser
        optimizer.build(model.trainable_variables)
        self.heads = [
            HeadTraining(model, s, train, optimizer, labels, augmentation, settings)
            for s in sources
        ]
        self.optimizer = optimizer

    def start(self, state: Progress | None) -> None:
        """Begin, or load the checkpoint that `state` speaks of."""
        lines: list[str] = []
        path = self.out / "metrics.jsonl"
        if state is not None:
            self.progress = state
            self.model.load_weights(self.out / f"model_check-{state.epoch}.keras")
            lines = path.read_text().splitlines(keepends=True)[: state.epoch]
            log.info("resuming at epoch %d", state.epoch)
        write_text(path, "".join(lines))
        self._board = None
        if self.settings.tensorboard:
            self._board = tf.summary.create_file_writer(str(self.out / "tensorboard"))

    def all_epochs(self) -> None:
        """Train until the patience or the epochs are used up."""
        train, state = self.params.train, self.progress
        started, first = time.monotonic(), state.epoch
        while state.epoch < train.train_epochs_max:
            if state.epoch >= train.train_epochs_min and state.unimproved > train.patience:
                break
            with warnings.catch_warnings():
                # An epoch is as long as its dataset; Keras calls that running out of data.
                warnings.filterwarnings("ignore", message="Your input ran out of data")
                line = self._epoch(state.epoch)
            self._keep(line)
            done = state.epoch - first
            left = (time.monotonic() - started) / done * (train.train_epochs_max - state.epoch)
            log.info(
                "epoch %d  %s | valid %s%s  (%.0f s; at most %s left)",
                line["epoch"],
                self._told(line, ""),
                self._told(line, "valid_"),
                "  best" if state.best_epoch == line["epoch"] else "",
                line["seconds"],
                _duration(left),
            )
        if self._board:
            self._board.close()

    def _told(self, line: dict, prefix: str) -> str:
        names = ["loss", *(m.name for m in self.heads[0].metrics)]
        return "  ".join(f"{n} {line[prefix + n]:.4f}" for n in names)

    def _epoch(self, epoch: int) -> dict:
        """Train and validate one epoch; return its line of metrics.jsonl."""
        started = time.monotonic()
        set_random_states(self.model, self.settings.seed, epoch)

        def check(step: int, loss: float) -> None:
            if not math.isfinite(loss):
                raise TfepiError(
                    f"the loss became {loss} in epoch {epoch}, step {step}: use a lower "
                    f"learning rate or clip_norm; {self.out} keeps the epochs before"
                )

        try:
            trained = train_epoch(self.heads, self.settings.seed, epoch, check, self.settings.quiet)
            valid = [head.validate() for head in self.heads]
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
            for head in self.heads:
                for label in (self.settings.train_label, self.settings.valid_label):
                    for _ in head.source.data.records(label):
                        pass  # raises at the damaged record, naming shard and number
                    if head.source.embeddings is not None:
                        head.source.embeddings.verify(head.source.data, label)
            raise
        rate = float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))
        return {
            "epoch": epoch,
            **self._joined(trained, ""),
            **self._joined(valid, "valid_"),
            **self._per_target(),
            "learning_rate": rate,
            "seconds": round(time.monotonic() - started, 3),
        }

    def _joined(self, logs: list[dict], prefix: str) -> dict:
        """Return the means over the heads that have a value; of several heads, each one's too."""
        found = {}
        for name in dict.fromkeys(k for log_ in logs for k in log_):
            values = [log_[name] for log_ in logs if name in log_]
            found[f"{prefix}{name}"] = math.fsum(values) / len(values)
        if len(logs) > 1:
            for head, log_ in zip(self.heads, logs, strict=True):
                found |= {f"{prefix}{head.source.head}_{k}": v for k, v in log_.items()}
        return found

    def _per_target(self) -> dict:
        several = len(self.heads) > 1
        return {
            f"valid_{head.source.head + '_' if several else ''}{name}_per_target": values
            for head in self.heads
            for name, values in head.per_target().items()
        }

    def _keep(self, line: dict) -> None:
        """Write the epoch's models and metrics, then the state that speaks of them."""
        state, epoch = self.progress, line["epoch"]
        train = self.params.train
        if train.best_by == "last":
            score = float(epoch)
        elif train.best_by == "global_pearsonr":
            score = line["valid_global_pearsonr"]
        elif train.best_by == "loss" or train.loss == "bce":
            score = -line["valid_loss"]
        else:
            score = line["valid_pearsonr"]
            if train.best_by == "score":
                score += line["valid_r2"] / 4
        if not math.isfinite(score):
            raise TfepiError(
                f"the validation score of epoch {epoch} is {score}: the last good model is "
                f"{self.out / 'model_best.keras'}; use a lower learning rate or clip_norm"
            )
        better = score > state.best
        if better:
            state.best, state.best_epoch, state.unimproved = score, epoch, 0
            self._save("model_best.keras")
        else:
            state.unimproved += 1
        state.epoch = epoch + 1
        self._save(f"model_check-{state.epoch}.keras")
        with open(self.out / "metrics.jsonl", "a") as handle:
            handle.write(json.dumps(line) + "\n")
        write_state(self.out, state, self.key)
        for old in self.out.glob("model_check-*.keras"):
            if old.name != f"model_check-{state.epoch}.keras":
                old.unlink()
        if self._board:
            with self._board.as_default(step=epoch):
                for name, value in line.items():
                    if name != "epoch" and not isinstance(value, list):
                        tf.summary.scalar(name, value)
            self._board.flush()

    def _save(self, name: str) -> None:
        with atomic_path(self.out / name) as part:
            self.model.save(part)


def set_random_states(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of every seed generator of a model from (seed, epoch).

    Dropout and the like then draw the same numbers in an epoch whether or not the run was
    stopped before it.
    """
    for number, layer in enumerate(model._flatten_layers()):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            stream = np.random.SeedSequence(seed, spawn_key=(epoch, number))
            generator.state.assign(stream.generate_state(2, np.uint32))


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}h{rest // 60:02d}m" if hours else f"{rest // 60}m{rest % 60:02d}s"
