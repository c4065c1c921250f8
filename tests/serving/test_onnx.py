"""ONNX files against the model; what is refused before anything is written."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from tfepi.predictors import KerasPredictor
from tfepi.serving.options import ExportOptions, check_onnx
from tfepi.spec import AveragedPredictor, Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, TfepiError, UnfinishedError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

import_tensorflow()


def test_what_cannot_be_written_is_refused_first(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    (tmp_path / "there.onnx").touch()
    check_onnx(tmp_path / "new.onnx")
    check_onnx(tmp_path / "there.onnx", overwrite=True)
    with pytest.raises(ConfigError, match=r"want a name that ends in .onnx"):
        check_onnx(tmp_path / "model.pb")
    with pytest.raises(UnfinishedError, match="exists: name another file"):
        check_onnx(tmp_path / "there.onnx")
    with pytest.raises(UnfinishedError, match="does not exist: make it first"):
        check_onnx(tmp_path / "none" / "model.onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs tf2onnx, .*: pip install 'tfepi\[onnx\]'"):
        check_onnx(tmp_path / "new.onnx")


def written(model, spec, options, folder):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    from tfepi.serving.onnx import write_onnx

    (folder / "model.keras").touch()
    path = folder / "model.onnx"
    return path, write_onnx(model, spec, options, path, folder / "model.keras")


def test_a_file_predicts_what_the_model_does(attentive, tmp_path):
    path, share = written(*attentive, ExportOptions(rc=True), tmp_path)
    assert share <= 1e-5
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    indices = np.random.default_rng(0).integers(0, 5, (3, 64), dtype=np.uint8)
    names = [output.name for output in session.get_outputs()]
    assert set(names) == {"a", "b"}
    got = dict(zip(names, session.run(None, {"sequence": one_hot(indices)}), strict=True))
    want = AveragedPredictor(KerasPredictor(*attentive), rc=True).predict({"sequence": indices})
    for head, value in want.items():
        np.testing.assert_allclose(got[head], value, rtol=1e-4, atol=1e-6)
    about = json.loads(session.get_modelmeta().custom_metadata_map["tfepi_metadata"])
    assert (about["format"], about["rc"]) == ("tfepi-served-model", True)


def small(activation):
    keras.utils.set_random_seed(1)
    sequence = keras.Input((16, 4), name="sequence")
    x = keras.layers.Conv1D(2, 3, padding="same", activation=activation)(sequence)
    x = keras.layers.AveragePooling1D(16)(x)
    spec = ModelSpec(
        "m", {"sequence": (16, 4)}, 16, 0, (Head("o", (Target(0, "a"), Target(1, "b"))),)
    )
    return keras.Model({"sequence": sequence}, x), spec


def test_the_exact_gelu_is_written(tmp_path):
    _, share = written(
        *small(lambda x: keras.ops.gelu(x, approximate=False)), ExportOptions(), tmp_path
    )
    assert share <= 1e-5


def test_what_onnx_lacks_is_told(tmp_path):
    model, spec = small(keras.ops.erfinv)
    with pytest.raises(TfepiError, match="as ONNX, which has no Erfinv: leave"):
        written(model, spec, ExportOptions(), tmp_path)
    assert not (tmp_path / "model.onnx").exists()
