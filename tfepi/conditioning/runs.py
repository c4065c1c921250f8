"""Training every model of an experiment with every seed, one after the other."""

import gc
import json
import logging
from pathlib import Path

import keras

from tfepi.conditioning.plan import Plan
from tfepi.training.fit import Settings, train
from tfrecords_tools.data import Data

log = logging.getLogger(__name__)


def run_folder(out: Path, model: str, seed: int) -> Path:
    """Return the run folder of a model and seed."""
    return out / "models" / model / f"seed{seed}"


def train_models(plan: Plan, data: Data, out: Path, quiet: bool = False) -> None:
    """Train what is not trained yet; a run that was stopped goes on.

    Args:
        plan: models and seeds.
        data: of all of them.
        out: folder of the experiment.
        quiet: no progress bars.

    Raises:
        ConfigError, InputFileError, UnfinishedError: as `training.fit.train`.
    """
    total = len(plan.models) * len(plan.seeds)
    number = 0
    for seed in plan.seeds:
        for name, params in plan.models.items():
            number += 1
            settings = Settings(
                seed=seed,
                hold_out=plan.hold_out,
                train_label=plan.labels[0],
                valid_label=plan.labels[1],
                tensorboard=False,
                quiet=quiet,
            )
            log.info("model %s, seed %d (%d of %d)", name, seed, number, total)
            train(params, data, run_folder(out, name, seed), settings, resume=True)
            keras.backend.clear_session()
            gc.collect()


def curves(plan: Plan, out: Path) -> dict[tuple[str, int], list[dict]]:
    """Return (model, seed) → metrics of each epoch."""
    found = {}
    for seed in plan.seeds:
        for name in plan.models:
            lines = (run_folder(out, name, seed) / "metrics.jsonl").read_text().splitlines()
            found[name, seed] = [json.loads(line) for line in lines]
    return found
