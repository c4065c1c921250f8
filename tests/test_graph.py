"""The list of steps of a model, beside what Keras itself computes."""

import keras
import numpy as np

from tfepi.graph import graph_of, nodes_before
from tfepi.models import leopard_unet
from tfepi.variants.splice import computed


def nested() -> keras.Model:
    inner_input = keras.Input((None, 4))
    inner = keras.Model(inner_input, keras.layers.Conv1D(3, 5, padding="valid")(inner_input))
    inputs = keras.Input((40, 4), name="sequence")
    x = keras.layers.Concatenate()([inner(inputs), inner(inputs)])
    heads = {"a": keras.layers.Dense(2, name="a")(x), "b": keras.layers.Dense(1, name="b")(x)}
    return keras.Model({"sequence": inputs}, heads)


def test_steps_give_what_the_model_gives():
    model = nested()
    graph = graph_of(model)
    x = np.random.default_rng(1).random((2, 40, 4)).astype(np.float32)
    for head, wanted in model({"sequence": x}).items():
        (found,) = computed(graph, {"sequence": x}, [graph.output(head)])
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_nested_model_is_opened_each_time_it_is_called():
    graph = graph_of(nested())
    kinds = [type(s.layer).__name__ for s in graph.steps]
    assert kinds.count("Conv1D") == 2
    assert "Functional" not in kinds
    first = next(s for s in graph.steps if type(s.layer).__name__ == "Conv1D")
    assert graph.shapes[first.writes[0]] == (36, 3)


def test_a_sequential_model():
    model = keras.Sequential([keras.Input((16, 4), name="sequence"), keras.layers.Conv1D(2, 3)])
    graph = graph_of(model)
    assert [s.layer for s in graph.steps] == model.layers
    assert graph.output() == graph.steps[-1].writes[0]


def test_any_length_takes_the_shapes_given():
    inputs = keras.Input((None, 4), name="sequence")
    model = keras.Model({"sequence": inputs}, keras.layers.MaxPooling1D(2)(inputs))
    graph = graph_of(model, {"sequence": (64, 4)})
    assert graph.length(graph.output()) == 32


def test_the_part_that_leads_to_a_head():
    graph = graph_of(nested())
    part = graph.leading_to(graph.output("a"))
    assert "b" not in {s.name for s in part.steps}
    assert part.output() == graph.output("a")


def test_nodes_follow_those_they_read():
    model = leopard_unet(input_length=64, depth=2, outputs=1)
    seen = set()
    for node in nodes_before(model.outputs):
        assert {id(t) for t in node.input_tensors} <= seen
        seen |= {id(t) for t in node.outputs}
    assert {id(t) for t in model.outputs} <= seen
