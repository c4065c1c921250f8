"""The tables of a run, of a model whose field is known phase by phase."""

import csv
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfepi.receptive_field.field import Effort, Field, field_of_model
from tfepi.receptive_field.printing import printed
from tfepi.receptive_field.tables import (
    StateField,
    all_warnings,
    layers_table,
    to_json,
    widths_table,
)

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))


def rows_of(text):
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


@pytest.fixture(scope="module")
def field():
    model = SMALL.local_model(64, (5, 3), pool=4)
    effort = Effort(("perturbation", "gradient"), ("centre",), None, None, repeats=2)
    return field_of_model(model, effort=effort)


def test_a_row_for_all_phases_and_one_for_each(field):
    rows = rows_of(widths_table([StateField("m", "", "trained", field)]))
    assert [r["phase"] for r in rows] == ["all", "0", "1", "2", "3", "0"]
    together, *each, gradient = rows
    # A base reaches 3 to either side: 7 positions, in bins of 4.
    for row, at in zip(each, range(32, 36), strict=True):
        low, high = (at - 3) // 4 * 4, (at + 3) // 4 * 4 + 4
        assert int(row["at"]) == at
        assert int(row["union"]) == int(row["theory_max"]) == high - low
        assert (int(row["theory_left"]), int(row["theory_right"])) == (at - low, high - 1 - at)
        assert row["share_of_theory"] == ""
    assert (together["theory_min"], together["theory_max"]) == ("8", "12")
    assert (together["share_of_theory"], together["resolution"]) == ("1", "4")
    # One bin of 4 needs 4 + 6 bases.
    assert (gradient["method"], gradient["theory_max"], gradient["span_max"]) == (
        "gradient",
        "10",
        "10",
    )


def test_layers_once_a_model(field):
    states = [StateField("m", "", state, field) for state in ("trained", "untrained")]
    rows = rows_of(layers_table(states))
    assert len(rows) == len(field.theory.layers)
    assert [r["needed_max"] for r in rows] == ["5", "7", "10", "10"]
    assert [r["bp_per_position"] for r in rows] == ["1", "1", "4", "4"]
    assert {r["global"] for r in rows} == {"no"}
    nothing = Field(field.grid, None, None, ())
    assert rows_of(layers_table([StateField("n", "", "trained", nothing)])) == []


def test_states_that_are_the_same_are_said_so(field):
    states = [StateField("m", "reduced", "untrained", field, (), "a note")]
    value = to_json(states, ["w"])
    [model] = value["models"]
    assert model["note"] == "reduced"
    assert model["theory"]["touched_by_one_base"]["span"] == [8, 12]
    assert model["states"][0]["measured"][0]["share_of_theory"] == 1
    assert model["states"][1] == {"state": "randomised", "same_as": "untrained"}
    assert value["warnings"] == ["w"]
    assert all_warnings(states) == []
    line = printed(states).splitlines()[1]
    name, cells = line[:11], line[11:].split()
    assert name == "m (reduced)"
    assert cells[:6] == ["untrained", "perturbation", "centre", "8–12", "-", "12"]
    assert cells[-2:] == ["±4", "4"]


def test_a_model_that_shows_no_layers(field):
    found = tuple(type(f)(f.measured, None, None) for f in field.found)
    states = [StateField("m", "", "trained", Field(field.grid, None, None, found))]
    assert rows_of(widths_table(states))[0]["theory_max"] == ""
    assert all_warnings(states) == []
    assert to_json(states, [])["models"][0]["theory"] is None
    assert printed(states).splitlines()[1].split()[4] == "-"


def test_the_cause_is_looked_for_in_the_same_measurement_of_the_drawn(field):
    # The field of the drawn state is whole, that of the other none.
    dead = SMALL.local_model(64, (5, 3), pool=4)
    dead.layers[-1].kernel.assign(0 * dead.layers[-1].kernel)
    effort = Effort(("perturbation", "gradient"), repeats=2)
    none = field_of_model(dead, effort=effort)
    states = [
        StateField("m", "", "untrained", none, ("head/kernel",)),
        StateField("m", "", "randomised", field, ("head/kernel",)),
    ]
    lines = all_warnings(states)
    assert len(lines) == 2
    assert all("the zero-initialised variables head/kernel hide the rest" in li for li in lines)
    [first, _] = all_warnings(states[:1])
    assert "the variables head/kernel are zero and pass nothing on; no effect at all" in first


def test_zeros_that_a_gradient_passes_are_no_cause(field):
    dead = SMALL.local_model(64, (5, 3), pool=4)
    dead.layers[-1].kernel.assign(0 * dead.layers[-1].kernel)
    short = field_of_model(dead, effort=Effort(("perturbation",), repeats=2)).found
    mixed = Field(field.grid, None, field.theory, (*short, field.found[-1]))
    states = [
        StateField("m", "", "untrained", mixed, ("film/kernel",)),
        StateField("m", "", "randomised", field, ("film/kernel",)),
    ]
    [line] = all_warnings(states)
    assert "film/kernel" not in line
    assert "no effect at all" in line
