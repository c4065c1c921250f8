"""Batches of records as examples of cell types: their inputs besides the sequence, their targets.

`conditioning.track_channels` is the plain definition of the input tracks.
"""

import numpy as np
import tensorflow as tf

from tfrecords_tools.conditioning import (
    CellExamples,
    reference_columns,
    target_columns,
    track_columns,
)
from tfrecords_tools.data import Data

_CELLS, _SCALE = 1, 2  # beside the augmentation's own draws


class CellDecoder:
    """Makes a decoded batch of records a batch of examples of cell types.

    Args:
        data: the folder.
        examples: what to make.

    Raises:
        ConfigError, InputFileError: as `conditioning.track_columns`.
    """

    def __init__(self, data: Data, examples: CellExamples):
        conditioning = examples.conditioning
        self._data, self._examples = data, examples
        self.channels = conditioning.channels if "tracks" in examples.inputs else 0
        self._by_mark = conditioning.outputs == "marks"
        columns = target_columns(
            data.targets,
            examples.cells if self._by_mark else conditioning.cells,
            conditioning.marks,
        )
        self._missing = bool((columns < 0).any())
        self._columns = np.where(columns < 0, len(data.targets), columns)
        if self.channels:
            self._own = track_columns(data.tracks, examples.cells, str(data.folder))
            self._reference = reference_columns(data.tracks, conditioning, str(data.folder))
        self._states = None
        if "cell_state" in examples.inputs:
            self._states = conditioning.states.array(examples.cells)

    def __call__(self, values, target, which, draw):
        """Return (inputs besides the sequence, target) of a batch.

        Args:
            values: feature → uint8 [batch, bytes].
            target: float32 [batch, bins, targets] of the records.
            which: int32 [batch], which of its window's examples each is.
            draw: (seed, epoch, number of the batch, (first row, end) of these in it, its rows), or
                None where nothing is random.
        """
        if draw is not None and self._examples.random:
            uniform = _uniform(draw, _CELLS)
            which = tf.cast(uniform * len(self._examples.cells), tf.int32)
        inputs = {}
        if self.channels:
            inputs["tracks"] = self._tracks(values["tracks"], which, tf.shape(target)[0], draw)
        if self._states is not None:
            inputs["cell_state"] = tf.gather(tf.constant(self._states), which)
        return inputs, self._targets(target, which)

    def _targets(self, target, which):
        if self._missing:
            target = tf.pad(target, [[0, 0], [0, 0], [0, 1]], constant_values=np.nan)
        cells, marks = self._columns.shape
        bins = self._data.target_length
        if self._columns.ravel().tolist() != list(range(target.shape[2])):
            target = tf.gather(target, self._columns.ravel(), axis=2)
        if self._examples.missing == "zero":
            missing = tf.math.is_nan(target)
            if self._missing:  # what has no track at all stays out of the loss
                missing &= self._columns.ravel() < len(self._data.targets)
            target = tf.where(missing, 0.0, target)
        if self._by_mark:
            target = _chosen(tf.reshape(target, [-1, bins, cells, marks]), which)
        return target

    def _tracks(self, raw, which, size, draw):
        """Return float32 [batch, track_length, channels]."""
        length, count = self._data.track_length, len(self._data.tracks)
        raw = tf.bitcast(tf.reshape(raw, [size, length, count, 2]), tf.float16)
        values = tf.ensure_shape(tf.cast(raw, tf.float32), [None, length, count])
        seen = tf.math.logical_not(tf.math.is_nan(values))
        values = tf.where(seen, values, 0.0)
        seen = tf.cast(seen, tf.float32)
        # Sums over few tracks: one small matrix product each, none where nothing is missing.
        weights = np.zeros((count, 1), np.float32)
        np.add.at(weights, self._reference, 1)
        known = tf.matmul(seen, weights)
        average = tf.matmul(values, weights) / tf.maximum(known, 1.0)
        own = _chosen(tf.gather(values, self._own, axis=2)[..., None], which)
        mask = _chosen(tf.gather(seen, self._own, axis=2)[..., None], which)
        second = average
        if self._examples.conditioning.reference_mode == "delta":
            second = tf.where((mask > 0) & (known > 0), own - average, 0.0)
        low, high = self._examples.scale
        if draw is not None and (low, high) != (1.0, 1.0):
            factor = _uniform(draw, _SCALE, low, high)
            own = own * factor[:, None, None]
        return tf.concat([own, second, mask][: self.channels], axis=2)


def _chosen(values, which):
    """Return [batch, length, …] of [batch, length, cells, …], each example's own cell type."""
    cells = values.shape[2]
    if cells == 1:
        return values[:, :, 0]
    chosen = values[:, :, 0]
    for cell in range(1, cells):
        mine = tf.reshape(which == cell, [-1, 1, 1])
        chosen = tf.where(mine, values[:, :, cell], chosen)
    return chosen


def _uniform(draw, purpose: int, low: float = 0, high: float = 1):
    """Return float32 [rows]: one purpose's random numbers of some rows of a batch.

    They are drawn for the whole batch, so that an example's is the same whoever decodes it.
    """
    seed, epoch, number, span, rows = draw
    keys = tf.stack([tf.constant(seed + (purpose << 32), tf.int64), (epoch << 32) + number])
    values = tf.random.stateless_uniform([rows], keys, minval=low, maxval=high)
    return values[span[0] : span[1]]
