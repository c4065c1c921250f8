"""Predictors of Keras models and SavedModels: every form of a sequence, and what is refused."""

import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfepi import model_paths, predictors
from tfepi.predictors import KerasPredictor, SavedModelPredictor
from tfepi.spec import Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target

tf = import_tensorflow()
LENGTH, BINS = 8, 2
WEIGHTS = np.array([1.0, 2.0, 4.0, 8.0], np.float32)


def spec(**further):
    head = Head("output", (Target(0, "t"),))
    return ModelSpec("sums", {"sequence": (LENGTH, 4)} | further, LENGTH // BINS, 0, (head,))


def sums(sequence):
    """Weighted counts of the bases of each bin, of float one-hot codes."""
    return tf.reduce_sum(tf.reshape(sequence * WEIGHTS, (-1, BINS, LENGTH // BINS * 4)), -1)[
        ..., None
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    class Sums(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, LENGTH, 4), tf.float32, "sequence")])
        def predict(self, sequence):
            return {"output": sums(sequence)}

    path, module = tmp_path_factory.mktemp("saved") / "sums", Sums()
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.predict})
    return path


@pytest.fixture(params=["keras", "SavedModel"])
def predictor(request, folder):
    if request.param == "SavedModel":
        return SavedModelPredictor(folder, spec(), batch_size=2)
    return KerasPredictor(lambda batch, training: sums(batch["sequence"]), spec(), batch_size=2)


def test_every_form_of_a_sequence_is_the_same(predictor):
    indices = np.random.default_rng(0).integers(0, 5, (5, LENGTH), dtype=np.uint8)
    codes = np.eye(5, 4, dtype=np.float32)[indices]
    wanted = (codes * WEIGHTS).reshape(5, BINS, -1).sum(-1)[..., None]
    texts = ["".join("ACGTn"[i] for i in row) for row in indices]
    forms = [indices, indices.astype(np.int64), indices.tolist(), texts, codes]
    for sequence in (*forms, codes.astype(np.uint8), codes.astype(np.float64)):
        found = predictor.predict({"sequence": sequence})
        assert list(found) == ["output"]
        assert found["output"].dtype == np.float32
        np.testing.assert_array_equal(found["output"], wanted)
    one = predictor.predict({"sequence": texts[0]})["output"]
    np.testing.assert_array_equal(one, wanted[:1])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sequence": np.full((3, LENGTH), 5, np.uint8)}, "the base index 5 is none: want 0 to 3"),
        ({"sequence": np.full((3, LENGTH), -1)}, "the base index -1 is none"),
        ({"sequence": np.zeros((3, LENGTH, 5))}, r"of shape \(3, 8, 5\): want base indices"),
        ({"sequence": np.zeros((3, LENGTH))}, r"of float64 of shape \(3, 8\): want base indices"),
        ({"sequence": np.zeros((3, 7), np.uint8)}, "has 7 bp, the model takes 8: pad it with N"),
        ({"sequence": []}, "the list of sequences is empty: give at least one"),
        ({"sequence": np.zeros((0, LENGTH), np.uint8)}, "there is no sequence, but an array of sh"),
        (
            {"sequenc": "A" * LENGTH},
            "unknown input 'sequenc' of the model: did you mean 'sequence'",
        ),
        ({"sequence": "A" * LENGTH, "x": np.zeros(1)}, "unknown input 'x' of the model: choose"),
        ({}, "the model takes sequence, and no input is given: want a dict with sequence"),
        (np.zeros((3, LENGTH), np.uint8), "the inputs are a ndarray: want a dict by name"),
    ],
)
def test_other_inputs_are_refused(predictor, inputs, message):
    with pytest.raises(ConfigError, match=message) as caught:
        predictor.predict(inputs)
    assert "\n" not in str(caught.value)


def test_further_inputs_are_of_the_same_batch():
    def model(batch, training):
        return sums(batch["sequence"]) + batch["tracks"]

    predictor = KerasPredictor(model, spec(tracks=(BINS, 1)), batch_size=2)
    tracks = np.arange(6.0, dtype=np.float32).reshape(3, BINS, 1)
    found = predictor.predict({"tracks": tracks, "sequence": ["N" * LENGTH] * 3})["output"]
    np.testing.assert_array_equal(found, tracks)
    with pytest.raises(ConfigError, match=r"'tracks' has the shape \(2, 2, 1\), .* \(3, 2, 1\) wi"):
        predictor.predict({"tracks": tracks[:2], "sequence": ["N" * LENGTH] * 3})
    with pytest.raises(ConfigError, match="takes tracks, and only sequence is given"):
        predictor.predict({"sequence": ["N" * LENGTH] * 3})


def test_a_saved_model_without_the_signature_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "x"))
    with pytest.raises(InputFileError, match=r"cannot load model .*x: .*copy or make it again"):
        SavedModelPredictor(tmp_path / "x", spec())


def test_what_tells_models_apart_is_found_here_too():
    for name in (
        "SAVED_MODEL_SPEC",
        "is_h5",
        "is_published",
        "is_saved_model",
        "keras_file",
        "read_spec",
        "spec_path",
    ):
        assert getattr(predictors, name) is getattr(model_paths, name)


@keras.saving.register_keras_serializable(package="tests")
class Pairs(keras.layers.Layer):
    """Sums of two positions each."""

    def call(self, x):
        return keras.ops.sum(keras.ops.reshape(x, (-1, BINS, LENGTH // BINS * 4)), -1)[..., None]


@pytest.mark.filterwarnings("error")
def test_a_model_whose_input_has_no_name():
    inputs = keras.Input((LENGTH, 4))
    predictor = KerasPredictor(keras.Model(inputs, Pairs()(inputs)), spec(), 2)
    found = predictor.predict({"sequence": np.zeros((3, LENGTH), np.uint8)})["output"]
    np.testing.assert_array_equal(found, np.full((3, BINS, 1), LENGTH // BINS))


def test_a_layer_that_is_not_known_is_named(tmp_path, monkeypatch):
    inputs = keras.Input((LENGTH, 4), name="sequence")
    keras.Model({"sequence": inputs}, Pairs()(inputs)).save(tmp_path / "own.keras")
    registered = keras.saving.get_custom_objects()
    monkeypatch.delitem(registered, "tests>Pairs")
    monkeypatch.setattr(Pairs, "__module__", "elsewhere")
    with zipfile.ZipFile(tmp_path / "own.keras") as old:
        files = {n: old.read(n).replace(b'"Pairs"', b'"Trios"') for n in old.namelist()}
        files = {n: v.replace(b"tests>Pairs", b"tests>Trios") for n, v in files.items()}
    with zipfile.ZipFile(tmp_path / "own.keras", "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
    with pytest.raises(InputFileError, match="has the layer 'Trios', which is not known here"):
        predictors.load_keras(tmp_path / "own.keras")


def test_a_file_whose_model_takes_the_sequence_alone(tmp_path):
    model = keras.Sequential([keras.Input((LENGTH, 4)), Pairs()])
    model.save(tmp_path / "own.keras")
    spec().write(tmp_path / "model.json")
    found = predictors.load_predictor(tmp_path / "own.keras")
    assert [t.name for t in found.model.inputs] == ["sequence"]
    values = found.predict({"sequence": np.zeros((3, LENGTH), np.uint8)})["output"]
    np.testing.assert_array_equal(values, np.full((3, BINS, 1), LENGTH // BINS))
    replace(spec(), crop=2).write(tmp_path / "model.json")
    with pytest.raises(ConfigError, match=r"the shape \(2, 1\), its contract says .* = \(1, 1\)"):
        predictors.load_predictor(tmp_path / "own.keras")


def test_a_lambda_is_refused(tmp_path):
    inputs = keras.Input((LENGTH, 4), name="sequence")
    doubled = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model({"sequence": inputs}, doubled).save(tmp_path / "own.keras")
    with pytest.raises(InputFileError, match="it has a Lambda layer, which is code in a file: wri"):
        predictors.load_keras(tmp_path / "own.keras")
