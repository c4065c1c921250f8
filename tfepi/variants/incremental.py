"""Exact predictions of changed sequences from what a change reaches, and the reference.

Of every local layer only the stretch that a change touches is computed, its neighbours taken from
the reference's activations; from the first global layer on all is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np

from tfepi.geometry import spans_needed
from tfepi.sequences import model_inputs
from tfepi.spec import ModelSpec
from tfepi.variants import multiply_adds
from tfepi.variants.alternatives import Along, Alternatives, References
from tfepi.variants.blocks import block_widths, changed_cells, covering, filled
from tfepi.variants.compiled import ANY_ROWS
from tfepi.variants.engine import SOURCE, Engine, in_batches
from tfepi.variants.head_targets import HeadTargets

_MOST_PIECES = 4
_WORTH = 0.8  # of a whole prediction's work: beyond that the sequence is predicted as a whole
_BATCH_BYTES = 64 << 20
_KEPT_BYTES = 128 << 20
_LARGEST_BATCH = 256
_FEWEST_WINDOWS = 3  # of a stretch, which is as long as two
_STRETCH_WORK = 1e9  # multiply-adds that take as long as the calls that a stretch takes besides


@dataclass
class _Kept:
    """Activations of references, by tensor, on the device."""

    inputs: Mapping[str, np.ndarray]
    values: dict[int, object]


@dataclass(frozen=True, order=True)
class _Way:
    """How sequences are computed: in pieces of so many grid cells, masked at the ends or not."""

    blocks: int
    pieces: int
    ends: bool


class IncrementalEvaluator:
    """Predicts changed sequences from their reference's activations.

    Args:
        model: a functional Keras model.
        spec: its contract.
        chosen: the head and the targets; their transforms stay.
        columns: places of the targets among the head's; None for those of `chosen`.
        batch_size: whole sequences per call of the model.
    """

    def __init__(
        self,
        model: keras.Model,
        spec: ModelSpec,
        chosen: HeadTargets,
        columns: Sequence[int] | None = None,
        batch_size: int = 64,
    ):
        self.spec = spec
        self.batch_size = batch_size
        columns = chosen.columns if columns is None else list(columns)
        self.engine = Engine(model, chosen.head, columns, spec.inputs)
        self._ways: dict[tuple[int, ...], tuple[int, int] | None] = {}
        self._work_of = cache(self._work_of)
        self._reach = cache(self._reach)

    @property
    def shared_step(self) -> int:
        """How far apart references on a stretch share activations, bp; 0 where none do."""
        return self.engine.period if self.engine.shares else 0

    @property
    def shared_windows(self) -> int:
        """How many references on a stretch make it worth while that they share."""
        return _FEWEST_WINDOWS + int(_STRETCH_WORK // self.engine.work)

    @property
    def windows(self) -> int:
        """How many references a call is best asked for: their activations are kept."""
        fit = int(_KEPT_BYTES // self.engine.kept_bytes)
        return max(1, min(self.batch_size, 1 << max(0, fit.bit_length() - 1)))

    @property
    def changes(self) -> int:
        """How many changed sequences a call is best asked for."""
        return self._size(_Way(1, 1, False))

    @property
    def gain(self) -> float:
        """How many times fewer multiply-adds a change of one base takes than a whole sequence."""
        return self.engine.work / self._work_of(1)

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """As `alternatives.Evaluator.references`."""
        inputs = model_inputs(inputs, self.spec.inputs)
        count = len(inputs[SOURCE])
        given = filled(inputs, _rung(count, max(count, self.windows)))
        if along is not None and self._can_share(along):
            starts = filled({"starts": along.starts}, len(given[SOURCE]))["starts"]
            predictions, values = self._shared(given[SOURCE], Along(along.stretch, starts))
        else:
            plan = self.engine.plan(1)
            wanted = sorted(plan.kept | plan.fixed)
            predictions, values = self.engine.activations(given, wanted)
        return References(inputs, predictions[:count], _Kept(given, values))

    def whole(self, inputs: Mapping[str, np.ndarray], size: int | None = None) -> np.ndarray:
        """Return predictions of whole sequences: float32 [sequences, bins, targets].

        Args:
            inputs: of the model; the sequence as base indices.
            size: sequences per call.
        """
        return in_batches(self.engine.predictions, inputs, size or self.batch_size)

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """As `alternatives.Evaluator.alternatives`.

        Sequences whose changes are too many or too far apart are predicted as a whole.
        """
        of = np.asarray(of, np.int32)
        within = None if bins is None else np.array([self._reach(*b) for b in bins.tolist()])
        own = references.inputs[SOURCE][of]
        places = changed_cells(own, sequences, self.engine.grid, within)
        groups: dict[_Way | None, list[int]] = defaultdict(list)
        starts: dict[int, list[int]] = {}
        for row, cells in enumerate(places):
            if len(cells):
                way, starts[row] = self._way(cells)
                groups[way].append(row)
        results = []
        for way in sorted(groups, key=lambda w: (w is None, w)):
            rows = np.asarray(groups[way])
            size = self.batch_size if way is None else self._size(way)
            for low in range(0, len(rows), size):
                batch = rows[low : low + size]
                cells = np.asarray([starts[r] for r in batch.tolist()])
                given = {"of": of[batch], "sequences": sequences[batch], "cells": cells}
                given = filled(given, _rung(len(batch), size))
                results += self._batch(references, way, batch, given)
        return _joined(of, results, references.predictions)

    def _batch(
        self, references: References, way: _Way | None, rows: np.ndarray, given: dict
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return rows, first bins and values of a batch, of each piece."""
        count, first = len(rows), np.zeros(len(rows), np.int64)
        of, sequences = given["of"], given["sequences"]
        if way is None:
            inputs = {k: v[of] for k, v in references.inputs.items()} | {SOURCE: sequences}
            return [(rows, first, self.engine.predictions(inputs)[:count])]
        kept = references.kept
        plan = self.engine.plan(way.blocks, way.pieces)
        if missing := (plan.kept | plan.fixed) - kept.values.keys():
            kept.values |= self.engine.activations(kept.inputs, sorted(missing))[1]
        firsts, values = self.engine.changed(
            kept.values, of, sequences, given["cells"], way.blocks, way.ends
        )
        if firsts is None:
            return [(rows, first, values[:count])]
        return [(rows, firsts[:count, p], values[:count, p]) for p in range(way.pieces)]

    # Windows of one stretch.

    def _can_share(self, along: Along) -> bool:
        step, length = self.engine.period, self.engine.length
        rest = (len(along.stretch.sequence) - length) % step
        even = not (along.starts % step).any() and rest == 0
        return even and self.engine.shares and self.engine.length % self.engine.grid == 0

    def _shared(self, sequences: np.ndarray, along: Along) -> tuple[np.ndarray, dict]:
        stretch = along.stretch
        at = along.starts[:, None] + np.arange(self.engine.length)
        differs = (stretch.sequence[at] != sequences).any(axis=0)
        # Shifted windows have letters of their own at an end.
        half = len(differs) // 2
        left = int(np.flatnonzero(differs[:half])[-1]) + 1 if differs[:half].any() else 0
        right = len(differs) - half - int(np.argmax(differs[half:])) if differs[half:].any() else 0
        blocks = 1 - (-max(left, right) // self.engine.grid)
        if (id(self), blocks) not in stretch.kept:
            stretch.kept[id(self), blocks] = self.engine.along(stretch.sequence, blocks)
        values = stretch.kept[id(self), blocks]
        return self.engine.cut_out(values, along.starts, sequences, blocks)

    # Choosing the way.

    def _reach(self, first: int, last: int) -> tuple[int, int]:
        """Return the positions of the sequence that bins need."""
        graph = self.engine.graph
        spans = spans_needed(graph, graph.output(), first, last)
        return spans.get(graph.inputs[SOURCE], (0, 0))

    def _way(self, cells: np.ndarray) -> tuple[_Way | None, list[int]]:
        """Return how a change of grid cells is computed, and the first cells of its blocks."""
        pattern = tuple((cells - cells[0]).tolist())
        if pattern not in self._ways:
            best = (self.engine.work * _WORTH, None)
            for blocks in block_widths(pattern[-1] + 1):
                pieces = len(covering(np.asarray(pattern), blocks))
                if pieces <= _MOST_PIECES:
                    work = self._work_of(blocks, pieces)
                    best = (work, (blocks, pieces)) if work < best[0] else best
            self._ways[pattern] = best[1]
        if (found := self._ways[pattern]) is None:
            return None, []
        starts = covering(cells, found[0])
        first, last = self.engine.plan(*found).inner
        ends = min(starts) < first or max(starts) > last
        return (None, []) if ends and self.engine.mirrored else (_Way(*found, ends), starts)

    def _work_of(self, blocks: int, pieces: int = 1) -> int:
        plan = self.engine.plan(blocks, pieces)
        whole = multiply_adds.of_plan(plan, parts=False)
        return (multiply_adds.of_plan(plan) - whole) * pieces + whole

    def _size(self, way: _Way) -> int:
        """Return how many sequences are computed in one call."""
        numbers = multiply_adds.largest_step(self.engine.plan(way.blocks, way.pieces), way.pieces)
        fit = max(1, int(_BATCH_BYTES // (4 * numbers)))
        return min(_LARGEST_BATCH, 1 << (fit.bit_length() - 1))


def _rung(count: int, size: int) -> int:
    """Return how many rows a batch of so many is filled up to: of few sizes, each is compiled."""
    if ANY_ROWS:
        return count
    while size >= 2 * count:
        size //= 2
    return size


def _joined(of: np.ndarray, results: list, predictions: np.ndarray) -> Alternatives:
    """Return the alternatives of batches that have windows of their own."""
    bins = predictions.shape[1]
    low = np.full(len(of), bins, np.int64)
    high = np.zeros(len(of), np.int64)
    for rows, first, values in results:
        low[rows] = np.minimum(low[rows], np.clip(first, 0, bins))
        high[rows] = np.maximum(high[rows], np.clip(first + values.shape[1], 0, bins))
    width = int((high - low).max()) if len(of) else 0
    starts = np.clip(low, 0, bins - width)
    if len(results) == 1:
        rows, first, values = results[0]
        if len(rows) == len(of) and values.shape[1] == width and (starts == first).all():
            return Alternatives(of, starts, values)
    found = predictions[of[:, None], starts[:, None] + np.arange(width)]
    for rows, first, values in results:
        at = first[:, None] + np.arange(values.shape[1]) - starts[rows][:, None]
        row, column = np.nonzero((at >= 0) & (at < width))
        found[rows[row], at[row, column]] = values[row, column]
    return Alternatives(of, starts, found)
