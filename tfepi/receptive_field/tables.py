"""The tables of a run: layers.tsv, widths.tsv and rf.json."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfepi.receptive_field.agreement import warnings
from tfepi.receptive_field.cut import cut_by
from tfepi.receptive_field.field import Field, Found
from tfepi.receptive_field.profile import GRADIENT, MASSES, THRESHOLDS
from tfepi.receptive_field.subjects import RANDOMISED, STATE_NAMES, UNTRAINED

FORMAT, FORMAT_VERSION = "tfepi-receptive-field", 1
_LAYER = ("model", "layer", "kind", "positions", "bp_per_position", "needed_min", "needed_max")
_LAYER += ("touched_min", "touched_max", "global")
_WIDTH = ("model", "state", "method", "place", "phase", "at", "repeats", "resolution")
_WIDTH += ("theory_min", "theory_max", "theory_left", "theory_right", "cut_by")
_SUMMARY = ("span_max", "span_mean", "union", "peak")
_SUMMARY += tuple(f"above_{t:.0e}" for t in THRESHOLDS)
_SUMMARY += tuple(f"largest_{t:.0e}" for t in THRESHOLDS)
_SUMMARY += tuple(f"mass_{share:.0%}" for share in MASSES)
_NUMBERS = ("share_of_theory", "largest_beyond", "floor")


@dataclass(frozen=True)
class StateField:
    """The field of a model in one state.

    Attributes:
        model: its name.
        note: "reduced" of one with fewer channels than published, or "".
        state: one of `subjects.STATES`.
        field: as measured.
        zeros: variables that are all zero and not merely added; once drawn, those drawn.
        effort: what was said of how much is measured.
    """

    model: str
    note: str
    state: str
    field: Field
    zeros: tuple[str, ...] = ()
    effort: str = ""

    @property
    def label(self) -> str:
        """The model's name in figures and tables."""
        return f"{self.model} ({self.note})" if self.note else self.model


def layers_table(states: Sequence[StateField]) -> str:
    """Return layers.tsv: a row for each layer of each model, spans of its middle."""
    lines, seen = ["\t".join(_LAYER)], set()
    for one in states:
        if one.model in seen or one.field.theory is None:
            continue
        seen.add(one.model)
        for layer in one.field.theory.layers:
            width = "" if layer.width is None or layer.is_global else str(layer.width)
            positions = 1 if layer.positions is None else layer.positions
            cells = [one.model, layer.name, layer.kind, positions, width]
            cells += [*layer.needed, *layer.touched, "yes" if layer.is_global else "no"]
            lines.append("\t".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def widths_table(states: Sequence[StateField]) -> str:
    """Return widths.tsv: of each measurement a row for all phases together, and one for each."""
    lines = ["\t".join((*_WIDTH, *_SUMMARY, *_NUMBERS))]
    for one in states:
        for found in one.field.found:
            rows = [None] if len(found.measured.phases) == 1 else [None, *_rows(found)]
            lines += ["\t".join(_width_row(one, found, row)) for row in rows]
    return "\n".join(lines) + "\n"


def _rows(found: Found) -> range:
    return range(len(found.measured.phases))


def _width_row(one: StateField, found: Found, row: int | None) -> list[str]:
    measured, reach = found.measured, found.reach
    phase = "all" if row is None and len(measured.phases) > 1 else measured.phases[row or 0]
    at = "" if phase == "all" else measured.at[row or 0]
    cells = [one.model, one.state, measured.method, measured.place, phase, at]
    cells += [measured.repeats, max(measured.step, measured.extent)]
    if reach is None:
        cells += [""] * 4
    else:
        spans = reach.spans if row is None else (reach.spans[row],)
        cells += [min(spans), max(spans)]
        if row is None:
            cells += [reach.left, reach.right]
        else:
            held = (reach.at[row] - reach.low[row], reach.high[row] - 1 - reach.at[row])
            cells += held if spans[0] else (0, 0)
    cells.append(cut_by(found, one.field, row))
    summary = measured.summary(row)
    cells += [summary[name] for name in _SUMMARY]
    agreement = found.agreement.to_json() if found.agreement is not None and row is None else {}
    cells += [agreement.get("share_of_theory"), agreement.get("largest_beyond"), measured.floor]
    return list(map(_shown, cells))


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def all_warnings(states: Sequence[StateField]) -> list[str]:
    """Return a line for each way in which theory and a measurement disagree."""
    lines = []
    for one in states:
        drawn = _state(states, one.model, RANDOMISED)
        helped = drawn if one.state != RANDOMISED else None
        zeros = () if one.state == RANDOMISED or _is_open(one) else one.zeros
        for found in one.field.found:
            if found.agreement is None:
                continue
            other = _same(helped, found) if helped is not None else None
            of = (one.label, STATE_NAMES[one.state], found.measured, found.agreement)
            lines += warnings(*of, zeros, other.agreement if other is not None else None)
    return lines


def _is_open(one: StateField) -> bool:
    """Tell whether a gradient reaches all of the field, past whatever zeros there are."""
    found = (f for f in one.field.found if f.measured.method == GRADIENT)
    return any(f.agreement is not None and not f.agreement.is_short for f in found)


def _state(states: Sequence[StateField], model: str, state: str) -> StateField | None:
    return next((s for s in states if (s.model, s.state) == (model, state)), None)


def _same(one: StateField, found: Found) -> Found | None:
    key = (found.measured.method, found.measured.place)
    return next((f for f in one.field.found if (f.measured.method, f.measured.place) == key), None)


def to_json(states: Sequence[StateField], lines: Sequence[str]) -> dict:
    """Return the value of rf.json.

    Args:
        states: all of them.
        lines: warnings.
    """
    models = []
    for name in dict.fromkeys(s.model for s in states):
        of_model = [s for s in states if s.model == name]
        field = of_model[0].field
        theory = field.theory
        value = {"name": name, "note": of_model[0].note, "head": field.head}
        value |= {"seq_length": field.grid.length, "bins": field.grid.bins}
        value |= {"bin_width": field.grid.width, "crop": field.grid.crop, "theory": None}
        if theory is not None:
            value["theory"] = {
                "period": theory.period,
                "needed_by_one_output": theory.needed.to_json(),
                "touched_by_one_base": theory.touched.to_json(),
                "global_from": list(theory.global_from),
                "cut_by_the_ends": theory.is_cut,
            }
        value["states"] = [_state_json(s) for s in of_model]
        has = {s.state for s in of_model}
        if UNTRAINED in has and RANDOMISED not in has:
            value["states"].append({"state": RANDOMISED, "same_as": UNTRAINED})
        models.append(value)
    start = {"format": FORMAT, "format_version": FORMAT_VERSION}
    return start | {"models": models, "warnings": list(lines)}


def _state_json(one: StateField) -> dict:
    found = []
    for each in one.field.found:
        measured = each.measured
        entry = {"method": measured.method, "place": measured.place, "repeats": measured.repeats}
        entry |= {"phases": measured.phases.tolist(), "noise_floor": measured.floor}
        entry |= {"resolution": max(measured.step, measured.extent)}
        entry["cut_by"] = cut_by(each, one.field) or None
        entry |= each.agreement.to_json() if each.agreement is not None else {"theory": None}
        found.append(entry | measured.summary())
    key = "drawn" if one.state == RANDOMISED else "zero_variables"
    return {"state": one.state, "effort": one.effort, key: list(one.zeros), "measured": found}
