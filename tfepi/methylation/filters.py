"""The first layer of a model: where its filters look at the sequence, and what they give.

A filter's activation is what its convolution's activation gives, at least 0. Where the convolution
has none of its own, it is that after the batch norm and activation that follow it.
"""

from dataclasses import dataclass

import keras
import numpy as np

from tfrecords_tools.errors import ConfigError, unknown

_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU)


@dataclass(frozen=True)
class FirstLayer:
    """A convolution of the sequence.

    Attributes:
        name: of the layer.
        output: symbolic activations [batch, positions, filters].
        width: of a filter, bp.
        filters: how many.
        stride: bp from one position to the next.
        before: bases of padding before the sequence.
        length: of the sequence, bp.
    """

    name: str
    output: object
    width: int
    filters: int
    stride: int
    before: int
    length: int

    @property
    def positions(self) -> int:
        """Number of positions."""
        return self.output.shape[1]

    @property
    def starts(self) -> np.ndarray:
        """Index in the sequence of each position's first base; below 0 in the padding."""
        return np.arange(self.positions) * self.stride - self.before


def first_layer(model: keras.Model, name: str | None = None) -> FirstLayer:
    """Return the convolution that a model begins with.

    Args:
        model: a functional model with the input "sequence".
        name: of the layer, where several convolutions look at the sequence.

    Raises:
        ConfigError: no convolution of the sequence, several and none named, or one whose filters
            have gaps.
    """
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv1D):
            before = _padding_before(layer)
            if before is not None:
                found[layer.name] = (layer, before)
    if not found:
        layers = [x for x in model.layers if not isinstance(x, keras.layers.InputLayer)]
        shown = f"{layers[0].name} ({type(layers[0]).__name__})" if layers else "nothing"
        raise ConfigError(
            f"the model has no convolution of the sequence itself: it begins with {shown}; motifs "
            "are of models whose first layer is a Conv1D"
        )
    if name is None and len(found) > 1:
        raise ConfigError(
            f"convolutions {', '.join(found)} all look at the sequence: name one with --layer"
        )
    if name is not None and name not in found:
        raise unknown("convolution of the sequence", name, found, "of the model")
    layer, before = found[name or next(iter(found))]
    if layer.dilation_rate[0] > 1:
        raise ConfigError(
            f"filters of {layer.name} have gaps (dilation {layer.dilation_rate[0]}): motifs are of "
            "bases side by side"
        )
    sequence = next(t for t in model.inputs if t.name == "sequence")
    width, stride, length = layer.kernel_size[0], layer.strides[0], sequence.shape[1]
    return FirstLayer(
        layer.name,
        _activation(model, layer),
        width,
        layer.filters,
        stride,
        before + _own_padding(layer, width, stride),
        length,
    )


def _padding_before(layer: keras.layers.Conv1D) -> int | None:
    """Return the padding between the sequence and a layer; None if there is anything else."""
    tensor, before = layer.input, 0
    while True:
        operation, node, _ = tensor._keras_history
        if isinstance(operation, keras.layers.InputLayer):
            return before if tensor.name == "sequence" else None
        if isinstance(operation, keras.layers.ZeroPadding1D):
            before += operation.padding[0]
        elif type(operation).__name__ == "SymmetricPadding1D":
            before += operation.padding
        elif not _is_activation(operation):
            return None
        tensor = operation._inbound_nodes[node].input_tensors[0]


def _own_padding(layer: keras.layers.Conv1D, width: int, stride: int) -> int:
    if layer.padding == "causal":
        return width - 1
    if layer.padding == "valid":
        return 0
    length, positions = layer.input.shape[1], layer.output.shape[1]
    return max(0, (positions - 1) * stride + width - length) // 2  # the odd one comes after


def _activation(model: keras.Model, layer: keras.layers.Conv1D):
    """Return the symbolic output of the layer, or of the activation that follows it."""
    if layer.activation is not keras.activations.linear:
        return layer.output
    tensor = layer.output
    while True:
        after = _consumers(model, tensor)
        if len(after) != 1:
            return layer.output
        if _is_activation(after[0]):
            return after[0].output
        if not isinstance(after[0], keras.layers.BatchNormalization):
            return layer.output
        tensor = after[0].output


def _consumers(model: keras.Model, tensor) -> list:
    return [
        layer
        for layer in model.layers
        for node in layer._inbound_nodes
        if any(t is tensor for t in node.input_tensors)
    ]


def _is_activation(operation) -> bool:
    own = type(operation).__module__ == "tfepi.layers.activation"
    return own or isinstance(operation, _ACTIVATIONS)
