"""Fields by arithmetic: by phase, layer by layer, where everything becomes global."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from tfepi import geometry
from tfepi.graph import graph_of
from tfepi.layers import MultiheadAttention
from tfepi.models import basset, interact
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import Phases, parse_places, sample
from tfepi.receptive_field.theory import first_global, theory_of
from tfrecords_tools.errors import ConfigError

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))


def test_each_layer_is_what_geometry_says_position_by_position():
    model = SMALL.small_unet(2, 256)
    theory = theory_of(model)
    assert (theory.period, theory.global_from, theory.is_cut) == (4, (), False)
    for layer in theory.layers:
        count = theory.period // int(layer.width)
        middle = range(layer.positions // 2, layer.positions // 2 + count)
        spans = [geometry.needed(model, q, q + 1, layer=layer.name)["sequence"] for q in middle]
        lengths = [b - a for a, b in spans]
        assert layer.needed == (min(lengths), max(lengths))
        spans = [geometry.touched(model, p, p + 1)[layer.name] for p in range(128, 132)]
        lengths = [b - a for a, b in spans]
        assert layer.touched == (min(lengths), max(lengths))
    assert len(theory.layers) == len(model.layers) - 1


def test_spans_and_reach_of_the_default_u_net():
    theory = theory_of(SMALL.small_unet(5, 10_240))
    for reach in (theory.needed, theory.touched):
        assert len(reach.phases) == 32
        assert (min(reach.spans), max(reach.spans)) == (1140, 1172)
        ends = zip(reach.at, reach.low, reach.high, strict=True)
        sides = [(p - a, b - 1 - p) for p, a, b in ends]
        assert {min(map(max, sides)), max(map(max, sides))} <= set(range(564, 596))
        assert (reach.left, reach.right) == (595, 595)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: interact(kernels=4, hidden=8, layers=1, attention_heads=2), ("conv1_norm",)),
        (lambda: basset(targets=1, tower_filters=(8, 8), input_length=96), ("flatten",)),
        (SMALL.small_enformer, ("transformer0_attention",)),
        (SMALL.local_model, ()),
    ],
)
def test_the_first_global_layer_is_named(make, names):
    model = make()
    head = next(iter(model.output)) if isinstance(model.output, dict) else None
    theory = theory_of(model, head=head)
    assert theory.global_from == names
    for layer in theory.layers:
        if layer.is_global:
            assert layer.needed == (theory.grid.length,) * 2
    assert any(layer.is_global for layer in theory.layers) == bool(names)


def test_two_ways_into_global_are_both_named():
    inputs = keras.Input((32, 4), name="sequence")
    a = keras.layers.GlobalAveragePooling1D(keepdims=True, name="mean")(inputs)
    b = keras.layers.GlobalMaxPooling1D(keepdims=True, name="top")(inputs)
    x = keras.layers.Multiply()([a, b])
    model = keras.Model({"sequence": inputs}, keras.layers.GlobalMaxPooling1D(keepdims=True)(x))
    assert first_global(graph_of(model)) == ("mean", "top")


def test_layers_that_the_sequence_does_not_reach_are_left_out():
    sequence, tracks = keras.Input((32, 4), name="sequence"), keras.Input((32, 2), name="tracks")
    side = keras.layers.Conv1D(3, 3, padding="same", name="side")(tracks)
    x = keras.layers.Conv1D(3, 3, padding="same", name="main")(sequence)
    model = keras.Model(
        {"sequence": sequence, "tracks": tracks}, keras.layers.Concatenate(name="both")([x, side])
    )
    assert [layer.name for layer in theory_of(model).layers] == ["main", "both"]


def test_a_sequence_shorter_than_the_field_is_cut():
    assert theory_of(SMALL.small_unet(3, 128)).is_cut
    assert not theory_of(SMALL.small_unet(3, 512)).is_cut
    inputs = keras.Input((16, 4), name="sequence")
    attention = MultiheadAttention(heads=1, key_size=2, value_size=3)(inputs)
    assert not theory_of(keras.Model({"sequence": inputs}, attention)).is_cut  # global, not cut


def test_bins_lie_in_the_middle():
    theory = theory_of(SMALL.local_model(64, crop=4))
    assert theory.grid == OutputGrid(64, 24, 2, 8)
    assert theory.grid.middle(3) == 15
    assert theory.grid.bin_start(13) == 12
    assert OutputGrid.of_lengths(100, 1, 20) == OutputGrid(100, 1, 20, 40)
    assert OutputGrid.of_lengths(100, 3, 90) == OutputGrid(100, 3, 33, 0)


def test_phases_at_places():
    assert Phases.at("centre", 100, 8).positions == tuple(range(48, 56))
    assert Phases.at("left", 100, 8, edge=9).positions == tuple(range(8, 16))
    assert Phases.at("right", 100, 8, 3, edge=0).positions == (88, 92, 95)  # all phases fit
    assert Phases.at("centre", 5, 8).positions == (0, 1, 2, 3, 4)
    assert sample(128, 4) == (0, 42, 85, 127)
    assert sample(3, 9) == sample(3, None) == (0, 1, 2)
    assert sample(7, 1) == (0,)


def test_words_for_places():
    assert parse_places("edges,centre,edges") == ("left", "right", "centre")
    with pytest.raises(ConfigError, match="unknown place 'center' in --at: did you mean 'centre'"):
        parse_places("center")
    with pytest.raises(ConfigError, match="want centre, edges"):
        parse_places(" ,")
