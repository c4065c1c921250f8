"""Checks of requests inside a graph: what is wrong is told with its row.

A server gives the message to whoever asked (INVALID_ARGUMENT, 400 over REST). A server that
merges requests counts rows over all that it merged.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfrecords_tools.genome import UNKNOWN


def refuse(bad, *parts) -> tf.Operation:
    """Return an operation that fails with a message about the first row that is bad.

    Args:
        bad: bool [batch].
        parts: of the message: texts, and tensors [batch], of which the row's value is shown.
    """
    at = tf.where(bad)[:1, 0]
    shown = [part if isinstance(part, str) else _text(tf.gather(part, at)) for part in parts]
    message = tf.strings.reduce_join(tf.strings.join(shown))
    return tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), [message])


def _text(values):
    return values if values.dtype == tf.string else tf.strings.as_string(values)


def after(checks: Sequence[tf.Operation], tensor):
    """Return a tensor that is there only once all checks have passed."""
    with tf.control_dependencies(checks):
        return tf.identity(tensor)


def rows(tensor):
    """Return the number of each row: int32 [batch]."""
    return tf.range(tf.shape(tensor)[0])


def checked(
    inputs: Mapping[str, tf.Tensor], declared: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Return inputs after checks of their shapes, that they have as many rows, and at least one.

    A server feeds a graph without comparing shapes, and TensorFlow takes a declared shape for
    granted; ensure_shape compares what is fed.

    Args:
        inputs: by name, [batch, …].
        declared: their shapes and types.
    """
    given = {
        name: tf.ensure_shape(inputs[name], spec.shape, name=f"shape_of_{name}")
        for name, spec in declared.items()
    }
    names = list(given)
    counts = tf.stack([tf.shape(value)[0] for value in given.values()])
    empty = tf.debugging.Assert(counts[0] > 0, ["the batch is empty: want at least one row"])
    with tf.control_dependencies([empty]):
        differs = refuse(
            tf.not_equal(counts, counts[0]),
            "input ",
            tf.constant(names),
            " has ",
            counts,
            f" rows: want as many as {names[0]}, ",
            tf.fill([len(names)], counts[0]),
        )
    return {name: after([empty, differs], value) for name, value in given.items()}


def finite(tensor, name: str):
    """Return float [batch, …] after a check that every value is a finite number."""
    flat = tf.reshape(tensor, [tf.shape(tensor)[0], -1])
    bad = tf.logical_not(tf.math.is_finite(flat))
    place = tf.argmax(tf.cast(bad, tf.int32), axis=1)
    width = tensor.shape[2] if tensor.shape.rank > 2 else 1
    check = refuse(
        tf.reduce_any(bad, axis=1),
        f"{name} of row ",
        rows(tensor),
        " is no finite number at position ",
        place // width,
        " (both from 0)",
    )
    return after([check], tensor)


def base_indices(tensor, name: str = "sequence"):
    """Return uint8 [batch, length] after a check that each is 0 to 3, or 4 for N."""
    bad = tensor > UNKNOWN
    place = tf.argmax(tf.cast(bad, tf.int32), axis=1)
    check = refuse(
        tf.reduce_any(bad, axis=1),
        f"{name} of row ",
        rows(tensor),
        " has the base index ",
        tf.gather(tensor, place, batch_dims=1),
        " at position ",
        place,
        " (both from 0): want 0 to 3 for A, C, G and T, and 4 for N",
    )
    return after([check], tensor)
