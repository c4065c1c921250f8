"""A model's graph run as a whole, for its activations, and where changes reach."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import keras
import numpy as np
from keras import ops

from tfepi.geometry import period, position_widths
from tfepi.graph import graph_of
from tfepi.layer_rules import Sliding, rules
from tfepi.layers import CenterSlice
from tfepi.variants import multiply_adds
from tfepi.variants.activations_apart import with_activations_apart
from tfepi.variants.blocks import cut, filled
from tfepi.variants.change_planner import plan_changes
from tfepi.variants.changed_windows import Plan
from tfepi.variants.compiled import ANY_ROWS, compiled
from tfepi.variants.selected_columns import with_columns
from tfepi.variants.splice import Splicer, computed, one_hot

SOURCE = "sequence"
_ENDS = 2  # pieces of a window of a stretch that are its own
_GRID_COST = 1.02  # times the work of changes that are placed to the base


class Engine:
    """Runs the part of a model that leads to some targets of a head.

    Args:
        model: functional.
        head: its name.
        columns: places of the targets; None for all.
        inputs: shape of each input, of models that take any length.

    Attributes:
        graph: that part.
        length: of the sequence, bp.
        grid: of blocks, bp.
        mirrored: a layer reads mirror images beyond the ends, so that changes there have no rule.
        work: multiply-adds of a whole sequence.
    """

    def __init__(
        self,
        model: keras.Model,
        head: str,
        columns: Sequence[int] | None = None,
        inputs: Mapping[str, tuple[int, ...]] | None = None,
    ):
        graph = graph_of(model, inputs)
        graph, self._columns = with_columns(graph.leading_to(graph.output(head)), columns)
        self.graph = with_activations_apart(graph)
        self.length = self.graph.length(self.graph.inputs[SOURCE])
        self.mirrored = any(isinstance(r, Sliding) and r.mirrored for r in rules(self.graph))
        self.work = multiply_adds.of_sequence(self.graph)
        self.grid = _grid(self.graph)
        self._plans: dict[tuple[int, bool], Plan] = {}
        self._functions: dict = {}

    @property
    def shares(self) -> bool:
        """Whether windows of one stretch of sequence can share activations."""
        absolute = [s for s in self.graph.steps if _is_absolute(s.layer)]
        return not self.plan(1).fixed and not self.mirrored and not absolute

    @property
    def kept_bytes(self) -> int:
        """How much is kept of one reference."""
        plan = self.plan(1)
        return 4 * sum(math.prod(self.graph.shapes[n]) for n in plan.kept | plan.fixed)

    @property
    def first_whole(self) -> str:
        """Name and kind of the first layer that is computed at all positions, or "none"."""
        for planned in self.plan(1).steps:
            if planned.window is None:
                return f"{planned.step.name!r} ({type(planned.step.layer).__name__})"
        return "none"

    @property
    def period(self) -> int:
        """Windows that share activations are so many bp, or a multiple, from each other."""
        return period(self.graph)

    def plan(self, blocks: int, pieces: int = 1) -> Plan:
        """Return the plan of changes in blocks of so many grid cells, so many in a sequence."""
        key = blocks, pieces == 1
        if key not in self._plans:
            self._plans[key] = plan_changes(self.graph, self.grid, blocks, SOURCE, pieces == 1)
        return self._plans[key]

    def predictions(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return predictions of whole sequences: float32 [sequences, bins, targets]."""
        output = self.graph.output()
        run = self._function("whole", lambda: lambda given: computed(self.graph, given, [output]))
        return self._taken(run(self._given(inputs))[0])

    def activations(
        self, inputs: Mapping[str, np.ndarray], wanted: Sequence[int]
    ) -> tuple[np.ndarray, dict[int, object]]:
        """Return predictions, and values of tensors by number, on the device.

        Args:
            inputs: of the model; the sequence may be longer than the model's, if no global layer
                is wanted.
            wanted: numbers of tensors.
        """
        output, wanted = self.graph.output(), list(wanted)
        run = self._function(
            ("activations", *wanted),
            lambda: lambda given: computed(self.graph, given, [output, *wanted]),
        )
        predictions, *values = run(self._given(inputs))
        return self._taken(predictions), dict(zip(wanted, values, strict=True))

    def changed(
        self,
        values: dict[int, object],
        of: np.ndarray,
        sequences: np.ndarray,
        cells: np.ndarray,
        blocks: int,
        ends: bool,
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what changes of predictions.

        Args:
            values: activations of the references, by tensor.
            of: the reference of each sequence.
            sequences: base indices [sequences, length].
            cells: first grid cell of each block, [sequences, pieces].
            blocks: cells in a block.
            ends: mask what lies beyond the ends.

        Returns:
            First bins [sequences, pieces] and values [sequences, pieces, width, targets]; or None
            and the whole prediction [sequences, bins, targets].
        """
        count, pieces = cells.shape
        plan = self.plan(blocks, pieces)
        run = self._function(("changed", blocks, pieces, ends), lambda: Splicer(plan, pieces, ends))
        kept = {n: values[n] for n in sorted(plan.kept | plan.fixed)}
        found = self._taken(run(kept, *self._blocks(plan, of, sequences, cells)))
        window = plan.windows.get(plan.output)
        if window is None:
            return None, found
        start = window.start
        firsts = start.factor * plan.base_values(cells.reshape(-1))[start.base] + start.offset
        return firsts.reshape(cells.shape), found.reshape(count, pieces, *found.shape[1:])

    def along(self, sequence: np.ndarray, blocks: int) -> dict[int, object]:
        """Return activations of a stretch that is longer than the model's sequence.

        Args:
            sequence: base indices [length].
            blocks: as `cut_out` is to be given.
        """
        plan = self.plan(blocks, _ENDS)
        local = [p.step for p in plan.steps if p.window is not None]
        kept = plan.kept | self.plan(1).kept | {plan.output}
        wanted = sorted(kept & plan.windows.keys())

        def run(given):
            values = {self.graph.inputs[SOURCE]: given}
            for step in local:
                values |= zip(step.writes, step(values), strict=True)
            return [values[n] for n in wanted]

        given = ops.convert_to_tensor(one_hot(sequence[None]), "float32")
        found = self._function(("along", blocks), lambda: run)(given)
        return dict(zip(wanted, found, strict=True))

    def cut_out(
        self, stretch: dict[int, object], starts: np.ndarray, sequences: np.ndarray, blocks: int
    ) -> tuple[np.ndarray, dict[int, object]]:
        """Return predictions and activations of windows of a stretch; their ends are their own.

        Args:
            stretch: as of `along`.
            starts: of the windows, bp, multiples of `period`.
            sequences: base indices [windows, length]; they differ from the stretch in the first
                and last `blocks - 1` cells only.
            blocks: grid cells of the block at either end, one of which lies beyond it.
        """
        plan, widths = self.plan(blocks, _ENDS), position_widths(self.graph)
        values = {}
        for n, value in stretch.items():
            firsts = [int(Fraction(int(s)) / widths[n]) for s in starts]
            length = self.graph.length(n)
            values[n] = ops.stack([value[0, f : f + length] for f in firsts])
        last = self.length // self.grid - blocks + 1
        cells = np.tile([-1, last], (len(starts), 1))
        wanted = sorted(stretch.keys() | {plan.output})
        run = self._function(
            ("cut_out", blocks),
            lambda: lambda *given: Splicer(plan, _ENDS, True).spliced(*given, wanted),
        )
        of = np.arange(len(starts))
        found = run(values, *self._blocks(plan, of, sequences, cells))
        found = dict(zip(wanted, found, strict=True))
        return self._taken(found[plan.output]), {n: found[n] for n in stretch}

    def _blocks(self, plan: Plan, of, sequences: np.ndarray, cells: np.ndarray) -> tuple:
        letters = cut(sequences, cells * self.grid, plan.width)
        return (
            ops.convert_to_tensor(of, "int32"),
            ops.convert_to_tensor(plan.base_values(cells.reshape(-1)).T),
            ops.convert_to_tensor(letters.reshape(cells.size, plan.width), "int32"),
        )

    def _function(self, key, make):
        if key not in self._functions:
            self._functions[key] = compiled(make())
        return self._functions[key]

    def _given(self, inputs: Mapping[str, np.ndarray]) -> dict:
        given = {name: inputs[name] for name in self.graph.inputs}
        if given[SOURCE].ndim == 2:
            given[SOURCE] = one_hot(given[SOURCE])
        return {name: ops.convert_to_tensor(value, "float32") for name, value in given.items()}

    def _taken(self, values) -> np.ndarray:
        found = np.asarray(ops.convert_to_numpy(values))
        found = found if self._columns is None else found[..., self._columns]
        return found.astype(np.float32, copy=False)


def in_batches(predict, inputs: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """Return predictions of any number of sequences, `size` at a time."""
    count, found = len(inputs[SOURCE]), []
    for low in range(0, count, size):
        batch = {k: v[low : low + size] for k, v in inputs.items()}
        found.append(predict(batch if ANY_ROWS else filled(batch, size))[: count - low])
    return np.concatenate(found)


def _is_absolute(layer) -> bool:
    """Tell whether a layer's positions count from an end or from the middle of the sequence."""
    return hasattr(layer, "at") or isinstance(layer, CenterSlice)


def _grid(graph) -> int:
    """Return the widest grid on which a change takes hardly more work than to the base."""
    whole = period(graph)
    least = multiply_adds.of_plan(plan_changes(graph, 1, 1))
    for grid in sorted((g for g in range(2, whole + 1) if whole % g == 0), reverse=True):
        if multiply_adds.of_plan(plan_changes(graph, grid, 1)) <= _GRID_COST * least:
            return grid
    return 1
