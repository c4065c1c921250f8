"""Incremental predictions equal whole ones, for every model of the package."""

import runpy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tfepi import models
from tfepi.models import make_model
from tfepi.params import parse_params
from tfepi.variants import change_planner
from tfepi.variants.alternatives import Along, Stretch
from tfepi.variants.self_check import CheckedEvaluator

TOLERANCE = 1e-5
RANDOM = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("random_weights.py"))))
difference, evaluator_of, random_inputs = (
    RANDOM.difference,
    RANDOM.evaluator_of,
    RANDOM.random_inputs,
)
randomise, substituted, whole_of = RANDOM.randomise, RANDOM.substituted, RANDOM.whole_of


def basenji(trunk, length=1024, **changes):
    section = {
        "seq_length": length,
        "activation": "gelu",
        "norm_type": "batch",
        "trunk": [{"name": "conv_dna", "filters": 8, "kernel_size": 9, "pool_size": 2}, *trunk],
        "head": {"name": "final", "units": 3, "activation": "softplus"},
    }
    return make_model(parse_params({"model": section | changes}).model, None)


TOWER = {
    "name": "conv_tower",
    "filters_init": 8,
    "filters_mult": 1.2,
    "kernel_size": 5,
    "pool_size": 2,
    "repeat": 3,
}
UNET = {"outputs": 2, "filters": 9}
TRANSFORMER = {
    "name": "transformer_tower",
    "key_size": 4,
    "heads": 2,
    "num_position_features": 4,
    "repeat": 1,
}
ENFORMER = {"channels": 96, "width_rounding": 8, "transformer_layers": 1, "key_size": 8}
INTERACT = {
    "input_length": 301,
    "kernels": 12,
    "hidden": 16,
    "layers": 1,
    "attention_heads": 2,
    "feed_forward": 32,
}
MODELS = {
    "leopard_unet": lambda: models.leopard_unet(input_length=2048, depth=3, **UNET),
    "leopard_unet in bins": lambda: models.leopard_unet(
        input_length=2048, depth=4, decoder_depth=2, bin_width=32, **UNET
    ),
    "leopard_unet with tracks": lambda: models.leopard_unet(
        input_length=1024, input_channels=6, depth=2, **UNET
    ),
    "stems_unet": lambda: models.stems_unet(input_length=1024, filters=8, depth=3),
    "state_unet": lambda: models.state_unet(input_length=1024, filters=8, depth=3, state_size=5),
    "basset": lambda: models.basset(targets=2),
    "basset_2016": lambda: models.basset_2016(targets=3),
    "interact": lambda: models.interact(**INTERACT),
    "interact_celltype": lambda: models.interact_celltype(**INTERACT),
    "enformer": lambda: models.enformer(
        input_length=8192, target_length=40, output_heads=3, **ENFORMER
    ),
    "basenji2": lambda: basenji(
        [
            TOWER,
            {"name": "dilated_residual", "filters": 6, "rate_mult": 2, "repeat": 4},
            {"name": "Cropping1D", "cropping": 8},
            {"name": "conv_block", "filters": 16},
        ],
        4096,
    ),
    "dilated_dense": lambda: basenji([TOWER, {"name": "dilated_dense", "filters": 5, "repeat": 3}]),
    "res_tower": lambda: basenji(
        [{"name": "res_tower", "filters_init": 8, "filters_end": 12, "repeat": 3, "pool_size": 2}]
    ),
    "conv_next": lambda: basenji(
        [{"name": "convnext_tower", "filters_init": 8, "filters_end": 12, "repeat": 2}]
    ),
    "squeeze_excite": lambda: basenji(
        [TOWER, {"name": "squeeze_excite", "bottleneck_ratio": 2}], 1024
    ),
    "borzoi": lambda: basenji([TOWER, TRANSFORMER, {"name": "unet_conv", "kernel_size": 3}], 2048),
    "unet_conv": lambda: basenji([TOWER, {"name": "unet_conv", "kernel_size": 3}], 2048),
    "strided": lambda: basenji(
        [{"name": "conv_block", "filters": 8, "kernel_size": 6, "stride": 4}, TOWER], 1024
    ),
    "swin": lambda: basenji([TOWER, TRANSFORMER | {"block_type": "swin"}], 1024),
    "positions": lambda: basenji([{"name": "concat_position"}, TOWER], 1024),
    "mirrored": lambda: basenji([TOWER, {"name": "wheeze_excite", "pool_size": 5}], 1024),
}


FEW = ["basenji2", "enformer", "leopard_unet", "unet_conv"]


@cache
def evaluator_named(name: str):
    return evaluator_of(randomise(MODELS[name]()), batch_size=16)


@pytest.fixture
def evaluator(request):
    return evaluator_named(request.param)


each_model = pytest.mark.parametrize("evaluator", sorted(MODELS), indirect=True)
some_models = pytest.mark.parametrize("evaluator", FEW, indirect=True)


def ends_and_inside(length: int, count: int = 40) -> np.ndarray:
    inside = np.random.default_rng(3).integers(0, length, count - 16)
    return np.concatenate([np.arange(8), length - 1 - np.arange(8), inside])


@each_model
def test_substitutions(evaluator):
    references = evaluator.references(random_inputs(evaluator))
    positions = ends_and_inside(evaluator.spec.seq_length)
    of = np.zeros(len(positions), int)
    changed = substituted(references.inputs["sequence"][of], positions)
    wanted = whole_of(evaluator, references, of, changed)
    again = whole_of(evaluator, references, of, changed, size=1)
    found = evaluator.alternatives(references, of, changed)
    noise = difference(again, wanted)
    assert difference(found.whole(references), wanted) < max(TOLERANCE, 3 * noise)
    # Else predictions that nothing changed would pass.
    effect = np.abs(wanted - references.predictions).max(axis=(1, 2)) / np.abs(wanted).max()
    assert np.median(effect) > TOLERANCE


def of_differences(evaluator, pieces=1) -> list:
    steps = evaluator.engine.plan(1, pieces).steps
    return [p for p in steps if p.spread is not None]


def test_convolutions_of_many_channels_are_computed_of_differences():
    evaluator = evaluator_named("basset")
    planned = {p.step.name: p for p in of_differences(evaluator)}
    assert planned.keys() >= {f"tower{n}_conv" for n in range(1, 7)}
    # Six rows of products where the change reaches ten or more.
    assert all(p.computed <= 0.6 * p.window.width for p in planned.values())
    # Beside another change of the same sequence what both reach is not a sum.
    assert not of_differences(evaluator, pieces=2)
    assert not of_differences(evaluator_named("leopard_unet"))  # few channels


def with_activations(length=256):
    """Return a model of convolutions that have activations of their own, one of them dilated."""
    inputs = x = keras.Input((length, 4), name="sequence")
    for dilation, padding in ((1, "same"), (3, "causal"), (2, "valid"), (5, "same")):
        options = {"padding": padding, "dilation_rate": dilation, "activation": "relu"}
        x = keras.layers.Conv1D(12, 5, **options)(x)
        x = keras.layers.MaxPooling1D(2)(x) if dilation < 3 else x
    x = keras.layers.Conv1D(3, 1, activation="softplus")(x)
    return keras.Model({"sequence": inputs}, x)


@pytest.mark.parametrize("name", ["basenji2", "borzoi", "leopard_unet", "state_unet", "own"])
def test_convolutions_of_differences(name, monkeypatch):
    monkeypatch.setattr(change_planner, "_SPARED", 0)
    monkeypatch.setattr(change_planner, "_ADDING", 0)
    model = with_activations() if name == "own" else MODELS[name]()
    evaluator = evaluator_of(randomise(model), batch_size=16)
    planned = of_differences(evaluator)
    assert len(planned) >= 3
    if name in ("own", "basenji2"):
        assert {p.step.layer.dilation_rate[0] for p in planned} > {1}
    if name == "basenji2":  # windows that lie alike in all phases, and that do not
        assert {p.spread.offset is None for p in planned} == {True, False}
    references = evaluator.references(random_inputs(evaluator))
    positions = ends_and_inside(evaluator.spec.seq_length)
    of = np.zeros(len(positions), int)
    changed = substituted(references.inputs["sequence"][of], positions)
    found = evaluator.alternatives(references, of, changed).whole(references)
    wanted, again = (whole_of(evaluator, references, of, changed, size=n) for n in (None, 1))
    assert difference(found, wanted) < max(TOLERANCE, 3 * difference(again, wanted))


@some_models
def test_several_references(evaluator):
    references = evaluator.references(random_inputs(evaluator, 3))
    of = np.array([2, 0, 1, 1, 0, 2])
    length = evaluator.spec.seq_length
    changed = substituted(references.inputs["sequence"][of], length // 2 + 5 * np.arange(6) - 12)
    found = evaluator.alternatives(references, of, changed).whole(references)
    assert difference(found, whole_of(evaluator, references, of, changed)) < TOLERANCE


@some_models
def test_changes_far_from_each_other_and_long_ones(evaluator):
    references = evaluator.references(random_inputs(evaluator))
    own, length = references.inputs["sequence"], evaluator.spec.seq_length
    middle, rng = length // 2, np.random.default_rng(4)
    changed = np.repeat(own, 6, axis=0)
    changed[0, [middle, middle + 2]] ^= 1  # near each other
    changed[1, [middle - length // 5, middle + length // 6]] ^= 1  # far
    changed[2, [3, length - 4]] ^= 1  # at both ends
    changed[3, middle : middle + 21] = rng.integers(0, 4, 21)  # a motif
    changed[4, middle:] = np.roll(own[0, middle:], 2)  # an insertion, roughly
    of = np.zeros(6, int)
    changed %= 5
    found = evaluator.alternatives(references, of, changed).whole(references)
    assert difference(found, whole_of(evaluator, references, of, changed)) < TOLERANCE
    np.testing.assert_array_equal(found[5], references.predictions[0])  # no change


@some_models
def test_only_some_bins(evaluator):
    references = evaluator.references(random_inputs(evaluator))
    own, length = references.inputs["sequence"], evaluator.spec.seq_length
    bins = references.predictions.shape[1]
    middle = length // 2
    changed = np.repeat(own, 2, axis=0)
    changed[0, middle:] = np.roll(own[0, middle:], 3)
    changed[1, :middle] = np.roll(own[0, :middle], -2)
    wanted = np.array([[0, bins // 2 + 1], [bins // 2, bins]])
    of = np.zeros(2, int)
    found = evaluator.alternatives(references, of, changed, wanted).whole(references)
    whole = whole_of(evaluator, references, of, changed)
    for row, (first, last) in enumerate(wanted):
        assert difference(found[row, first:last], whole[row, first:last]) < TOLERANCE


@some_models
def test_windows_along_a_stretch(evaluator):
    engine, length = evaluator.engine, evaluator.spec.seq_length
    assert engine.shares
    step, rng = engine.period, np.random.default_rng(6)
    starts = step * np.array([0, 1, 3, 4])
    stretch = rng.integers(0, 4, length + 4 * step).astype(np.uint8)
    windows = stretch[starts[:, None] + np.arange(length)]
    plain = evaluator.references({"sequence": windows})
    shared = evaluator.references({"sequence": windows}, Along(Stretch(stretch), starts))
    assert difference(shared.predictions, plain.predictions) < TOLERANCE
    of = np.array([0, 1, 2, 3, 3, 0])
    changed = substituted(windows[of], np.array([length // 2] * 4 + [1, length - 2]))
    found = evaluator.alternatives(shared, of, changed).whole(shared)
    assert difference(found, whole_of(evaluator, plain, of, changed)) < TOLERANCE


def test_shifted_windows_along_a_stretch():
    evaluator = evaluator_of(randomise(MODELS["leopard_unet"]()))
    step, length = evaluator.engine.period, evaluator.spec.seq_length
    stretch = np.random.default_rng(6).integers(0, 4, length + 2 * step).astype(np.uint8)
    starts = np.array([0, 2 * step])
    windows = stretch[starts[:, None] + np.arange(length)]
    for shift in (-3, 5):
        moved = np.full_like(windows, 4)
        if shift > 0:
            moved[:, shift:] = windows[:, :-shift]
        else:
            moved[:, :shift] = windows[:, -shift:]
        plain = evaluator.references({"sequence": moved})
        along = Along(Stretch(stretch), starts).moved(shift, False, length)
        shared = evaluator.references({"sequence": moved}, along)
        assert difference(shared.predictions, plain.predictions) < TOLERANCE


@pytest.mark.parametrize("name", ["enformer", "borzoi", "interact"])
def test_attention_sees_beyond_the_convolutions(name):
    evaluator = evaluator_named(name)
    references = evaluator.references(random_inputs(evaluator))
    changed = substituted(references.inputs["sequence"], np.array([12]))
    found = evaluator.alternatives(references, np.array([0]), changed).whole(references)
    effect = np.abs(found - references.predictions)[0].max(axis=-1)
    assert effect[-1] > 0  # at the other end, or of the token behind all of them


@pytest.mark.parametrize("name", ["leopard_unet", "basenji2"])
def test_selected_columns(name):
    model = randomise(MODELS[name]())
    every, some = evaluator_of(model), evaluator_of(model, columns=[1])
    inputs = random_inputs(every)
    of, changed = np.array([0]), substituted(inputs["sequence"], np.array([500]))
    assert some.engine.work < every.engine.work
    a, b = every.references(inputs), some.references(inputs)
    assert difference(b.predictions, a.predictions[..., [1]]) < TOLERANCE
    a = every.alternatives(a, of, changed).whole(a)[..., [1]]
    assert difference(some.alternatives(b, of, changed).whole(b), a) < TOLERANCE


def nested(length: int = 256) -> keras.Model:
    inner_input = keras.Input((None, 6))
    y = keras.layers.Conv1D(6, 3, padding="same", activation="relu")(inner_input)
    inner = keras.Model(inner_input, keras.layers.Add()([y, inner_input]), name="inner")
    inputs = keras.Input((length, 4), name="sequence")
    x = keras.layers.Conv1D(6, 7, padding="causal", dilation_rate=2)(inputs)
    x = keras.layers.DepthwiseConv1D(3, padding="same", depth_multiplier=2)(x)
    x = keras.layers.Conv1D(6, 1)(keras.layers.LeakyReLU()(x))
    x = inner(x)
    x = keras.layers.AveragePooling1D(4)(x)
    x = keras.layers.Conv1DTranspose(5, 3, strides=2, padding="same")(x)
    x = keras.layers.LayerNormalization()(x)
    return keras.Model({"sequence": inputs}, keras.layers.Dense(2, activation="softplus")(x))


def test_a_model_of_ones_own():
    evaluator = evaluator_of(randomise(nested()))
    assert evaluator.gain > 3
    references = evaluator.references(random_inputs(evaluator))
    positions = ends_and_inside(256)
    of = np.zeros(len(positions), int)
    changed = substituted(references.inputs["sequence"][of], positions)
    found = evaluator.alternatives(references, of, changed)
    assert found.values.shape[1] < references.predictions.shape[1]
    wanted = whole_of(evaluator, references, of, changed)
    assert difference(found.whole(references), wanted) < TOLERANCE


def test_the_gain_is_near_the_bound():
    evaluator = evaluator_of(models.leopard_unet(outputs=1))
    assert evaluator.engine.grid == 32
    assert 13 < evaluator.gain < 14.2


def test_bare_operations_and_slices():
    inputs = keras.Input((128, 4), name="sequence")
    x = keras.layers.Conv1D(5, 7, padding="same", activation="relu")(inputs)
    x = keras.ops.roll(x * 2, 3, axis=1)[:, ::2]
    model = keras.Model({"sequence": inputs}, keras.layers.Dense(2)(x))
    evaluator = evaluator_of(randomise(model))
    references = evaluator.references(random_inputs(evaluator))
    of, changed = (
        np.zeros(3, int),
        substituted(np.repeat(references.inputs["sequence"], 3, axis=0), np.array([0, 60, 127])),
    )
    found = evaluator.alternatives(references, of, changed).whole(references)
    assert difference(found, whole_of(evaluator, references, of, changed)) < TOLERANCE


def test_mixed_precision():
    model = models.leopard_unet(input_length=512, depth=2, filters=6, dtype="mixed_bfloat16")
    evaluator = evaluator_of(randomise(model))
    references = evaluator.references(random_inputs(evaluator))
    of, changed = (
        np.zeros(3, int),
        substituted(np.repeat(references.inputs["sequence"], 3, axis=0), np.array([2, 255, 300])),
    )
    found = evaluator.alternatives(references, of, changed).whole(references)
    wanted = whole_of(evaluator, references, of, changed)
    assert difference(found, wanted) < 0.01  # bfloat16 has 8 bits
    checked = CheckedEvaluator(evaluator)  # which finds that too much
    found = checked.alternatives(references, of, changed).whole(references)
    assert difference(found, wanted) < TOLERANCE
