"""Alleles spliced into windows inside a graph, and predictions of both registers stitched.

The graph of `tfepi.variants.alleles.sequence` and `stitched`, where the host is REF.
"""

import tensorflow as tf

from tfepi.serving.letters import BASES, IUPAC, at_most, known
from tfepi.serving.requests import after, refuse, rows
from tfepi.variants.alleles import Window


def spliced(window, offset, ref, alt, around: Window, stitch: bool):
    """Return the sequences of REF and of ALT as strings of the model's length.

    Args:
        window: genomic DNA around each variant, string [batch], that holds REF.
        offset: 0-based index of REF's first base in it, int32 [batch].
        ref, alt: string [batch].
        around: how the model's sequence lies around a variant.
        stitch: the right register is wanted too.

    Returns:
        Sequences, string [batch] each: of REF, of ALT in the left register, of ALT in the right
        one (the same where the alleles are of one length, or without `stitch`); and REF's length,
        int32 [batch].
    """
    ref, alt = (
        tf.strings.upper(known(at_most(texts, around.length, name), BASES, name))
        for name, texts in (("ref", ref), ("alt", alt))
    )
    size, other = tf.strings.length(ref), tf.strings.length(alt)
    window = _with_room(window, offset, size, other, around, stitch)
    window = _holding(window, offset, ref, size)
    start, after_ref = offset - around.index, offset + size
    whole = _cut(window, start, around.length)
    # The left flank, ALT, and what follows REF, up to the length.
    head = _cut(window, start, around.index)
    tail = _after(window, after_ref, around.length - around.index - other)
    left = _first(tf.strings.join([head, alt, tail]), around.length)
    if not stitch:
        return whole, left, left, size
    # All that ends where the right flank begins, then that flank.
    body = around.index + size
    room = tf.maximum(0, body - other)
    inner = tf.strings.join([tf.strings.substr(window, offset - room, room), alt])
    inner = tf.strings.substr(inner, tf.strings.length(inner) - body, body)
    tail = _after(window, after_ref, around.length - body)
    return whole, left, _first(tf.strings.join([inner, tail]), around.length), size


def _cut(texts, start, length: int):
    """Return `length` letters of each text from its start, fewer where it ends."""
    return tf.strings.substr(texts, start, tf.fill(tf.shape(start), length))


def _after(texts, start, lengths):
    return tf.strings.substr(texts, start, tf.maximum(0, lengths))


def _first(texts, length: int):
    return _cut(texts, tf.zeros_like(tf.strings.length(texts)), length)


def _with_room(window, offset, size, other, around: Window, stitch: bool):
    """Return windows that reach far enough on either side of the variant."""
    extra = tf.maximum(0, size - other)  # a deletion draws in as much from outside
    before = around.index + (extra if stitch else tf.zeros_like(extra))
    behind = tf.maximum(around.length - around.index + extra, size)
    found = tf.strings.length(window)
    short = (offset < before) | (found - offset < behind)
    check = refuse(
        short,
        "offset of row ",
        rows(window),
        " (from 0) is ",
        offset,
        " and window has ",
        found,
        " letters: want at least ",
        before,
        " before the offset and ",
        behind,
        " from it; give more of the genome, and N beyond the ends of a chromosome",
    )
    window, first = after([check], window), after([check], offset - before)
    needed = known(tf.strings.substr(window, first, before + behind), IUPAC, "window", first)
    return after([needed], window)


def _holding(window, offset, ref, size):
    """Return windows that hold REF at the offset."""
    held = tf.strings.upper(tf.strings.substr(window, offset, size))
    check = refuse(
        tf.not_equal(held, ref),
        "ref of row ",
        rows(window),
        " (from 0) is ",
        _shown(ref),
        ", window has ",
        _shown(held),
        " at offset ",
        offset,
    )
    return after([check], window)


def _shown(alleles, most: int = 20):
    cut = _first(alleles, most)
    return tf.strings.join([cut, tf.where(tf.strings.length(alleles) > most, "...", "")])


def stitched(left, right, around: Window, size):
    """Return predictions in the genome's coordinates from both registers.

    Args:
        left, right: float32 [batch, bins, targets].
        around: the model's window.
        size: length of REF, int32 [batch].
    """
    place = tf.range(around.bins)[None, :, None]
    behind = (around.index + size - 1 - around.crop) // around.bin_width + 1
    mean = (left + right) * tf.constant(0.5, left.dtype)
    inside = tf.where(place < behind[:, None, None], mean, right)
    return tf.where(place < around.center, left, inside)
