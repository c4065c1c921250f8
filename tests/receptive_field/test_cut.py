"""What cuts a field, of models whose field is known."""

import runpy
from pathlib import Path
from types import SimpleNamespace

from tfepi.receptive_field.cut import cut_by, gap_before
from tfepi.receptive_field.field import Effort, Field, Found, field_of_model
from tfepi.receptive_field.printing import printed
from tfepi.receptive_field.tables import StateField

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))
EVERY = ("centre", "left", "right")


def cuts(field, theory=True):
    """Return what cuts each measurement, by theory or by what was measured alone."""
    found = [f if theory else Found(f.measured, None, None) for f in field.found]
    bare = field if theory else Field(field.grid, None, None, tuple(found))
    return {(f.measured.method, f.measured.place): cut_by(f, bare) for f in found}


def test_layers_end_a_field_that_is_inside():
    # A base reaches 3 to either side, an output needs as much.
    effort = Effort(("perturbation", "gradient"), repeats=2)
    field = field_of_model(SMALL.local_model(64, (5, 3), pool=1), effort=effort)
    assert set(cuts(field).values()) == set(cuts(field, False).values()) == {""}


def test_the_output_cuts_what_one_base_changes_and_not_what_an_output_needs():
    # 4 bins of 4 bp in the middle of 64, and 14 bp to either side.
    model = SMALL.local_model(64, (13, 17), pool=4, crop=6)
    effort = Effort(("perturbation", "gradient"), EVERY, repeats=3, edge=20)
    field = field_of_model(model, effort=effort)
    wanted = {("perturbation", place): "output" for place in EVERY} | {("gradient", "centre"): ""}
    assert cuts(field) == cuts(field, False) == wanted
    by_place = {(f.measured.method, f.measured.place): f for f in field.found}
    assert by_place["perturbation", "centre"].measured.summary()["span_max"] == 16
    assert by_place["gradient", "centre"].measured.summary()["span_max"] == 4 + 2 * 14
    gaps = [gap_before(by_place["perturbation", p], field.grid) for p in EVERY]
    assert gaps == [0, 4, 1]  # bases 20 and 40, of 24 to 40
    assert gap_before(by_place["gradient", "centre"], field.grid) == 0
    lines = printed([StateField("m", "", s, field) for s in ("trained", "untrained")]).splitlines()
    assert lines[9:] == [
        "m, perturbation: the field ends where the output does, which has 16 bp; the gradient is "
        "not cut",
        "m, perturbation at left: the base lies 4 bp outside what is predicted, 24 to 40, and 90% "
        "within counts from the base",
        "m, perturbation at right: the base lies 1 bp outside what is predicted, 24 to 40, and "
        "90% within counts from the base",
    ]
    # Without a gradient the line says how to see the rest.
    alone = field_of_model(model, effort=Effort(("perturbation",), repeats=2))
    assert printed([StateField("m", "", "trained", alone)]).endswith(
        "which has 16 bp; --method gradient shows the rest"
    )


def test_the_ends_of_the_sequence_cut_both():
    model = SMALL.local_model(64, (5, 3), pool=1)
    effort = Effort(("perturbation",), EVERY, repeats=2, edge=1)
    field = field_of_model(model, effort=effort)
    wanted = {"centre": "", "left": "input", "right": "input"}
    assert cuts(field) == cuts(field, False) == {("perturbation", p): c for p, c in wanted.items()}
    short = SMALL.local_model(16, (13, 17), pool=1)
    effort = Effort(("scan", "gradient"), repeats=2, scan_step=3)
    field = field_of_model(short, effort=effort)
    assert set(cuts(field).values()) == set(cuts(field, False).values()) == {"input"}


def test_a_field_that_ends_with_the_last_bin_is_not_cut():
    # Bins of 4 bp over 24 to 40; a bin needs 3 bp more on either side.
    model = SMALL.local_model(64, (5, 3), pool=4, crop=6)
    effort = Effort(("perturbation",), ("centre", "left"), None, repeats=1, edge=20)
    field = field_of_model(model, effort=effort)
    middle, left = field.found
    assert middle.measured.at.tolist() == [32, 33, 34, 35]
    assert middle.reach.high[-1] == 40  # the last bin, and no base of the one after it
    assert [cut_by(middle, field, row) for row in range(4)] == [""] * 4
    assert cut_by(middle, field) == ""
    # Bases 20 to 23: those from 21 on touch the first bin, and all what would be before it.
    assert left.measured.at.tolist() == [20, 21, 22, 23]
    assert left.reach.spans == (0, 4, 4, 4)
    assert [cut_by(left, field, row) for row in range(4)] == ["output"] * 4


def test_nothing_is_cut_where_nothing_is_seen():
    dead = SMALL.local_model(16, (13, 17), pool=1)
    dead.layers[-1].kernel.assign(0 * dead.layers[-1].kernel)
    field = field_of_model(dead, effort=Effort(("perturbation",), repeats=1))
    assert cuts(field, False) == {("perturbation", "centre"): ""}
