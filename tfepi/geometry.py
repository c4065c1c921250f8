"""Receptive fields by arithmetic: what each layer of a model sees and touches.

Positions are 0-based and intervals half-open. Every layer has one rule. A *sliding* window of
`extent` inputs moves by `stride`: output j reads inputs [j·stride − before, j·stride − before +
extent); convolution, pooling, cropping, padding and whatever looks at one position are such. A
*growing* layer is its transpose: input i reaches outputs [i·stride − before, … + extent);
up-sampling and transposed convolution. Any other layer that mixes positions is *global*: every
output sees every input (attention, flattening, norms and means over positions).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import keras

from tfepi.graph import Graph, Step, graph_of
from tfepi.layers.attention import MultiheadAttention

Interval = tuple[int, int]


@dataclass(frozen=True)
class Sliding:
    """A window that moves over the input.

    Attributes:
        extent: positions from the window's first to after its last.
        stride: positions from one window to the next.
        before: positions of the first window before the input's first.
        mirrored: beyond the ends stand mirror images of the input, not zeros.
    """

    extent: int = 1
    stride: int = 1
    before: int = 0
    mirrored: bool = False

    def touched(self, start: int, stop: int) -> Interval:
        """Return the outputs that inputs [start, stop) reach, were the sequence endless."""
        first = -((self.extent - 1 - start - self.before) // self.stride)
        return first, -(-(stop + self.before) // self.stride)

    def needed(self, start: int, stop: int) -> Interval:
        """Return the inputs that outputs [start, stop) read, were the sequence endless."""
        first = start * self.stride - self.before
        return first, first + (stop - 1 - start) * self.stride + self.extent


@dataclass(frozen=True)
class Growing:
    """The transpose of `Sliding`: each input reaches `extent` outputs."""

    extent: int
    stride: int
    before: int = 0

    def touched(self, start: int, stop: int) -> Interval:
        """As `Sliding.touched`."""
        return Sliding(self.extent, self.stride, self.before).needed(start, stop)

    def needed(self, start: int, stop: int) -> Interval:
        """As `Sliding.needed`."""
        return Sliding(self.extent, self.stride, self.before).touched(start, stop)


Rule = Sliding | Growing | None
POINTWISE = Sliding()
GLOBAL = None

_POINTWISE = (
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.Identity,
    keras.layers.Dense,
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
)
_OVER_CHANNELS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Concatenate,
    keras.layers.Softmax,
)
_RESHAPING = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.SeparableConv1D, keras.layers.DepthwiseConv1D)
_POOLINGS = (keras.layers.MaxPooling1D, keras.layers.AveragePooling1D)


def rule_of(layer, length: int | None = None) -> Rule:
    """Return a layer's rule.

    A layer of one's own says so in its attribute `geometry`: "pointwise"; "global"; or "local",
    and then in `reach`: the extent, stride and positions before of its window.

    Args:
        layer: built.
        length: positions of its input, which strided "same" padding depends on.
    """
    declared = getattr(layer, "geometry", None)
    if declared == "pointwise":
        return POINTWISE
    if declared == "local" and hasattr(layer, "reach"):
        return Sliding(*layer.reach, mirrored=getattr(layer, "mirrored", False))
    if isinstance(layer, MultiheadAttention) or declared == "global":
        return GLOBAL
    if getattr(layer, "data_format", None) == "channels_first":
        return GLOBAL
    if isinstance(layer, keras.layers.Conv1DTranspose):
        return _transposed(layer)
    if isinstance(layer, _CONVOLUTIONS):
        dilation = _one(layer.dilation_rate)
        extent = (_one(layer.kernel_size) - 1) * dilation + 1
        return _padded(extent, _one(layer.strides), layer.padding, length)
    if isinstance(layer, _POOLINGS):
        return _padded(_one(layer.pool_size), _one(layer.strides), layer.padding, length)
    if isinstance(layer, keras.layers.UpSampling1D):
        return Growing(layer.size, layer.size)
    if isinstance(layer, keras.layers.Cropping1D):
        return Sliding(before=-layer.cropping[0])
    if isinstance(layer, keras.layers.ZeroPadding1D):
        return Sliding(before=layer.padding[0])
    if isinstance(layer, _OVER_CHANNELS):
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        return POINTWISE if set(axes) <= {-1, 2} else GLOBAL
    return POINTWISE if isinstance(layer, _POINTWISE) else GLOBAL


def _one(value) -> int:
    return value[0] if isinstance(value, (list, tuple)) else value


def _padded(extent: int, stride: int, padding: str, length: int | None) -> Sliding:
    if padding == "valid":
        return Sliding(extent, stride)
    if padding == "causal":
        return Sliding(extent, stride, extent - 1)
    if length is None:
        return Sliding(extent, stride, (extent - 1) // 2)
    outputs = -(-length // stride)
    missing = max(0, (outputs - 1) * stride + extent - length)
    return Sliding(extent, stride, missing // 2)


def _transposed(layer) -> Rule:
    extent, stride = _one(layer.kernel_size), _one(layer.strides)
    if _one(layer.dilation_rate) != 1 or layer.output_padding is not None:
        return GLOBAL
    return Growing(extent, stride, max(0, extent - stride) // 2 if layer.padding == "same" else 0)


def rules(graph: Graph) -> list[Rule]:
    """Return the rule of each step; one that reads tensors of several lengths is global."""
    return [_rule(graph, step) for step in graph.steps]


def _rule(graph: Graph, step: Step) -> Rule:
    lengths = {graph.length(n) for n in step.reads} - {None}
    if len(lengths) != 1 or None in map(graph.length, step.writes):
        return GLOBAL
    if len(step.writes) != 1 or len(graph.shapes[step.writes[0]]) != 2:
        return GLOBAL
    if len(step.reads) > 1 and not _joins(step.layer):
        return GLOBAL
    return rule_of(step.layer, lengths.pop())


def _joins(layer) -> bool:
    """Tell whether a layer takes several tensors position by position."""
    merges = (*_POINTWISE[-6:], keras.layers.Concatenate)
    return isinstance(layer, merges) or getattr(layer, "geometry", None) == "pointwise"


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
            widths[step.writes[0]] = before[0] * _ratio(rule)
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
            widths[number] = before[0] * _stride(step.layer) if defined else None
    width = widths[graph.output(head)]
    return int(width) if width is not None and width.denominator == 1 else None


def _stride(layer) -> Fraction:
    rule = rule_of(layer)
    return Fraction(1) if rule is GLOBAL else _ratio(rule)


def _ratio(rule: Sliding | Growing) -> Fraction:
    return Fraction(rule.stride) if isinstance(rule, Sliding) else Fraction(1, rule.stride)
