"""How much is measured of models of some cost."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfepi.graph import graph_of
from tfepi.receptive_field import budget
from tfepi.receptive_field.asking import Asking, parse_methods
from tfepi.receptive_field.budget import effort_for, not_followed, sequences_of
from tfepi.receptive_field.field import field_of_model
from tfepi.receptive_field.grid import OutputGrid
from tfepi.variants.multiply_adds import of_sequence
from tfrecords_tools.errors import ConfigError

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))
GRID = OutputGrid(256, 256, 1, 0)


@pytest.fixture(scope="module")
def graph():
    return graph_of(SMALL.small_unet(3, 256))


def test_a_cheap_model_is_measured_in_every_phase(graph):
    effort, notes = effort_for(Asking(), graph, GRID, 8)
    assert effort.methods == ("perturbation", "gradient")
    assert (effort.phases, effort.output_phases, effort.repeats) == (8, 8, 16)
    assert notes[-1].startswith("16 random sequences; 8 of 8 phases changed; gradients of 8")


@pytest.mark.parametrize("passes", [5000, 300, 60, 1])
def test_a_dear_model_stays_within_its_budget(graph, passes):
    asking = Asking(budget=passes * of_sequence(graph), places=("centre", "left", "right"))
    effort, _ = effort_for(asking, graph, GRID, 8)
    forward = effort.repeats * (2 + 3 * effort.phases)
    backward = 3 * effort.repeats * effort.output_phases
    least = 2 * (2 + 3)  # two sequences, one phase
    assert forward <= max(passes, least)
    assert backward <= max(passes, 6)
    assert effort.repeats >= 2
    assert effort.phases >= 1


def test_wishes_are_kept(graph):
    asking = Asking(("gradient",), repeats=3, phases=2, batch_size=5, budget=1.0)
    effort, _ = effort_for(asking, graph, GRID, 8)
    assert (effort.repeats, effort.output_phases, effort.batch_size) == (3, 2, 5)
    assert effort_for(Asking(phases=0), graph, GRID, 64)[0].phases == 64
    assert effort_for(Asking(), graph, GRID, 64)[0].phases == 32


def test_one_bin_is_scanned(graph):
    grid = OutputGrid(256, 1, 256, 0)
    effort, notes = effort_for(Asking(budget=800.0 * of_sequence(graph)), graph, grid, 8)
    assert effort.methods == ("scan", "gradient")
    assert (effort.scan_step, effort.repeats) == (2, 6)
    assert "every 2 bp changed" in notes[-1]


def test_no_gradient_without_layers_or_room(graph, monkeypatch):
    effort, notes = effort_for(Asking(), None, GRID, 1)
    assert effort.methods == ("perturbation",)
    assert "shows no layers" in notes[0]
    monkeypatch.setattr(budget, "_ROOM", 1e4)
    effort, notes = effort_for(Asking(), graph, GRID, 8)
    assert effort.methods == ("perturbation",)
    assert "no gradient: it needs about" in notes[0]
    asked = Asking(("perturbation", "gradient"))
    assert effort_for(asked, graph, GRID, 8)[0].methods == asked.methods


def test_the_number_of_passes_is_what_the_bar_counts():
    model = SMALL.small_unet(1, 64)
    places = ("centre", "left")
    wish = Asking(("perturbation", "scan", "gradient"), places, 3, 0, 7, batch_size=8)
    effort, _ = effort_for(wish, graph_of(model), OutputGrid(64, 64, 1, 0), 2)
    done = []
    field_of_model(model, effort=effort, advance=done.append)
    assert sum(done) == sequences_of(effort, OutputGrid(64, 64, 1, 0))


def test_methods_by_name():
    assert parse_methods(None) is None
    assert parse_methods("gradient, scan,gradient") == ("gradient", "scan")
    with pytest.raises(ConfigError, match="unknown method 'grad' in --method: did you mean 'grad"):
        parse_methods("grad")
    with pytest.raises(ConfigError, match="want perturbation, scan, gradient"):
        parse_methods(",")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"repeats": 0}, "--repeats is 0: want a whole number, from 1"),
        ({"phases": -1}, "--phases is -1"),
        ({"scan_step": 0}, "--scan_step is 0"),
        ({"edge": -2}, "--edge is -2"),
        ({"batch_size": 0}, "--batch_size is 0"),
        ({"budget": 0}, "--budget is 0"),
        ({"edge": 4}, "--edge is 4 bp, and no edge is measured: add --at edges"),
        (
            {"methods": ("scan", "gradient"), "places": ("left",)},
            "--at edges is of perturbation, --method is scan,gradient: add perturbation",
        ),
    ],
)
def test_what_cannot_be_wished(wish, message):
    with pytest.raises(ConfigError, match=message):
        Asking(**wish)


def test_an_edge_beyond_the_middle(graph):
    with pytest.raises(ConfigError, match="--edge is 128 bp, the sequence has 256"):
        effort_for(Asking(places=("left",), edge=128), graph, GRID, 8)


def test_a_scan_whose_step_is_the_sequence(graph):
    one = OutputGrid(256, 1, 256, 0)
    with pytest.raises(ConfigError, match="--scan_step is 256 bp, the sequence has 256: want less"):
        effort_for(Asking(scan_step=256), graph, one, 8)
    assert effort_for(Asking(scan_step=255), graph, one, 8)[0].scan_step == 255
    assert effort_for(Asking(scan_step=256), graph, GRID, 8)[0].methods[0] == "perturbation"


def test_wishes_that_say_nothing_of_a_model(graph):
    one = OutputGrid(256, 1, 256, 0)
    edges = Asking(places=("centre", "left", "right"), edge=4)
    [line] = not_followed(edges, effort_for(edges, graph, one, 8)[0], one)
    assert line.startswith("--at edges is not followed: the output is one bin")
    assert not_followed(edges, effort_for(edges, graph, GRID, 8)[0], GRID) == []
    step = Asking(scan_step=5)
    [line] = not_followed(step, effort_for(step, graph, GRID, 8)[0], GRID)
    assert line.startswith("--scan_step is not followed: nothing is scanned of 256 bins")
    assert not_followed(step, effort_for(step, graph, one, 8)[0], one) == []
