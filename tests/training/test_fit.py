"""Training: resuming is exact, results are kept, disagreements are refused."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.params import parse_params
from tfepi.predictors import load_predictor
from tfepi.spec import ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.training import epoch, run
from tfepi.training.fit import Settings, train
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import eval_dataset
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.joined import join

import_tensorflow()


def params(**changes):
    value = {
        "train": {
            "batch_size": 16,
            "shuffle_buffer": 64,
            "optimizer": "adam",
            "learning_rate": 0.003,
            "patience": 9,
            "train_epochs_max": 4,
        },
        "model": {
            "name": "multi_bin",
            "augment_rc": True,
            "augment_shift": 3,
        },
    }
    value["train"] |= changes.pop("train", {})
    value["model"] |= changes
    return parse_params(value)


def multi_bin(*, targets: int, bin_width: int = 32, dtype: str = "float32", dropout: float = 0.3):
    """A small model with dropout and batch norm that predicts the four bins of the test data."""
    inputs = keras.Input((256, 4), name="sequence")
    x = keras.layers.Conv1D(8, 9, padding="same", dtype=dtype)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.MaxPooling1D(32)(x)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Cropping1D(2)(x)
    x = keras.layers.Dense(targets, activation="softplus")(x)
    return keras.Model({"sequence": inputs}, x)


@pytest.fixture(autouse=True)
def _model(monkeypatch):
    from tfepi import models

    monkeypatch.setitem(models.MODELS, "multi_bin", multi_bin)


@pytest.fixture(scope="module")
def data(small_data):
    return Data.open(small_data)


QUIET = Settings(seed=3, quiet=True, tensorboard=False)


def weights(folder, name="model_best.keras"):
    model = keras.saving.load_model(folder / name, compile=False)
    return [np.asarray(w) for w in model.weights]


def stopped_after(monkeypatch, epochs):
    """Make a run stop, as by a kill, before it keeps the epoch after `epochs`."""
    real = run.Run._keep

    def keep(self, line):
        if line["epoch"] >= epochs:
            raise KeyboardInterrupt
        real(self, line)

    monkeypatch.setattr(run.Run, "_keep", keep)


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(data, tmp_path, monkeypatch):
    train(params(), data, tmp_path / "whole", QUIET)
    for stop in (1, 3):
        with monkeypatch.context() as patch:
            stopped_after(patch, stop)
            with pytest.raises(KeyboardInterrupt):
                train(params(), data, tmp_path / "part", QUIET, resume=True)
    train(params(), data, tmp_path / "part", QUIET, resume=True)
    for name in ("model_best.keras", "model_check-4.keras"):
        for a, b in zip(
            weights(tmp_path / "whole", name), weights(tmp_path / "part", name), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    lines = [
        [json.loads(x) for x in (tmp_path / f / "metrics.jsonl").read_text().splitlines()]
        for f in ("whole", "part")
    ]
    for a, b in zip(*lines, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }


def test_seeds_matter(data, tmp_path):
    short = params(train={"train_epochs_max": 1})
    train(short, data, tmp_path / "a", QUIET)
    train(short, data, tmp_path / "b", Settings(seed=4, quiet=True, tensorboard=False))
    same = [
        np.array_equal(a, b)
        for a, b in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True)
    ]
    assert not all(same)


def test_dropout_seeds_follow_seed_and_epoch():
    def states(seed, epoch):
        model = multi_bin(targets=1)
        run.set_random_states(model, seed, epoch)
        found = [
            np.asarray(x.seed_generator.state) for x in model.layers if hasattr(x, "seed_generator")
        ]
        assert len(found) == 1
        return found[0].tolist()

    assert states(1, 2) == states(1, 2)
    assert states(1, 2) != states(1, 3)
    assert states(1, 2) != states(2, 2)


def test_the_run_folder(data, tmp_path):
    out = tmp_path / "run"
    train(params(), data, out, Settings(seed=3, quiet=True))
    names = {p.name for p in out.iterdir()}
    assert names == {
        "model_best.keras",
        "model_check-4.keras",
        "model.json",
        "params.json",
        "metrics.jsonl",
        "state.json",
        "run.json",
        "tensorboard",
        ".tfepi",
    }
    spec = ModelSpec.read(out / "model.json")
    assert (spec.seq_length, spec.bin_width, spec.crop, spec.target_length) == (256, 32, 64, 4)
    assert [t.identifier for t in spec.head().targets] == ["T0", "T1", "T2"]
    assert spec.data == data.manifest_sha256
    lines = [json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines()]
    assert [x["epoch"] for x in lines] == [0, 1, 2, 3]
    for line in lines:
        for name in ("pearsonr", "r2"):
            each = line.pop(f"valid_{name}_per_target")
            assert len(each) == 3
            assert line[f"valid_{name}"] == pytest.approx(np.mean(each), abs=1e-5)
        assert all(math.isfinite(v) for v in line.values())
    assert lines[-1]["loss"] < lines[0]["loss"]
    state = json.loads((out / "state.json").read_text())
    scores = [x["valid_pearsonr"] + x["valid_r2"] / 4 for x in lines]
    assert state["best_epoch"] == int(np.argmax(scores))
    assert json.loads((out / "run.json").read_text())["outcome"] == "finished"
    model = keras.saving.load_model(out / "model_check-4.keras")
    assert int(model.optimizer.iterations) == 4 * (data.counts["train"] // 16)


def test_single_task_training(data, tmp_path):
    settings = Settings(seed=3, quiet=True, tensorboard=False, targets=("T1",))
    train(params(train={"train_epochs_max": 1}), data, tmp_path / "run", settings)
    predictor = load_predictor(tmp_path / "run")
    assert [t.identifier for t in predictor.spec.head().targets] == ["T1"]
    indices, _ = data.arrays("test", 0, 5)
    assert predictor.predict({"sequence": indices})["output"].shape == (5, 4, 1)


def test_early_stopping(data, tmp_path):
    still = params(train={"learning_rate": 1e-12, "patience": 1, "train_epochs_max": 30})
    train(still, data, tmp_path / "run", QUIET)
    epochs = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert epochs < 30
    assert state["unimproved"] == 2


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(data, tmp_path, monkeypatch):
    real = epoch.train_dataset

    def poisoned(*args, **kwargs):
        dataset = real(*args, **kwargs)
        if args[4] == 1:
            dataset = dataset.map(lambda x, y: (x, y * float("inf")))
        return dataset

    monkeypatch.setattr(epoch, "train_dataset", poisoned)
    with pytest.raises(TfepiError, match=r"loss became .* in epoch 1, step 0"):
        train(params(), data, tmp_path / "run", QUIET)
    assert (tmp_path / "run" / "model_best.keras").exists()
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bin_width": 64}, "bin width: the model of params.json has 64, the data .* has 32"),
        ({"name": "basset"}, "sequence length: the model of params.json has 1344, .* has 256"),
        ({"name": "basset", "input_length": 256, "bin_width": 32}, "output bins: .* has 1, .* 4"),
    ],
)
def test_models_of_other_lengths_are_refused(data, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        train(params(**change), data, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_resumes_too(data, tmp_path, monkeypatch, precision):
    short = params(train={"train_epochs_max": 2, "steps_per_epoch": 6})
    settings = Settings(seed=3, quiet=True, tensorboard=False, precision=precision)
    train(short, data, tmp_path / "whole", settings)
    with monkeypatch.context() as patch:
        stopped_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(short, data, tmp_path / "part", settings)
    train(short, data, tmp_path / "part", settings, resume=True)
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "part"), strict=True):
        np.testing.assert_array_equal(a, b)
    model = keras.saving.load_model(tmp_path / "whole" / "model_best.keras")
    assert model.layers[1].compute_dtype == precision.removeprefix("mixed_")
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")


@pytest.mark.slow
def test_xla_trains_the_same_model(small_data, tmp_path, run_script):
    """In a process of its own: Keras compiles nothing where operations are deterministic."""
    trunk = [
        {"name": "conv_dna", "filters": 6, "kernel_size": 7, "pool_size": 32},
        {"name": "Cropping1D", "cropping": 2},
    ]
    head = {"name": "final", "units": 3, "activation": "softplus"}
    value = {
        "train": {"batch_size": 16, "train_epochs_max": 1, "steps_per_epoch": 4},
        "model": {"seq_length": 256, "trunk": trunk, "head": head},
    }
    (tmp_path / "p.json").write_text(json.dumps(value))
    for name, options in (("plain", ()), ("xla", ("--xla",))):
        done = run_script(
            "tfepi_train.py", *options, "-o", tmp_path / name, tmp_path / "p.json", small_data
        )
        assert "jit_compile=False" not in done.stderr
    for a, b in zip(weights(tmp_path / "plain"), weights(tmp_path / "xla"), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_a_damaged_shard_is_named(small_data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(small_data, copy)
    shard = sorted((copy / "tfrecords").glob("train-*.tfr"))[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    with pytest.raises(InputFileError, match=rf"{shard.name}.* record \d+"):
        train(params(), Data.open(copy), tmp_path / "run", QUIET)


def test_results_stay_where_training_cannot_begin(data, tmp_path):
    short = params(train={"train_epochs_max": 1})
    train(short, data, tmp_path / "run", QUIET)
    with pytest.raises(ConfigError, match="bin width"):
        train(params(bin_width=64), data, tmp_path / "run", QUIET, overwrite=True)
    assert (tmp_path / "run" / "model_best.keras").exists()
    train(short, data, tmp_path / "run", QUIET, overwrite=True)


def test_data_folders_are_joined(small_data, data, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_data, copy)
    both = join([data, Data.open(copy)])
    assert both.counts == {label: 2 * n for label, n in data.counts.items()}
    assert both.windows("valid") == 2 * data.windows("valid")
    sequences, targets = data.arrays("valid")
    for found, wanted in zip(both.arrays("valid"), (sequences, targets), strict=True):
        np.testing.assert_array_equal(found, np.concatenate([wanted, wanted]))
    rows = sum(len(y) for _, y in eval_dataset(both, "valid", 16))
    assert rows == 2 * len(targets)
    train(params(train={"train_epochs_max": 1}), both, tmp_path / "run", QUIET)
    inputs = json.loads((tmp_path / "run" / "run.json").read_text())["inputs"]
    assert [Path(x["path"]).parent for x in inputs.values()] == [data.folder, copy]
    with pytest.raises(ConfigError, match="named twice"):
        join([data, data])
    with pytest.raises(ConfigError, match=r"crop_bp is 64 in .* and 32 in"):
        join([data, replace(Data.open(copy), crop_bp=32)])
    with pytest.raises(ConfigError, match=r"has targets T0, T1, T2, .* has T0, T1"):
        join([data, replace(Data.open(copy), targets=data.targets[:2])])
    with pytest.raises(ConfigError, match=r"unknown label 'vald'.* did you mean 'valid'"):
        both.shards("vald")


def test_results_are_not_overwritten_nor_mixed(data, tmp_path):
    short = params(train={"train_epochs_max": 1})
    train(short, data, tmp_path / "run", QUIET)
    with pytest.raises(UnfinishedError, match="has results"):
        train(short, data, tmp_path / "run", QUIET)
    with pytest.raises(UnfinishedError, match="params differ"):
        train(params(dropout=0.1), data, tmp_path / "run", QUIET, resume=True)
    with pytest.raises(UnfinishedError, match="settings differ"):
        train(short, data, tmp_path / "run", Settings(seed=9, quiet=True), resume=True)


@pytest.mark.parametrize("label", ["train", "valid"])
def test_records_fewer_than_the_folder_tells_are_refused(data, tmp_path, label):
    count = data.counts[label]
    short = replace(data, counts=data.counts | {label: 2 * count})
    wanted = rf"shards of {label} in .* hold {count} records, .* tells {2 * count}"
    with pytest.raises(InputFileError, match=wanted):
        train(params(train={"train_epochs_max": 1}), short, tmp_path / "run", QUIET)
    assert not (tmp_path / "run" / "model_best.keras").exists()


def test_an_epoch_is_no_longer_than_its_records(data, tmp_path, caplog):
    whole = data.counts["train"] // 16
    for steps, folder in ((None, "a"), (whole + 7, "b")):
        short = params(
            train={"train_epochs_max": 1} | ({"steps_per_epoch": steps} if steps else {})
        )
        train(short, data, tmp_path / folder, QUIET)
    assert caplog.text.count(f"steps_per_epoch is {whole + 7}; the records of label 'train'") == 1
    for a, b in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(a, b)
    model = keras.saving.load_model(tmp_path / "b" / "model_best.keras")
    assert int(model.optimizer.iterations) == whole
