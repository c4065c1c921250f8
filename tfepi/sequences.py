"""A model's inputs as it takes them: sequences of base indices, one-hot codes or letters."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.genome import UNKNOWN, encode

_SEQUENCE = "sequence"
_BASES = 4
_OTHER = re.compile(r"[^ACGTNacgtn]")
_WANTED = "want base indices [batch, length], one-hot codes [batch, length, 4], or DNA letters"


def model_inputs(
    inputs: Mapping[str, object],
    shapes: Mapping[str, Sequence[int]],
    lengths: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of a model as arrays, all of one batch.

    Args:
        inputs: "sequence" as of `as_sequences`; others as arrays [batch, …].
        shapes: input name → shape without the batch, of every input (`ModelSpec.inputs`).
        lengths: bp of sequences that are taken, the usual one first; empty for any [that of the
            shapes].

    Raises:
        ConfigError: no dict, an input that is missing or unknown, or of another shape or batch
            than is wanted (both); or as of `as_sequences`.
    """
    if not isinstance(inputs, Mapping):
        raise ConfigError(
            f'the inputs are a {type(inputs).__name__}: want a dict by name, as {{"sequence": …}}'
        )
    for name in inputs:
        if name not in shapes:
            raise unknown("input", name, shapes, "of the model")
    missing = [name for name in shapes if name not in inputs]
    if missing:
        given = f"only {', '.join(inputs)}" if inputs else "no input"
        raise ConfigError(
            f"the model takes {' and '.join(missing)}, and {given} is given: want a dict with "
            f"{', '.join(shapes)}"
        )
    taken = shapes[_SEQUENCE][:1] if lengths is None else lengths
    sequences = as_sequences(inputs[_SEQUENCE], taken)
    found = {_SEQUENCE: sequences}
    for name in shapes:
        if name == _SEQUENCE:
            continue
        found[name] = array = np.asarray(inputs[name])
        wanted = (len(sequences), *shapes[name])
        if array.shape != wanted:
            raise ConfigError(
                f"the input {name!r} has the shape {array.shape}, the model takes {wanted} with "
                f"{wanted[0]} sequences"
            )
    return found


def as_sequences(value, lengths: Sequence[int] = ()) -> np.ndarray:
    """Return a batch of sequences as base indices or one-hot codes, whichever it is.

    Args:
        value: base indices [batch, length], whole numbers from 0 to 4 (N); one-hot
            [batch, length, 4]; or DNA, one text or a list of texts of one length, of A, C, G, T
            and N in either case.
        lengths: bp that are taken, the usual one first; any where there are none.

    Returns:
        uint8 base indices [batch, length], or float32 one-hot codes [batch, length, 4]: arrays
        of these types as they are.

    Raises:
        ConfigError: no sequence, a base index above 4, an array of another kind, another letter
            (with its place), texts of several lengths, or a length that is not taken (both
            numbers).
    """
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        value = _encoded(value)
    else:
        value = _checked(value)
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


def _checked(value) -> np.ndarray:
    """Return an array of sequences; base indices are read once, one-hot codes not at all."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of several lengths
        raise ConfigError(f"the sequences are of several lengths: {_WANTED}") from None
    indices = array.ndim == 2 and array.dtype.kind in "iu"
    codes = array.ndim == 3 and array.shape[2] == _BASES and array.dtype.kind in "biuf"
    if not array.size:
        raise ConfigError(f"there is no sequence, but an array of shape {array.shape}: {_WANTED}")
    if not (indices or codes):
        raise ConfigError(
            f"the sequences are an array of {array.dtype} of shape {array.shape}: {_WANTED}"
        )
    if codes:
        return array.astype(np.float32, copy=False)
    low, high = 0 if array.dtype.kind == "u" else array.min(), array.max()
    if low < 0 or high > UNKNOWN:
        raise ConfigError(
            f"the base index {low if low < 0 else high} is none: want 0 to 3 for A, C, G and T, "
            f"and {UNKNOWN} for N"
        )
    return array.astype(np.uint8, copy=False)


def _encoded(texts: Sequence[str]) -> np.ndarray:
    if not texts:
        raise ConfigError("the list of sequences is empty: give at least one")
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
    return np.stack([encode(text) for text in texts])
