"""A Keras model as a list of steps from its inputs to its outputs, nested models opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    Attributes:
        layer: what is called; of bare `keras.ops` the operation.
        reads: numbers of the tensors that it reads, in the order of its arguments.
        writes: numbers of those that it gives.
        arguments: Keras's record of the call.
        numbers: id of each symbolic tensor in it → number.
    """

    layer: object
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    arguments: object
    numbers: Mapping[int, int]

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    def __call__(self, values: Mapping[int, object]) -> list:
        """Return what the layer gives of the values of its tensors, by number."""
        found = {key: values[number] for key, number in self.numbers.items()}
        args, kwargs = self.arguments.fill_in(found)
        return keras.tree.flatten(self.layer(*args, **kwargs))


@dataclass(frozen=True)
class Graph:
    """A model's steps, each after those that it reads.

    Attributes:
        inputs: input name → number of its tensor.
        outputs: head's name → number; of a model with one output that is no dict, under "".
        steps: the calls.
        shapes: of each tensor, without the batch.
        names: of each tensor, the layer that gives it.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    steps: tuple[Step, ...]
    shapes: Mapping[int, tuple]
    names: Mapping[int, str]

    def output(self, head: str | None = None) -> int:
        """Return the number of a head's tensor; of the only one, whatever it is called."""
        if len(self.outputs) == 1:
            return next(iter(self.outputs.values()))
        return self.outputs[head]

    def length(self, tensor: int) -> int | None:
        """Return the positions of a tensor [positions, channels]; None of one without."""
        shape = self.shapes[tensor]
        return shape[0] if len(shape) == 2 else None

    def leading_to(self, tensor: int) -> "Graph":
        """Return the part of the graph that a tensor is made of."""
        wanted, kept = {tensor}, []
        for step in reversed(self.steps):
            if wanted.intersection(step.writes):
                wanted.update(step.reads)
                kept.append(step)
        heads = {h: n for h, n in self.outputs.items() if n == tensor} or {"": tensor}
        inputs = {name: n for name, n in self.inputs.items() if n in wanted}
        return Graph(inputs, heads, tuple(reversed(kept)), self.shapes, self.names)


def graph_of(model: keras.Model, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Return the graph of a functional model.

    Args:
        model: functional or sequential, and built.
        shapes: of inputs by name, without the batch, for models that take any length.
    """
    model = getattr(model, "_functional", None) or model  # of a sequential one
    builder = _Builder()
    known = shapes or {}
    numbers = {
        id(t): builder.number(known.get(t.name, tuple(t.shape[1:])), t.name) for t in model.inputs
    }
    inputs = {t.name: numbers[id(t)] for t in model.inputs}
    builder.add(model, numbers)
    outputs = model.output if isinstance(model.output, dict) else {"": model.outputs[0]}
    heads = {name: numbers[id(keras.tree.flatten(t)[0])] for name, t in outputs.items()}
    return Graph(inputs, heads, tuple(builder.steps), builder.shapes, builder.names)


def nodes_before(tensors: Sequence) -> list:
    """Return the nodes of Keras's graph that tensors are made of, each after those it reads."""
    # Keras keeps the graph in these attributes; tests/test_graph.py guards them.
    found: dict[int, object] = {}
    for tensor in tensors:
        node = _node(tensor)
        stack = [(node, iter(node.input_tensors))]
        while stack:  # no recursion: models are deep
            node, before = stack[-1]
            following = next((t for t in before if id(_node(t)) not in found), None)
            if following is None:
                found.setdefault(id(node), node)
                stack.pop()
            else:
                stack.append((_node(following), iter(_node(following).input_tensors)))
    return list(found.values())


def _node(tensor):
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


class _Builder:
    """Numbers tensors and collects steps, of a model and of those nested in it."""

    def __init__(self):
        self.steps: list[Step] = []
        self.shapes: dict[int, tuple] = {}
        self.names: dict[int, str] = {}

    def number(self, shape: tuple, name: str) -> int:
        number = len(self.shapes)
        self.shapes[number] = tuple(shape)
        self.names[number] = name
        return number

    def shape(self, layer, tensor, reads: list[int]) -> tuple:
        """Return the shape of a tensor without the batch, from those read if Keras has none."""
        shape = tuple(tensor.shape[1:])
        if None not in shape:
            return shape
        read = [(None, *self.shapes[n]) for n in reads]
        return tuple(layer.compute_output_shape(read[0] if len(read) == 1 else read)[1:])

    def add(self, model, numbers: dict[int, int]) -> None:
        """Add a model's steps.

        Args:
            model: functional.
            numbers: of its input tensors, by id; those of all others are added.
        """
        for node in nodes_before(model.outputs):
            if node.is_input or all(id(t) in numbers for t in node.outputs):
                continue
            layer, given = node.operation, list(node.input_tensors)
            inner = getattr(layer, "_functional", None) or layer
            if hasattr(inner, "operations") and len(inner.inputs) == len(given) == 1:
                within = {id(inner.inputs[0]): numbers[id(given[0])]}
                self.add(inner, within)
                numbers |= {
                    id(outer): within[id(t)]
                    for outer, t in zip(node.outputs, inner.outputs, strict=True)
                }
                continue
            reads = [numbers[id(t)] for t in given]
            for tensor in node.outputs:
                shape = self.shape(layer, tensor, reads)
                numbers[id(tensor)] = self.number(shape, layer.name)
            self.steps.append(
                Step(
                    layer,
                    tuple(reads),
                    tuple(numbers[id(t)] for t in node.outputs),
                    node.arguments,
                    {id(t): numbers[id(t)] for t in given},
                )
            )
