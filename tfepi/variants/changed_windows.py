"""Where a change of the sequence reaches in each layer: windows of one width for every change.

A change lies in a *block*: `width` bases from a multiple of `grid` on. Each tensor up to the first
global layer has a window of fixed width that holds whatever the block reaches; its start is
factor · v + offset of a *base* v, a whole number per change. Base 0 is the block's number, and a
pooling that does not divide the factor begins a new base: v' = (factor · v + offset) // divisor.
So the places of two windows differ by a constant wherever their bases are the same, and else by
one of a few numbers, which are found by going through all phases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfepi.graph import Graph, Step
from tfepi.layer_rules import Rule


@dataclass(frozen=True)
class Start:
    """Where windows start: factor · v + offset, of base number `base`."""

    base: int
    factor: int
    offset: int


@dataclass(frozen=True)
class Window:
    """Positions from `start` on, as many for every change."""

    start: Start
    width: int


@dataclass(frozen=True)
class Read:
    """What a step reads of a tensor.

    Attributes:
        tensor: its number.
        window: the positions, which may lie beyond the ends.
        offset: from the tensor's own window's start to this one's; None where it varies.
        left, right: positions of the reference that are put before and behind the own window.
    """

    tensor: int
    window: Window
    offset: int | None
    left: int
    right: int


@dataclass(frozen=True)
class Spread:
    """How what the differences of a step's input give lies in the step's window.

    Attributes:
        offset: from the window's start to the first row that they reach; None where it varies.
        left, right: rows of zeros that are put before and behind those rows.
    """

    offset: int | None
    left: int
    right: int


@dataclass(frozen=True)
class Planned:
    """A step and how it is done.

    Attributes:
        step: the step.
        rule: its layer's.
        window: what it computes; None for all positions.
        reads: of tensors that change, by number; empty where all positions are computed.
        spread: of a step that is computed of the differences from the reference and added to the
            reference's output; None of the others.
    """

    step: Step
    rule: Rule
    window: Window | None
    reads: Mapping[int, Read] = field(default_factory=dict)
    spread: Spread | None = None

    @property
    def computed(self) -> int | None:
        """Positions whose products are made; None for all."""
        if self.spread is None:
            return None if self.window is None else self.window.width
        return next(iter(self.reads.values())).window.width


@dataclass(frozen=True)
class Plan:
    """How the changes in blocks of one size are computed.

    Attributes:
        graph: of the output that is wanted.
        grid: blocks start at multiples of this, bp.
        blocks: consecutive grid cells in a block.
        bases: of each base after the first: the start and the divisor that define it.
        windows: of each tensor that changes in part.
        steps: what depends on the sequence, in order.
        fixed: tensors that changed steps read and that do not depend on the sequence.
        kept: tensors of which the reference's values are read.
        inner: first and last block whose windows and reads lie inside every tensor.
    """

    graph: Graph
    grid: int
    blocks: int
    bases: tuple[tuple[Start, int], ...]
    windows: Mapping[int, Window]
    steps: tuple[Planned, ...]
    fixed: frozenset[int]
    kept: frozenset[int]
    inner: tuple[int, int]

    @property
    def width(self) -> int:
        """Bases in a block."""
        return self.grid * self.blocks

    def base_values(self, numbers: np.ndarray) -> np.ndarray:
        """Return the bases of blocks, int32 [bases, blocks], of their numbers."""
        return base_values(self.bases, numbers)

    @property
    def output(self) -> int:
        """The tensor that is wanted."""
        return self.graph.output()


def base_values(bases: Sequence[tuple[Start, int]], numbers: np.ndarray) -> np.ndarray:
    """Return the values of bases, int32 [bases, blocks], of blocks' numbers.

    Args:
        bases: of each base after the first, the start and the divisor that define it.
        numbers: of blocks, int [blocks].
    """
    found = [np.asarray(numbers)]
    for start, divisor in bases:
        found.append((start.factor * found[start.base] + start.offset) // divisor)
    return np.stack(found).astype(np.int32)
