"""The order of records: shards one after the other, in training shuffled by (seed, epoch)."""

import functools
import itertools

import numpy as np
import tensorflow as tf

from tfrecords_tools.conditioning import CellExamples
from tfrecords_tools.data import Data
from tfrecords_tools.framing import read_frames
from tfrecords_tools.remote_records import readable


def record_files(data: Data, paths: list[str]) -> tf.data.Dataset:
    """Return the serialized records of shards, one after the other."""
    kind = "ZLIB" if data.compressed else None

    def whole(some):
        return tf.data.TFRecordDataset(some, kind, buffer_size=1 << 20)

    if not data.readable:
        return whole(paths)
    parts: list[tf.data.Dataset] = []
    for damaged, group in itertools.groupby(paths, data.readable.__contains__):
        some = list(group)
        parts += [_readable(p, data.readable[p]) for p in some] if damaged else [whole(some)]
    return functools.reduce(tf.data.Dataset.concatenate, parts)


def _readable(path: str, count: int) -> tf.data.Dataset:
    """Return the first records of a damaged shard: TensorFlow gives none where inflating fails."""
    spec = tf.TensorSpec([], tf.string)
    return tf.data.Dataset.from_generator(
        lambda: itertools.islice(read_frames(path), count), output_signature=spec
    )


def of_cells(records: tf.data.Dataset, examples: CellExamples | None) -> tf.data.Dataset:
    """Return records, each once per example it makes, with the number of that example."""
    if examples is None or examples.per_window == 1:
        return records.map(lambda record: (record, 0)) if examples else records
    numbers = tf.data.Dataset.range(examples.per_window, output_type=tf.int32)
    return records.flat_map(lambda record: numbers.map(lambda number: (record, number)))


def shuffled(paths: list, seed: int, epoch: int) -> int:
    """Put an epoch's shards into their order; return the seed of the order of records."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    rng.shuffle(paths)
    return int(rng.integers(1 << 31))


def batch_records(
    data: Data,
    label: str,
    batch_size: int,
    seed: int,
    epoch: int,
    number: int,
    shuffle_buffer: int = 8192,
    examples: CellExamples | None = None,
) -> list[tuple[str, int]]:
    """Return (shard's name, number of the record) of each example of one batch of `train_dataset`.

    Args:
        number: of the batch in the epoch.
        others: as in `train_dataset`.
    """
    shards = data.shards(label)
    low = shuffled(shards, seed, epoch)  # the same draws: they depend on the number of shards

    def of_shard(shard, path):
        records = record_files(data, [path]).enumerate()
        return records.map(lambda record, _: (shard, record))

    files = tf.data.Dataset.from_tensor_slices([readable(p) for p in shards])
    places = files.enumerate().flat_map(of_shard)
    each = examples.per_window if examples else 1
    places = places.flat_map(lambda *place: tf.data.Dataset.from_tensors(place).repeat(each))
    places = places.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    found = places.batch(batch_size, drop_remainder=True).skip(number).take(1)
    return [
        (shards[shard].name, int(record))
        for batch in found.as_numpy_iterator()
        for shard, record in zip(*batch, strict=True)
    ]
