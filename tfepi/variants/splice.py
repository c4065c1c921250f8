"""A model computed where a change reaches, with the reference's values beside it.

Plain `keras.ops`: the same code runs on TensorFlow, JAX and torch. Rows of changes are
[pieces, width, channels], where one sequence may have several pieces, changes far from each other.
"""

from collections.abc import Mapping, Sequence

import keras
from keras import ops

from tfepi.graph import Graph
from tfepi.layer_rules import Growing, is_pointwise
from tfepi.variants.changed_windows import Plan, Planned, Read, Spread, Start

_COUNT = 4  # letters


def one_hot(bases):
    """Return the one-hot code of base indices, all zeros for N: float32 [..., 4]."""
    return ops.cast(ops.one_hot(ops.cast(bases, "int32"), _COUNT + 1), "float32")[..., :_COUNT]


def computed(graph: Graph, inputs: Mapping[str, object], wanted: Sequence[int]) -> list:
    """Return the values of tensors, by number, of whole sequences."""
    values = {number: inputs[name] for name, number in graph.inputs.items()}
    for step in graph.steps:
        values |= zip(step.writes, step(values), strict=True)
    return [values[n] for n in wanted]


class Splicer:
    """Computes changed sequences by a plan.

    Args:
        plan: what is computed where.
        pieces: changes per sequence.
        ends: some changes reach beyond a tensor's ends; without, what lies there is not masked.
    """

    def __init__(self, plan: Plan, pieces: int, ends: bool):
        self.plan, self.pieces, self.ends = plan, pieces, ends
        self._graph = plan.graph

    def __call__(self, kept: Mapping[int, object], of, bases, block):
        """Return the output's values of changed sequences.

        Args:
            kept: of the references, by tensor of `plan.kept` and `plan.fixed`: [references,
                positions, channels] or [references, size].
            of: the reference of each sequence, int32 [sequences].
            bases: int32 [sequences · pieces, bases], of each piece's block (`Plan.base_values`).
            block: letters of the blocks, [sequences · pieces, plan.width].

        Returns:
            [sequences · pieces, width, targets] of the output's window, or
            [sequences, positions, targets] where all positions change.
        """
        return self._values(kept, of, bases, block)[self.plan.output]

    def spliced(self, kept: Mapping[int, object], of, bases, block, wanted: Sequence[int]) -> list:
        """Return the values of tensors, by number, at all positions of changed sequences.

        Args:
            kept, of, bases, block: as of a call.
            wanted: of `plan.kept`, or the output.
        """
        values = self._values(kept, of, bases, block)
        return [self._all(n, values) for n in wanted]

    def _values(self, kept, of, bases, block) -> dict[int, object]:
        self._kept, self._of, self._bases = kept, of, bases
        self._of_pieces = ops.repeat(of, self.pieces, axis=0) if self.pieces > 1 else of
        self._starts: dict[Start, object] = {}
        self._whole: dict[int, object] = {}
        values = {self._graph.inputs["sequence"]: one_hot(block)}
        for planned in self.plan.steps:
            step = planned.step
            if planned.window is not None:
                values[step.writes[0]] = self._part(planned, values)
            else:
                needs = {n: self._all(n, values) for n in step.reads}
                values |= zip(step.writes, step(needs), strict=True)
        return values

    def _start(self, start):
        if start not in self._starts:
            self._starts[start] = self._bases[:, start.base] * start.factor + start.offset
        return self._starts[start]

    def _reference(self, tensor: int, first, count: int):
        """Return the reference's values from positions on: [pieces, count, channels]."""
        kept = self._kept[tensor]
        _, length, channels = kept.shape
        at = ops.expand_dims(first, 1) + ops.arange(count, dtype="int32")
        if self.ends:  # what lies beyond them is masked where it counts
            at = ops.clip(at, 0, length - 1)
        rows = ops.expand_dims(self._of_pieces * length, 1) + at
        return ops.take(ops.reshape(kept, (-1, channels)), rows, axis=0)

    def _read(self, read: Read, values: Mapping[int, object], fill: float | None):
        """Return what a step reads of a tensor that changes: [pieces, width, channels]."""
        tensor, width = read.tensor, read.window.width
        own = self.plan.windows[tensor]
        start, frame = self._start(own.start), values[tensor]
        parts = [frame]
        if read.left:
            parts.insert(0, self._reference(tensor, start - read.left, read.left))
        if read.right:
            parts.append(self._reference(tensor, start + own.width, read.right))
        if len(parts) > 1:
            frame = ops.concatenate(parts, axis=1)
            if self.pieces > 1:
                first = start - read.left
                frame = self._with_siblings(frame, first, start, values[tensor])
        if read.offset is not None:
            first = read.offset + read.left
            if first or frame.shape[1] > width:
                frame = frame[:, first : first + width]
        else:
            first = self._start(read.window.start) - start + read.left
            frame = _from(frame, first, width)
        if self.ends and fill is not None:
            frame = self._masked(frame, read, fill)
        return frame

    def _masked(self, frame, read: Read, fill: float):
        at = ops.expand_dims(self._start(read.window.start), 1)
        at = at + ops.arange(read.window.width, dtype="int32")
        inside = (at >= 0) & (at < self._graph.length(read.tensor))
        return ops.where(ops.expand_dims(inside, 2), frame, ops.cast(fill, frame.dtype))

    def _with_siblings(self, frame, first, start, rows):
        """Put the other pieces of each sequence over what was read of its reference."""
        pieces, width = self.pieces, rows.shape[1]
        numbers = ops.arange(ops.shape(rows)[0], dtype="int32")
        at = ops.expand_dims(first, 1) + ops.arange(frame.shape[1], dtype="int32")
        for step in range(1, pieces):
            other = numbers - numbers % pieces + (numbers + step) % pieces
            place = at - ops.expand_dims(ops.take(start, other, axis=0), 1)
            inside = (place >= 0) & (place < width)
            frame = ops.where(ops.expand_dims(inside, 2), _picked(rows, place, other), frame)
        return frame

    def _all(self, tensor: int, values: dict[int, object]):
        """Return a tensor at all positions: [sequences, positions, channels]."""
        if tensor not in values:
            return self._fixed(tensor)
        if tensor not in self.plan.windows:
            return values[tensor]
        if tensor not in self._whole:
            rows, window = values[tensor], self.plan.windows[tensor]
            length = self._graph.length(tensor)
            full = ops.take(self._kept[tensor], self._of, axis=0)
            start = ops.reshape(self._start(window.start), (-1, self.pieces))
            numbers = ops.arange(ops.shape(start)[0], dtype="int32") * self.pieces
            for piece in range(self.pieces):
                place = ops.arange(length, dtype="int32") - start[:, piece : piece + 1]
                inside = (place >= 0) & (place < window.width)
                full = ops.where(
                    ops.expand_dims(inside, 2), _picked(rows, place, numbers + piece), full
                )
            self._whole[tensor] = full
        return self._whole[tensor]

    def _fixed(self, tensor: int, window=None):
        """Return a tensor that does not depend on the sequence, for pieces or for sequences."""
        kept, length = self._kept[tensor], self._graph.length(tensor)
        if window is not None:
            if length is None:
                return ops.take(kept, self._of_pieces, axis=0)
            return self._reference(tensor, self._start(window.start), window.width)
        return ops.take(kept, self._of, axis=0)

    def _part(self, planned: Planned, values: Mapping[int, object]):
        """Return a step's output in its window."""
        step, layer, rule, window = planned.step, planned.step.layer, planned.rule, planned.window
        pooling = isinstance(layer, keras.layers.MaxPooling1D)
        fill = float("-inf") if pooling else 0.0
        if planned.spread is not None:
            return self._of_differences(planned, values)
        pointwise = is_pointwise(layer, rule)
        if pointwise or (rule.extent > 1 and not _is_convolution(layer) and not pooling):
            fill = None
        rows = {n: self._read(r, values, fill) for n, r in planned.reads.items()}
        rows |= {n: self._fixed(n, window) for n in step.reads if n not in rows}
        if pointwise:
            return self._pointwise(planned, rows)
        (number,) = step.reads
        return _moved(layer, rule, rows[number], planned, self._start)

    def _of_differences(self, planned: Planned, values: Mapping[int, object]):
        """Return a convolution's output: the reference's, and what the differences add to it."""
        (read,), layer, window = planned.reads.values(), planned.step.layer, planned.window
        first = self._start(read.window.start)
        change = values[read.tensor] - self._reference(read.tensor, first, read.window.width)
        if self.ends:
            change = self._masked(change, read, 0.0)
        start = self._start(window.start)
        added = _added(layer, ops.cast(change, layer.compute_dtype))
        first = first + planned.rule.before - (planned.rule.extent - 1)
        added = _placed(added, planned.spread, first - start, window.width)
        return self._reference(planned.step.writes[0], start, window.width) + added

    def _pointwise(self, planned: Planned, rows):
        layer = planned.step.layer
        if hasattr(layer, "at"):  # depends on the position
            at = ops.expand_dims(self._start(planned.window.start), 1)
            return layer.at(
                next(iter(rows.values())),
                at + ops.arange(planned.window.width, dtype="int32"),
            )
        return planned.step(rows)[0]


def _from(frame, first, width: int):
    """Return `width` rows of each frame from the row `first` of its own on."""
    count, length, channels = ops.shape(frame)[0], frame.shape[1], frame.shape[2]
    rows = ops.arange(count, dtype="int32") * length + first
    rows = ops.expand_dims(rows, 1) + ops.arange(width, dtype="int32")
    return ops.take(ops.reshape(frame, (-1, channels)), rows, axis=0)


def _picked(rows, place, of):
    """Return row `place` [n, positions] of each rows[of], the nearest where there is none."""
    _, width, channels = rows.shape
    at = ops.expand_dims(of * width, 1) + ops.clip(place, 0, width - 1)
    return ops.take(ops.reshape(rows, (-1, channels)), at, axis=0)


def _is_convolution(layer) -> bool:
    return isinstance(
        layer,
        (
            keras.layers.Conv1D,
            keras.layers.SeparableConv1D,
            keras.layers.DepthwiseConv1D,
            keras.layers.Conv1DTranspose,
        ),
    )


def _moved(layer, rule, rows, planned: Planned, start):
    """Return what a layer that looks at several positions gives of rows, without any padding."""
    rows = ops.cast(rows, layer.compute_dtype)
    if isinstance(layer, keras.layers.Conv1DTranspose):
        grown = ops.conv_transpose(
            rows,
            _weight(layer, layer.kernel),
            strides=rule.stride,
            padding="valid",
            dilation_rate=1,
        )
        return _activated(layer, _cut(grown, rule, planned, start))
    if isinstance(rule, Growing):
        return _cut(ops.repeat(rows, rule.stride, axis=1), rule, planned, start)
    if _is_convolution(layer):
        moved = {
            "strides": rule.stride,
            "padding": "valid",
            "dilation_rate": layer.dilation_rate,
        }
        if isinstance(layer, keras.layers.SeparableConv1D):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
            found = ops.separable_conv(rows, *(_weight(layer, k) for k in kernels), **moved)
        elif isinstance(layer, keras.layers.DepthwiseConv1D):
            found = ops.depthwise_conv(rows, _weight(layer, layer.kernel), **moved)
        else:
            found = ops.conv(rows, _weight(layer, layer.kernel), **moved)
        return _activated(layer, found)
    if isinstance(layer, keras.layers.MaxPooling1D):
        return ops.max_pool(rows, rule.extent, strides=rule.stride, padding="valid")
    if isinstance(layer, keras.layers.AveragePooling1D):
        return ops.average_pool(rows, rule.extent, strides=rule.stride, padding="valid")
    return rows if rule.extent == 1 else layer(rows)


def _added(layer, change):
    """Return what differences of a convolution's input add to its output, at all it reaches.

    Each row of [pieces, rows, channels] reaches `extent` rows of [pieces, rows + extent − 1,
    filters]: the convolution's transpose.
    """
    kernel = _weight(layer, layer.kernel)
    dilation = layer.dilation_rate[0]
    if dilation == 1:
        turned = ops.transpose(ops.flip(kernel, 0), (0, 2, 1))
        return ops.conv_transpose(change, turned, strides=1, padding="valid")
    size, channels, filters = kernel.shape
    flat = ops.reshape(ops.transpose(kernel, (1, 0, 2)), (channels, size * filters))
    taps = ops.reshape(ops.matmul(change, flat), (-1, change.shape[1], size, filters))
    after = [dilation * tap for tap in range(size)]
    return sum(
        ops.pad(taps[:, :, tap], ((0, 0), (after[-1] - after[tap], after[tap]), (0, 0)))
        for tap in range(size)
    )


def _placed(rows, spread: Spread, offset, width: int):
    """Return the rows in a window of `width`, zeros where they do not reach."""
    rows = ops.pad(rows, ((0, 0), (spread.left, spread.right), (0, 0)))
    if spread.offset is None:
        return _from(rows, spread.left - offset, width)
    begin = spread.left - spread.offset
    return rows[:, begin : begin + width]


def _weight(layer, weight):
    """Return a weight in the precision that a layer computes in."""
    return ops.cast(weight, layer.compute_dtype)


def _activated(layer, rows):
    if layer.use_bias:
        rows = rows + _weight(layer, layer.bias)
    return rows if layer.activation is None else layer.activation(rows)


def _cut(grown, rule: Growing, planned: Planned, start):
    """Return the window of what a growing layer gives of all that it reads."""
    (read,) = planned.reads.values()
    first, own, width = read.window.start, planned.window.start, planned.window.width
    if (own.base, own.factor) == (first.base, first.factor * rule.stride):
        begin = own.offset - (first.offset * rule.stride - rule.before)
        return grown[:, begin : begin + width]
    return _from(grown, start(own) - (start(first) * rule.stride - rule.before), width)
