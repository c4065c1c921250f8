"""tfepi_test.py and tfepi_baseline.py from the command line."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.data import Data

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(tmp_path, small_data, monkeypatch):
    """A run folder whose model is a function of composition; returns its path."""
    data = Data.open(small_data)
    folder = tmp_path / "run"
    folder.mkdir()
    spec = ModelSpec(
        name="composition",
        inputs={"sequence": (256, 4)},
        bin_width=32,
        crop=64,
        heads=(Head("output", data.targets),),
    )
    spec.write(folder / "model.json")
    (folder / "model_best.keras").write_bytes(b"weights")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "composition"}}))
    line = {"epoch": 0, "loss": 1.0, "valid_loss": 1.1, "valid_pearsonr": 0.1, "valid_r2": 0.0}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")

    def function(one_hot):
        bins = one_hot[:, 64:-64].reshape(len(one_hot), 4, 32, 4).sum(axis=2)
        return bins[:, :, :3]

    monkeypatch.setattr(
        "tfepi.predictors.load_predictor",
        lambda *_: CallablePredictor(function, spec),
    )
    return folder


def command(name, *args):
    return load(name).main([str(a) for a in args])


def test_a_test_and_a_baseline(tmp_path, small_data, model, capsys):
    out = tmp_path / "test"
    args = (model / "params.json", model, small_data, "-o", out, "-q", "--rc", "--save")
    args += ("--bootstrap", 40, "--bootstrap_ranks", 20, "--block_bp", 2000)
    assert command("tfepi_test", *args) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["target", "pearsonr", "pearsonr_log2"]
    assert "mean over targets" in printed
    names = {p.name for p in out.iterdir()}
    names -= {".tfepi", "run.json", "manifest.json"}
    assert names == {"acc.txt", "metrics.json", "preds.h5", "targets.h5", "figures"}
    figures = {p.name for p in (out / "figures").iterdir()}
    stems = ("accuracy", "observed_predicted", "tracks", "training")
    stems += tuple(f"residuals_t{number}" for number in range(3))
    wanted = {f"{s}.{suffix}" for s in stems for suffix in ("svg", "png")}
    assert figures == wanted | {"residuals.tsv", "residuals.json"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["windows"] == len(Data.open(small_data).windows("test"))
    assert metrics["rc"] is True
    record = json.loads((out / "run.json").read_text())
    assert record["outcome"] == "finished"
    assert set(record["inputs"]) == {"params", "data", "model"}
    before = (out / "metrics.json").read_bytes()
    assert command("tfepi_test", *args) == 2
    assert "has results" in capsys.readouterr().err
    made = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    assert command("tfepi_test", *args, "--resume") == 0
    assert capsys.readouterr().out == printed.replace(
        f"wrote {out}: acc.txt, metrics.json", f"{out} is finished: nothing to do"
    )
    more = [("--shifts", "1,0"), ("-t", "T1"), ("--bootstrap", 60), ("--seed", 5)]
    for changed, name in zip(more, ("shifts", "targets", "bootstrap", "bootstrap"), strict=True):
        assert command("tfepi_test", *args, "--resume", *changed) == 2
        assert f"{name} changed since" in capsys.readouterr().err
    assert made == {p: p.stat().st_mtime_ns for p in out.iterdir()}
    assert command("tfepi_test", *args, "--overwrite") == 0
    assert (out / "metrics.json").read_bytes() == before
    capsys.readouterr()

    ridge = tmp_path / "ridge"
    args = (small_data, "-o", ridge, "-q", "-k", 2, "--penalties", "1,10", "--compare", out)
    assert command("tfepi_baseline", *args, "--bootstrap", 40, "--block_bp", 2000) == 0
    printed = capsys.readouterr().out
    assert "minus ridge" in printed
    names = {p.name for p in ridge.iterdir()} - {".tfepi", "manifest.json"}
    assert names == {
        "acc.txt",
        "metrics.json",
        "run.json",
        "preds.h5",
        "targets.h5",
        "ridge.json",
        "comparison.json",
    }
    made = (ridge / "metrics.json").stat().st_mtime_ns
    more = ("--bootstrap", 40, "--block_bp", 2000, "--resume")
    assert command("tfepi_baseline", *args, *more) == 0
    assert capsys.readouterr().out == printed
    assert (ridge / "metrics.json").stat().st_mtime_ns == made
    assert command("tfepi_baseline", *args, *more, "-k", 3) == 2
    assert "k changed since" in capsys.readouterr().err
    found = json.loads((ridge / "comparison.json").read_text())["targets"]
    assert [e["identifier"] for e in found] == ["T0", "T1", "T2"]
    for entry in found:
        for name in ("pearsonr", "pearsonr_log2"):
            low, high = entry[name]["difference"]["interval"]
            assert np.isfinite([low, high]).all()
            assert low <= high


def test_bce_gives_auroc_columns(tmp_path, small_data, model):
    params = tmp_path / "bce.json"
    params.write_text(json.dumps({"train": {"loss": "bce"}, "model": {"name": "composition"}}))
    out = tmp_path / "test"
    args = (params, model, small_data, "-o", out, "-q", "--bootstrap", 0, "--no_figures")
    assert command("tfepi_test", *args, "-t", "T1") == 0
    lines = (out / "acc.txt").read_text().splitlines()
    assert lines == ["index\tauroc\tauprc\tidentifier\tdescription", "1\t\t\tT1\tsecond"]
    assert not (out / "figures").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--shifts", "1,x"), "want whole numbers"),
        (("--label", "tset"), "did you mean 'test'"),
        (("-t", "T9"), "unknown target 'T9'"),
        (("--head", "human"), "is not one of the model's heads"),
        (("--block_bp", "100000000"), "leaves 1 block"),
        (("--bootstrap", "3"), "bootstrap has 3 resamples"),
        (("--batch_size", "0"), "batch_size is 0"),
    ],
)
def test_requests_that_fail_before_anything_is_written(
    tmp_path, small_data, model, capsys, more, message
):
    out = tmp_path / "out"
    args = (model / "params.json", model, small_data, "-o", out, "-q", *more)
    assert command("tfepi_test", *args) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert message in errors[0]
    assert not out.exists()


def test_lengths_that_differ_name_both_numbers(tmp_path, small_data, model, capsys):
    spec = json.loads((model / "model.json").read_text())
    spec |= {"inputs": {"sequence": [1344, 4]}, "crop": 576, "bin_width": 192}
    (model / "model.json").write_text(json.dumps(spec))
    params = tmp_path / "params.json"
    params.write_text(
        json.dumps({"model": {"name": "composition", "input_length": 600, "targets": 7}})
    )
    assert command("tfepi_test", params, model, small_data, "-o", tmp_path / "out") == 2
    line = capsys.readouterr().err
    for part in (
        "seq_length is 1344 in the model and 600 in params.json",
        "number of targets is 3 in the model and 7 in params.json",
        "seq_length is 1344 in the model and 256 in the data",
        "crop is 576 in the model and 64 in the data",
        "bin width is 192 in the model and 32 in the data",
        "number of bins is 1 in the model and 4 in the data",
    ):
        assert part in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--bin", "center"), "unknown bin rule 'center'"),
        (("--penalties", "1,b"), "want numbers separated"),
        (("-k", "12"), "k is 12"),
        (("-t", "T9"), "unknown target 'T9'"),
        (("--label", "tset"), "unknown label 'tset'"),
        (("--train", "fold0"), "unknown label 'fold0'"),
        (("--compare", "nowhere"), "has no targets.h5"),
        (("--block_bp", "100000000"), "leaves 1 block"),
    ],
)
def test_baselines_that_are_refused(tmp_path, small_data, capsys, more, message):
    out = tmp_path / "out"
    assert command("tfepi_baseline", small_data, "-o", out, "-q", *more) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_bad_input_is_found_without_tensorflow(refused, tmp_path, small_data, model):
    args = [model / "params.json", model, small_data, "-o", tmp_path / "out"]
    refused("tfepi_test.py", args, {"--label": "tset"}, "unknown label")
