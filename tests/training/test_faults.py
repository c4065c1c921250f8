"""What stops a training: records that make the loss no number, full disks."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfepi.params import parse_params
from tfepi.startup import import_tensorflow
from tfepi.training import faults
from tfepi.training.fit import Settings, train
from tfepi.training.strategy import make_team
from tfepi.training.terminate import Terminate
from tfrecords_tools.errors import TfepiError

tf = import_tensorflow()
QUIET = Settings(seed=3, quiet=True, tensorboard=False)


def small(*, targets: int, units: int = 4, dtype: str = "float32"):
    inputs = keras.Input((512, 4), name="sequence")
    x = keras.layers.Conv1D(units, 5, padding="same", activation="relu")(inputs)
    x = keras.layers.Cropping1D(4)(keras.layers.MaxPooling1D(16)(x))
    x = keras.layers.Dense(targets, activation="softplus")(x)
    return keras.Model({"sequence": inputs}, x)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    from tfepi import models

    monkeypatch.setitem(models.MODELS, "small", small)


def params(units=4):
    section = {"batch_size": 4, "train_epochs_max": 2, "shuffle_buffer": 20, "learning_rate": 1e-3}
    return parse_params({"train": section, "model": {"name": "small", "units": units}})


def spoilt(row):
    values = np.ones((24, 4), np.float16)
    if row == 17:
        values[3, 2] = np.inf
    return values


def test_the_records_of_a_batch_whose_loss_is_no_number_are_named(write_records, tmp_path):
    data = write_records({"train": 24, "valid": 4}, values=spoilt)
    out = tmp_path / "run"
    message = r"loss became -?inf in epoch 0, step (\d): infinite targets in train-4.tfr record 1; "
    with pytest.raises(TfepiError, match=message + r"bad_batch.json lists the batch: ") as caught:
        train(params(), data, out, QUIET)
    number = int(re.search(message, str(caught.value))[1])
    told = json.loads((out / "bad_batch.json").read_text())
    assert (told["format"], told["epoch"], told["batch"]) == ("tfepi-bad-batch", 0, number)
    assert len(told["records"]) == 4
    bad = [r for r in told["records"] if r["infinite_targets"]]
    assert bad == [{"shard": "train-4.tfr", "record": 1, "infinite_targets": ["dnase"]}]


def test_a_batch_without_infinite_targets_is_listed(write_records, tmp_path, monkeypatch):
    data = write_records({"train": 24, "valid": 4})
    real = faults.HeadTraining.batches

    def spoilt(self, seed, epoch, *others):
        return real(self, seed, epoch, *others).map(lambda x, y: (x, y / 0.0))

    monkeypatch.setattr(faults.HeadTraining, "batches", spoilt)
    with pytest.raises(TfepiError, match=r"no target of its records is infinite; they are train-"):
        train(params(), data, tmp_path / "run", QUIET)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_keeps_what_was_there_and_is_gone_on_with(write_records, small_disk, tmp_path):
    data, out = write_records({"train": 24, "valid": 4}), small_disk / "run"
    large = params(units=400)  # 50 kB a model, 90 with the optimiser
    whole = tmp_path / "whole"
    train(large, data, whole, QUIET)
    used = sum(p.stat().st_size for p in whole.glob("model_*.keras"))
    (small_disk / "filler").write_bytes(bytes(600_000 - used + 40_000))
    with pytest.raises(OSError, match="No space left") as caught:
        train(large, data, out, QUIET)
    assert caught.value.errno == 28
    assert re.search(r"model_(check-\d|best)\.keras$", str(caught.value.filename))
    assert not list(out.glob(".*.part*"))
    (small_disk / "filler").unlink()
    train(large, data, out, QUIET, resume=True)
    for name in ("model_best.keras", "model_check-2.keras"):
        one, two = (keras.saving.load_model(f / name, compile=False) for f in (whole, out))
        for a, b in zip(one.weights, two.weights, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_sigterm_is_taken_within_the_block_alone():
    terminate = Terminate()
    with terminate.taken():
        assert not terminate.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert terminate.asked
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def elsewhere():
        other = Terminate()
        with other.taken():
            found.append(other.asked)

    found: list[bool] = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [False]


def test_infinite_targets_of_validation_are_named(write_records, tmp_path):
    data = write_records({"train": 24, "valid": 4}, values=spoilt)
    settings = replace(QUIET, train_label="valid", valid_label="train")
    message = r"validation loss of epoch 0 is -?inf: infinite targets in train-4.tfr record 1: "
    with pytest.raises(TfepiError, match=message):
        train(params(), data, tmp_path / "run", settings)


def test_errors_of_one_process_are_its_own():
    with pytest.raises(tf.errors.UnavailableError), faults.told_in_a_line(make_team()):
        raise tf.errors.UnavailableError(None, None, "gone")
    with (
        pytest.raises(TfepiError, match="too little memory for a step: use --accumulate 2"),
        faults.told_in_a_line(make_team()),
    ):
        tf.zeros([1 << 40, 1 << 10])
