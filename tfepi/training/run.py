"""One training run: epochs, what is kept after each, and going on from it."""

import json
import logging
import math
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfepi.params import Params
from tfepi.training.losses import make_loss
from tfepi.training.metrics import R2, PearsonR
from tfepi.training.schedules import make_optimizer
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import eval_dataset, train_dataset
from tfrecords_tools.errors import TfepiError, UnfinishedError
from tfrecords_tools.files import atomic_path, read_json, write_json, write_text
from tfrecords_tools.progress import progress

log = logging.getLogger(__name__)
FORMAT = "tfepi-training"


@dataclass(frozen=True)
class Settings:
    """What a training command sets besides params.json.

    Attributes:
        seed: of weights, order and augmentation.
        targets: identifiers or indices of the targets to train on; empty is all.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
        xla: compile steps with XLA.
        train_label, valid_label: labels of the data folder.
        tensorboard: write event files.
        quiet: no progress bars.
    """

    seed: int = 44
    targets: tuple[str, ...] = ()
    precision: str = "float32"
    xla: bool = False
    train_label: str = "train"
    valid_label: str = "valid"
    tensorboard: bool = True
    quiet: bool = False


@dataclass
class Progress:
    """Where a run stands after an epoch."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    unimproved: int = 0


def run_key(params: Params, data: Data, settings: Settings) -> dict:
    """Return what must be equal for a run to be continued."""
    return {
        "params": params.source,
        "data": data.manifest_sha256 or [data.counts, data.seq_length, data.target_length],
        "settings": {
            k: v for k, v in asdict(settings).items() if k not in ("quiet", "tensorboard")
        },
    }


def restored(out: Path, key: dict) -> Progress:
    value = read_json(out / "state.json")
    for name, entry in json.loads(json.dumps(key)).items():
        if value["key"].get(name) != entry:
            raise UnfinishedError(
                f"{name} differ from those {out} was begun with: resume with the same, or use "
                "--overwrite"
            )
    best = -math.inf if value["best"] is None else value["best"]
    return Progress(value["epoch"], best, value["best_epoch"], value["unimproved"])


class Run:
    """One training run: the model, its data and the files it keeps."""

    def __init__(self, model, params, data, out, settings, chosen, augmentation, key):
        self.model, self.params, self.data, self.out = model, params, data, out
        self.settings, self.augmentation, self.key = settings, augmentation, key
        self.chosen = None if len(chosen) == len(data.targets) else chosen
        self.progress = Progress()
        train = params.train
        count = data.counts[settings.train_label]
        self.steps = train.steps_per_epoch or max(1, count // train.batch_size)
        self.metrics = [PearsonR(len(chosen)), R2(len(chosen))]
        optimizer = make_optimizer(train, self.steps)
        if settings.precision == "mixed_float16":
            # The policy is the layers', not the model's, so Keras would not do it by itself.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(
            optimizer=optimizer,
            loss=make_loss(train.loss),
            metrics=self.metrics,
            jit_compile=settings.xla,
        )
        model.optimizer.build(model.trainable_variables)
        self.valid = eval_dataset(
            data, settings.valid_label, train.batch_size, targets=self.chosen
        ).cache()

    def start(self, state: Progress | None) -> None:
        """Begin, or load the checkpoint that `state` speaks of."""
        lines: list[str] = []
        path = self.out / "metrics.jsonl"
        if state is not None:
            self.progress = state
            self.model.load_weights(self.out / f"model_check-{state.epoch}.keras")
            lines = path.read_text().splitlines(keepends=True)[: state.epoch]
            log.info("resuming after epoch %d", state.epoch)
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
                "epoch %d  loss %.4f  r %.4f | valid loss %.4f  r %.4f  r2 %.4f%s  (%.0f s; at "
                "most %s left)",
                line["epoch"],
                line["loss"],
                line["pearsonr"],
                line["valid_loss"],
                line["valid_pearsonr"],
                line["valid_r2"],
                "  best" if state.best_epoch == line["epoch"] else "",
                line["seconds"],
                _duration(left),
            )
        if self._board:
            self._board.close()

    def _epoch(self, epoch: int) -> dict:
        """Train and validate one epoch; return its line of metrics.jsonl."""
        started = time.monotonic()
        set_random_states(self.model, self.settings.seed, epoch)
        dataset = train_dataset(
            self.data,
            self.settings.train_label,
            self.params.train.batch_size,
            self.settings.seed,
            epoch,
            self.augmentation,
            self.params.train.shuffle_buffer,
            self.chosen,
        )
        if self.params.train.steps_per_epoch:
            dataset = dataset.take(self.steps)
        with progress(
            total=self.steps, unit="step", label=f"epoch {epoch}", quiet=self.settings.quiet
        ) as bar:
            try:
                history = self.model.fit(
                    dataset,
                    epochs=1,
                    verbose=0,
                    shuffle=False,
                    callbacks=[_Watch(bar, epoch, self.out)],
                ).history
                valid = self.model.evaluate(self.valid, verbose=0, return_dict=True)
            except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
                for label in (self.settings.train_label, self.settings.valid_label):
                    for _ in self.data.records(label):
                        pass  # raises at the damaged record, naming shard and number
                raise
        logs = {k: float(v[0]) for k, v in history.items()}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        return {
            "epoch": epoch,
            **logs,
            **{f"valid_{k}": float(v) for k, v in valid.items()},
            **{f"valid_{m.name}_per_target": _values(m.per_target()) for m in self.metrics},
            "learning_rate": rate,
            "seconds": round(time.monotonic() - started, 3),
        }

    def _keep(self, line: dict) -> None:
        """Write the epoch's models and metrics, then the state that speaks of them."""
        state, epoch = self.progress, line["epoch"]
        score = line["valid_pearsonr"] + line["valid_r2"] / 4
        if self.params.train.loss == "bce":
            score = -line["valid_loss"]
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
        write_json(
            self.out / "state.json",
            {"format": FORMAT, "format_version": 1, **asdict(state), "key": self.key},
        )
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


class _Watch(keras.callbacks.Callback):
    """Moves the bar and stops at a loss that is no number."""

    def __init__(self, bar, epoch: int, out: Path):
        super().__init__()
        self._bar, self._epoch, self._out = bar, epoch, out

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(1)
        loss = logs["loss"]
        if not math.isfinite(loss):
            raise TfepiError(
                f"the loss became {loss} in epoch {self._epoch}, step {batch}: use a lower "
                f"learning rate or clip_norm; {self._out} keeps the epochs before"
            )


def _values(tensor) -> list[float | None]:
    """Return a metric's value of each target, None where it is undefined."""
    values = keras.ops.convert_to_numpy(tensor).tolist()
    return [round(v, 6) if math.isfinite(v) else None for v in values]


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}h{rest // 60:02d}m" if hours else f"{rest // 60}m{rest % 60:02d}s"
