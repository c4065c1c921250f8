"""Convolutions and their activations as steps of their own."""

import keras
import numpy as np
import pytest

from tfepi.graph import graph_of
from tfepi.variants.activations_apart import with_activations_apart
from tfepi.variants.splice import computed


@pytest.fixture(scope="module")
def model():
    inputs = x = keras.Input((40, 4), name="sequence")
    x = keras.layers.Conv1D(5, 3, activation="relu", name="first")(x)
    y = keras.layers.Conv1D(5, 1, name="second")(x)
    z = keras.layers.SeparableConv1D(5, 1, activation="tanh", name="third")(x)
    return keras.Model({"sequence": inputs}, keras.layers.Add(name="sum")([y, z]))


def test_values_are_the_same(model):
    graph = graph_of(model)
    apart = with_activations_apart(graph)
    given = {"sequence": np.random.default_rng(0).normal(size=(2, 40, 4)).astype(np.float32)}
    (found,) = computed(apart, given, [apart.output()])
    np.testing.assert_array_equal(found, model(given))
    sums, values = computed(apart, given, [apart.steps[0].writes[0], apart.steps[1].writes[0]])
    assert np.asarray(sums).min() < 0
    np.testing.assert_array_equal(np.maximum(sums, 0), values)


def test_only_plain_convolutions_with_an_activation_are_taken_apart(model):
    apart = with_activations_apart(graph_of(model))
    kinds = [(s.name, type(s.layer).__name__) for s in apart.steps]
    assert sorted(kinds) == [
        ("first", "Activation"),
        ("first", "Conv1D"),
        ("second", "Conv1D"),
        ("sum", "Add"),
        ("third", "SeparableConv1D"),
    ]


def test_the_model_keeps_its_layers_and_shares_its_variables(model):
    linear = with_activations_apart(graph_of(model)).steps[0].layer
    own = model.get_layer("first")
    assert linear is not own
    assert linear.kernel is own.kernel
    assert own.activation is keras.activations.relu
    assert linear.activation is keras.activations.linear
