"""The plan of a change: forward what it reaches, backward what poolings need besides."""

from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np

from tfepi.geometry import period
from tfepi.graph import Graph, Step
from tfepi.layer_rules import GLOBAL, Growing, Rule, Sliding, is_pointwise, rules
from tfepi.variants import multiply_adds
from tfepi.variants.activations_apart import is_linear
from tfepi.variants.changed_windows import Plan, Planned, Read, Spread, Start, Window, base_values

_NEARLY_ALL = 0.9  # of a layer's positions: beyond that all are computed
_SPARED = 0.01  # of all multiply-adds: fewer are not worth keeping another tensor
_ADDING = 40  # multiply-adds that take as long as to add one product of a tap to its row
_SHIFTS = (keras.layers.Cropping1D, keras.layers.ZeroPadding1D)


def plan_changes(
    graph: Graph, grid: int, blocks: int, source: str = "sequence", alone: bool = True
) -> Plan:
    """Return how changes in blocks are computed.

    Args:
        graph: leading to the output that is wanted.
        grid: bp.
        blocks: grid cells in a block.
        source: the input that changes.
        alone: a sequence has one block only. Then convolutions may be computed of differences,
            whose rows are fewer than those that they reach.
    """
    return _Planner(graph, grid, blocks, source).plan(alone)


class _Planner:
    """Plans forward what changes, then backward what poolings need besides, then the reads."""

    def __init__(self, graph: Graph, grid: int, blocks: int, source: str):
        self.graph, self.grid, self.blocks = graph, grid, blocks
        self.bases: list[tuple[Start, int]] = []
        self.windows: dict[int, Window] = {}
        self.whole: set[int] = set()
        self.source = graph.inputs[source]
        self.length = graph.length(self.source)
        # All phases, and every block that meets the sequence.
        self.numbers = np.arange(-blocks, -(-self.length // grid) + 1)
        self.phases = np.arange(max(1, period(graph, source) // grid)) + 1

    def plan(self, alone: bool) -> Plan:
        self.windows[self.source] = Window(Start(0, self.grid, 0), self.grid * self.blocks)
        steps = []
        for step, rule in zip(self.graph.steps, rules(self.graph), strict=True):
            if any(n in self.windows or n in self.whole for n in step.reads):
                steps.append((step, rule))
                self._forward(step, rule)
        first = dict(self.windows)
        for step, rule in reversed(steps):
            self._backward(step, rule, first)
        planned = [self._planned(step, rule) for step, rule in steps]
        if alone:
            total = sum(multiply_adds.of_step(self.graph, p.step, p.computed) for p in planned)
            planned = [self._of_differences(p, _SPARED * total) for p in planned]
        changing = self.windows.keys() | self.whole
        fixed = {n for p in planned for n in p.step.reads if n not in changing}
        reads = [r for p in planned for r in p.reads.values()]
        kept = {r.tensor for r in reads if r.left or r.right}
        kept |= {n for p in planned if p.window is None for n in p.step.reads if n in self.windows}
        spread = [p.step for p in planned if p.spread is not None]
        kept |= {n for step in spread for n in (*step.reads, *step.writes)}
        kept |= {n for n in fixed if self.graph.length(n) is not None}
        of_fixed = [
            Read(n, p.window, 0, 0, 0)
            for p in planned
            if p.window is not None
            for n in p.step.reads
            if n in fixed and self.graph.length(n) is not None
        ]
        return Plan(
            self.graph,
            self.grid,
            self.blocks,
            tuple(self.bases),
            self.windows,
            tuple(planned),
            frozenset(fixed),
            frozenset(kept),
            self._inner(reads + of_fixed),
        )

    def _starts(self, start: Start, numbers: np.ndarray) -> np.ndarray:
        values = base_values(self.bases, numbers)
        return start.factor * values[start.base].astype(np.int64) + start.offset

    def _differences(self, a: Start, b: Start) -> np.ndarray:
        """Return the starts of a less those of b, in each phase."""
        return self._starts(a, self.phases) - self._starts(b, self.phases)

    def _forward(self, step: Step, rule: Rule) -> None:
        """Find what of a step's output changes."""
        out = step.writes[0]
        changing = [n for n in step.reads if n in self.windows or n in self.whole]
        if rule is GLOBAL or any(n in self.whole for n in changing) or not _has_way(step, rule):
            self.whole.update(step.writes)
            return
        window = self._touched(rule, self._hull([self.windows[n] for n in changing]))
        computed = not (_is_pooling(step, rule) or is_pointwise(step.layer, rule))
        if computed and window.width >= _NEARLY_ALL * self.graph.length(out):
            self.whole.add(out)
        else:
            self.windows[out] = window

    def _touched(self, rule: Rule, window: Window) -> Window:
        start = window.start
        if isinstance(rule, Growing):
            first, last = rule.touched(start.offset, start.offset + window.width)
            return Window(Start(start.base, start.factor * rule.stride, first), last - first)
        if start.factor % rule.stride == 0:
            first, last = rule.touched(start.offset, start.offset + window.width)
            return Window(Start(start.base, start.factor // rule.stride, first), last - first)
        shift = rule.before - rule.extent + rule.stride
        new = self._new_base(Start(start.base, start.factor, start.offset + shift), rule.stride)
        ends = [rule.touched(s, s + window.width) for s in self._starts(start, self.phases)]
        return Window(new, max(last - first for first, last in ends))

    def _new_base(self, start: Start, divisor: int) -> Start:
        self.bases.append((start, divisor))
        return Start(len(self.bases), 1, 0)

    def _hull(self, windows: list[Window]) -> Window:
        """Return the window, on the base of the widest, that holds all."""
        widest = max(windows, key=lambda w: w.width)
        low, high = 0, widest.width
        for window in windows:
            differences = self._differences(window.start, widest.start)
            low = min(low, int(differences.min()))
            high = max(high, int(differences.max()) + window.width)
        s = widest.start
        return Window(Start(s.base, s.factor, s.offset + low), high - low)

    def _backward(self, step: Step, rule: Rule, first: Mapping[int, Window]) -> None:
        """Widen what a step reads, where that is cheaper than keeping it of the reference."""
        out = step.writes[0]
        cheap = _is_pooling(step, rule) or is_pointwise(step.layer, rule)
        if out not in self.windows or not cheap:
            return
        wanted = self._needed(rule, self.windows[out])
        for n in step.reads:
            if n not in first or n == self.source:
                continue
            # A branch that changes less than what it is joined to is read from the reference.
            narrow = len(step.reads) > 1 and first[n] != self._touched(rule, first[out])
            if not narrow:
                self.windows[n] = self._hull_on(wanted, self.windows[n])

    def _hull_on(self, wanted: Window, own: Window) -> Window:
        """Return the window on the base of `wanted` that holds both."""
        differences = self._differences(own.start, wanted.start)
        low = min(0, int(differences.min()))
        high = max(wanted.width, int(differences.max()) + own.width)
        s = wanted.start
        return Window(Start(s.base, s.factor, s.offset + low), high - low)

    def _needed(self, rule: Rule, window: Window) -> Window:
        """Return what a step needs of its inputs."""
        start = window.start
        if isinstance(rule, Sliding):
            first = start.offset * rule.stride - rule.before
            width = (window.width - 1) * rule.stride + rule.extent
            return Window(Start(start.base, start.factor * rule.stride, first), width)
        return self._touched(Sliding(rule.extent, rule.stride, rule.before), window)

    def _planned(self, step: Step, rule: Rule) -> Planned:
        window = self.windows.get(step.writes[0])
        if window is None:
            return Planned(step, rule, None)
        needed = self._needed(rule, window)
        reads = {n: self._read(n, needed) for n in step.reads if n in self.windows}
        return Planned(step, rule, window, reads)

    def _read(self, tensor: int, wanted: Window) -> Read:
        own = self.windows[tensor]
        differences = self._differences(wanted.start, own.start)
        low, high = int(differences.min()), int(differences.max())
        left, right = max(0, -low), max(0, high + wanted.width - own.width)
        return Read(tensor, wanted, low if low == high else None, left, right)

    def _of_differences(self, planned: Planned, worth: float) -> Planned:
        """Return a convolution that is computed of differences, if that spares enough.

        An input that differs in w rows changes w + extent − 1 rows of the output, which take w
        rows of products as a sum of what each row of the input adds.
        """
        step, rule = planned.step, planned.rule
        if planned.window is None or not _is_linear_convolution(step.layer, rule):
            return planned
        (number,) = step.reads
        own = self.windows[number]
        reads = {number: Read(number, own, 0, 0, 0)}
        rows = own.width + rule.extent - 1
        first = Start(own.start.base, own.start.factor, own.start.offset + rule.before)
        offsets = self._differences(first, planned.window.start) - (rule.extent - 1)
        low, high = int(offsets.min()), int(offsets.max())
        left, right = max(0, high), max(0, planned.window.width - low - rows)
        spread = Spread(low if low == high else None, left, right)
        found = replace(planned, reads=reads, spread=spread)
        before, after = (
            multiply_adds.of_step(self.graph, step, p.computed) for p in (planned, found)
        )
        after += after * _ADDING // self.graph.shapes[number][-1]
        return found if before - after > worth else planned

    def _inner(self, reads: list[Read]) -> tuple[int, int]:
        """Return the first and last block that read and compute nothing beyond the ends."""
        inside = np.ones(len(self.numbers), bool)
        spans = [(r.tensor, r.window, r.left, r.right) for r in reads]
        spans += [(n, w, 0, 0) for n, w in self.windows.items()]
        for tensor, window, left, right in spans:
            starts = [self._starts(window.start, self.numbers)]
            stops = [starts[0] + window.width]
            if tensor in self.windows and (left or right):
                own = self.windows[tensor]
                own_starts = self._starts(own.start, self.numbers)
                starts.append(own_starts - left)
                stops.append(own_starts + own.width + right)
            low, high = np.minimum.reduce(starts), np.maximum.reduce(stops)
            inside &= (low >= 0) & (high <= self.graph.length(tensor))
        if not inside.any():
            return 0, -1
        return int(self.numbers[inside][0]), int(self.numbers[inside][-1])


def _is_pooling(step: Step, rule: Rule) -> bool:
    """Tell whether a step only looks at what it reads, so that computing more of it is cheap."""
    pooling = (keras.layers.MaxPooling1D, keras.layers.AveragePooling1D)
    declared = getattr(step.layer, "geometry", None) == "local" and hasattr(step.layer, "reach")
    if isinstance(rule, Growing):
        return isinstance(step.layer, keras.layers.UpSampling1D)
    shift = isinstance(step.layer, _SHIFTS) or (rule is not GLOBAL and rule.extent == 1)
    return (isinstance(step.layer, pooling) or declared) and not shift


def _is_linear_convolution(layer, rule: Rule) -> bool:
    plain = isinstance(layer, keras.layers.Conv1D) and layer.groups == 1
    return plain and rule.stride == 1 and is_linear(layer)


def _has_way(step: Step, rule: Rule) -> bool:
    """Tell whether a layer of this rule can be computed in part."""
    layer = step.layer
    if isinstance(layer, keras.layers.AveragePooling1D):
        return rule.before == 0 or layer.padding == "valid"
    if isinstance(layer, keras.layers.Conv1DTranspose):
        return rule.extent >= rule.stride
    return True
