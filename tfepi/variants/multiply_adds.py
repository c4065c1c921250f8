"""How many multiplications and additions a model makes, of whole sequences and of what changes."""

import math

import keras

from tfepi.geometry import spans_touched
from tfepi.graph import Graph, Step
from tfepi.layers import MultiheadAttention, SoftmaxPool1D
from tfepi.variants.changed_windows import Plan


def of_step(graph: Graph, step: Step, positions: int | None = None) -> int:
    """Return the multiply-adds of a step, in its matrix products.

    Args:
        graph: the graph it belongs to.
        step: the step.
        positions: of its output that are computed; None for all.
    """
    layer, length = step.layer, graph.length(step.writes[0])
    positions = (length or 1) if positions is None else positions
    if isinstance(layer, MultiheadAttention):
        return _attention(graph, step)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return _keras_attention(graph, step)
    kernels = sum(math.prod(w.shape) for w in getattr(layer, "weights", ()) if len(w.shape) > 1)
    if isinstance(layer, keras.layers.LayerNormalization) or not kernels:
        return 0  # scale and offset of each position and channel
    if isinstance(layer, SoftmaxPool1D):
        return positions * kernels * (1 if layer.pool_size == 2 else layer.pool_size)
    if isinstance(layer, keras.layers.Conv1DTranspose):
        return -(-positions // layer.strides[0]) * kernels
    if hasattr(layer, "at"):
        return 0  # a table of positions
    return positions * kernels


def _attention(graph: Graph, step: Step) -> int:
    layer, (length, _) = step.layer, graph.shapes[step.reads[0]]
    weights = {w.name: math.prod(w.shape) for w in layer.weights if len(w.shape) == 2}
    distances = weights.pop("position_kernel", 0) * (2 * length - 1)
    keys, values = layer.heads * layer.key_size, layer.heads * layer.value_size
    per_pair = keys + values + (2 * keys if distances else 0)
    return length * sum(weights.values()) + distances + length * length * per_pair


def _keras_attention(graph: Graph, step: Step) -> int:
    layer, (length, _) = step.layer, graph.shapes[step.reads[0]]
    kernels = sum(math.prod(w.shape) for w in layer.weights if len(w.shape) == 3)
    return length * kernels + length * length * layer.num_heads * (layer.key_dim + layer.value_dim)


def of_sequence(graph: Graph) -> int:
    """Return the multiply-adds of one whole sequence."""
    return sum(of_step(graph, step) for step in graph.steps)


def of_interval(graph: Graph, start: int, stop: int) -> int:
    """Return the multiply-adds of all that an interval of the sequence touches, and no more.

    What `of_sequence` has of this is the bound of a speed-up.
    """
    spans = spans_touched(graph, start, stop)
    total = 0
    for step in graph.steps:
        if step.writes[0] in spans:
            first, last = spans[step.writes[0]]
            total += of_step(graph, step, last - first)
    return total


def of_plan(plan: Plan, parts: bool = True) -> int:
    """Return the multiply-adds of one change as it is planned.

    Args:
        plan: the plan.
        parts: with the layers that are computed in part; without, of the others only.
    """
    return sum(
        of_step(plan.graph, p.step, p.computed) for p in plan.steps if parts or p.window is None
    )


def largest_step(plan: Plan, pieces: int = 1) -> int:
    """Return how many numbers the largest step of one change reads and writes together."""
    graph, largest = plan.graph, 1
    for planned in plan.steps:
        step = planned.step
        if planned.window is None:
            numbers = sum(math.prod(graph.shapes[n]) for n in (*step.reads, *step.writes))
            if isinstance(step.layer, (MultiheadAttention, keras.layers.MultiHeadAttention)):
                heads = getattr(step.layer, "heads", 0) or step.layer.num_heads
                numbers += 4 * heads * graph.length(step.reads[0]) ** 2
        else:
            read = sum(r.window.width * graph.shapes[n][-1] for n, r in planned.reads.items())
            rows = planned.window.width
            if planned.spread is not None:
                rows += planned.computed * step.layer.kernel_size[0]
            numbers = pieces * (read + rows * graph.shapes[step.writes[0]][-1])
        largest = max(largest, numbers)
    return largest
