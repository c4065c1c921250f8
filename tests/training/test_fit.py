"""Training: resuming is exact, results are kept, disagreements are refused."""

import json
import math
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.params import parse_params
from tfepi.predictors import load_predictor
from tfepi.spec import ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.training import head, run, run_folder
from tfepi.training.fit import Settings, train
from tfepi.training.loop import BatchStatistics
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import eval_dataset
from tfrecords_tools.errors import (
    ConfigError,
    InputFileError,
    Terminated,
    TfepiError,
    UnfinishedError,
)
from tfrecords_tools.joined import join
from tfrecords_tools.readable_part import readable_part

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


def plain_bins(*, targets: int, bin_width: int = 32, dtype: str = "float32"):
    """A smaller one in which an example changes nothing of another's."""
    inputs = keras.Input((256, 4), name="sequence")
    x = keras.layers.Conv1D(8, 9, padding="same", activation="relu")(inputs)
    x = keras.layers.Cropping1D(2)(keras.layers.MaxPooling1D(32)(x))
    x = keras.layers.Dense(targets, activation="softplus", kernel_regularizer="l2")(x)
    return keras.Model({"sequence": inputs}, x)


@pytest.fixture(autouse=True)
def _model(monkeypatch):
    from tfepi import models

    monkeypatch.setitem(models.MODELS, "multi_bin", multi_bin)
    monkeypatch.setitem(models.MODELS, "plain_bins", plain_bins)


@pytest.fixture(scope="module")
def data(small_data):
    return Data.open(small_data)


QUIET = Settings(seed=3, quiet=True, tensorboard=False)
TIMES = ("seconds", "examples_per_second")


def weights(folder, name="model_best.keras"):
    model = keras.saving.load_model(folder / name, compile=False)
    return [np.asarray(w) for w in model.weights]


def stopped_after(monkeypatch, epochs):
    """Make a run stop, as by a kill, before it keeps the epoch after `epochs`."""
    real = run.Run._keep_epoch

    def keep(self, line):
        if line["epoch"] >= epochs:
            raise KeyboardInterrupt
        real(self, line)

    monkeypatch.setattr(run.Run, "_keep_epoch", keep)


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(whole, data, tmp_path, monkeypatch):
    for stop in (1, 3):
        with monkeypatch.context() as patch:
            stopped_after(patch, stop)
            with pytest.raises(KeyboardInterrupt):
                train(params(), data, tmp_path / "part", QUIET, resume=True)
    train(params(), data, tmp_path / "part", QUIET, resume=True)
    same_runs(whole, tmp_path / "part")


def same_runs(one, two, names=("model_best.keras", "model_check-4.keras")):
    """Check that two runs have the same weights, and the same metrics but for times."""
    for name in names:
        for a, b in zip(weights(one, name), weights(two, name), strict=True):
            np.testing.assert_array_equal(a, b)
    lines = [
        [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (one, two)
    ]
    for a, b in zip(*lines, strict=True):
        assert {k: v for k, v in a.items() if k not in TIMES} == {
            k: v for k, v in b.items() if k not in TIMES
        }


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """An uninterrupted run."""
    from tfepi import models

    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "multi_bin", multi_bin)
        train(params(), data, folder, QUIET)
    return folder


def at_step(monkeypatch, number, act):
    """Call `act` before the `number`-th step of a run."""
    real, seen = run.Run.signal, []

    def signal(self):
        seen.append(1)
        if len(seen) == number:
            act()
        return real(self)

    monkeypatch.setattr(run.Run, "signal", signal)


def killed():
    raise KeyboardInterrupt


EACH_STEP = replace(QUIET, save_minutes=1e-9)


def test_a_run_that_was_killed_within_an_epoch_goes_on_from_there(
    whole, data, tmp_path, monkeypatch
):
    """Every step is kept here; kills at the start, in the middle, at the end of an epoch.

    It goes on step by step, and with four steps at once.
    """
    out = tmp_path / "run"
    for number in (3, 10, 29, 19):
        with monkeypatch.context() as patch:
            at_step(patch, number, killed)
            with pytest.raises(KeyboardInterrupt):
                train(params(), data, out, EACH_STEP, resume=True)
        state = json.loads((out / "state.json").read_text())
        assert len(state["checkpoints"]) <= 2
        names = {name for c in state["checkpoints"] for name in c["files"]}
        assert {p.name for p in out.glob("model_check-*")} == names
    assert state["step"] > 0
    four = tmp_path / "four"
    shutil.copytree(out, four)
    train(params(), data, out, QUIET, resume=True)
    same_runs(whole, out)
    train(params(), data, four, replace(QUIET, steps_per_execution=4), resume=True)
    same_runs(whole, four)


def test_sigterm_keeps_the_step_and_ends(whole, data, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(patch, 40, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Terminated, match=r"keeps epoch 1, step 1\d; .* --resume"):
            train(params(), data, out, QUIET)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    state = json.loads((out / "state.json").read_text())
    assert (state["epoch"], state["step"] > 9) == (1, True)
    train(params(), data, out, QUIET, resume=True)
    same_runs(whole, out)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    whole, data, tmp_path, monkeypatch, caplog
):
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stopped_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train(params(), data, stopped, replace(QUIET, keep=3))
    assert len(list(stopped.glob("model_check-*"))) == 3
    for spoil in (damage, Path.unlink):
        out = tmp_path / spoil.__name__
        shutil.copytree(stopped, out)
        spoil(out / "model_check-3.keras")
        caplog.clear()
        train(params(), data, out, QUIET, resume=True)
        (said,) = [r.message for r in caplog.records if "damaged" in r.message]
        assert re.fullmatch(
            r"the checkpoint of epoch 3 in .* is damaged .*: falls back .* before", said
        )
        same_runs(whole, out)


def test_without_a_whole_checkpoint_nothing_is_gone_on_with(data, tmp_path):
    out = tmp_path / "run"
    train(params(train={"train_epochs_max": 2}), data, out, QUIET)
    for path in out.glob("model_check-*"):
        damage(path)
    with pytest.raises(UnfinishedError, match=r"no checkpoint in .* is whole: put model_check-2"):
        train(params(train={"train_epochs_max": 2}), data, out, QUIET, resume=True)


def test_a_damaged_best_model_is_put_back(whole, data, tmp_path, caplog):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    best = json.loads((out / "state.json").read_text())["best_epoch"]
    assert best == 3, "the last epoch's checkpoint is kept"
    damage(out / "model_best.keras")
    train(params(), data, out, QUIET, resume=True)
    assert any("taken from model_check-4.keras" in r.message for r in caplog.records)
    same_runs(whole, out)
    shutil.copy(whole / "model_best.keras", out / "model_best.keras")
    damage(out / "model_best.keras")
    (out / "model_check-4.keras").unlink()
    with pytest.raises(UnfinishedError, match=r"model_best.keras, of epoch 3, is damaged"):
        train(params(), data, out, QUIET, resume=True)


@pytest.mark.parametrize(
    ("where", "name"), [(run_folder, "write_state"), (run_folder.checkpoints, "copy_best")]
)
def test_a_stop_between_any_two_files_is_gone_on_from(
    whole, data, tmp_path, monkeypatch, where, name
):
    """The checkpoint is written, then the state that speaks of it, then the best model."""
    out = tmp_path / "run"
    real, seen = getattr(where, name), []

    def stop(*args):
        seen.append(1)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, stop)
        with pytest.raises(KeyboardInterrupt):
            train(params(), data, out, replace(QUIET, keep=1))
    train(params(), data, out, QUIET, resume=True)
    same_runs(whole, out)


def test_layers_that_were_built_synchronised_stay_so():
    made = multi_bin(targets=1)
    (norm,) = [x for x in made.layers if isinstance(x, keras.layers.BatchNormalization)]
    norm.synchronized = True
    statistics = BatchStatistics(made)
    for chosen in (False, True):
        statistics.synchronise(chosen)
        assert (statistics.over_all, statistics.own) == ([norm.name], [])
    plain = BatchStatistics(multi_bin(targets=1))
    assert (plain.over_all, len(plain.own)) == ([], 1)
    plain.synchronise(True)
    assert (len(plain.over_all), plain.own) == (1, [])


def test_folders_of_the_version_before_are_gone_on_with(whole, data, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(params(), data, out, QUIET)
    state = json.loads((out / "state.json").read_text())
    known = {k: state[k] for k in ("format", "epoch", "best", "best_epoch", "unimproved", "key")}
    for name in ("strategy", "keep"):
        assert name not in known["key"]["settings"]
    (out / "state.json").write_text(json.dumps(known | {"format_version": 1}))
    (out / "model_check-1.keras").unlink()
    train(params(), data, out, QUIET, resume=True)
    same_runs(whole, out)
    (out / "state.json").write_text(json.dumps(known | {"format_version": 3}))
    with pytest.raises(InputFileError, match="version 3, want 2"):
        train(params(), data, out, QUIET, resume=True)
    (out / "state.json").write_text(json.dumps({"format_version": 2, "key": {}}))
    with pytest.raises(InputFileError, match="is damaged"):
        train(params(), data, out, QUIET, resume=True)


def test_a_checkpoint_is_not_of_weights_that_are_no_number(data, tmp_path, monkeypatch):
    """As after a step whose loss was one, but whose gradient was not."""

    def spoilt(self, *args, **keywords):
        weight = self._model.trainable_variables[0]
        weight.assign(weight * float("nan"))
        return real(self, *args, **keywords)

    real = run_folder.RunFolder.write
    monkeypatch.setattr(run_folder.RunFolder, "write", spoilt)
    with pytest.raises(TfepiError, match=r"weight .* is no number after a step"):
        train(params(), data, tmp_path / "run", QUIET)
    assert not list((tmp_path / "run").glob("model_*.keras"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": 0}, "--keep is 0, want at least 1"),
        ({"accumulate": 0}, "--accumulate is 0"),
        ({"save_minutes": -1}, "--save_minutes is -1, want at least 0"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**change)


def test_batches_have_an_example_for_every_piece(data, tmp_path):
    with pytest.raises(ConfigError, match=r"batch_size is 16, too few .* --accumulate 17"):
        train(params(), data, tmp_path / "run", replace(QUIET, accumulate=17))


def test_pieces_of_a_batch_train_the_same_model(data, tmp_path):
    """Without dropout and batch normalisation, whose statistics are each piece's."""
    still = params(train={"train_epochs_max": 1, "clip_norm": 0.1}, name="plain_bins")
    train(still, data, tmp_path / "one", QUIET)
    train(still, data, tmp_path / "three", replace(QUIET, accumulate=3, steps_per_execution=5))
    for a, b in zip(weights(tmp_path / "one"), weights(tmp_path / "three"), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    lines = [json.loads((tmp_path / f / "metrics.jsonl").read_text()) for f in ("one", "three")]
    for name in ("loss", "pearsonr", "valid_loss"):
        assert lines[0][name] == pytest.approx(lines[1][name], rel=1e-4, abs=1e-4)


def test_a_profile_is_written(data, tmp_path):
    settings = Settings(seed=3, quiet=True, profile=True)
    train(params(train={"train_epochs_max": 1}), data, tmp_path / "run", settings)
    (trace,) = (tmp_path / "run" / "tensorboard").glob("plugins/profile/*/*.xplane.pb")
    assert b"Conv2D" in trace.read_bytes()


def test_seeds_matter(data, tmp_path):
    short = params(train={"train_epochs_max": 1})
    train(short, data, tmp_path / "a", QUIET)
    train(short, data, tmp_path / "b", Settings(seed=4, quiet=True, tensorboard=False))
    same = [
        np.array_equal(a, b)
        for a, b in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True)
    ]
    assert not all(same)


def test_the_run_folder(data, tmp_path):
    out = tmp_path / "run"
    train(params(), data, out, Settings(seed=3, quiet=True))
    names = {p.name for p in out.iterdir()}
    assert names == {
        "model_best.keras",
        "model_check-3.keras",
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
    real = head.train_dataset

    def poisoned(*args, **kwargs):
        dataset = real(*args, **kwargs)
        if args[4] == 1:
            dataset = dataset.map(lambda x, y: (x, y * float("inf")))
        return dataset

    monkeypatch.setattr(head, "train_dataset", poisoned)
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


@pytest.fixture
def damaged(small_data, tmp_path):
    """A copy of the data, its middle training shard damaged in the middle."""
    copy = tmp_path / "data"
    shutil.copytree(small_data, copy)
    shards = sorted((copy / "tfrecords").glob("train-*.tfr"), key=lambda p: int(p.stem[6:]))
    damage(shards[len(shards) // 2])
    return Data.open(copy), shards[len(shards) // 2]


def test_records_behind_damage_are_left_out_and_counted(damaged, data, tmp_path, caplog):
    folder, shard = damaged
    found = readable_part(folder, ("train", "valid"), quiet=True)
    left = data.counts["train"] - found.counts["train"]
    assert 0 < left <= 100
    assert found.readable == {str(shard): 100 - left}
    assert found.counts["valid"] == data.counts["valid"]
    said = [r.message for r in caplog.records]
    assert re.search(rf"shard {shard} is corrupt at record {100 - left}, .* left out", said[0])
    assert said[1].startswith(f"label 'train': {left} records of {data.counts['train']} (")
    whole = [x.tobytes() for x in np.concatenate([y for _, y in eval_dataset(data, "train", 16)])]
    read = [x.tobytes() for x in np.concatenate([y for _, y in eval_dataset(found, "train", 16)])]
    number = [p.name for p in data.shards("train")].index(shard.name)
    end = 100 * number + 100 - left
    assert read == whole[:end] + whole[end + left :]
    assert sum(1 for _ in found.records("train")) == found.counts["train"]
    out = tmp_path / "run"
    short = params(train={"train_epochs_max": 1})
    train(short, found, out, QUIET)
    model = keras.saving.load_model(out / "model_check-1.keras")
    assert int(model.optimizer.iterations) == found.counts["train"] // 16
    with pytest.raises(UnfinishedError, match="readable differ"):
        train(short, data, out, QUIET, resume=True)


def test_nothing_readable_is_an_error(damaged):
    folder, _ = damaged
    for path in folder.shards("valid"):
        content = path.read_bytes()
        path.write_bytes(content[:9])
    with pytest.raises(InputFileError, match="manifest says"):
        Data.open(folder.folder)
    with pytest.raises(InputFileError):
        readable_part(folder, ("valid",), quiet=True)


def test_whole_data_stay_as_they_are(data):
    assert readable_part(data, ("train",), quiet=True) is data
