"""Lengths by arithmetic: how many bases an output position of a model stands for."""

from fractions import Fraction

import keras

_POOLING = (
    keras.layers.Conv1D,
    keras.layers.SeparableConv1D,
    keras.layers.DepthwiseConv1D,
    keras.layers.MaxPooling1D,
    keras.layers.AveragePooling1D,
)
_RESHAPING = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
)


def bin_width(
    model: keras.Model, head: str | None = None, through_flatten: bool = False
) -> int | None:
    """Return the bp from one output position to the next, from the strides on the way.

    Args:
        model: a functional model with an input named "sequence".
        head: output, where the model has several.
        through_flatten: take a layer that joins all positions to leave the step as it is, as
            Basenji does, whose bins are then those before it.

    Returns:
        bp; None where a layer joins the whole sequence into one position, or where the strides
        make no whole number.
    """
    output = model.output if head is None else model.output[head]
    if isinstance(output, (list, tuple)):
        output = output[0]
    step = _step(output, {}, through_flatten)
    return int(step) if step is not None and step.denominator == 1 else None


def _step(tensor, known: dict, through: bool) -> Fraction | None:
    """Return the bp between neighbours on the length axis of a symbolic [batch, length, …]."""
    if id(tensor) in known:
        return known[id(tensor)]
    # Keras keeps the graph in these attributes; tests/test_geometry.py guards them.
    operation, node, _ = tensor._keras_history
    if isinstance(operation, keras.layers.InputLayer):
        step: Fraction | None = Fraction(1)
    elif isinstance(operation, _RESHAPING) and not through:
        step = None
    else:
        before = [
            _step(t, known, through)
            for t in operation._inbound_nodes[node].input_tensors
            if through or (len(t.shape) == 3 and t.shape[1] != 1)
        ]
        step = None if not before or None in before else before[0] * _factor(operation)
    known[id(tensor)] = step
    return step


def _factor(layer) -> Fraction:
    if isinstance(layer, keras.layers.Conv1DTranspose):
        return Fraction(1, layer.strides[0])
    if isinstance(layer, keras.layers.UpSampling1D):
        return Fraction(1, layer.size)
    if isinstance(layer, _POOLING):
        return Fraction(layer.strides[0] if isinstance(layer.strides, tuple) else layer.strides)
    # A layer of our own that shortens the sequence says by how much.
    return Fraction(getattr(layer, "stride", 1))
