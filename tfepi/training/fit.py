"""Training: epochs that are functions of (seed, epoch), checkpoints, early stopping, resuming.

Each epoch is one call of Keras's `fit` on that epoch's dataset, after every random state of the
model was set from (seed, epoch). A run stopped anywhere goes on from its last whole epoch and
ends with the weights it would have had.
"""

from pathlib import Path

import keras
import tensorflow as tf

from tfepi.models import bin_width, make_model
from tfepi.params import Params
from tfepi.spec import Head, ModelSpec
from tfepi.startup import device
from tfepi.training.run import Run, Settings, restored, run_key
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import Augmentation
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import (
    check_folder,
    claim_folder,
    remove_parts,
    run_record,
    write_json,
)
from tfrecords_tools.targets import select

__all__ = ["Settings", "model_spec", "train"]


def model_spec(
    params: Params, model: keras.Model, data: Data, chosen: tuple[int, ...]
) -> ModelSpec:
    """Return the contract of a model trained on `data`.

    Raises:
        ConfigError: the model's lengths are not the data's (both numbers).
    """
    length = model.get_layer("sequence").output.shape[1]
    if params.model.augment_shift >= length // 2:
        raise ConfigError(
            f"params.json model.augment_shift is {params.model.augment_shift} bp: want less than "
            f"half the sequence of {length} bp"
        )
    bins = model.output_shape[1]
    width = bin_width(params.model)
    for what, ours, theirs in (
        ("sequence length", length, data.seq_length),
        ("bin width", width, data.pool_width),
        ("number of output bins", bins, data.target_length),
    ):
        if ours != theirs:
            raise ConfigError(
                f"{what}: the model of params.json has {ours}, the data in {data.folder} has "
                f"{theirs}: change params.json, or build the data with other -l, -w, --crop"
            )
    targets = tuple(data.targets[i] for i in chosen)
    return ModelSpec(
        name=params.model.name,
        inputs={"sequence": (length, 4)},
        bin_width=width,
        crop=data.crop_bp,
        heads=(
            Head("output", targets, "probability" if params.train.loss == "bce" else "coverage"),
        ),
        data=data.manifest_sha256,
    )


def train(
    params: Params,
    data: Data,
    out: str | Path,
    settings: Settings,
    resume: bool = False,
    overwrite: bool = False,
) -> Path:
    """Train a model and write a run folder.

    Args:
        params: the sections of params.json.
        data: an open data folder.
        out: the run folder: model_best.keras, model_check.keras, model.json, params.json,
            metrics.jsonl, state.json, run.json, tensorboard/.
        settings: what the command sets.
        resume: go on after a stop.
        overwrite: remove earlier results.

    Returns:
        The path of the best model.

    Raises:
        ConfigError: params, model and data disagree.
        UnfinishedError: the folder has results; or resuming with other data or params.
        TfepiError: the loss became NaN or infinite.
    """
    out = Path(out)
    chosen = (
        select(data.targets, list(settings.targets))
        if settings.targets
        else tuple(range(len(data.targets)))
    )
    keras.utils.set_random_seed(settings.seed)
    model = make_model(params.model, len(chosen), dtype=settings.precision)
    spec = model_spec(params, model, data, chosen)
    augmentation = Augmentation(
        params.model.augment_rc, params.model.augment_shift, params.train.augment_per
    )
    key = run_key(params, data, settings)
    check_folder(out, resume, overwrite)
    state = restored(out, key) if resume and (out / "state.json").exists() else None
    run = Run(model, params, data, out, settings, chosen, augmentation, key)
    claim_folder(out, resume, overwrite)
    remove_parts(out)
    inputs = {f"data{n}": f / "statistics.json" for n, f in enumerate(data.folders)}
    facts = {"data_sha256": data.manifest_sha256, "device": device(tf)}
    with run_record(out, inputs, seed=settings.seed, **facts):
        write_json(out / "params.json", params.source)
        spec.write(out / "model.json")
        run.start(state)
        run.all_epochs()
    return out / "model_best.keras"
