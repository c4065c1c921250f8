"""The field by arithmetic: what one position needs and one base touches, layer by layer.

Everything comes from `geometry`, and nothing from running the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import keras

from tfepi.geometry import period, position_widths, spans_needed, spans_touched
from tfepi.graph import Graph, graph_of
from tfepi.layer_rules import GLOBAL, rules
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import CENTRE, Phases

SOURCE = "sequence"


@dataclass(frozen=True)
class LayerField:
    """What a layer sees of the sequence, in its middle.

    Attributes:
        name: of the layer.
        kind: its class.
        positions: of its output; None of one without.
        width: bp from one position to the next; None after a global layer.
        needed: bp of the sequence that one position needs, least and most over phases.
        touched: positions that one base touches, likewise.
        is_global: every position sees the whole sequence.
    """

    name: str
    kind: str
    positions: int | None
    width: Fraction | None
    needed: tuple[int, int]
    touched: tuple[int, int]
    is_global: bool


@dataclass(frozen=True)
class Reach:
    """Stretches by phase, bp.

    Attributes:
        place: where.
        phases: position modulo period.
        at: the base that is changed, or the middle of the bin that is predicted, 0-based.
        low, high: of the stretch that it touches or needs, half-open; equal where it is empty.
    """

    place: str
    phases: tuple[int, ...]
    at: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, ...]:
        """Length of each stretch."""
        return tuple(b - a for a, b in zip(self.low, self.high, strict=True))

    @property
    def left(self) -> int:
        """The furthest to the left that any stretch reaches, bp."""
        return max((p - a for p, a, b in self._held), default=0)

    @property
    def right(self) -> int:
        """The furthest to the right, bp."""
        return max((b - 1 - p for p, a, b in self._held), default=0)

    @property
    def _held(self):
        stretches = zip(self.at, self.low, self.high, strict=True)
        return [(p, a, b) for p, a, b in stretches if b > a]

    def to_json(self) -> dict:
        """Return the summary as a JSON value."""
        return {
            "place": self.place,
            "phases": len(self.phases),
            "span": [min(self.spans), max(self.spans)],
            "left": self.left,
            "right": self.right,
        }


@dataclass(frozen=True)
class Theory:
    """A model's field by arithmetic.

    Attributes:
        grid: of the output.
        period: bp after which the picture repeats.
        needed: what one output position in the middle needs, of every phase.
        touched: what one base in the middle touches, of every phase.
        global_from: the first global layer of each way through the model.
        layers: in order; those that the sequence does not reach are left out.
    """

    grid: OutputGrid
    period: int
    needed: Reach
    touched: Reach
    global_from: tuple[str, ...]
    layers: tuple[LayerField, ...]

    @property
    def is_cut(self) -> bool:
        """Whether the ends of the sequence cut the field of its middle."""
        ends = self.needed.low + tuple(self.grid.length - high for high in self.needed.high)
        return not self.global_from and 0 in ends


def theory_of(
    model: keras.Model, grid: OutputGrid | None = None, head: str | None = None
) -> Theory:
    """Return a model's field by arithmetic.

    Args:
        model: functional, with an input named "sequence".
        grid: of the output; None: as strides and lengths say.
        head: which output, of several.
    """
    graph = graph_of(model)
    graph = graph.leading_to(graph.output(head))
    grid = grid or grid_of(graph)
    everything = period(graph)
    return Theory(
        grid,
        everything,
        needed_at(graph, grid, Phases.at(CENTRE, grid.bins, output_period(everything, grid))),
        touched_at(graph, grid, Phases.at(CENTRE, grid.length, everything)),
        first_global(graph),
        tuple(_layers(graph, everything, grid.length)),
    )


def grid_of(graph: Graph) -> OutputGrid:
    """Return where the positions of a graph's output lie, as strides and lengths say."""
    end = graph.output()
    length, bins = graph.length(graph.inputs[SOURCE]), graph.length(end) or 1
    width = position_widths(graph).get(end)
    if width is None:  # after a global layer: as the layers before it, where they fit
        known = [w for n, w in position_widths(graph).items() if graph.length(n) != 1]
        width = known[-1] if bins > 1 else None
    whole = width is not None and width.denominator == 1
    return OutputGrid.of_lengths(length, bins, int(width) if whole else None)


def output_period(everything: int, grid: OutputGrid) -> int:
    """Return after how many output positions the picture repeats."""
    return max(1, everything // grid.width)


def needed_at(graph: Graph, grid: OutputGrid, phases: Phases) -> Reach:
    """Return what output positions need of the sequence.

    Args:
        graph: that leads to the output.
        grid: of the output.
        phases: of output positions.
    """
    source, end = graph.inputs[SOURCE], graph.output()
    spans = [spans_needed(graph, end, q, q + 1).get(source, (0, 0)) for q in phases.positions]
    at = tuple(map(grid.middle, phases.positions))
    return Reach(phases.place, phases.numbers, at, *_both(spans))


def touched_at(graph: Graph, grid: OutputGrid, phases: Phases) -> Reach:
    """Return what single bases touch of the output, bp from the first bin to after the last.

    Args:
        graph: that leads to the output.
        grid: of the output.
        phases: of positions of the sequence.
    """
    spans = []
    for position in phases.positions:
        found = spans_touched(graph, position, position + 1).get(graph.output())
        if found is None:
            spans.append((grid.crop, grid.crop))
        else:
            spans.append((grid.start(found[0]), grid.start(found[1])))
    return Reach(phases.place, phases.numbers, phases.positions, *_both(spans))


def _both(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(a for a, _ in spans), tuple(max(a, b) for a, b in spans)


def first_global(graph: Graph) -> tuple[str, ...]:
    """Return the names of the global layers before which nothing of the sequence is global."""
    return _everywhere(graph)[1]


def _everywhere(graph: Graph) -> tuple[set[int], tuple[str, ...]]:
    """Return the tensors of which each position sees everything, and where that begins."""
    reached, everywhere, found = {graph.inputs[SOURCE]}, set(), []
    for step, rule in zip(graph.steps, rules(graph), strict=True):
        if not reached.intersection(step.reads):
            continue
        reached.update(step.writes)
        mixes = rule is GLOBAL and any((graph.length(n) or 1) > 1 for n in step.reads)
        if everywhere.intersection(step.reads):
            everywhere.update(step.writes)
        elif mixes:
            everywhere.update(step.writes)
            found.append(step.name)
    return everywhere, tuple(dict.fromkeys(found))


def _layers(graph: Graph, everything: int, length: int) -> list[LayerField]:
    """Return the field of each layer that the sequence reaches."""
    source, widths = graph.inputs[SOURCE], position_widths(graph)
    everywhere, _ = _everywhere(graph)
    bases = Phases.at(CENTRE, length, everything).positions
    touched = [spans_touched(graph, p, p + 1) for p in bases]
    found, reached = [], {source}
    for step in graph.steps:
        if not reached.intersection(step.reads):
            continue
        reached.update(step.writes)
        number = step.writes[0]
        is_global = number in everywhere
        width, positions = widths.get(number), graph.length(number)
        # Of a global layer any position is as good as another.
        repeats = 1 if is_global or width is None else max(1, int(everything / width))
        middle = Phases.at(CENTRE, positions or 1, repeats).positions
        part = graph.leading_to(number)
        spans = [spans_needed(part, number, q, q + 1).get(source, (0, 0)) for q in middle]
        needed = [max(0, b - a) for a, b in spans]
        touches = [t[number][1] - t[number][0] if number in t else 0 for t in touched]
        shown = (step.name, type(step.layer).__name__, positions, width)
        of_both = ((min(v), max(v)) for v in (needed, touches))
        found.append(LayerField(*shown, *of_both, is_global))
    return found
