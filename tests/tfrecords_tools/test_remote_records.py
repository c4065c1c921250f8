"""Data folders in a bucket: opened without their shards, read label by label, trained from."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from tfepi.predictors import load_predictor
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.framing import read_frames
from tfrecords_tools.remote import named, place, url_of
from tfrecords_tools.remote_records import RECORDS, check_in_place, readable, way

PARAMS = {
    "train": {"batch_size": 16, "train_epochs_max": 2, "learning_rate": 0.01, "loss": "poisson"},
    "model": {
        "seq_length": 256,
        "augment_rc": True,
        "trunk": [
            {"name": "conv_block", "filters": 4, "kernel_size": 5, "pool_size": 32},
            {"name": "Cropping1D", "cropping": 2},
        ],
        "head": {"name": "dense", "units": 3, "activation": "softplus"},
    },
}


def shards_in(folder: Path) -> set[str]:
    return {p.name for p in (folder / "tfrecords").glob("*")}


def same_facts(one: Data, other: Data) -> bool:
    names = [n for n in vars(one) if n != "folder"]
    return all(getattr(one, n) == getattr(other, n) for n in names)


@pytest.fixture
def remote_data(bucket, small_data) -> str:
    """URL of the shared data folder's copy in a bucket."""
    return bucket.upload(small_data, "data")


def test_opening_copies_no_shard_and_a_label_only_its_own(remote_data, small_data):
    data, local = Data.open(remote_data), Data.open(small_data)
    assert same_facts(data, local)
    assert shards_in(data.folder) == set()
    for found, wanted in zip(data.records("valid"), local.records("valid"), strict=True):
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])
    assert shards_in(data.folder) == {p.name for p in local.shards("valid")}
    assert data.windows("valid") == local.windows("valid")
    assert named(str(data.folder)) == remote_data
    with pytest.raises(ConfigError, match="tset"):
        data.shards("tset")


def test_records_of_a_shard_that_waits_are_read_from_the_server(
    remote_data, small_data, cut_off, quick
):
    data, (shard, *_) = Data.open(remote_data), Data.open(small_data).shards("train")
    cut_off.limit, cut_off.times = 3000, 1
    waiting = data.folder / "tfrecords" / shard.name
    assert list(read_frames(waiting)) == list(read_frames(shard))
    assert not waiting.exists()


def test_the_same_shards_are_not_fetched_again(remote_data, bucket, cut_off, quick, written):
    data = Data.open(remote_data)
    before = [written(p) for p in data.shards("train")]
    cut_off.limit = 0
    assert [written(p) for p in data.shards("train")] == before


def test_a_folder_whose_data_changed_is_fetched_again(
    remote_data, bucket, small_data, write_records
):
    Data.open(remote_data).shards("train")
    changed = write_records(name="changed")
    bucket.upload(changed.folder, "data")
    for name in shards_in(small_data) - shards_in(changed.folder):
        bucket.delete(f"data/tfrecords/{name}")
    data = Data.open(remote_data)
    assert same_facts(data, changed)
    assert [p.read_bytes() for p in data.shards("train")] == [
        p.read_bytes() for p in changed.shards("train")
    ]


def test_a_shard_that_is_not_the_manifests_is_one_line(remote_data, bucket, small_data):
    shard = Data.open(small_data).shards("valid")[0]
    content = bytearray(shard.read_bytes())
    content[-10] ^= 1
    bucket.put(f"data/tfrecords/{shard.name}", bytes(content))
    data = Data.open(remote_data)
    with pytest.raises(InputFileError, match=rf"{shard.name} has SHA-256 .*the folder's manifest"):
        data.shards("valid")
    bucket.put(f"data/tfrecords/{shard.name}", bytes(content[:-1]))
    with pytest.raises(InputFileError, match=r"bytes, the manifest says"):
        Data.open(remote_data)
    bucket.delete(f"data/tfrecords/{shard.name}")
    with pytest.raises(TfepiError, match=f"{shard.name}"):
        Data.open(remote_data)
    bucket.put(f"data/tfrecords/{shard.name}", shard.read_bytes())
    last = Data.open(small_data).shards("valid")[-1].name
    bucket.delete(f"data/tfrecords/{last}")
    with pytest.raises(InputFileError, match=rf"{last} is missing: copy it to the server again"):
        Data.open(remote_data)


@pytest.mark.parametrize("kind", ["info", "validate"])
def test_what_is_told_of_a_remote_folder_names_its_url(remote_data, run_script, cache, kind):
    done = run_script("tfepi_records.py", kind, remote_data)
    assert done.stdout.startswith(f"{remote_data}: ")
    assert str(cache) not in done.stdout


def test_a_folder_of_another_tool_needs_no_manifest(bucket, small_data, written, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(small_data, folder)
    for name in ("manifest.json", "contigs.bed", "run.json"):
        (folder / name).unlink()
    data, local = Data.open(bucket.upload(folder, "other")), Data.open(folder)
    assert data.counts == local.counts
    shards = data.shards("train")
    before = [written(p) for p in shards]
    assert [p.read_bytes() for p in shards] == [p.read_bytes() for p in local.shards("train")]
    assert [written(p) for p in Data.open(bucket.url("other")).shards("train")] == before


def test_an_unfinished_build_is_refused(remote_data, bucket):
    bucket.put("data/.build/plan.json", b"{}")
    with pytest.raises(InputFileError, match=r"unfinished build"):
        Data.open(remote_data)


def test_a_web_server_serves_a_folder_by_its_manifest(small_data, cache, tmp_path):
    folder = tmp_path / "www" / "data"
    shutil.copytree(small_data, folder)
    program = (
        "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=0, bind='127.0.0.1')"
    )
    served = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        cwd=tmp_path / "www",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = served.stdout.readline().split(" port ")[1].split()[0]
        url = f"http://127.0.0.1:{port}/data"
        data, local = Data.open(url), Data.open(small_data)
        assert same_facts(data, local)
        assert [p.read_bytes() for p in data.shards("test")] == [
            p.read_bytes() for p in local.shards("test")
        ]
        (folder / "manifest.json").unlink()
        shutil.rmtree(cache)
        with pytest.raises(InputFileError, match=r"has no manifest\.json, and its server lists no"):
            Data.open(url)
    finally:
        served.kill()
        served.wait()


def test_another_process_given_the_copys_path_fetches_it(remote_data, small_data, cache):
    """As a worker on another host does, whose cache is its own."""
    Data.open(remote_data)
    shutil.rmtree(cache)
    data = Data.open(place(remote_data))
    assert [p.read_bytes() for p in data.shards("valid")] == [
        p.read_bytes() for p in Data.open(small_data).shards("valid")
    ]


def test_records_are_read_in_place_only_where_tensorflow_can(remote_data, monkeypatch, tmp_path):
    monkeypatch.setenv(RECORDS, "inplace")
    with pytest.raises(ConfigError, match=r"'inplace' in TFEPI_REMOTE_RECORDS: did you mean 'in_p"):
        way()
    monkeypatch.setenv(RECORDS, "in_place")
    check_in_place("gs://lab/data")
    if tuple(map(int, metadata.version("tensorflow").split(".")[:2])) > (2, 17):
        with pytest.raises(ConfigError, match=r"TensorFlow 2\.\d+\S* reads no s3:// itself"):
            Data.open(remote_data).shards("valid")
    assert readable(tmp_path) == str(tmp_path)
    monkeypatch.setenv(RECORDS, "copy")
    path = place("gs://lab/data/tfrecords/a-0.tfr")
    assert readable(path) == str(path)
    assert url_of(path) is not None


@pytest.mark.slow
def test_tensorflow_itself_reads_google_storage(cache, monkeypatch):
    monkeypatch.setenv(RECORDS, "in_place")
    url = "gs://lab/data/tfrecords/a-0.tfr"
    assert readable(place(url)) == url


def _weights(run: Path) -> bytes:
    with zipfile.ZipFile(run / "model_best.keras") as archive:
        return archive.read("model.weights.h5")


def _train(run_script, data, out: Path) -> Path:
    params = out.with_name("params.json")
    params.write_text(json.dumps(PARAMS))
    run_script("tfepi_train.py", "-q", params, data, "-o", out, "--no_tensorboard")
    return out


@pytest.mark.slow
def test_training_from_a_bucket_gives_the_bytes_of_the_local_folder(
    remote_data, bucket, small_data, tmp_path, run_script, cut_off
):
    cut_off.limit, cut_off.times = 20_000, 3
    remote = _train(run_script, remote_data, tmp_path / "remote")
    assert cut_off.cut == 3
    local = _train(run_script, small_data, tmp_path / "local")
    assert _weights(remote) == _weights(local)
    told = (remote / "run.json").read_text()
    assert f"{remote_data}/statistics.json" in told
    assert str(tmp_path / "cache") not in told
    # And the model from there: a run folder, its file, a SavedModel.
    bucket.upload(local, "run")
    assert load_predictor(bucket.url("run")).spec == load_predictor(local).spec
    run_script("tfepi_export.py", "-q", local, "-o", tmp_path / "exported")
    bucket.upload(tmp_path / "exported", "exported")
    params = bucket.url("run/params.json")
    scores = []
    for number, model in enumerate(("run", "run/model_best.keras", "exported")):
        out = tmp_path / f"test{number}"
        run_script("tfepi_test.py", "-q", "-o", out, params, bucket.url(model), remote_data)
        scores.append((out / "acc.txt").read_text())
        assert str(tmp_path / "cache") not in (out / "run.json").read_text()
    out = tmp_path / "here"
    run_script("tfepi_test.py", "-q", "-o", out, local / "params.json", local, small_data)
    assert scores == [(out / "acc.txt").read_text()] * 3


def _has_io() -> bool:
    try:
        metadata.version("tensorflow-io")
    except metadata.PackageNotFoundError:
        return False
    return True


in_place = pytest.mark.skipif(
    not _has_io(), reason="tensorflow-io is not here: scripts/test_io.sh runs it where it is"
)


@in_place
@pytest.mark.slow
def test_training_in_place_copies_no_shard_and_gives_the_same_bytes(
    remote_data, small_data, tmp_path, run_script, monkeypatch
):
    local = _train(run_script, small_data, tmp_path / "local")
    monkeypatch.setenv(RECORDS, "in_place")
    remote = _train(run_script, remote_data, tmp_path / "remote")
    assert shards_in(place(remote_data)) == set()
    assert _weights(remote) == _weights(local)
    given = (local / "params.json", local)
    run_script("tfepi_test.py", "-q", "-o", tmp_path / "t0", *given, remote_data)
    run_script("tfepi_test.py", "-q", "-o", tmp_path / "t1", *given, small_data)
    assert shards_in(place(remote_data)) == set()
    assert (tmp_path / "t0/acc.txt").read_text() == (tmp_path / "t1/acc.txt").read_text()


_PROGRAM = """
import sys, tempfile
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError
def work():
    global kept
    kept = tempfile.TemporaryDirectory(dir=sys.argv[2])
    import tensorflow as tf, tensorflow_io
    assert tf.io.gfile.exists(sys.argv[3])
    print("said")
    if sys.argv[1] == "2":
        raise ConfigError("wrong")
    if sys.argv[1] == "1":
        raise RuntimeError("a bug")
    if sys.argv[1] == "130":
        raise KeyboardInterrupt
raise SystemExit(command.run(work))
"""


@in_place
@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_a_command_that_loaded_tensorflow_io_leaves_with_its_own_status(
    remote_data, tmp_path, status, s3_server
):
    environment = os.environ | {"S3_ENDPOINT": s3_server}
    (tmp_path / "kept").mkdir()
    words = (str(status), str(tmp_path / "kept"), f"{remote_data}/statistics.json")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == status, done.stderr
    assert done.stdout == "said\n"
    assert "pure virtual" not in done.stderr
    assert not list((tmp_path / "kept").iterdir())  # what is done at exit was done
    plain = _PROGRAM.replace("command.run(work)", "work()")  # without: it aborts
    words = ("0", *words[1:])
    done = subprocess.run(
        [sys.executable, "-c", plain, *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == -6
    assert "pure virtual" in done.stderr
