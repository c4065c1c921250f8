"""A graph in which convolutions and their activations are steps of their own."""

from dataclasses import dataclass, replace

import keras

from tfepi.graph import Graph, Step


@dataclass(frozen=True)
class _OneTensor:
    """What a layer is called with that reads one tensor and nothing else."""

    def fill_in(self, found: dict) -> tuple[tuple, dict]:
        return tuple(found.values()), {}


def with_activations_apart(graph: Graph) -> Graph:
    """Return a graph of the same values where no plain convolution has an activation of its own.

    What differences of a convolution's input add to its output can be said of its sums only.
    """
    steps, shapes, names = [], dict(graph.shapes), dict(graph.names)
    for step in graph.steps:
        layer = step.layer
        if type(layer) is not keras.layers.Conv1D or is_linear(layer):
            steps.append(step)
            continue
        linear = object.__new__(type(layer))  # Keras copies variables, too
        vars(linear).update(vars(layer), activation=keras.activations.linear)
        sums = len(shapes)
        shapes[sums], names[sums] = shapes[step.writes[0]], layer.name
        steps.append(replace(step, layer=linear, writes=(sums,)))
        activation = keras.layers.Activation(layer.activation, dtype=layer.dtype_policy)
        activation.name = layer.name
        steps.append(Step(activation, (sums,), step.writes, _OneTensor(), {0: sums}))
    return replace(graph, steps=tuple(steps), shapes=shapes, names=names)


def is_linear(layer) -> bool:
    """Tell whether a convolution has no activation."""
    return layer.activation in (None, keras.activations.linear)
