"""Embeddings with their records' targets to tf.data: what heads alone are trained on.

The order of examples and the variant of each shard depend on (seed, epoch) alone.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrecords_tools.augmentation import flipped
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import target_decoder, whole_batches
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.record_order import shuffled
from tfrecords_tools.remote_records import readable
from tfrecords_tools.slices import WHOLE, Slices, decoded

_VARIANTS = 2  # spawn key of the shards' variants


def embedded_eval_dataset(
    data: Data,
    embeddings: Embeddings,
    label: str,
    batch_size: int,
    targets: Sequence[int] | None = None,
    slices: Slices = WHOLE,
) -> tf.data.Dataset:
    """Return a label's examples in record order, of the first variant.

    Args:
        data: an open data folder.
        embeddings: of its records.
        label: "train", "valid", …
        batch_size: examples a batch; the last may be smaller.
        targets: positions of the targets to keep.
        slices: of every batch those to return, one after the other.

    Returns:
        Dataset of (float32 [batch, positions, channels], float32 [batch, bins, targets]).
    """
    shards = data.shards(label)
    files = _files(data, embeddings, shards, [embeddings.variants[0]] * len(shards))
    decode = _decoder(data, embeddings, targets)
    return decoded(_numbered(files.batch(batch_size)), decode, slices)


def embedded_train_dataset(
    data: Data,
    embeddings: Embeddings,
    label: str,
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle_buffer: int = 8192,
    targets: Sequence[int] | None = None,
    slices: Slices = WHOLE,
    skip: int = 0,
) -> tf.data.Dataset:
    """Return one epoch of a label's examples, shuffled; whole batches only.

    Each shard is read in one of the variants, drawn for the epoch.

    Args:
        seed, epoch: the order and the variants are functions of these.
        shuffle_buffer: records held to draw from.
        skip: batches of the epoch that are left out at its start.
        others: as in `embedded_eval_dataset`.

    Raises:
        ConfigError: fewer examples than a batch.
    """
    whole_batches(data, label, batch_size)
    shards = data.shards(label)
    low = shuffled(shards, seed, epoch)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch, _VARIANTS)))
    variants = [
        embeddings.variants[i] for i in rng.integers(len(embeddings.variants), size=len(shards))
    ]
    records = _files(data, embeddings, shards, variants)
    records = records.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    decode = _decoder(data, embeddings, targets)
    batches = _numbered(records.batch(batch_size, drop_remainder=True)).skip(skip)
    return decoded(batches, decode, slices, batch_size)


def _numbered(batches: tf.data.Dataset) -> tf.data.Dataset:
    return batches.map(lambda *rows: rows).enumerate()


def _files(data: Data, embeddings: Embeddings, shards, variants) -> tf.data.Dataset:
    """Return (record, embedding, whether it is of the other strand) of every record."""
    files = (
        [readable(s) for s in shards],
        [str(embeddings.path(s, v)) for s, v in zip(shards, variants, strict=True)],
        [v.rc for v in variants],
    )
    kind = "ZLIB" if data.compressed else None

    def of_shard(shard, embedded, rc):
        records = tf.data.TFRecordDataset(shard, kind, buffer_size=1 << 20)
        arrays = tf.data.TFRecordDataset(embedded, buffer_size=1 << 24)
        return tf.data.Dataset.zip((records, arrays, tf.data.Dataset.from_tensors(rc).repeat()))

    return tf.data.Dataset.from_tensor_slices(files).flat_map(of_shard)


def _decoder(data: Data, embeddings: Embeddings, targets):
    both = any(variant.rc for variant in embeddings.variants)
    target_of, order = target_decoder(data, targets, both)
    kind = tf.as_dtype(embeddings.precision)

    def decode(number, rows, span, count):
        serialized, encoded, rc = rows
        values = tf.io.decode_raw(encoded, kind)
        values = tf.reshape(values, [-1, *embeddings.shape])
        return tf.cast(values, tf.float32), flipped(target_of(serialized), rc, order)

    return decode
