"""Training every model of the procedures and predicting the test windows with it.

Keras is imported where a model is trained, so that worker processes can be told beforehand how
many threads they have.
"""

import gc
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.params import Params
from tfepi.specificity.procedures import Model, Plan, steps_of
from tfrecords_tools.data import Data
from tfrecords_tools.files import atomic_path
from tfrecords_tools.joined import pool_labels
from tfrecords_tools.progress import progress

_BATCH = 64


@dataclass(frozen=True)
class Job:
    """One model to train, and to ask about the test windows.

    Attributes:
        model: which.
        plan: of the experiment.
        data: what it learns from.
        labels: of training and validation windows in these.
        test: the whole data, with the test windows.
        out: folder of the experiment.
        quiet: no progress bars.
    """

    model: Model
    plan: Plan
    data: Data
    labels: tuple[str, str]
    test: Data
    out: Path
    quiet: bool = False

    def __str__(self) -> str:
        return str(self.model)

    def run(self) -> None:
        """Train and predict, or go on with what was stopped."""
        import keras

        from tfepi.training.fit import train

        train(self.params, self.data, self.run_folder, self._settings(), resume=True)
        if not self.predictions.exists():
            self._predict()
        keras.backend.clear_session()
        gc.collect()

    def check(self) -> int:
        """Build the model, and return how many parameters it learns.

        Raises:
            ConfigError: it does not suit the data.
        """
        import keras

        from tfepi.spec import check_shifts
        from tfepi.training.fit import prepared

        _, _, model, spec = prepared(self.params, [self.data], self._settings())
        check_shifts(spec, self.plan.shifts)
        count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        keras.backend.clear_session()
        return count

    @property
    def params(self) -> Params:
        """What it is trained by."""
        every = self.test.counts[self.plan.labels[0]]
        return self.plan.params_for(self.data.counts[self.labels[0]], every)

    @property
    def run_folder(self) -> Path:
        """Where the model is."""
        return self.model.path(self.out / "models")

    @property
    def predictions(self) -> Path:
        """Where its predictions are: float32 [test windows, bins, cell types of the model]."""
        path = self.model.path(self.out / "predictions")
        return path.with_name(f"{path.name}.npy")

    def _settings(self):
        from tfepi.training.fit import Settings

        alone = self.model.cell_type
        return Settings(
            seed=self.model.seed,
            targets=() if alone is None else (alone,),
            train_label=self.labels[0],
            valid_label=self.labels[1],
            tensorboard=False,
            quiet=self.quiet,
        )

    def _predict(self) -> None:
        from tfepi.evaluation.predictions import PredictionError
        from tfepi.evaluation.testing import record_batches
        from tfepi.predictors import load_predictor
        from tfepi.spec import AveragedPredictor

        label = self.plan.labels[2]
        predictor = load_predictor(self.run_folder, _BATCH)
        head = predictor.spec.head().name
        averaged = AveragedPredictor(predictor, rc=True, shifts=self.plan.shifts)
        shape = (self.test.counts[label], predictor.spec.target_length)
        shape += (len(predictor.spec.head().targets),)
        self.predictions.parent.mkdir(parents=True, exist_ok=True)
        with (
            atomic_path(self.predictions) as part,
            progress(total=shape[0], unit="window", label="predict", quiet=self.quiet) as bar,
        ):
            found = np.lib.format.open_memmap(part, "w+", np.float32, shape)
            for start, sequences, _ in record_batches(self.test, label, _BATCH):
                values = averaged.predict({"sequence": sequences})[head]
                if not np.isfinite(values).all():
                    raise PredictionError(
                        f"the model in {self.run_folder} predicts numbers that are not finite: "
                        "train with a lower learning rate or clip_norm"
                    )
                found[start : start + len(values)] = values
                bar.update(len(values))
            found.flush()


def jobs_of(
    plan: Plan, sets: Mapping[str, Data], data: Data, out: Path, quiet: bool = False
) -> list[Job]:
    """Return the jobs of a plan, in the order of its models.

    Args:
        plan: of the experiment.
        sets: regions → data folder, of those other than "all".
        data: the whole data.
        out: folder of the experiment.
        quiet: no progress bars.
    """
    pooled = pool_labels(data, plan.labels)
    found = []
    for model in plan.models():
        own = sets.get(model.procedure.regions)
        labels = plan.labels[:2] if own is None else ("train", "valid")
        found.append(Job(model, plan, own or pooled, labels, pooled, out, quiet))
    return found


def epochs_of(job: Job) -> dict[str, int]:
    """Return how many epochs a finished training had, its best one from 1, and steps of each."""
    lines = (job.run_folder / "metrics.jsonl").read_text().splitlines()
    state = json.loads((job.run_folder / "state.json").read_text())
    steps = steps_of(job.params.train, job.data.counts[job.labels[0]])
    return {"epochs": len(lines), "best_epoch": state["best_epoch"] + 1, "steps": steps}
