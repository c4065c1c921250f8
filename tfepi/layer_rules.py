"""What one layer sees and touches.

Positions are 0-based and intervals half-open. A *sliding* window of `extent` inputs moves by
`stride`: output j reads inputs [j·stride − before, j·stride − before + extent); convolution,
pooling, cropping, padding and whatever looks at one position are such. A *growing* layer is its
transpose: input i reaches outputs [i·stride − before, … + extent); up-sampling and transposed
convolution. Any other layer that mixes positions is *global*: every output sees every input
(attention, flattening, norms and means over positions).
"""

from dataclasses import dataclass
from fractions import Fraction

import keras

from tfepi.graph import Graph, Step
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


def is_pointwise(layer, rule: Rule) -> bool:
    """Tell whether each output is made of the inputs at its own position, and all are used."""
    cuts = isinstance(layer, (keras.layers.Cropping1D, keras.layers.ZeroPadding1D))
    return rule == POINTWISE and not cuts and getattr(layer, "geometry", None) != "local"


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


def stride_of(rule: Rule) -> Fraction:
    """Return how many times fewer outputs than inputs there are; 1 of a global layer."""
    if rule is GLOBAL:
        return Fraction(1)
    return Fraction(rule.stride) if isinstance(rule, Sliding) else Fraction(1, rule.stride)
