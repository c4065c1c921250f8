"""Training every model of an experiment with every seed, one after the other or side by side.

Keras is imported where a model is trained, so that worker processes can be told beforehand how
many threads they have.
"""

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.conditioning.plan import Plan
from tfepi.params import Params
from tfepi.spec import ModelSpec
from tfepi.training.side_by_side import run_jobs
from tfrecords_tools.data import Data


@dataclass(frozen=True)
class Training:
    """One model and seed.

    Attributes:
        name: of the model.
        params: its params.
        seed: of its training.
        data: what it is trained on.
        folder: the run folder.
        hold_out: cell types it is not trained on.
        labels: of training and validation records.
        quiet: no progress bars.
    """

    name: str
    params: Params
    seed: int
    data: Data
    folder: Path
    hold_out: tuple[str, ...]
    labels: tuple[str, str]
    quiet: bool

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"

    def run(self) -> None:
        """Train, or go on with what was stopped."""
        import keras

        from tfepi.training.fit import train

        train(self.params, self.data, self.folder, self._settings(), resume=True)
        keras.backend.clear_session()
        gc.collect()

    def check(self, cells: Sequence[str]) -> ModelSpec:
        """Build the model, and return its contract.

        Args:
            cells: that it is to be asked about.

        Raises:
            ConfigError: the model does not suit the data, or has no vector of a cell type.
        """
        import keras

        from tfepi.training.fit import prepared

        spec = prepared(self.params, [self.data], self._settings())[-1]
        keras.backend.clear_session()
        if spec.conditioning.states is not None:
            spec.conditioning.states.array(cells)
        return spec

    def _settings(self):
        from tfepi.training.fit import Settings

        return Settings(
            seed=self.seed,
            hold_out=self.hold_out,
            train_label=self.labels[0],
            valid_label=self.labels[1],
            tensorboard=False,
            quiet=self.quiet,
        )


def run_folder(out: Path, model: str, seed: int) -> Path:
    """Return the run folder of a model and seed."""
    return out / "models" / model / f"seed{seed}"


def trainings_of(plan: Plan, data: Data, out: Path, quiet: bool = False) -> list[Training]:
    """Return the trainings of a plan, seed by seed."""
    return [
        Training(
            name,
            params,
            seed,
            data,
            run_folder(out, name, seed),
            plan.hold_out,
            plan.labels[:2],
            quiet,
        )
        for seed in plan.seeds
        for name, params in plan.models.items()
    ]


def train_models(plan: Plan, data: Data, out: Path, jobs: int = 1, quiet: bool = False) -> None:
    """Train what is not trained yet; a run that was stopped goes on.

    Args:
        plan: models and seeds.
        data: of all of them.
        out: folder of the experiment.
        jobs: trainings side by side, each a process with one thread; 1: one after the other in
            this process, with all threads. How many are side by side does not matter to the
            weights; whether any are, to their last digits.
        quiet: no progress bars.

    Raises:
        ConfigError, InputFileError, UnfinishedError: as `training.fit.train`; jobs below 1.
        TfepiError: a process was killed.
    """
    run_jobs(trainings_of(plan, data, out, quiet or jobs > 1), jobs, quiet=quiet)


def curves(plan: Plan, out: Path) -> dict[tuple[str, int], list[dict]]:
    """Return (model, seed) → metrics of each epoch."""
    found = {}
    for seed in plan.seeds:
        for name in plan.models:
            lines = (run_folder(out, name, seed) / "metrics.jsonl").read_text().splitlines()
            found[name, seed] = [json.loads(line) for line in lines]
    return found
