"""What the command prints: theory beside what was measured, and what ends or blurs it."""

from collections.abc import Sequence

from tfepi.receptive_field.cut import OUTPUT, cut_by, ends, gap_before
from tfepi.receptive_field.field import Field, Found
from tfepi.receptive_field.profile import GRADIENT
from tfepi.receptive_field.subjects import STATE_NAMES
from tfepi.receptive_field.tables import StateField
from tfrecords_tools.text_table import text_table

_HEADER = ("model", "state", "method", "place", "theory", "cut by", "longest", "mean")
_HEADER += ("> 1e-2", "> 1e-4", "90% within", "resolution")


def printed(states: Sequence[StateField]) -> str:
    """Return the short table of a run, bp, and a line for each thing it does not say itself."""
    rows, lines = [], []
    for one in states:
        for found in one.field.found:
            rows.append(_row(one, found))
            lines += _lines(one, found)
    return "\n".join([text_table(_HEADER, rows), *dict.fromkeys(lines)])


def _row(one: StateField, found: Found) -> tuple[str, ...]:
    measured, summary = found.measured, found.measured.summary()
    theory = "-" if found.agreement is None else _range(*found.agreement.theory)
    numbers = (summary["span_max"], round(summary["span_mean"]))
    numbers += (summary["above_1e-02"], summary["above_1e-04"])
    mass = summary["mass_90%"]
    shown = [f"{n:,}" for n in numbers] + ["-" if mass is None else f"±{mass:,}"]
    named = (one.label, STATE_NAMES[one.state], measured.method, measured.place)
    by = cut_by(found, one.field) or "-"
    return (*named, theory, by, *shown, f"{max(measured.step, measured.extent):,}")


def _lines(one: StateField, found: Found) -> list[str]:
    """Return what there is to say of a measurement, the same in all of a model's states."""
    grid, method = one.field.grid, found.measured.method
    lines = [cut_line(one.label, found, one.field)]
    step = found.measured.step
    if found.measured.extent < step:
        lines.append(
            f"{one.label}, {method}: every {step:,} bp is changed, so widths are multiples of that "
            "and 1 bp more; --scan_step 1 is as sharp as the sequence"
        )
    gap = gap_before(found, grid)
    if gap:
        low, high = ends(found, grid)
        lines.append(
            f"{one.label}, {method} at {found.measured.place}: the base lies {gap:,} bp outside "
            f"what is predicted, {low:,} to {high:,}, and 90% within counts from the base"
        )
    return [line for line in lines if line]


def cut_line(name: str, found: Found, field: Field) -> str:
    """Return a line on a field that the ends of the output cut, or "".

    Args:
        name: of the model.
        found: a measurement.
        field: that it is of.
    """
    if cut_by(found, field) != OUTPUT:
        return ""
    low, high = ends(found, field.grid)
    gradient = next((f for f in field.found if f.measured.method == GRADIENT), None)
    see = "--method gradient shows the rest"
    if gradient is not None:
        by = cut_by(gradient, field)
        see = f"the gradient is {f'cut by the {by} alone' if by else 'not cut'}"
    return (
        f"{name}, {found.measured.method}: the field ends where the output does, which has "
        f"{high - low:,} bp; {see}"
    )


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
