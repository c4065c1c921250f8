"""The statistics of `tfepi.variants.scores` inside a graph, computed in float64."""

import math
from collections.abc import Sequence

import tensorflow as tf

from tfepi.variants.scores import PREDICTIONS

_PERCENTILE = 25  # of REF's bins, added to each bin before shapes are compared


def score(names: Sequence[str], ref, alt, center: int) -> dict[str, tf.Tensor]:
    """Return statistics by name: float32 [batch, targets]; REF and ALT [batch, bins, targets].

    Args:
        names: of statistics (`tfepi.variants.scores.NAMES`).
        ref, alt: predictions, float32 [batch, bins, targets].
        center: the bin that holds the variant.
    """
    exact_ref, exact_alt = tf.cast(ref, tf.float64), tf.cast(alt, tf.float64)
    found = {}
    for name in names:
        if name in PREDICTIONS:
            found[name] = ref if name == "REF" else alt
        else:
            found[name] = tf.cast(_statistic(name, exact_ref, exact_alt, center), tf.float32)
    return found


def _statistic(name: str, ref, alt, center: int):
    if name == "REF_RATIO":
        return ref[:, center] / (ref[:, center] + alt[:, center])
    if name == "logSED":
        return _log(tf.reduce_sum(alt, 1)) - _log(tf.reduce_sum(ref, 1))
    for prefix, transform in (("log", _log), ("sqrt", tf.sqrt)):
        if name.startswith(prefix):
            name, ref, alt = name[len(prefix) :], transform(ref), transform(alt)
    return _COMPARISONS[name](ref, alt)


def _log(values):
    return tf.math.log(values + 1) / math.log(2)


def _sad(ref, alt):
    return tf.reduce_sum(alt, 1) - tf.reduce_sum(ref, 1)


def _sax(ref, alt):
    change = alt - ref
    size = tf.abs(change)
    largest = tf.equal(size, tf.reduce_max(size, 1, keepdims=True))
    # The first of equal ones, which tf.argmax does not promise.
    bins = tf.shape(change)[1]
    place = tf.where(largest, tf.range(bins)[None, :, None], bins - 1)
    first = tf.reduce_min(place, 1, keepdims=True)
    value = tf.reduce_sum(
        tf.where(tf.equal(tf.range(bins)[None, :, None], first), change, tf.zeros_like(change)), 1
    )
    undefined = tf.reduce_any(tf.math.is_nan(change), 1)
    return tf.where(undefined, tf.constant(math.nan, change.dtype), value)


def _d1(ref, alt):
    return tf.reduce_sum(tf.abs(alt - ref), 1)


def _d2(ref, alt):
    return tf.sqrt(tf.reduce_sum(tf.square(alt - ref), 1))


def _shapes(ref, alt):
    """Return both as distributions over bins, with a percentile of REF as pseudocount."""
    ordered = tf.sort(ref, axis=1)
    last = ref.shape[1] - 1
    at = _PERCENTILE / 100 * last
    low = int(at)
    high = min(low + 1, last)
    pseudo = ordered[:, low : low + 1] + (at - low) * (
        ordered[:, high : high + 1] - ordered[:, low : low + 1]
    )
    undefined = tf.reduce_any(tf.math.is_nan(ref), 1, keepdims=True)
    pseudo = tf.where(undefined, tf.constant(math.nan, ref.dtype), pseudo)
    ref, alt = ref + pseudo, alt + pseudo
    return ref / tf.reduce_sum(ref, 1, keepdims=True), alt / tf.reduce_sum(alt, 1, keepdims=True)


def _divergence(p, q):
    return tf.reduce_sum(tf.where(tf.equal(p, 0), tf.zeros_like(p), p * tf.math.log(p / q)), 1)


def _js(ref, alt):
    p, q = _shapes(ref, alt)
    return (_divergence(p, q) + _divergence(q, p)) / 2


def _jsd(ref, alt):
    p, q = _shapes(ref, alt)
    middle = (p + q) / 2
    return (_divergence(p, middle) + _divergence(q, middle)) / 2


_COMPARISONS = {
    "SAD": _sad,
    "SUM": _sad,
    "SAX": _sax,
    "D1": _d1,
    "D2": _d2,
    "JS": _js,
    "JSD": _jsd,
}
