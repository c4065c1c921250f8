"""Random changes of training examples, functions of seed and epoch: the other strand, shifts."""

from dataclasses import dataclass

import tensorflow as tf

from tfrecords_tools.base_symbols import SYMBOLS, windows
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training examples.

    Attributes:
        rc: reverse-complement half of them, strand pairs of the target swapped.
        shift: move by up to this many bp either way; what moves in is N.
        per: "example", or "batch" for one draw per batch as the original tools do.
    """

    rc: bool = False
    shift: int = 0
    per: str = "example"

    def __post_init__(self):
        if self.shift < 0:
            raise ConfigError(f"augmentation shift is {self.shift}, want at least 0")
        if self.per not in ("example", "batch"):
            raise ConfigError(f"augmentation per {self.per!r}: want example or batch")


UNCHANGED = Augmentation()


def drawn(augmentation: Augmentation, size, seed: int, epoch: int, number):
    """Return (shift int32 [batch], flip bool [batch]) of batch `number` of an epoch."""
    keys = tf.stack([tf.constant(seed, tf.int64), (epoch << 32) + number])
    draws = size if augmentation.per == "example" else 1
    uniform = tf.random.stateless_uniform([draws, 2], keys)
    if augmentation.per == "batch":
        uniform = tf.repeat(uniform, size, axis=0)
    most = augmentation.shift
    shift = tf.cast(uniform[:, 0] * (2 * most + 1), tf.int32) - most
    return shift, (uniform[:, 1] < 0.5) & augmentation.rc


def moved(symbols, length: int, augmentation: Augmentation, shift, flip, step: int = 0):
    """Return rows of `ONE_HOT` of sequences moved right by `shift` bp, then flipped.

    Those that are flipped are moved right by `step` bp less before, so as to lie so much further
    right afterwards. What moves in is N.
    """
    past = -length % 4  # bases of the last symbol; the reverse complement begins before them
    step = step if augmentation.rc else 0
    if augmentation.shift or past or step:
        margin = -(-(augmentation.shift + past) // 4)
        start = 4 * margin - shift - tf.where(flip, past - step, 0)
        symbols = windows(symbols, start, margin, (4 * margin + augmentation.shift + step) // 4)
    if augmentation.rc:
        symbols = tf.where(flip[:, None], tf.reverse(symbols, [1]) + SYMBOLS, symbols)
    return symbols


def flipped(target, flip, order):
    """Return targets with bins reversed and strand pairs swapped where `flip`."""
    back = target[:, ::-1]
    if order is not None:
        back = tf.gather(back, tf.constant(order, tf.int32), axis=2)
    return tf.where(flip[:, None, None], back, target)
