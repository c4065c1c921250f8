"""A model's predictions inside a graph, of one strand or averaged over both."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfepi.spec import METHYLATION, ModelSpec

Predict = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


def predictions(model, spec: ModelSpec, rc: bool) -> Predict:
    """Return a graph of one-hot inputs by name to {head: float32 [batch, bins, targets]}.

    It is one function that all signatures share, so the model is in the SavedModel once. With rc
    it computes what `spec.AveragedPredictor` does.

    Args:
        model: a Keras model that takes a dict of inputs.
        spec: its contract.
        rc: average with the reverse complement.
    """

    @tf.function(autograph=False)
    def one(inputs):
        out = model(dict(inputs), training=False)
        out = out if isinstance(out, dict) else {spec.head().name: out}
        return {h.name: tf.cast(out[h.name], tf.float32) for h in spec.heads}

    if not rc:
        return one
    orders = {h.name: h.strand_order for h in spec.heads}

    @tf.function(autograph=False)
    def both(inputs):
        forward, other = one(inputs), one(_other_strand(inputs, spec))
        found = {}
        for name, order in orders.items():
            values = tf.reverse(other[name], [1])
            if order is not None:
                values = tf.gather(values, list(order), axis=2)
            found[name] = (forward[name] + values) / 2
        return found

    return both


def _other_strand(inputs: Mapping[str, tf.Tensor], spec: ModelSpec) -> dict[str, tf.Tensor]:
    moved = dict(inputs)
    # One axis after the other: not every reader of graphs takes two.
    moved["sequence"] = tf.reverse(tf.reverse(inputs["sequence"], [1]), [2])
    if spec.kind == METHYLATION:  # the CpG's other C is to be in the middle
        moved["sequence"] = tf.pad(moved["sequence"][:, :-1], [[0, 0], [1, 0], [0, 0]])
    if "tracks" in inputs:
        moved["tracks"] = tf.reverse(inputs["tracks"], [1])
    return moved
