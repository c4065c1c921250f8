"""Records to tf.data: batches are decoded at once, augmentation is stateless.

The order of examples and their augmentation depend on (seed, epoch) alone: not on how many
replicas share a batch, nor on whether the epoch was stopped and gone on with.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrecords_tools.augmentation import UNCHANGED, Augmentation, drawn, flipped, moved
from tfrecords_tools.base_symbols import ONE_HOT, as_symbols
from tfrecords_tools.cell_dataset import CellDecoder
from tfrecords_tools.conditioning import CellExamples
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.record_order import of_cells, record_files, shuffled
from tfrecords_tools.remote_records import readable
from tfrecords_tools.slices import WHOLE, Slices, decoded


def eval_dataset(
    data: Data,
    label: str,
    batch_size: int,
    targets: Sequence[int] | None = None,
    slices: Slices = WHOLE,
    examples: CellExamples | None = None,
    coverage_cap: float | None = None,
) -> tf.data.Dataset:
    """Return a label's examples in record order.

    Args:
        data: an open data folder.
        label: "train", "valid", …
        batch_size: examples a batch; the last may be smaller.
        targets: positions of the targets to keep.
        slices: of every batch those to return, one after the other; where the last
            batch has fewer rows than there are replicas, some are a row whose target is missing.
        examples: make examples of cell types: a window's one after the other, in the order of
            `examples.cells`.
        coverage_cap: weigh each target by its reads: fully from so many, below in proportion.

    Returns:
        Dataset of ({"sequence": float32 [batch, seq_length, 4]}, float32 [batch, bins,
        targets]); a target's NaN is a missing value. With `examples` also "tracks", float32
        [batch, track_length, channels], and "cell_state", float32 [batch, size], as these say.
        With `coverage_cap` a third, the weights: float32 [batch, bins, targets].

    Raises:
        ConfigError: a coverage_cap that is not positive, of data without coverage, or beside
            examples of cell types.
    """
    records = record_files(data, [readable(p) for p in data.shards(label)])
    decode = _decoder(data, targets, None, 0, 0, examples, coverage_cap)
    batches = of_cells(records, examples).batch(batch_size).enumerate()
    return decoded(batches, decode, slices)


def train_dataset(
    data: Data,
    label: str,
    batch_size: int,
    seed: int,
    epoch: int,
    augmentation: Augmentation = UNCHANGED,
    shuffle_buffer: int = 8192,
    targets: Sequence[int] | None = None,
    slices: Slices = WHOLE,
    examples: CellExamples | None = None,
    coverage_cap: float | None = None,
    skip: int = 0,
) -> tf.data.Dataset:
    """Return one epoch of a label's examples, shuffled and augmented; whole batches only.

    Args:
        seed, epoch: the order and the augmentation are functions of these.
        augmentation: random changes.
        shuffle_buffer: records held to draw from.
        skip: batches of the epoch that are left out at its start.
        others: as in `eval_dataset`.

    Raises:
        ConfigError: fewer examples than a batch, and as `eval_dataset`.
    """
    whole_batches(data, label, batch_size, examples)
    paths = [readable(p) for p in data.shards(label)]
    low = shuffled(paths, seed, epoch)
    records = of_cells(record_files(data, paths), examples)
    records = records.shuffle(shuffle_buffer, seed=low, reshuffle_each_iteration=False)
    decode = _decoder(data, targets, augmentation, low, epoch, examples, coverage_cap)
    batches = records.batch(batch_size, drop_remainder=True).enumerate().skip(skip)
    return decoded(batches, decode, slices, batch_size)


def whole_batches(
    data: Data,
    label: str,
    batch_size: int,
    examples: CellExamples | None = None,
) -> int:
    """Return how many batches `train_dataset` gives; the label must be counted.

    Raises:
        ConfigError: none.
    """
    each = examples.per_window if examples else 1
    found = data.counts[label] * each // batch_size
    if not found:
        raise ConfigError(
            f"label {label!r} has {data.counts[label] * each} examples, a batch is {batch_size}: "
            "use a smaller batch_size"
        )
    return found


def _decoder(
    data: Data,
    targets,
    augmentation: Augmentation | None,
    seed: int,
    epoch: int,
    examples: CellExamples | None,
    coverage_cap: float | None,
):
    """Return the function from a slice of a batch, as `decoded` gives it, to inputs and target."""
    _check_cap(data, examples, coverage_cap)
    cells = None if examples is None else CellDecoder(data, examples)
    length = data.seq_length
    chosen = None if targets is None else tf.constant(list(targets), tf.int32)
    order = data.strand_order if cells is None else None
    if augmentation and augmentation.rc:
        order = _chosen_order(data, targets, order)

    def decode(number, serialized, span, rows):
        if cells is not None:
            serialized, which = serialized
        more = ["tracks"] if cells is not None and cells.channels > 0 else []
        more += ["coverage"] if coverage_cap is not None else []
        values = _sliced(serialized, data) if data.layout else _parsed(serialized, data, more)
        size = tf.shape(serialized)[0]
        target = _by_target(values["target"], size, data, chosen)
        weight = None
        if coverage_cap is not None:
            reads = _by_target(values["coverage"], size, data, chosen)
            weight = tf.minimum(reads, coverage_cap) / coverage_cap
        further = {}
        if cells is not None:
            draw = (seed, epoch, number, span, rows) if augmentation is not None else None
            further, target = cells(values, target, which, draw)
        symbols = as_symbols(values, data)
        if augmentation is not None and (augmentation.rc or augmentation.shift):
            # Drawn for the batch: what an example gets depends on no one's slice.
            draws = drawn(augmentation, rows, seed, epoch, number)
            shift, flip = (d[span[0] : span[1]] for d in draws)
            symbols = moved(symbols, length, augmentation, shift, flip, data.strand_step)
            if augmentation.rc:
                target = flipped(target, flip, order)
                if weight is not None:
                    weight = flipped(weight, flip, order)
                if "tracks" in further:
                    further["tracks"] = flipped(further["tracks"], flip, None)
        one_hot = tf.reshape(tf.gather(ONE_HOT, symbols), [size, -1, 4])[:, :length]
        inputs = {"sequence": tf.ensure_shape(one_hot, [None, length, 4])} | further
        return (inputs, target) if weight is None else (inputs, target, weight)

    return decode


def target_decoder(data: Data, targets: Sequence[int] | None = None, rc: bool = False):
    """Return how the targets of records are read, without their sequences.

    Args:
        data: an open data folder.
        targets: positions of those to keep.
        rc: whether they will be those of the other strand, too.

    Returns:
        A function from serialized records [batch] to float32 [batch, bins, targets], and the
        positions that swap the strand pairs among these, or None.

    Raises:
        ConfigError: with `rc`, a target is chosen without its strand pair.
    """
    chosen = None if targets is None else tf.constant(list(targets), tf.int32)

    def decode(serialized):
        values = _sliced(serialized, data) if data.layout else _parsed(serialized, data, [])
        return _by_target(values["target"], tf.shape(serialized)[0], data, chosen)

    return decode, _chosen_order(data, targets, data.strand_order) if rc else None


def _by_target(encoded, size, data: Data, chosen):
    """Return float32 [size, bins, targets] of a feature's uint8 [size, bytes]."""
    shape = [size, data.target_length, len(data.targets), 2]
    numbers = tf.bitcast(tf.reshape(encoded, shape), tf.float16)
    if chosen is not None:
        numbers = tf.gather(numbers, chosen, axis=2)
    return tf.cast(numbers, tf.float32)


def _chosen_order(data: Data, targets: Sequence[int] | None, order: tuple[int, ...] | None):
    """Return the positions that swap strand pairs among the chosen targets, or None.

    Raises:
        ConfigError: a target is chosen without its pair.
    """
    if targets is None or order is None:
        return order
    position = {t: i for i, t in enumerate(targets)}
    missing = [t for t in targets if order[t] not in position]
    if missing:
        raise ConfigError(
            f"target {data.targets[missing[0]].identifier!r} is chosen without its strand pair: "
            "choose both, or train without augment_rc"
        )
    return tuple(position[order[t]] for t in targets)


def _check_cap(data: Data, examples: CellExamples | None, coverage_cap: float | None) -> None:
    """Refuse a cap on coverage that nothing can be weighed by."""
    if coverage_cap is None:
        return
    if not data.has_coverage:
        raise ConfigError(
            f"coverage_cap is {coverage_cap:g}, but {data.folder} has no coverage: build it with "
            "--store_coverage, or leave coverage_cap out"
        )
    if not 0 < coverage_cap < np.inf:
        raise ConfigError(f"coverage_cap is {coverage_cap:g}, want a positive number of reads")
    if examples is not None:
        raise ConfigError(
            f"coverage_cap is {coverage_cap:g}, but examples of cell types have no weights: leave "
            "one of the two out"
        )


def _sliced(serialized, data: Data):
    """Return feature → uint8 [batch, bytes] of records that are all laid out alike."""
    record = tf.io.decode_raw(serialized, tf.uint8)
    end = max(start + size for start, size in data.layout.values())
    record = tf.ensure_shape(record, [None, end])
    return {name: record[:, at : at + size] for name, (at, size) in data.layout.items()}


def _parsed(serialized, data: Data, more: Sequence[str]):
    """Return feature → uint8 [batch, bytes] of any writer's records: the usual ones, and more."""
    names = ["target", "sequence"]
    if data.encoding == "packed":
        names = ["target", "sequence_packed", "sequence_n"]
    found = tf.io.parse_example(
        serialized, {n: tf.io.FixedLenFeature([], tf.string) for n in (*names, *more)}
    )
    return {name: tf.io.decode_raw(value, tf.uint8) for name, value in found.items()}
