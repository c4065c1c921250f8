"""Batches of sequences as symbols of four bases, which are cheap to move and to decode.

Inside the pipeline four bases are one symbol of 12 bits, three per base (0-3, 4 = N), first base
lowest: shifting then touches a quarter as many numbers, and one table look-up writes the one-hot
code of four bases. The table's second half is for the other strand. TensorFlow's integer products
and sums are several times faster than its bitwise operations and look-ups of single numbers, hence
the arithmetic.
"""

import numpy as np
import tensorflow as tf

from tfrecords_tools.data import Data

SYMBOLS = 1 << 12
_BASES = np.arange(SYMBOLS)[:, None] >> np.array([0, 3, 6, 9]) & 7
_FORWARD = np.eye(8, 4, dtype=np.float32)[_BASES]
ONE_HOT = np.concatenate([_FORWARD, _FORWARD[:, ::-1, ::-1]]).reshape(2 * SYMBOLS, 16)
_FROM_MASK = (np.arange(256)[:, None] >> np.arange(8) & 1).reshape(256, 2, 4)
_FROM_MASK = (_FROM_MASK << np.array([2, 5, 8, 11])).sum(axis=2).astype(np.int32)
_ALL_N = 0o4444


def as_symbols(values, data: Data):
    """Return int32 [batch, ceil(length / 4)]; bases past the end are N."""
    length = data.seq_length
    count = -(-length // 4)
    if data.encoding == "packed":
        return _unpacked(values["sequence_packed"], values["sequence_n"], length)
    bases = values["sequence"]
    if data.encoding == "onehot":
        # The product's highest byte is 5 for A, 6 for C, 7 for G, 8 for T; no sum of these is one.
        x = tf.bitcast(tf.reshape(_at_most(1, bases), [-1, length, 4]), tf.int32) * 0x05060708
        code = tf.cast(tf.bitwise.right_shift(x, 24), tf.uint8)
        bases = tf.where(code > 0, code - 5, tf.constant(4, tf.uint8))
    bases = _at_most(4, tf.ensure_shape(bases, [None, length]))
    if length % 4:
        bases = tf.pad(bases, [[0, 0], [0, -length % 4]], constant_values=4)
    # Of the product, byte 1 is base 0 + 8 · base 1, byte 3 is base 2 + 8 · base 3.
    x = tf.bitcast(tf.reshape(bases, [-1, count, 4]), tf.int32) * 0x108
    low = tf.bitwise.bitwise_and(tf.bitwise.right_shift(x, 8), 0xFF)
    return low + 64 * tf.bitwise.right_shift(x, 24)


def _at_most(most: int, values):
    """Return uint8 values after checking them; `Data.records` names the record that is wrong."""
    check = tf.debugging.assert_less_equal(tf.reduce_max(values), tf.constant(most, tf.uint8))
    with tf.control_dependencies([check]):
        return tf.identity(values)


def _unpacked(packed, mask, length: int):
    """Return the symbols of two bits per base and the mask of bases that are N."""
    count, pairs = -(-length // 4), -(-length // 8)
    x = tf.cast(tf.ensure_shape(packed, [None, count]), tf.int32)
    # Two bits per base become three: bases 2 and 3 move up by two bits, then 1 and 3 by one.
    x += 3 * tf.bitwise.bitwise_and(x, 0xF0)
    x += tf.bitwise.bitwise_and(x, 0x30C)
    if count % 2:
        x = tf.pad(x, [[0, 0], [0, 1]])
    # Few bytes of the mask are not 0, as a rule; what they add to is A.
    at = tf.where(tf.ensure_shape(mask, [None, pairs]) > 0)
    unknown = tf.gather(_FROM_MASK, tf.cast(tf.gather_nd(mask, at), tf.int32))
    x = tf.tensor_scatter_nd_add(tf.reshape(x, [-1, pairs, 2]), at, unknown)
    x = tf.reshape(x, [-1, 2 * pairs])[:, :count]
    if length % 4:
        past = np.zeros(count, np.int32)
        past[-1] = sum(4 << 3 * i for i in range(length % 4, 4))
        x = tf.bitwise.bitwise_or(x, past)
    return x


def windows(symbols, start, margin: int, most: int):
    """Return each sequence's symbols, as many, from base `start` of it after `margin` of N.

    Args:
        symbols: int32 [batch, symbols].
        start: int32 [batch], bases.
        margin: symbols.
        most: symbols that no start exceeds.
    """
    steps = [1 << i for i in reversed(range(most.bit_length()))]
    after = sum(steps) + 1 - margin
    symbols = tf.pad(symbols, [[0, 0], [margin, after]], constant_values=_ALL_N)
    for step in steps:
        ahead = (start // 4 & step > 0)[:, None]
        symbols = tf.where(ahead, symbols[:, step:], symbols[:, :-step])
    pairs = symbols[:, :-1] + SYMBOLS * symbols[:, 1:]
    bits = (3 * (start % 4))[:, None]
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(pairs, bits), SYMBOLS - 1)
