"""The field by gradient: spans of U-Nets, and numbers against finite differences."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tfepi.receptive_field.gradient import measure_gradient
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import Phases
from tfrecords_tools.errors import ConfigError

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))


@pytest.mark.parametrize(
    ("depth", "length", "spans"),
    [(1, 128, {50}), (2, 256, {124}), (3, 512, {268, 276})],
)
def test_spans_of_u_nets_by_depth_and_phase(depth, length, spans):
    model = SMALL.small_unet(depth, length)
    period = 2**depth
    phases = Phases.at("centre", length, period)
    found = measure_gradient(model, phases, OutputGrid(length, length, 1, 0), repeats=8)
    assert set(found.union.tolist()) == spans
    assert found.phases.tolist() == list(range(period))
    assert found.at.tolist() == list(phases.positions)


def test_sizes_against_finite_differences():
    model = SMALL.local_model(32, pool=1, values=2)
    grid = OutputGrid(32, 32, 1, 0)
    phases = Phases("centre", 1, (0,), (16,))
    for target, columns in ((None, [0, 1]), (1, [1])):
        found = measure_gradient(model, phases, grid, target=target, repeats=2)
        wanted = np.zeros(32)
        for position in range(32):  # linear: a step is as good as a slope
            codes = np.zeros((5, 32, 4), np.float32)
            for letter in range(4):
                codes[letter + 1, position, letter] = 1
            values = keras.ops.convert_to_numpy(model({"sequence": codes}))[:, 16, columns]
            wanted[position] = np.abs(values.sum(axis=1)[1:] - values.sum(axis=1)[0]).max()
        np.testing.assert_allclose(found.mean[0], wanted, rtol=1e-4, atol=1e-4)
    assert np.isnan(found.scale)


def test_batches_change_nothing():
    model, phases = SMALL.small_unet(1, 64), Phases.at("centre", 64, 2)
    grid = OutputGrid(64, 64, 1, 0)
    one, three = (
        measure_gradient(model, phases, grid, repeats=5, batch_size=size) for size in (1, 3)
    )
    np.testing.assert_allclose(one.mean, three.mean, rtol=1e-5)
    assert (one.first == three.first).all()
    assert (one.first >= 0).all()  # every repeat was taken


def test_heads_and_inputs_besides_the_sequence():
    sequence = keras.Input((32, 4), name="sequence")
    tracks = keras.Input((32, 1), name="tracks")
    x = keras.layers.Multiply()([keras.layers.Conv1D(1, 3, padding="same")(sequence), tracks])
    near = keras.layers.Identity(name="near")(x)
    far = keras.layers.Conv1D(1, 9, padding="same", name="far")(x)
    model = keras.Model({"sequence": sequence, "tracks": tracks}, {"near": near, "far": far})
    phases, grid = Phases("centre", 1, (0,), (16,)), OutputGrid(32, 32, 1, 0)
    given = {"others": {"tracks": (32, 1)}, "repeats": 2}
    for head, span in (("near", 3), ("far", 11)):
        found = measure_gradient(model, phases, grid, head=head, **given)
        assert found.union.tolist() == [span]
    zero = measure_gradient(model, phases, grid, head="far", fill="zero", **given)
    assert zero.union.tolist() == [0]


def test_what_has_no_gradient():
    model, grid = SMALL.local_model(16, pool=1), OutputGrid(16, 16, 1, 0)
    phases = Phases("centre", 1, (0,), (8,))
    with pytest.raises(ConfigError, match="repeats is 0"):
        measure_gradient(model, phases, grid, repeats=0)
    with pytest.raises(ConfigError, match="target 1 is none of the model's 1"):
        measure_gradient(model, phases, grid, target=1)
    model.weights[0].assign(np.full(model.weights[0].shape, np.nan))
    with pytest.raises(ConfigError, match="gradient of the model is no finite number"):
        measure_gradient(model, phases, grid)
