import json
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.models import basset
from tfepi.predictors import load_keras, load_predictor, spec_path
from tfepi.serving import export as export_module
from tfepi.serving.export import export
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(1)
    model = basset(
        targets=2,
        input_length=240,
        tower_filters=(8, 8),
        stem_filters=8,
        neck_filters=8,
        dense_units=8,
    )
    model.save(folder / "model_best.keras")
    spec = ModelSpec(
        "basset",
        {"sequence": (240, 4)},
        192,
        24,
        (Head("output", (Target(0, "a"), Target(1, "b"))),),
    )
    spec.write(folder / "model.json")
    return folder


def test_export_predicts_the_same(run, tmp_path):
    report = export(run, tmp_path / "saved")
    assert report["signatures"] == [
        "describe",
        "predict",
        "predict_dna",
        "predict_indices",
        "score_alleles",
        "score_variants",
        "serving_default",
    ]
    assert report["largest_difference"] <= 1e-6
    keras_predictor = load_predictor(run, batch_size=4)
    saved = load_predictor(tmp_path / "saved", batch_size=4)
    assert saved.spec == keras_predictor.spec
    indices = np.random.default_rng(0).integers(0, 5, (7, 240), dtype=np.uint8)
    want = keras_predictor.predict({"sequence": indices})["output"]
    assert want.shape == (7, 1, 2)
    assert want.dtype == np.float32
    for sequence in (indices, one_hot(indices)):
        for predictor in (keras_predictor, saved):
            got = predictor.predict({"sequence": sequence})["output"]
            np.testing.assert_allclose(got, want, atol=1e-6)


def test_an_export_that_differs_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "TOLERANCE", -1.0)
    with pytest.raises(TfepiError, match="differs from the Keras model"):
        export(run, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("broken", ["original", "export"])
def test_an_export_that_predicts_nan_is_not_kept(run, tmp_path, monkeypatch, broken):
    model = load_keras(run)
    spec = ModelSpec.read(run / "model.json")
    weights = model.get_weights()
    damaged = [np.full_like(w, np.nan) for w in weights]
    write = export_module._write

    def swapped(*args):
        write(*args)
        model.set_weights(weights if broken == "export" else damaged)

    model.set_weights(damaged if broken == "export" else weights)
    monkeypatch.setattr(export_module, "_write", swapped)
    with pytest.raises(TfepiError, match=r"differs from the Keras model by nan"):
        export_module.export_model(model, spec, tmp_path / "saved", run / "model.json")
    assert not (tmp_path / "saved").exists()


def test_a_model_with_nan_weights_is_refused(run, tmp_path):
    model = load_keras(run)
    model.weights[0].assign(np.full(model.weights[0].shape, np.inf))
    (tmp_path / "model.json").write_text((run / "model.json").read_text())
    model.save(tmp_path / "model_best.keras")
    with pytest.raises(InputFileError, match=r"weights that are no finite numbers \(.*kernel\)"):
        load_predictor(tmp_path)


def test_a_folder_that_is_no_model_is_described(run, tmp_path):
    (tmp_path / "statistics.json").write_text("{}")
    with pytest.raises(InputFileError, match="is a folder of data, not a model"):
        spec_path(tmp_path)
    (tmp_path / "statistics.json").rename(tmp_path / "model_best.h5")
    with pytest.raises(InputFileError, match=r"no model.json but model_best.h5; .* name the .h5"):
        spec_path(tmp_path)
    (tmp_path / "model.keras").touch()
    with pytest.raises(InputFileError, match=r"has no model.json beside it: copy that"):
        spec_path(tmp_path / "model.keras")


def test_results_are_not_overwritten(run, tmp_path):
    export(run, tmp_path / "saved")
    (tmp_path / "saved" / "x").write_text("old")
    with pytest.raises(UnfinishedError, match="has results"):
        export(run, tmp_path / "saved")
    export(run, tmp_path / "saved", overwrite=True)
    assert not (tmp_path / "saved" / "x").exists()
    assert json.loads((tmp_path / "saved" / "run.json").read_text())["outcome"] == "finished"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("mine")
    with pytest.raises(UnfinishedError, match="files that tfepi did not make"):
        export(run, tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "x").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "does not exist"),
        ("text.txt", "no known kind"),
        ("empty", "has no model.json"),
        ("damaged/model_best.keras", "cannot load model"),
    ],
)
def test_bad_models_are_refused(run, tmp_path, name, message):
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "model.json").write_text((run / "model.json").read_text())
    (tmp_path / "damaged" / "model_best.keras").write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(InputFileError, match=message):
        load_predictor(tmp_path / name)


def test_the_command_passes_its_options_on(run, tmp_path, capsys):
    main = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "tfepi_export.py"))["main"]
    (tmp_path / "targets.txt").write_text("\tidentifier\tfile\n0\tb\tnone.bw\n")
    given = [str(run), "-q", "-o", str(tmp_path / "saved")]
    options = ["--rc", "--stats", "SAD,D2", "--indel_align", "left", "--batch_size", "2"]
    options += ["--head", "output", "--licence", "CC0-1.0", "-t", str(tmp_path / "targets.txt")]
    assert main(given + options) == 0
    assert "on 2 random sequences" in capsys.readouterr().out
    about = json.loads((tmp_path / "saved" / "assets.extra" / "metadata.json").read_text())
    kept = {k: about[k] for k in ("rc", "stats", "indel_align", "batch_size", "licence")}
    assert list(kept.values()) == [True, ["SAD", "D2"], "left", 2, "CC0-1.0"]
    assert [t["identifier"] for t in about["heads"][0]["scored"]] == ["b"]
    for wrong, message in (("--stats", "unknown statistic"), ("--onnx", "ends in .onnx")):
        assert main([str(run), "-o", str(tmp_path / "other"), wrong, "SADD"]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
