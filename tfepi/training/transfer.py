"""Which layers of a trunk an adapter applies to, read from the graph of a functional model."""

from dataclasses import dataclass

import keras

from tfepi.layers.attention import MultiheadAttention
from tfepi.models.layer_names import is_head


def trunk_layers(model: keras.Model, kind: type) -> list[keras.layers.Layer]:
    """Return a model's layers of a class that belong to no head, from the input on."""
    return [x for x in model.layers if isinstance(x, kind) and not is_head(x.name)]


@dataclass(frozen=True)
class Branch:
    """A residual branch, which an Add layer joins to the tensor that it started from.

    Attributes:
        add: the Add layer.
        place: which of its two inputs is the branch.
        channels: of both.
        layers: its own, from the end backwards by each one's first input.
    """

    add: keras.layers.Layer
    place: int
    channels: int
    layers: tuple[keras.layers.Layer, ...]

    @property
    def is_sublayer(self) -> bool:
        """Whether it ends with dropout, or its last weights are dense or attention."""
        last = next((x for x in self.layers if x.weights), None)
        kinds = (keras.layers.Dense, MultiheadAttention)
        return isinstance(self.layers[0], keras.layers.Dropout) or isinstance(last, kinds)

    @property
    def feed_forward(self) -> keras.layers.Dense | None:
        """The second of the two dense layers that it ends with; None if it does not."""
        dense = [x for x in self.layers if x.weights][:2]
        if len(dense) == 2 and all(isinstance(x, keras.layers.Dense) for x in dense):
            return dense[0]
        return None


def residual_branches(model: keras.Model) -> list[Branch]:
    """Return the residual branches of a trunk, from the input on."""
    outputs = {t._keras_history.operation: t for o in model.outputs for t in [o, *_ancestors(o)]}
    found = []
    for add in trunk_layers(model, keras.layers.Add):
        sides = _parents(outputs[add])
        if len(sides) != 2 or sides[0].shape != sides[1].shape:
            continue
        for place, (branch, start) in enumerate((sides, sides[::-1])):
            if any(start is t for t in _ancestors(branch)):
                found.append(Branch(add, place, start.shape[-1], _backwards(branch, start)))
    return found


def _parents(tensor) -> list:
    # Keras keeps the graph in these attributes; tests/training/test_transfer.py guards them.
    operation, node, _ = tensor._keras_history
    return operation._inbound_nodes[node].input_tensors


def _ancestors(tensor) -> list:
    """Return the tensors that one is computed from."""
    found, left = {}, [tensor]
    while left:
        for parent in _parents(left.pop()):
            if id(parent) not in found:
                found[id(parent)] = parent
                left.append(parent)
    return list(found.values())


def _backwards(tensor, start) -> tuple[keras.layers.Layer, ...]:
    layers = []
    while tensor is not start and _parents(tensor):
        layers.append(tensor._keras_history.operation)
        tensor = _parents(tensor)[0]
    return tuple(layers)
