"""Keras models of any origin: inputs get names, and other sizes than the contract's are refused."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tfepi.keras_contract import check_contract, with_named_inputs
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import numbered

pytestmark = pytest.mark.filterwarnings("error:When providing `inputs`:UserWarning")
SPEC = ModelSpec("own", {"sequence": (16, 4)}, 4, 0, (Head("output", numbered(2)),))


def layers():
    return [keras.layers.Conv1D(2, 4, strides=4), keras.layers.Dense(2)]


def functional(wrap=lambda x: x, name=None, length=16, out=lambda x: x, channels=4):
    x = sequence = keras.Input((length, channels), name=name)
    for layer in layers():
        x = layer(x)
    return keras.Model(wrap(sequence), out(x))


MODELS = {
    "named": lambda: functional(lambda s: {"sequence": s}, "sequence"),
    "unnamed": functional,
    "other name": lambda: functional(name="dna"),
    "list": lambda: functional(lambda s: [s]),
    "list of outputs": lambda: functional(out=lambda x: [x]),
    "sequential": lambda: keras.Sequential([keras.Input((16, 4)), *layers()]),
    "any length": lambda: functional(length=None),
    "a dict of outputs": lambda: functional(out=lambda x: {"output": x}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_an_only_input_is_the_sequence(kind):
    model = MODELS[kind]()
    x = np.random.default_rng(1).random((3, 16, 4)).astype(np.float32)
    given = {"named": {"sequence": x}, "list": [x]}.get(kind, x)
    wanted = keras.tree.flatten(model(given))[0]
    named = with_named_inputs(model)
    assert [t.name for t in named.inputs] == ["sequence"]
    assert named.weights == model.weights
    found = keras.tree.flatten(named({"sequence": x}))[0]
    np.testing.assert_array_equal(found, wanted)
    check_contract(named, SPEC, "own.keras")
    assert with_named_inputs(named) is named


def test_several_inputs_keep_their_names():
    sequence, tracks = keras.Input((16, 4), name="sequence"), keras.Input((16, 4), name="tracks")
    model = keras.Model([tracks, sequence], keras.layers.Subtract()([sequence, tracks]))
    named = with_named_inputs(model)
    x = np.random.default_rng(1).random((2, 3, 16, 4)).astype(np.float32)
    found = named({"sequence": x[0], "tracks": x[1]})
    np.testing.assert_array_equal(found, x[0] - x[1])


def test_what_is_no_graph_stays_as_it_is():
    def model(batch, training):
        return batch

    assert with_named_inputs(model) is model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: functional(lambda s: {"dna": s}, "dna"), "has the inputs dna, its contract sequ"),
        (lambda: functional(length=20), r"'sequence' of model own.keras has the shape \(20, 4\)"),
        (lambda: functional(channels=5), r"has the shape \(16, 5\), its contract says \(16, 4\)"),
        (lambda: functional(out=lambda x: {"main": x}), "the outputs main, its contract output: w"),
        (lambda: functional(out=lambda x: [x, x]), "2 outputs without names, its contract 1 heads"),
        (
            lambda: functional(out=keras.layers.Cropping1D(1)),
            r"has the shape \(2, 2\), its contract says \(bins, targets\) = \(4, 2\): write model",
        ),
        (lambda: functional(out=keras.layers.Flatten()), r"has the shape \(8,\), its contract say"),
        (lambda: functional(out=keras.layers.Dense(3)), r"has the shape \(4, 3\), its contract sa"),
    ],
)
def test_other_sizes_are_refused(model, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_contract(with_named_inputs(model()), SPEC, "own.keras")
    assert "\n" not in str(caught.value)


def test_a_model_that_shows_no_layers_is_refused():
    class Hidden(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ConfigError, match=r"own.keras is a Hidden, which shows no layers: bu"):
        check_contract(with_named_inputs(Hidden()), SPEC, "own.keras")


def test_a_conditioned_model_may_give_several_values_of_a_target():
    model = with_named_inputs(functional(out=keras.layers.Dense(6)))
    spec = replace(SPEC, conditioning=Conditioning(("a", "b", "c"), ("x", "y"), "cells"))
    check_contract(model, spec, "own.keras")
