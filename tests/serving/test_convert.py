"""One model in three forms: the same predictions from each."""

import json

import numpy as np
import pytest

from tfepi.models import make_model
from tfepi.params import parse_params, read_params
from tfepi.predictors import load_predictor, read_spec
from tfepi.pretrained.basenji import write_h5
from tfepi.serving.convert import convert
from tfepi.spec import Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.targets import Target

import_tensorflow()
SEQUENCES = np.random.default_rng(0).integers(0, 5, (3, 64)).astype(np.uint8)


def params(heads):
    trunk = [{"name": "conv_dna", "filters": 4, "kernel_size": 5, "pool_size": 8}]
    model = {"seq_length": 64, "trunk": trunk, "norm_type": "batch"}
    return parse_params({"train": {"loss": "poisson"}, "model": model | heads})


ONE = params({"head": {"name": "final", "units": 2, "activation": "softplus"}})
TWO = params(
    {
        "head_a": {"name": "final", "units": 2, "activation": "softplus"},
        "head_b": {"name": "final", "units": 3, "activation": "softplus"},
    }
)


@pytest.fixture
def stored(tmp_path):
    """An .h5 and what it predicts."""
    model = make_model(ONE.model, None)
    write_h5(model, tmp_path / "model.h5")
    predictor = load_predictor(tmp_path / "model.h5", params=ONE)
    return tmp_path / "model.h5", predictor.predict({"sequence": SEQUENCES})["output"]


def test_every_form_predicts_the_same(stored, tmp_path):
    path, wanted = stored
    spec = read_spec(path, ONE, [Target(0, "first"), Target(1, "second")])
    keras_path = tmp_path / "run" / "model.keras"
    written = convert(path, ONE, spec, keras_path)
    assert [p.name for p in written] == ["model.keras", "model.json", "params.json"]
    assert read_params(tmp_path / "run" / "params.json").source == ONE.source
    convert(keras_path, ONE, spec, tmp_path / "back.h5")
    convert(keras_path, ONE, spec, tmp_path / "saved")
    for form in (keras_path, tmp_path / "saved", tmp_path / "back.h5"):
        predictor = load_predictor(form, params=ONE)
        found = predictor.predict({"sequence": SEQUENCES})["output"]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    names = [t.identifier for t in read_spec(keras_path).head().targets]
    assert names == ["first", "second"]


def two_heads(folder):
    """A saved model of two heads, with its contract."""
    folder.mkdir()
    heads = tuple(
        Head(name, tuple(Target(i, f"{name}{i}") for i in range(n)))
        for name, n in (("a", 2), ("b", 3))
    )
    spec = ModelSpec("basenji", {"sequence": (64, 4)}, 8, 0, heads)
    spec.write(folder / "model.json")
    make_model(TWO.model, {"a": 2, "b": 3}).save(folder / "model_best.keras")
    return spec


def test_a_head_is_kept(tmp_path):
    spec = two_heads(tmp_path / "run")
    wanted = load_predictor(tmp_path / "run").predict({"sequence": SEQUENCES})
    convert(tmp_path / "run", TWO, spec, tmp_path / "b.h5", head="b")
    convert(tmp_path / "run", TWO, spec, tmp_path / "b" / "model.keras", head="b")
    one = read_spec(tmp_path / "b.h5", TWO, head="b")
    for path, given in ((tmp_path / "b.h5", one), (tmp_path / "b" / "model.keras", None)):
        found = load_predictor(path, params=TWO, spec=given).predict({"sequence": SEQUENCES})
        assert list(found) == ["b"]
        np.testing.assert_allclose(found["b"], wanted["b"], rtol=1e-6)
    with pytest.raises(ConfigError, match="the model has the heads a, b: name one"):
        convert(tmp_path / "run", TWO, spec, tmp_path / "c.h5")


def test_what_is_refused(stored, tmp_path):
    path, _ = stored
    spec = read_spec(path, ONE)
    for name in ("again.h5", "run/model.keras", "saved"):
        convert(path, ONE, spec, tmp_path / name)
        with pytest.raises(UnfinishedError, match=r"exists|has results"):
            convert(path, ONE, spec, tmp_path / name)
        convert(path, ONE, spec, tmp_path / name, overwrite=True)
    with pytest.raises(ConfigError, match=r"ends in .keras or .h5"):
        convert(path, ONE, spec, tmp_path / "model.onnx")
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "text").write_text("x")
    for name, message in (
        ("folder.keras", "folder.keras exists: name another file$"),
        ("text/x.keras", r"text is a file|lies in .*text, which is a file"),
    ):
        with pytest.raises(UnfinishedError, match=message):
            convert(tmp_path / "unread.h5", ONE, spec, tmp_path / name, overwrite=True)
    with pytest.raises(ConfigError, match="is a SavedModel, which has no layers"):
        convert(tmp_path / "saved", ONE, spec, tmp_path / "x.keras")
    with pytest.raises(ConfigError, match="Basenji cannot load a 'basset'"):
        convert(path, read_params("basset"), spec, tmp_path / "x.h5")
    (tmp_path / "run" / "params.json").write_text(json.dumps({"other": 1}))
    with pytest.raises(UnfinishedError, match=r"params.json is of another model"):
        convert(path, ONE, spec, tmp_path / "run" / "second.keras")
    assert not (tmp_path / "run" / "second.keras").exists()


def test_a_params_file_that_is_there_is_left_as_it_is(stored, tmp_path):
    path, _ = stored
    (tmp_path / "params.json").write_text(json.dumps(ONE.source))
    before = (tmp_path / "params.json").read_bytes()
    convert(path, ONE, read_spec(path, ONE), tmp_path / "model.keras")
    assert (tmp_path / "params.json").read_bytes() == before
