"""How many random sequences, phases and bases are measured, so that a model takes minutes.

The cost of a model is counted in multiply-adds, not timed, so that the same command measures the
same on any machine.
"""

import math
from collections.abc import Sequence

from tfepi.graph import Graph
from tfepi.receptive_field.asking import Asking
from tfepi.receptive_field.field import Effort, methods_for
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.perturbation import passes
from tfepi.receptive_field.places import CENTRE
from tfepi.receptive_field.profile import GRADIENT, PERTURBATION, SCAN
from tfepi.receptive_field.theory import output_period
from tfepi.variants.multiply_adds import of_sequence
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of

REPEATS, PHASES = 16, 32
_FEW = 4  # repeats, before phases are left out
_FEWEST = 2  # repeats, whatever a pass costs
_BACKWARD = 3  # passes that a gradient costs
_ROOM = 8e9  # bytes of activations, above which no gradient is taken unless it is asked for
_BATCH_BASES, _BATCH = 1 << 18, 32


def effort_for(
    asking: Asking, graph: Graph | None, grid: OutputGrid, period: int
) -> tuple[Effort, list[str]]:
    """Return how much of a model is measured, and what there is to say of the choice.

    Args:
        asking: the command's wishes, which are kept.
        graph: of the model; None of one that shows no layers, which is taken for a cheap one.
        grid: of its output.
        period: after which its picture repeats, bp.

    Raises:
        ConfigError: an edge beyond the middle, or a scan whose step is as long as the sequence.
    """
    edge = grid.length // 64 if asking.edge is None else asking.edge
    if edge >= grid.length // 2 and set(asking.places) - {CENTRE}:
        raise ConfigError(
            f"--edge is {edge} bp, the sequence has {grid.length}: want less than half of it"
        )
    cost = of_sequence(graph) if graph is not None else 0
    methods, notes = _methods(asking, graph, grid)
    if SCAN in methods and (asking.scan_step or 1) >= grid.length:
        raise ConfigError(
            f"--scan_step is {asking.scan_step} bp, the sequence has {grid.length}: want less, as "
            "only so many bp apart are bases changed"
        )
    size = asking.batch_size or max(1, min(_BATCH, _BATCH_BASES // grid.length))
    worth = max(1.0, asking.budget / cost) if cost else math.inf
    period = min(period, grid.length)
    phases = _count(asking.phases, period)
    outputs = _count(asking.phases, min(output_period(period, grid), grid.bins))
    repeats = asking.repeats or REPEATS
    few = asking.repeats or _FEW
    if PERTURBATION in methods and asking.phases is None:
        most = (worth / few - 2) / len(asking.places)
        phases = max(1, int(min(phases, most)))
    if GRADIENT in methods and asking.phases is None:
        outputs = max(1, int(min(outputs, worth / few / _BACKWARD)))
    step = asking.scan_step or 1
    if SCAN in methods and asking.scan_step is None and worth < math.inf:
        step = max(1, math.ceil(grid.length * few / worth))
    changes = phases * len(asking.places)
    if asking.repeats is None and worth < math.inf:
        each = [1.0]
        each += [2.0 + changes] if PERTURBATION in methods else []
        each += [2.0 + grid.length / step] if SCAN in methods else []
        each += [float(_BACKWARD * outputs)] if GRADIENT in methods else []
        repeats = max(_FEWEST, min(repeats, int(worth / max(each))))
    effort = Effort(
        methods, asking.places, phases, outputs, repeats, step, edge, size, asking.fill, asking.seed
    )
    return effort, [*notes, _note(effort, cost, period, grid)]


def not_followed(asking: Asking, effort: Effort, grid: OutputGrid) -> list[str]:
    """Return a line for each of a command's wishes that says nothing of a model.

    Args:
        asking: the wishes.
        effort: what is measured.
        grid: of the model's output.
    """
    lines = []
    if set(asking.places) - {CENTRE} and PERTURBATION not in effort.methods:
        lines.append(
            "--at edges is not followed: the output is one bin, so every base is changed and "
            "there is no other output to see"
        )
    if asking.scan_step is not None and SCAN not in effort.methods:
        lines.append(
            f"--scan_step is not followed: nothing is scanned of {grid.bins:,} bins, unless by "
            "--method scan"
        )
    return lines


def sequences_of(effort: Effort, grid: OutputGrid) -> int:
    """Return how many sequences go through a model, gradients counted once."""
    total = 0
    if PERTURBATION in effort.methods:
        changes = effort.phases * len(effort.places)
        total += passes(changes, effort.repeats, effort.batch_size)
    if SCAN in effort.methods:
        total += passes(-(-grid.length // effort.scan_step), effort.repeats, effort.batch_size)
    if GRADIENT in effort.methods:
        size = max(1, effort.batch_size // 4)
        total += -(-effort.repeats // size) * size * effort.output_phases
    return total


def _methods(asking: Asking, graph: Graph | None, grid: OutputGrid):
    """Return the methods, and why one is left out."""
    if asking.methods is not None:
        return methods_for(asking.methods, grid.bins), []
    if graph is None:
        note = "no gradient: the model shows no layers; name the run folder it was exported from"
        return methods_for((PERTURBATION,), grid.bins), [note]
    need = 4 * sum(math.prod(shape) for shape in graph.shapes.values())
    if need > _ROOM:
        note = (
            f"no gradient: it needs about {need / 1e9:.0f} GB for activations; "
            "--method perturbation,gradient asks for it all the same"
        )
        return methods_for((PERTURBATION,), grid.bins), [note]
    return methods_for((PERTURBATION, GRADIENT), grid.bins), []


def _count(asked: int | None, period: int) -> int:
    if asked is None:
        return min(period, PHASES)
    return min(asked or period, period)


def _note(effort: Effort, cost: int, period: int, grid: OutputGrid) -> str:
    parts: Sequence[str] = [number_of(effort.repeats, "random sequence")]
    if PERTURBATION in effort.methods:
        parts.append(f"{effort.phases} of {period} phases changed")
    if SCAN in effort.methods:
        parts.append(f"every {effort.scan_step} bp changed")
    if GRADIENT in effort.methods:
        parts.append(f"gradients of {number_of(effort.output_phases, 'output phase')}")
    note = f"{'; '.join(parts)}: {sequences_of(effort, grid)} passes"
    return f"{note} of {cost:.2g} multiply-adds" if cost else note
