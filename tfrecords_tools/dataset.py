"""Records to tf.data: batches are decoded at once, augmentation is stateless.

The order of examples and their augmentation depend on (seed, epoch) alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrecords_tools.cell_dataset import CellDecoder
from tfrecords_tools.conditioning import CellExamples
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError

# Inside the pipeline four bases are one symbol of 12 bits, three per base (0-3, 4 = N), first
# base lowest: shifting then touches a quarter as many numbers, and one table look-up writes the
# one-hot code of four bases. The table's second half is for the other strand. TensorFlow's
# integer products and sums are several times faster than its bitwise operations and look-ups of
# single numbers, hence the arithmetic.
_SYMBOLS = 1 << 12
_BASES = np.arange(_SYMBOLS)[:, None] >> np.array([0, 3, 6, 9]) & 7
_FORWARD = np.eye(8, 4, dtype=np.float32)[_BASES]
_ONE_HOT = np.concatenate([_FORWARD, _FORWARD[:, ::-1, ::-1]]).reshape(2 * _SYMBOLS, 16)
_FROM_MASK = (np.arange(256)[:, None] >> np.arange(8) & 1).reshape(256, 2, 4)
_FROM_MASK = (_FROM_MASK << np.array([2, 5, 8, 11])).sum(axis=2).astype(np.int32)
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
    examples: CellExamples | None = None,
) -> tf.data.Dataset:
    """Return a label's examples in record order.

    Args:
        data: an open data folder.
        label: "train", "valid", …
        batch_size: examples a batch; the last may be smaller.
        targets: positions of the targets to keep.
        worker, workers: take every `workers`-th record from the `worker`-th.
        examples: make examples of cell types: a window's one after the other, in the order of
            `examples.cells`.

    Returns:
        Dataset of ({"sequence": float32 [batch, seq_length, 4]}, float32 [batch, bins,
        targets]); a target's NaN is a missing value. With `examples` also "tracks", float32
        [batch, track_length, channels], and "cell_state", float32 [batch, size], as these say.
    """
    records = _files(data, [str(p) for p in data.shards(label)])
    if workers > 1:
        records = records.shard(workers, worker)
    decode = _decoder(data, targets, None, 0, 0, examples)
    batches = _of_cells(records, examples).batch(batch_size).enumerate()
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
    examples: CellExamples | None = None,
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
    paths = [str(p) for p in data.shards(label)]
    whole_batches(data, label, batch_size, examples, workers)
    stream = np.random.SeedSequence(seed, spawn_key=(epoch,))
    rng = np.random.default_rng(stream)
    rng.shuffle(paths)
    low = int(rng.integers(1 << 31))
    records = _files(data, paths)
    if workers > 1:
        records = records.shard(workers, worker)
    records = _of_cells(records, examples)
    records = records.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    decode = _decoder(data, targets, augmentation, low, epoch, examples)
    batches = records.batch(batch_size, drop_remainder=True).enumerate()
    return batches.map(decode, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def whole_batches(
    data: Data,
    label: str,
    batch_size: int,
    examples: CellExamples | None = None,
    workers: int = 1,
) -> int:
    """Return how many batches `train_dataset` gives each worker; the label must be counted.

    Raises:
        ConfigError: none.
    """
    each = examples.per_window if examples else 1
    found = data.counts[label] // workers * each // batch_size
    if not found:
        raise ConfigError(
            f"label {label!r} has {data.counts[label] * each} examples for {workers} worker(s), a "
            f"batch is {batch_size}: use a smaller batch_size"
        )
    return found


def _files(data: Data, paths: list[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(paths, "ZLIB" if data.compressed else None, buffer_size=1 << 20)


def _of_cells(records: tf.data.Dataset, examples: CellExamples | None) -> tf.data.Dataset:
    """Return records, each once per example it makes, with the number of that example."""
    if examples is None or examples.per_window == 1:
        return records.map(lambda record: (record, 0)) if examples else records
    numbers = tf.data.Dataset.range(examples.per_window, output_type=tf.int32)
    return records.flat_map(lambda record: numbers.map(lambda number: (record, number)))


def _decoder(
    data: Data,
    targets,
    augmentation: Augmentation | None,
    seed: int,
    epoch: int,
    examples: CellExamples | None,
):
    """Return the function from (batch number, serialized examples) to inputs and target."""
    cells = None if examples is None else CellDecoder(data, examples)
    length, bins, every = data.seq_length, data.target_length, len(data.targets)
    chosen = None if targets is None else tf.constant(list(targets), tf.int32)
    order = data.strand_order if cells is None else None
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
        if cells is not None:
            serialized, which = serialized
        tracks = cells is not None and cells.channels > 0
        values = _sliced(serialized, data) if data.layout else _parsed(serialized, data, tracks)
        size = tf.shape(serialized)[0]
        target = tf.bitcast(tf.reshape(values["target"], [size, bins, every, 2]), tf.float16)
        if chosen is not None:
            target = tf.gather(target, chosen, axis=2)
        target = tf.cast(target, tf.float32)
        further = {}
        if cells is not None:
            draw = (seed, epoch, number) if augmentation is not None else None
            further, target = cells(values, target, which, draw)
        symbols = _symbols(values, data)
        if augmentation is not None and (augmentation.rc or augmentation.shift):
            shift, flip = _draw(augmentation, size, seed, epoch, number)
            symbols = _moved(symbols, length, augmentation, shift, flip)
            if augmentation.rc:
                target = _flipped(target, flip, order)
                if "tracks" in further:
                    further["tracks"] = _flipped(further["tracks"], flip, None)
        one_hot = tf.reshape(tf.gather(_ONE_HOT, symbols), [size, -1, 4])[:, :length]
        return {"sequence": tf.ensure_shape(one_hot, [None, length, 4])} | further, target

    return decode


def _sliced(serialized, data: Data):
    """Return feature → uint8 [batch, bytes] of records that are all laid out alike."""
    record = tf.io.decode_raw(serialized, tf.uint8)
    end = max(start + size for start, size in data.layout.values())
    record = tf.ensure_shape(record, [None, end])
    return {name: record[:, at : at + size] for name, (at, size) in data.layout.items()}


def _parsed(serialized, data: Data, tracks: bool):
    """Return feature → uint8 [batch, bytes] of any writer's records."""
    names = ["target", "sequence"]
    if data.encoding == "packed":
        names = ["target", "sequence_packed", "sequence_n"]
    if tracks:
        names.append("tracks")
    found = tf.io.parse_example(
        serialized, {n: tf.io.FixedLenFeature([], tf.string) for n in names}
    )
    return {name: tf.io.decode_raw(value, tf.uint8) for name, value in found.items()}


def _symbols(values, data: Data):
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


def _moved(symbols, length: int, augmentation: Augmentation, shift, flip):
    """Return rows of `_ONE_HOT` of sequences moved right by `shift` bp, then flipped."""
    past = -length % 4  # bases of the last symbol; the reverse complement begins before them
    if augmentation.shift or past:
        margin = -(-(augmentation.shift + past) // 4)
        start = 4 * margin - shift - tf.where(flip, past, 0)
        symbols = _windows(symbols, start, margin, (4 * margin + augmentation.shift) // 4)
    if augmentation.rc:
        symbols = tf.where(flip[:, None], tf.reverse(symbols, [1]) + _SYMBOLS, symbols)
    return symbols


def _windows(symbols, start, margin: int, most: int):
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
    pairs = symbols[:, :-1] + _SYMBOLS * symbols[:, 1:]
    bits = (3 * (start % 4))[:, None]
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(pairs, bits), _SYMBOLS - 1)


def _flipped(target, flip, order):
    """Return targets with bins reversed and strand pairs swapped where `flip`."""
    back = target[:, ::-1]
    if order is not None:
        back = tf.gather(back, tf.constant(order, tf.int32), axis=2)
    return tf.where(flip[:, None, None], back, target)
