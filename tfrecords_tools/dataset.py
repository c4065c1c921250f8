"""Records to tf.data: batches are decoded at once, augmentation is stateless.

The order of examples and their augmentation depend on (seed, epoch) alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError

# Inside the pipeline four bases are one symbol of 12 bits, three per base (0-3, 4 = N), first
# base lowest: shifting and complementing then touch a quarter as many numbers, and one table
# look-up writes the one-hot code of four bases.
_SYMBOLS = 1 << 12
_BASES = np.arange(_SYMBOLS)[:, None] >> np.array([0, 3, 6, 9]) & 7
_ONE_HOT = np.eye(8, 4, dtype=np.float32)[_BASES].reshape(_SYMBOLS, 16)
_COMPLEMENT = np.array([3, 2, 1, 0, 4, 4, 4, 4])
_REVERSE = (_COMPLEMENT[_BASES[:, ::-1]] << np.array([0, 3, 6, 9])).sum(axis=1).astype(np.int32)
_BYTE = np.arange(256)[:, None]
_FROM_PACKED = (_BYTE >> np.array([0, 2, 4, 6]) & 3) << np.array([0, 3, 6, 9])
_FROM_PACKED = _FROM_PACKED.sum(axis=1).astype(np.int32)
_FROM_MASK = (_BYTE >> np.arange(8) & 1).reshape(256, 2, 4) << np.array([2, 5, 8, 11])
_FROM_MASK = _FROM_MASK.sum(axis=2).astype(np.int32)
_ALL_N = 0o4444


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


def eval_dataset(
    data: Data,
    label: str,
    batch_size: int,
    targets: Sequence[int] | None = None,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Return a label's examples in record order.

    Args:
        data: an open data folder.
        label: "train", "valid", …
        batch_size: examples a batch; the last may be smaller.
        targets: positions of the targets to keep.
        worker, workers: take every `workers`-th example from the `worker`-th.

    Returns:
        Dataset of ({"sequence": float32 [batch, seq_length, 4]}, float32 [batch, bins,
        targets]); a target's NaN is a missing value.
    """
    records = _files(data, [str(p) for p in data.shards(label)])
    if workers > 1:
        records = records.shard(workers, worker)
    decode = _decoder(data, targets, None, 0, 0)
    batches = records.batch(batch_size).enumerate()
    return batches.map(decode, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def train_dataset(
    data: Data,
    label: str,
    batch_size: int,
    seed: int,
    epoch: int,
    augmentation: Augmentation = Augmentation(),
    shuffle_buffer: int = 8192,
    targets: Sequence[int] | None = None,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Return one epoch of a label's examples, shuffled and augmented; whole batches only.

    Args:
        seed, epoch: the order and the augmentation are functions of these.
        augmentation: random changes.
        shuffle_buffer: records held to draw from.
        others: as in `eval_dataset`.

    Raises:
        ConfigError: fewer examples than a batch.
    """
    count = data.counts.get(label)
    if count is not None and count // workers < batch_size:
        raise ConfigError(
            f"label {label!r} has {count} examples for {workers} worker(s), a batch is "
            f"{batch_size}: use a smaller batch_size"
        )
    stream = np.random.SeedSequence(seed, spawn_key=(epoch,))
    rng = np.random.default_rng(stream)
    paths = [str(p) for p in data.shards(label)]
    rng.shuffle(paths)
    low = int(rng.integers(1 << 31))
    records = _files(data, paths)
    if workers > 1:
        records = records.shard(workers, worker)
    records = records.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    decode = _decoder(data, targets, augmentation, low, epoch)
    batches = records.batch(batch_size, drop_remainder=True).enumerate()
    return batches.map(decode, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def _files(data: Data, paths: list[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(paths, "ZLIB" if data.compressed else None, buffer_size=1 << 20)


def _decoder(data: Data, targets, augmentation: Augmentation | None, seed: int, epoch: int):
    """Return the function from (batch number, serialized examples) to inputs and target."""
    length, bins, every = data.seq_length, data.target_length, len(data.targets)
    chosen = None if targets is None else tf.constant(list(targets), tf.int32)
    order = data.strand_order
    if targets is not None and order is not None and augmentation and augmentation.rc:
        position = {t: i for i, t in enumerate(targets)}
        missing = [t for t in targets if order[t] not in position]
        if missing:
            name = data.targets[missing[0]].identifier
            raise ConfigError(
                f"target {name!r} is chosen without its strand pair: choose both, "
                "or train without augment_rc"
            )
        order = tuple(position[order[t]] for t in targets)

    def decode(number, serialized):
        values = _sliced(serialized, data) if data.layout else _parsed(serialized, data)
        size = tf.shape(serialized)[0]
        target = tf.bitcast(tf.reshape(values["target"], [size, bins, every, 2]), tf.float16)
        if chosen is not None:
            target = tf.gather(target, chosen, axis=2)
        target = tf.cast(target, tf.float32)
        symbols = _symbols(values, data)
        if augmentation is not None and (augmentation.rc or augmentation.shift):
            shift, flip = _draw(augmentation, size, seed, epoch, number)
            symbols = _moved(symbols, length, augmentation.shift, shift, flip)
            target = _flipped(target, flip, order)
        one_hot = tf.reshape(tf.gather(_ONE_HOT, symbols), [size, -1, 4])[:, :length]
        return {"sequence": tf.ensure_shape(one_hot, [None, length, 4])}, target

    return decode


def _sliced(serialized, data: Data):
    """Return feature → uint8 [batch, bytes] of records that are all laid out alike."""
    record = tf.io.decode_raw(serialized, tf.uint8)
    end = max(start + size for start, size in data.layout.values())
    record = tf.ensure_shape(record, [None, end])
    return {name: record[:, at : at + size] for name, (at, size) in data.layout.items()}


def _parsed(serialized, data: Data):
    """Return feature → uint8 [batch, bytes] of any writer's records."""
    names = ["target", "sequence"]
    if data.encoding == "packed":
        names = ["target", "sequence_packed", "sequence_n"]
    found = tf.io.parse_example(
        serialized, {n: tf.io.FixedLenFeature([], tf.string) for n in names}
    )
    return {name: tf.io.decode_raw(value, tf.uint8) for name, value in found.items()}


def _symbols(values, data: Data):
    """Return int32 [batch, ceil(length / 4)]; bases past the end are N."""
    length = data.seq_length
    count = -(-length // 4)
    if data.encoding == "index":
        bases = tf.ensure_shape(values["sequence"], [None, length])
        if length % 4:
            bases = tf.pad(bases, [[0, 0], [0, -length % 4]], constant_values=4)
        x = tf.bitcast(tf.reshape(bases, [-1, count, 4]), tf.int32)
        parts = [
            tf.bitwise.bitwise_and(tf.bitwise.right_shift(x, 5 * i), 7 << 3 * i) for i in range(4)
        ]
        return tf.add_n(parts)
    packed = tf.ensure_shape(values["sequence_packed"], [None, count])
    symbols = tf.gather(_FROM_PACKED, tf.cast(packed, tf.int32))
    mask = values["sequence_n"]

    def masked():
        unknown = tf.gather(_FROM_MASK, tf.cast(mask, tf.int32))
        unknown = tf.reshape(unknown, [-1, 2 * -(-length // 8)])[:, :count]
        return tf.bitwise.bitwise_or(symbols, unknown)

    symbols = tf.cond(tf.reduce_any(mask > 0), masked, lambda: symbols)
    if length % 4:
        past = np.zeros(count, np.int32)
        past[-1] = sum(4 << 3 * i for i in range(length % 4, 4))
        symbols = tf.bitwise.bitwise_or(symbols, past)
    return symbols


def _draw(augmentation: Augmentation, size, seed: int, epoch: int, number):
    """Return (shift int32 [batch], flip bool [batch]) of batch `number` of an epoch."""
    keys = tf.stack([tf.constant(seed, tf.int64), (epoch << 32) + number])
    draws = size if augmentation.per == "example" else 1
    uniform = tf.random.stateless_uniform([draws, 2], keys)
    if augmentation.per == "batch":
        uniform = tf.repeat(uniform, size, axis=0)
    most = augmentation.shift
    shift = tf.cast(uniform[:, 0] * (2 * most + 1), tf.int32) - most
    return shift, (uniform[:, 1] < 0.5) & augmentation.rc


def _moved(symbols, length: int, most: int, shift, flip):
    """Return symbols of sequences moved right by `shift` bp, then reverse-complemented."""
    count = -(-length // 4)
    margin = -(-most // 4) + 1
    padded = tf.pad(symbols, [[0, 0], [margin, margin]], constant_values=_ALL_N)
    start = 4 * margin - shift
    total = 4 * (count + 2 * margin)
    reverse = tf.gather(_REVERSE, padded[:, ::-1])
    padded = tf.where(flip[:, None], reverse, padded)
    start = tf.where(flip, total - start - length, start)
    at = (start // 4)[:, None] + tf.range(count + 1)[None, :]
    found = tf.gather(padded, tf.minimum(at, count + 2 * margin - 1), batch_dims=1)
    bits = (3 * (start % 4))[:, None]
    low = tf.bitwise.right_shift(found[:, :-1], bits)
    high = tf.bitwise.left_shift(found[:, 1:], 12 - bits)
    return tf.bitwise.bitwise_and(tf.bitwise.bitwise_or(low, high), _SYMBOLS - 1)


def _flipped(target, flip, order):
    """Return targets with bins reversed and strand pairs swapped where `flip`."""
    back = target[:, ::-1]
    if order is not None:
        back = tf.gather(back, tf.constant(order, tf.int32), axis=2)
    return tf.where(flip[:, None, None], back, target)
