"""A graph that computes some targets of its output only."""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from tfepi.graph import Graph, Step
from tfepi.layers import Dispersion, Exp, Gelu, PolyReLU, Softplus

_LINEAR = {keras.layers.Dense: "units", keras.layers.Conv1D: "filters"}
_ELEMENTWISE = (keras.layers.ReLU, keras.layers.Dropout, Dispersion, Exp, Gelu, PolyReLU, Softplus)
_ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softplus", "exponential")


def with_columns(graph: Graph, columns: Sequence[int] | None) -> tuple[Graph, list[int] | None]:
    """Return a graph whose last linear layer makes only some outputs, where that can be done.

    Args:
        graph: leading to one output [positions, targets].
        columns: places of the targets; None for all.

    Returns:
        The graph, and which columns of its output are still to be taken: None where it has just
        those asked for, in their order.
    """
    if columns is None:
        return graph, None
    columns = list(columns)
    number, behind = graph.output(), {graph.output()}
    while (step := _writing(graph, number)) is not None:
        kind = next((k for k in _LINEAR if type(step.layer) is k), None)
        if kind is not None and _is_elementwise_function(step.layer.activation):
            if getattr(step.layer, "groups", 1) != 1:
                break
            narrow = _narrow(step.layer, _LINEAR[kind], columns, graph.shapes[step.reads[0]])
            steps = [replace(s, layer=narrow) if s is step else s for s in graph.steps]
            shapes = {
                n: (*shape[:-1], len(columns)) if n in behind else shape
                for n, shape in graph.shapes.items()
            }
            return replace(graph, steps=tuple(steps), shapes=shapes), None
        if not _is_elementwise(step.layer) or len(step.reads) != 1:
            break
        number = step.reads[0]
        behind.add(number)
    return graph, columns


def _writing(graph: Graph, number: int) -> Step | None:
    return next((s for s in graph.steps if number in s.writes), None)


def _is_elementwise(layer) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return _is_elementwise_function(layer.activation)
    return isinstance(layer, _ELEMENTWISE)


def _is_elementwise_function(function) -> bool:
    return function is None or getattr(function, "__name__", "") in _ACTIVATIONS


def _narrow(layer, size: str, columns: list[int], shape: tuple) -> keras.layers.Layer:
    """Return a layer that makes some outputs of another."""
    new = type(layer).from_config({**layer.get_config(), size: len(columns)})
    new.build((None, *shape))
    new.set_weights([np.take(w, columns, axis=-1) for w in layer.get_weights()])
    return new
