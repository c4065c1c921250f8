"""The commands one after the other on a small simulated genome, as a user types them."""

import json
import shutil

import h5py
import numpy as np
import pytest

PARAMS = {
    "train": {"batch_size": 32, "optimizer": "adam", "learning_rate": 0.002},
    "model": {
        "name": "basset",
        "input_length": 256,
        "bin_width": 64,
        "stem_filters": 8,
        "stem_pool": 4,
        "tower_filters": [8],
        "neck_filters": 8,
        "dense_units": 8,
        "augment_rc": True,
    },
}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The folder the commands work in, with params.json."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "params.json").write_text(json.dumps(PARAMS))
    return folder


def test_the_commands_in_turn(job, run_script, run_main, monkeypatch):
    """Those that other tests start as processes too, training and scores, are in this one."""
    monkeypatch.chdir(job)
    run_script("tfepi_simulate.py", "-q", "-o", "genome", "--length", 200000, "--variants", 20)
    windows = ["-l", 256, "-w", 64, "-c", 96, "--stride", 256, "--stride_test", 256]
    windows += ["-v", "chr4", "-t", "chr5"]
    inputs = ["genome/genome.fa", "genome/targets.txt"]
    run_script("tfepi_check.py", "-q", *inputs, "--vcf", "genome/variants.vcf", *windows)
    run_script("tfepi_data.py", "-q", *windows, "-o", "data", *inputs)
    trained = run_main("tfepi_train.py", "-q", "-o", "run", "--epochs", 1, "params.json", "data")
    assert trained.stdout == "best model: run/model_best.keras\n"
    run_script("tfepi_test.py", "-q", "-o", "test", "--save", "params.json", "run", "data")
    # Few windows: the best penalty may lie at an end, which is warned of.
    run_script("tfepi_baseline.py", "-q", "-k", 3, "-o", "ridge", "--compare", "test", "data")
    exported = run_script("tfepi_export.py", "-q", "run", "-o", "saved")
    assert "largest difference from the Keras model" in exported.stdout
    scores = {}
    for model in ("run", "saved"):
        run_main(
            *("tfepi_variants.py", "-q", "-f", "genome/genome.fa", "-o", f"scores_{model}"),
            *("params.json", model, "genome/variants.vcf"),
        )
        with h5py.File(f"scores_{model}/scores.h5") as file:
            scores[model] = file["SAD"][:]
    assert scores["run"].any()
    np.testing.assert_allclose(scores["saved"], scores["run"], atol=1e-5)
    for folder in ("genome", "data", "run", "test", "ridge", "saved", "scores_run"):
        record = json.loads((job / folder / "run.json").read_text())
        assert (record["format"], record["outcome"]) == ("tfepi-run", "finished"), folder


def refused(here, *words):
    status, _, lines = here(*words)
    assert status == 2, lines
    assert len(lines) == 1, lines
    return lines[0]


def test_damaged_models_are_named(job, here, monkeypatch):
    monkeypatch.chdir(job)
    content = (job / "run" / "model_best.keras").read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for name, data, line in (
        ("truncated", content[: len(content) // 2], "no .keras archive, or truncated"),
        ("flipped", flipped, "cannot load model flipped"),
    ):
        shutil.copytree("run", name)
        (job / name / "model_best.keras").write_bytes(data)
        inputs = ("params.json", name, "genome/variants.vcf", "-f", "genome/genome.fa")
        found = refused(here, "tfepi_variants.py", "-q", *inputs, "-o", "scores_run", "--overwrite")
        assert line in found
        assert (job / "scores_run" / "scores.h5").exists()
        assert line in refused(here, "tfepi_test.py", "-q", "params.json", name, "data", "-o", "x")
        assert line in refused(here, "tfepi_export.py", "-q", name, "-o", "y")
    for path in ("saved_model.pb", "variables/variables.index"):
        shutil.copytree("saved", "broken")
        (job / "broken" / path).unlink()
        inputs = ("params.json", "broken", "genome/variants.vcf", "-f", "genome/genome.fa")
        assert "broken" in refused(here, "tfepi_variants.py", "-q", *inputs, "-o", "z")
        shutil.rmtree("broken")
        shutil.rmtree("z", ignore_errors=True)
    assert "is a SavedModel" in refused(here, "tfepi_export.py", "-q", "saved", "-o", "y")


def test_bad_options_are_said_before_anything_is_written(job, here, monkeypatch):
    monkeypatch.chdir(job)
    test = ("tfepi_test.py", "-q", "-o", "new")
    assert "shifts reach 128 bp" in refused(
        here, *test, "--shifts", "128", "params.json", "run", "data"
    )
    assert "seq_length is 256 in the model and 1344 in params.json" in refused(
        here, *test, "basset", "run", "data"
    )
    train = ("tfepi_train.py", "-q", "-o", "new", "params.json", "data")
    assert "--epochs: '0' is no whole number from 1 up" in refused(here, *train, "--epochs", "0")
    assert "no whole number" in refused(here, *train, "--seed", "-1")
    assert not (job / "new").exists()


def test_overwrite_removes_no_input(job, here, monkeypatch):
    monkeypatch.chdir(job)
    windows = ("-l", "256", "-w", "64", "-c", "96", "-v", "chr4", "-t", "chr5")
    genome = ("genome/genome.fa", "genome/targets.txt")
    vcf = "genome/variants.vcf"
    commands = {
        "data": [
            ("tfepi_train.py", "params.json", "data"),
            ("tfepi_test.py", "params.json", "run", "data"),
            ("tfepi_baseline.py", "-k", "3", "data"),
        ],
        "run": [
            ("tfepi_train.py", "params.json", "data", "--restore", "run"),
            ("tfepi_test.py", "params.json", "run", "data"),
            ("tfepi_variants.py", "params.json", "run", vcf, "-f", genome[0]),
            ("tfepi_export.py", "run"),
        ],
        "genome": [
            ("tfepi_data.py", *windows, *genome),
            ("tfepi_check.py", *windows, *genome),
            ("tfepi_variants.py", "params.json", "run", vcf, "-f", genome[0]),
            ("tfepi_predict.py", "params.json", "run", "-f", genome[0]),
        ],
    }
    for out, lines in commands.items():
        before = {p: p.stat().st_mtime_ns for p in (job / out).rglob("*") if p.is_file()}
        for words in lines:
            line = refused(here, *words, "-q", "-o", out, "--overwrite")
            assert f"output folder {out} holds an input (" in line, words
            assert line.endswith("name another folder"), words
        after = {p: p.stat().st_mtime_ns for p in (job / out).rglob("*") if p.is_file()}
        assert after == before


def test_overwrite_waits_for_what_can_be_checked(job, here, monkeypatch):
    monkeypatch.chdir(job)
    large = PARAMS | {"train": PARAMS["train"] | {"batch_size": 100_000}}
    (job / "large.json").write_text(json.dumps(large))
    line = refused(here, "tfepi_train.py", "-q", "-o", "run", "--overwrite", "large.json", "data")
    assert "a batch is 100000: use a smaller batch_size" in line
    assert (job / "run" / "model_best.keras").exists()
