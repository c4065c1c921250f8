"""A model's inputs: sequences from letters and arrays, and what a model does not take."""

import numpy as np
import pytest

from tfepi.sequences import as_sequences, model_inputs
from tfepi.spec import AveragedPredictor, CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target


def test_letters_become_base_indices():
    found = as_sequences(["ACGTN", "nacgt"])
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[0, 1, 2, 3, 4], [4, 0, 1, 2, 3]])
    np.testing.assert_array_equal(as_sequences("GaTtACa"), [[2, 0, 3, 3, 0, 1, 0]])
    np.testing.assert_array_equal(as_sequences(("AC",), (2,)), [[0, 1]])


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16"])
def test_base_indices_of_any_whole_numbers_are_taken(dtype):
    indices = np.array([[0, 4, 2], [3, 1, 0]], dtype)
    found = as_sequences(indices)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, indices)
    np.testing.assert_array_equal(as_sequences(indices.tolist()), indices)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "float16", "bool"])
def test_one_hot_codes_become_float32(dtype):
    codes = np.eye(5, 4)[[[0, 4, 2], [3, 1, 0]]]
    found = as_sequences(codes.astype(dtype))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, codes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the list of sequences is empty: give at least one"),
        (np.zeros((0, 5), np.uint8), r"there is no sequence, but an array of shape \(0, 5\): want"),
        (np.full((2, 5), 5, np.uint8), "the base index 5 is none: want 0 to 3 for A, C, G and T, "),
        (np.array([[0, -1, 2]]), "the base index -1 is none: want 0 to 3 .*, and 4 for N"),
        (
            np.zeros((2, 5, 5), np.float32),
            r"an array of float32 of shape \(2, 5, 5\): want base in",
        ),
        (
            np.zeros((2, 4, 5), np.uint8),
            r"of uint8 of shape \(2, 4, 5\): want .*\[batch, length, 4",
        ),
        (np.zeros((2, 5)), r"an array of float64 of shape \(2, 5\): want base indices"),
        (np.zeros(5, np.uint8), r"an array of uint8 of shape \(5,\): want base indices"),
        (["AC", 3], r"an array of .* of shape \(2,\): want .* or DNA letters"),
        ([[0, 1], [2]], "the sequences are of several lengths: want base indices"),
    ],
)
def test_other_arrays_are_refused(value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        as_sequences(value, (5,))
    assert "\n" not in str(caught.value)


SHAPES = {"sequence": (5, 4), "tracks": (2, 3)}


def test_inputs_become_arrays_of_one_batch():
    tracks = np.zeros((2, 2, 3), np.float32)
    found = model_inputs({"tracks": tracks, "sequence": ["ACGTN", "AAAAA"]}, SHAPES)
    assert list(found) == ["sequence", "tracks"]
    assert found["tracks"] is tracks
    assert found["sequence"].shape == (2, 5)
    longer = model_inputs({"sequence": "ACGTNACG"}, {"sequence": (5, 4)}, (5, 8))
    assert longer["sequence"].shape == (1, 8)
    assert model_inputs({"sequence": "AC"}, {"sequence": (5, 4)}, ())["sequence"].shape == (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sequence": None},
            "the model takes sequence, and only tracks is given: want a dict with",
        ),
        ({"tracks": None}, "takes tracks, and only sequence is given: want .* sequence, tracks"),
        ({"sequence": None, "tracks": None}, "takes sequence and tracks, and no input is given"),
        ({"sequenc": "A"}, "unknown input 'sequenc' of the model: did you mean 'sequence'"),
        (
            {"tracks": np.zeros((2, 3, 2))},
            r"'tracks' has the shape \(2, 3, 2\), .* \(2, 2, 3\) with",
        ),
        (
            {"tracks": np.zeros((1, 2, 3))},
            r"shape \(1, 2, 3\), the model takes \(2, 2, 3\) with 2 seq",
        ),
        ({"sequence": ["ACG"]}, "has 3 bp, the model takes 5: pad it"),
    ],
)
def test_other_inputs_are_refused(change, message):
    given = {"sequence": ["ACGTN", "AAAAA"], "tracks": np.zeros((2, 2, 3))} | change
    with pytest.raises(ConfigError, match=message):
        model_inputs({k: v for k, v in given.items() if v is not None}, SHAPES)


def test_inputs_without_names_are_refused():
    with pytest.raises(ConfigError, match="the inputs are a ndarray: want a dict by name, as"):
        model_inputs(np.zeros((2, 5), np.uint8), SHAPES)


def test_arrays_stay_as_they_are():
    for array in (np.zeros((2, 5), np.uint8), np.zeros((2, 5, 4), np.float32)):
        assert as_sequences(array) is array
        assert as_sequences(array, (5, 9)) is array


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["ACGT", "ACRT"], "sequence 1 has 'R' at position 2, both from 0: want A, C, G, T or N"),
        ("AC T", "sequence 0 has ' ' at position 2"),
        ("ACGT\n", r"sequence 0 has '\\n' at position 4"),
        ("ACGé", "sequence 0 has 'é' at position 3"),
        ("acuu", "sequence 0 has 'u' at position 2"),
        (["ACG", "ACG", "AC"], "sequences 0 and 2 have 3 and 2 letters: want one length"),
    ],
)
def test_other_texts_are_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        as_sequences(texts)


@pytest.mark.parametrize(
    ("length", "lengths", "message"),
    [
        (5, (6,), r"has 5 bp, the model takes 6: pad it with N, as many on either side"),
        (7, (6,), r"has 7 bp, the model takes 6: crop it to the middle 6 bp"),
        (9, (6, 12), r"has 9 bp, the model takes 6 or 12: crop it to the middle 6 bp"),
    ],
)
def test_other_lengths_are_refused(length, lengths, message):
    for given in ("A" * length, np.zeros((1, length), np.uint8), np.zeros((1, length, 4))):
        with pytest.raises(ConfigError, match=message):
            as_sequences(given, lengths)


def test_predictors_of_functions_take_letters():
    spec = ModelSpec("f", {"sequence": (4, 4)}, 2, 0, (Head("a", (Target(0, "t"),)),))
    predictor = CallablePredictor(lambda x: x.reshape(len(x), 2, 8)[:, :, :1], spec)
    texts = ["ACAN", "TTTA"]
    wanted = predictor.predict({"sequence": one_hot(as_sequences(texts))})["a"]
    np.testing.assert_array_equal(predictor.predict({"sequence": texts})["a"], wanted)
    averaged = AveragedPredictor(predictor, rc=True, shifts=(0, 1))
    found = averaged.predict({"sequence": texts})["a"]
    np.testing.assert_array_equal(found, averaged.predict({"sequence": as_sequences(texts)})["a"])
    with pytest.raises(ConfigError, match="has 3 bp, the model takes 4: pad it with N"):
        predictor.predict({"sequence": ["ACG"]})
