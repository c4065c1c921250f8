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


def embedded_eval_dataset(
    data: Data,
    embeddings: Embeddings,
    label: str,
    batch_size: int,
    targets: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Return a label's examples in record order, of the first variant.

    Args:
        data: an open data folder.
        embeddings: of its records.
        label: "train", "valid", …
        batch_size: examples a batch; the last may be smaller.
        targets: positions of the targets to keep.

    Returns:
        Dataset of (float32 [batch, positions, channels], float32 [batch, bins, targets]).
    """
    shards = data.shards(label)
    files = _files(data, embeddings, shards, [embeddings.variants[0]] * len(shards))
    decode = _decoder(data, embeddings, targets)
    return files.batch(batch_size).map(decode, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def embedded_train_dataset(
    data: Data,
    embeddings: Embeddings,
    label: str,
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle_buffer: int = 8192,
    targets: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Return one epoch of a label's examples, shuffled; whole batches only.

    Each shard is read in one of the variants, drawn for the epoch.

    Args:
        seed, epoch: the order and the variants are functions of these.
        shuffle_buffer: records held to draw from.
        others: as in `embedded_eval_dataset`.

    Raises:
        ConfigError: fewer examples than a batch.
    """
    whole_batches(data, label, batch_size)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    shards = data.shards(label)
    rng.shuffle(shards)
    variants = [
        embeddings.variants[i] for i in rng.integers(len(embeddings.variants), size=len(shards))
    ]
    records = _files(data, embeddings, shards, variants)
    low = int(rng.integers(1 << 31))
    records = records.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    decode = _decoder(data, embeddings, targets)
    batches = records.batch(batch_size, drop_remainder=True)
    return batches.map(decode, tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def _files(data: Data, embeddings: Embeddings, shards, variants) -> tf.data.Dataset:
    """Return (record, embedding, whether it is of the other strand) of every record."""
    files = (
        [str(s) for s in shards],
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

    def decode(serialized, encoded, rc):
        values = tf.io.decode_raw(encoded, kind)
        values = tf.reshape(values, [-1, *embeddings.shape])
        return tf.cast(values, tf.float32), flipped(target_of(serialized), rc, order)

    return decode
