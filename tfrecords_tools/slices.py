"""Slices of batches: what each of the replicas that share a batch computes."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Slices:
    """Which slices of every batch a process computes; row n·i // replicas begins slice i of n rows.

    Every process reads all records, in the same order, and decodes its own: a record is in one
    slice of one batch, whatever the number of records, shards and processes.

    Attributes:
        replicas: that share a batch, in all processes.
        first: number of this process's first replica.
        count: of this process's replicas.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1

    def largest(self, size: int) -> int:
        """Return the rows of the largest slice of a batch of `size` rows."""
        return -(-size // self.replicas)


WHOLE = Slices()


def decoded(
    batches: tf.data.Dataset, decode, slices: Slices, size: int | None = None
) -> tf.data.Dataset:
    """Return the slices of batches that a process computes, decoded.

    Args:
        batches: of (number, what a batch is made of: tensors whose first axis is its rows).
        decode: takes the number, rows of these, (first row, end) of the slice, rows of the batch;
            returns inputs, target and whatever belongs to these.
        slices: which.
        size: of every batch, where they are alike.
    """
    replicas = slices.replicas

    def count_of(rows):
        return tf.shape(tf.nest.flatten(rows)[0])[0]

    def whole(number, rows):
        count = count_of(rows)
        return decode(number, rows, (0, count), count)

    def cut(number, rows):
        count = count_of(rows)
        last = slices.first + slices.count
        which = tf.data.Dataset.range(slices.first, last, output_type=tf.int32)

        def part(i):
            low, high = count * i // replicas, count * (i + 1) // replicas
            # A slice without rows, which a last batch may have, is one row of nothing observed:
            # kernels of no rows fail.
            first = tf.minimum(low, count - 1)
            span = (first, tf.maximum(high, first + 1))
            own = tf.nest.map_structure(lambda t: t[span[0] : span[1]], rows)
            return number, own, span, count, high - low

        return which.map(part)

    def decode_part(number, own, span, count, kept):
        inputs, target, *weights = decode(number, own, span, count)
        if size is None:
            target += tf.where(kept > 0, 0.0, np.nan)
        return inputs, target, *weights

    if replicas == 1:
        return batches.map(whole, tf.data.AUTOTUNE, deterministic=True).prefetch(2)
    dataset = batches.flat_map(cut).map(decode_part, tf.data.AUTOTUNE, deterministic=True)
    if size is not None and size % replicas == 0:

        def sized(*parts):
            shape = [size // replicas]
            return tf.nest.map_structure(lambda t: tf.ensure_shape(t, shape + t.shape[1:]), parts)

        dataset = dataset.map(sized)
    return dataset.prefetch(2 * slices.count)
