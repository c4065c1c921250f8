"""Training that keeps fewer activations and computes them again on the way back.

Chen et al. 2016 (arXiv:1604.06174). The graph is cut where one tensor alone carries everything on:
what lies between two cuts is computed twice, and only the tensors at the cuts are kept.
"""

from collections import Counter

import keras
from keras import ops

from tfepi.graph import nodes_before
from tfepi.models.layer_names import is_head, layer_group
from tfrecords_tools.errors import ConfigError


def rematerialised(model: keras.Model) -> keras.Model:
    """Return a model for training that shares every layer with the given one.

    Outputs, gradients and random draws are those of the given model, but for the rounding of what
    TensorFlow fuses otherwise in a smaller graph; a step takes about a third longer. The graph is
    cut after each residual branch, each group of layers (`layer_names.layer_group`: a block) and
    where the sequence gets shorter. Save the given model, not this one.

    Args:
        model: functional.

    Returns:
        Model of the same inputs and outputs.

    Raises:
        ConfigError: the graph cannot be cut, since something leads past every layer (a U-Net).
    """
    cuts = _cuts(model)
    if len(cuts) < 2:
        raise ConfigError(
            f"model {model.name!r} has no two places where one tensor carries everything on, so "
            "nothing can be computed again: train it without --rematerialise"
        )
    inputs = [keras.Input(t.shape[1:], name=t.name, dtype=t.dtype) for t in model.inputs]
    x = inputs if len(inputs) > 1 else inputs[0]
    start = model.inputs if len(inputs) > 1 else model.inputs[0]
    for number, cut in enumerate(cuts):
        segment = keras.Model(start, cut, name=f"segment{number}")
        x = Rematerialised(segment, name=f"rematerialised{number}")(x)
        start = cut
    outputs = keras.Model(start, model.output, name="heads")(x)
    return keras.Model({t.name: t for t in inputs}, outputs, name=model.name)


class Rematerialised(keras.layers.Layer):
    """A part of a model whose values are computed again for its gradient.

    The part is a pure function of its inputs, weights and random states, so that the second pass
    draws the same numbers as the first; its states change once.

    Args:
        segment: a functional model with one output.
    """

    def __init__(self, segment: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.segment = segment
        self.built = True

    def call(self, inputs, training=False):
        """Return what the segment gives of the inputs."""
        if not training:
            return self.segment(inputs, training=False)
        weights = self.segment.trainable_variables
        states = self.segment.non_trainable_variables
        averages = [v for v in states if keras.backend.is_float_dtype(v.dtype)]
        draws = [v for v in states if not keras.backend.is_float_dtype(v.dtype)]
        # Read here, once: both passes draw from the same states. Whole numbers have no gradient
        # and may neither enter nor leave a function that has one.
        drawn = {id(v): ops.copy(v.value) for v in draws}

        def run(inputs, *values):
            given = dict(zip((id(v) for v in (*weights, *averages)), values, strict=True)) | drawn
            output, after = self.segment.stateless_call(
                [given[id(v)] for v in weights],
                [given[id(v)] for v in states],
                inputs,
                training=True,
            )
            new = dict(zip((id(v) for v in states), after, strict=True))
            steps = [ops.cast(new[id(v)] - drawn[id(v)], "float32") for v in draws]
            kept = (*(new[id(v)] for v in averages), *steps)
            return (output, *map(ops.stop_gradient, kept))

        # Copies of what is assigned below, which the way back still reads.
        values = [*(v.value for v in weights), *(ops.copy(v.value) for v in averages)]
        output, *after = keras.remat(run)(inputs, *values)
        for variable, value in zip(averages, after, strict=False):
            variable.assign(value)
        for variable, step in zip(draws, after[len(averages) :], strict=True):
            variable.assign(drawn[id(variable)] + ops.cast(step, variable.dtype))
        return output

    def compute_output_shape(self, input_shape):
        """Return the segment's."""
        return self.segment.compute_output_shape(input_shape)


def _cuts(model: keras.Model) -> list:
    """Return the tensors to keep, from the input on; nothing else leads past any of them."""
    nodes = nodes_before(model.outputs)
    # How often each tensor is still to be read: those above 0 have to be kept.
    left = Counter(id(t) for node in nodes for t in node.input_tensors)
    left.update(id(t) for t in model.outputs)
    alive: set[int] = set()
    found, candidate, has_weights = [], None, False
    for node in nodes:
        layer = node.operation
        if candidate is not None and _ends(candidate[0], layer):
            found.append(candidate[1])
            has_weights = False
        has_weights = has_weights or bool(layer.weights)
        for tensor in node.input_tensors:
            left[id(tensor)] -= 1
        alive = {t for t in alive | {id(t) for t in node.outputs} if left[t]}
        alone = len(alive) == 1 and has_weights and not is_head(layer.name)
        candidate = (layer, node.outputs[0]) if alone else None
    return found


def _ends(layer: keras.layers.Layer, following: keras.layers.Layer) -> bool:
    """Tell whether a part ends with a layer: a residual branch, a pooling, or a block."""
    if isinstance(layer, keras.layers.Add):
        return True
    before = keras.tree.flatten(layer.input)[0]
    shortens = layer.output.shape[1] < before.shape[1]
    return shortens or layer_group(layer.name) != layer_group(following.name)
