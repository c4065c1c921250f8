"""DNA letters to base indices inside a graph, either case; any other byte is refused by its place.

Letters are coded as `tfrecords_tools.genome.encode` does: A, C, G, T, and N and the other IUPAC
letters of DNA as unknown. U is refused: RNA would be all unknown where T should be.
"""

import numpy as np
import tensorflow as tf

from tfepi.serving.requests import after, refuse, rows
from tfrecords_tools.genome import encode

BASES = "ACGT"
IUPAC = BASES + "RYSWKMBDHVN"
_NONE = 255
_SHOWN = [
    chr(byte) if chr(byte).isalnum() and byte < 128 else f"byte 0x{byte:02x}" for byte in range(256)
]


def _table(allowed: str) -> np.ndarray:
    table = np.full(256, _NONE, np.uint8)
    for letter in allowed:
        table[[ord(letter), ord(letter.lower())]] = encode(letter)[0]
    return table


_WANTED = {BASES: "A, C, G or T", IUPAC: "A, C, G, T, N or another IUPAC letter of DNA"}
_TABLES = {allowed: _table(allowed) for allowed in (BASES, IUPAC)}


def of_length(texts, length: int, name: str):
    """Return strings [batch] after a check that each has `length` letters.

    Only their lengths are read, so a text of any size is refused at no cost.
    """
    found = tf.strings.length(texts)
    check = refuse(
        tf.not_equal(found, length),
        f"{name} of row ",
        rows(texts),
        " (from 0) has ",
        found,
        f" letters: want {length}",
    )
    return after([check], texts)


def at_most(texts, most: int, name: str):
    """Return strings [batch] after a check that each has 1 to `most` letters."""
    found = tf.strings.length(texts)
    check = refuse(
        tf.logical_or(found < 1, found > most),
        f"{name} of row ",
        rows(texts),
        " (from 0) has ",
        found,
        f" letters: want 1 to {most}",
    )
    return after([check], texts)


def known(texts, allowed: str, name: str, first=None):
    """Return strings [batch] after a check that every letter is one of those allowed.

    Args:
        texts: string [batch], of lengths that were checked: all are held at once.
        allowed: `BASES` or `IUPAC`, in either case.
        name: of the input, for messages.
        first: int32 [batch], what a text's first letter is counted as in messages [0].
    """
    lengths = tf.strings.length(texts)
    bytes_ = tf.io.decode_raw(texts, tf.uint8, fixed_length=tf.reduce_max(lengths))
    inside = tf.sequence_mask(lengths, tf.shape(bytes_)[1])
    bad = inside & (_codes(bytes_, allowed) == _NONE)
    place = tf.argmax(tf.cast(bad, tf.int32), axis=1, output_type=tf.int32)
    byte = tf.gather(bytes_, place, batch_dims=1)
    check = refuse(
        tf.reduce_any(bad, axis=1),
        f"{name} of row ",
        rows(texts),
        " has ",
        tf.gather(_SHOWN, tf.cast(byte, tf.int32)),
        " at position ",
        place if first is None else place + first,
        f" (both from 0): want {_WANTED[allowed]}",
    )
    return after([check], texts)


def coded(texts, length: int):
    """Return the base indices of DNA: uint8 [batch, length], 4 for what is unknown.

    Args:
        texts: string [batch] of this length and of known letters.
        length: of each.
    """
    bytes_ = tf.io.decode_raw(texts, tf.uint8, fixed_length=length)
    return _codes(tf.ensure_shape(bytes_, [None, length]), IUPAC)


def _codes(bytes_, allowed: str):
    return tf.gather(_TABLES[allowed], tf.cast(bytes_, tf.int32))
