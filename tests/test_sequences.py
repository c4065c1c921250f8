"""Sequences from letters, and lengths that a model does not take."""

import numpy as np
import pytest

from tfepi.sequences import as_sequences
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
    assert as_sequences([]).shape == (0, 0)


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
