"""Sequences as models take them, from base indices, one-hot codes or letters."""

import re
from collections.abc import Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import encode

_OTHER = re.compile(r"[^ACGTNacgtn]")


def as_sequences(value, lengths: Sequence[int] = ()) -> np.ndarray:
    """Return a batch of sequences as base indices or one-hot codes, whichever it is.

    Args:
        value: uint8 base indices [batch, length]; one-hot [batch, length, 4]; or DNA, one text
            or a list of texts of one length, of A, C, G, T and N in either case.
        lengths: bp that are taken, the usual one first; any where there are none.

    Returns:
        Arrays as they are; of texts, uint8 base indices [batch, length].

    Raises:
        ConfigError: another letter (with its place), texts of several lengths, or a length that is
            not taken (both numbers).
    """
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        value = _encoded(value)
    if lengths and value.shape[1] not in lengths:
        length, wanted = value.shape[1], lengths[0]
        advice = (
            "pad it with N, as many on either side"
            if length < wanted
            else f"crop it to the middle {wanted} bp"
        )
        raise ConfigError(
            f"the sequence has {length} bp, the model takes {' or '.join(map(str, lengths))}: "
            f"{advice}"
        )
    return value


def _encoded(texts: Sequence[str]) -> np.ndarray:
    for number, text in enumerate(texts):
        if other := _OTHER.search(text):
            raise ConfigError(
                f"sequence {number} has {other[0]!r} at position {other.start()}, both from 0: "
                "want A, C, G, T or N"
            )
        if len(text) != len(texts[0]):
            raise ConfigError(
                f"sequences 0 and {number} have {len(texts[0])} and {len(text)} letters: want one "
                "length, so pad the shorter with N"
            )
    return np.stack([encode(text) for text in texts]) if texts else np.empty((0, 0), np.uint8)
