"""What ends a field: a model's layers, or the ends of what it reads or predicts."""

import numpy as np

from tfepi.receptive_field.field import Field, Found
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.profile import PERTURBATION
from tfepi.receptive_field.theory import Theory, output_period

INPUT, OUTPUT = "input", "output"


def cut_by(found: Found, field: Field, row: int | None = None) -> str:
    """Return what cuts a field, "input", "output" or "" where the layers end it.

    A cut field would be longer were the input or the output longer: its length says how long these
    are. Theory decides, where there is one; else a field that was measured up to the end is cut.

    Args:
        found: one measurement.
        field: that it is of.
        row: of the phases; None for any of them.
    """
    first, last = ends(found, field.grid)
    rows = slice(None) if row is None else slice(row, row + 1)
    reached = [bool(side[rows].any()) for side in _reached(found, field, first, last)]
    if (reached[0] and first > 0) or (reached[1] and last < field.grid.length):
        return OUTPUT
    return INPUT if any(reached) else ""


def ends(found: Found, grid: OutputGrid) -> tuple[int, int]:
    """Return where the positions that an effect is looked for on begin and end, bp."""
    if found.measured.method == PERTURBATION:
        return grid.start(0), grid.start(grid.bins)
    return 0, grid.length


def gap_before(found: Found, grid: OutputGrid) -> int:
    """Return how far from the output a changed base lies that is outside it, bp; 0 inside.

    Of several phases it is the nearest. All distances are at least as long.
    """
    if found.measured.method != PERTURBATION:
        return 0
    first, last = ends(found, grid)
    at = found.measured.at
    return max(0, int(np.maximum(first - at, at - (last - 1)).min()))


def _reached(found: Found, field: Field, first: int, last: int) -> list[np.ndarray]:
    """Return whether each phase's field would go on beyond what can be seen, left and right."""
    measured = found.measured
    if found.reach is None:
        furthest = len(measured.positions) - 1
        return [(measured.first == 0).any(axis=1), (measured.last == furthest).any(axis=1)]
    low, high = np.array(found.reach.low), np.array(found.reach.high)
    held = high > low
    touching = [held & (low <= first), held & (high >= last)]
    if measured.method != PERTURBATION:
        return touching
    at = measured.at
    for side, number in enumerate((-1, field.grid.bins)):
        span = _needed_by(number, field.theory, field.grid)
        if span is not None:
            touching[side] = (at >= span[0]) & (at < span[1])
    # All of what a base beside the output touches may lie there.
    beside = at < first, at >= last
    return [t | (b & ~held) for t, b in zip(touching, beside, strict=True)]


def _needed_by(number: int, theory: Theory, grid: OutputGrid) -> tuple[int, int] | None:
    """Return the stretch that a bin beside the output would need, were it there.

    That is what the bin of the same phase in the middle needs, as far aside. Where that one is cut
    itself, or there are fewer bins than phases, it is not known, None.
    """
    period, needed = output_period(theory.period, grid), theory.needed
    if number % period not in needed.phases or period > grid.bins:
        return None
    place = needed.phases.index(number % period)
    low, high = needed.low[place], needed.high[place]
    if low <= 0 or high >= grid.length:
        return None
    aside = grid.middle(number) - needed.at[place]
    return low + aside, high + aside
