"""Receptive fields by arithmetic: what each layer of a model sees and touches.

Positions are 0-based and intervals half-open; the rules of single layers are in `layer_rules`.
"""

from fractions import Fraction
from math import lcm

import keras

from tfepi.graph import Graph, graph_of
from tfepi.layer_rules import GLOBAL, Interval, rule_of, rules, stride_of

_RESHAPING = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
)


def touched(
    model: keras.Model, start: int, stop: int, source: str = "sequence"
) -> dict[str, Interval]:
    """Return the output positions of each layer that an interval of an input touches.

    Args:
        model: functional.
        start, stop: positions of the input.
        source: its name.

    Returns:
        Layer name → positions; (0, length) from the first global layer on. Layers that the
        input does not reach, and intervals that leave nothing (cropped away), are left out; of a
        layer that is called several times the last one counts.
    """
    graph = graph_of(model)
    spans = spans_touched(graph, start, stop, source)
    return {graph.names[n]: span for n, span in spans.items()}


def spans_touched(
    graph: Graph, start: int, stop: int, source: str = "sequence"
) -> dict[int, Interval]:
    """As `touched`, by tensor."""
    spans: dict[int, Interval] = {graph.inputs[source]: (start, stop)}
    for step, rule in zip(graph.steps, rules(graph), strict=True):
        before = [spans[n] for n in step.reads if n in spans]
        if not before:
            continue
        for number in step.writes:
            length = graph.length(number) or 1
            if rule is GLOBAL:
                spans[number] = (0, length)
                continue
            first, last = rule.touched(min(a for a, _ in before), max(b for _, b in before))
            if max(0, first) < min(length, last):
                spans[number] = max(0, first), min(length, last)
    return spans


def needed(
    model: keras.Model, start: int, stop: int, head: str | None = None, layer: str | None = None
) -> dict[str, Interval]:
    """Return the output positions of each layer that an interval of an output needs.

    Args:
        model: functional.
        start, stop: positions of the output.
        head: which output, of several.
        layer: the output of this layer instead.

    Returns:
        Name of each layer, and of each input, → positions, cut to what there is.
    """
    graph = graph_of(model)
    if layer is None:
        end = graph.output(head)
    else:
        end = next(s.writes[0] for s in graph.steps if s.name == layer)
    return {graph.names[n]: span for n, span in spans_needed(graph, end, start, stop).items()}


def spans_needed(graph: Graph, end: int, start: int, stop: int) -> dict[int, Interval]:
    """As `needed`, by tensor."""
    spans: dict[int, Interval] = {end: (start, stop)}
    for step, rule in reversed(list(zip(graph.steps, rules(graph), strict=True))):
        after = [spans[n] for n in step.writes if n in spans]
        if not after:
            continue
        for number in step.reads:
            length = graph.length(number) or 1
            first, last = 0, length
            if rule is not GLOBAL:
                first, last = rule.needed(min(a for a, _ in after), max(b for _, b in after))
            if number in spans:
                first, last = min(first, spans[number][0]), max(last, spans[number][1])
            spans[number] = max(0, first), min(length, last)
    return spans


def position_widths(graph: Graph, source: str = "sequence") -> dict[int, Fraction]:
    """Return the bp from one position to the next of each tensor before a global layer.

    Args:
        graph: of a model.
        source: the input whose positions are 1 bp.
    """
    widths = {graph.inputs[source]: Fraction(1)}
    for step, rule in zip(graph.steps, rules(graph), strict=True):
        before = [widths[n] for n in step.reads if n in widths]
        if before and rule is not GLOBAL:
            widths[step.writes[0]] = before[0] * stride_of(rule)
    return widths


def period(graph: Graph, source: str = "sequence") -> int:
    """Return after how many positions of an input the picture repeats: the phases of a model.

    It is the least common multiple of the bp per position of all layers before a global one.
    """
    return lcm(*(w.numerator for w in position_widths(graph, source).values()))


def bin_width(
    model: keras.Model, head: str | None = None, through_flatten: bool = False
) -> int | None:
    """Return the bp from one output position to the next, from the strides on the way.

    Args:
        model: a functional model with an input named "sequence".
        head: output, where the model has several.
        through_flatten: take a layer that joins all positions to leave the step as it is, as
            Basenji does, whose bins are then those before it.

    Returns:
        bp; None where a layer joins the whole sequence into one position, or where the strides
        make no whole number.
    """
    graph = graph_of(model)
    widths: dict[int, Fraction | None] = dict.fromkeys(graph.inputs.values(), Fraction(1))
    for step in graph.steps:
        read = [n for n in step.reads if through_flatten or (graph.length(n) or 1) > 1]
        before = [widths[n] for n in read]
        joined = isinstance(step.layer, _RESHAPING) and not through_flatten
        for number in step.writes:
            defined = bool(before) and None not in before and not joined
            widths[number] = before[0] * stride_of(rule_of(step.layer)) if defined else None
    width = widths[graph.output(head)]
    return int(width) if width is not None and width.denominator == 1 else None
