"""The averaged number and its gradient, against predictions and loops over strands and shifts."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tfepi.analysis.attribution_gradient import AveragedScalar, scalar_of
from tfepi.analysis.attribution_outputs import Bins, head_values, outputs_of
from tfepi.cell_predictor import CellPredictor
from tfepi.predictors import KerasPredictor
from tfepi.spec import AveragedPredictor, Head, ModelSpec
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
SPEC = SMALL.spec()
WAYS = [(False, (0,)), (True, (0,)), (False, (-3, 0, 5)), (True, (-40, 1))]


@pytest.fixture(scope="module")
def sequences():
    found = np.random.default_rng(3).integers(0, 4, (2, SMALL.LENGTH)).astype(np.uint8)
    found[0, 100:140] = 4
    return found


@pytest.fixture(scope="module")
def model():
    return SMALL.model()


@pytest.fixture(scope="module")
def plain(model):
    """The model's predictions, traced once."""
    return KerasPredictor(model, SPEC, 64)


def slopes(function, codes, places, step=0.02):
    """Finite differences of a function at some places of one code: [places, 4]."""
    change = np.zeros((len(places), 4, *codes.shape), np.float32)
    for i, place in enumerate(places):
        change[i, range(4), place, range(4)] = step
    change = change.reshape(-1, *codes.shape)
    return ((function(codes + change) - function(codes - change)) / (2 * step)).reshape(-1, 4)


@pytest.mark.parametrize(("rc", "shifts"), WAYS)
@pytest.mark.parametrize("change", [{}, {"mean": True}, {"log": True}, {"mean": True, "log": True}])
def test_against_averaged_predictions(model, plain, sequences, rc, shifts, change):
    bins = Bins.parse("3-10", SMALL.BINS)
    averaged = AveragedScalar.of(model, SPEC, "main", bins, rc, shifts, **change)
    predictor = AveragedPredictor(plain, rc, shifts)
    [output] = outputs_of(SPEC, targets=[SMALL.TARGETS[1]], each=True)  # one of a strand pair

    def slow(codes):
        values = predictor.predict({"sequence": codes})["main"].astype(float)[:, 3:10, 1]
        number = values.mean(axis=1) if change.get("mean") else values.sum(axis=1)
        return np.log1p(number) if change.get("log") else number

    codes = one_hot(sequences)
    value, gradient = averaged.gradient(codes, output)
    np.testing.assert_allclose(value, slow(codes), rtol=1e-5)
    np.testing.assert_allclose(averaged.value(codes, output), value, rtol=1e-6)
    assert averaged.passes == len(shifts) * (1 + rc)
    places = np.r_[8:12, 60:64, 90:94, 250:254]
    largest = np.abs(gradient[1]).max()
    found = slopes(slow, codes[1], places)
    np.testing.assert_allclose(gradient[1][places], found, atol=3e-3 * largest + 1e-5)


def test_average_is_the_mean_of_its_passes(model, sequences):
    bins, [output] = Bins.parse("all", SMALL.BINS), outputs_of(SPEC, targets=[SMALL.TARGETS[0]])
    codes = one_hot(sequences)
    both = AveragedScalar.of(model, SPEC, "main", bins, True, (0, 4)).gradient(codes, output)[1]
    alone = AveragedScalar.of(model, SPEC, "main", bins)
    swapped = outputs_of(SPEC, targets=[SMALL.TARGETS[1]])[0]
    total = 0
    for shift in (0, 4):
        for rc in (False, True):
            moved = np.zeros_like(codes)
            moved[:, shift:] = codes[:, : SMALL.LENGTH - shift]
            moved = moved[:, ::-1, ::-1] if rc else moved
            gradient = alone.gradient(moved, swapped if rc else output)[1]
            gradient = gradient[:, ::-1, ::-1] if rc else gradient
            back = np.zeros_like(gradient)
            back[:, : SMALL.LENGTH - shift] = gradient[:, shift:]
            total = total + back / 4
    np.testing.assert_allclose(both, total, atol=1e-6)


def test_methylation_moves_the_other_strand(sequences):
    length = 31
    inputs = keras.Input((length, 4), name="sequence")
    keras.utils.set_random_seed(4)
    x = keras.layers.Conv1D(6, 4, activation="gelu", padding="same")(inputs)
    x = keras.layers.Reshape((1, length * 6))(x)
    out = keras.layers.Dense(2, activation="sigmoid", name="head")(x)
    model = keras.Model({"sequence": inputs}, out)
    head = Head("main", (Target(0, "a"), Target(1, "b")))
    spec = ModelSpec("m", {"sequence": (length, 4)}, 1, 15, (head,), extra={"kind": "methylation"})
    averaged = AveragedScalar.of(model, spec, "main", Bins.parse("all", 1), rc=True)
    predictor = AveragedPredictor(KerasPredictor(model, spec, 64), rc=True)
    codes = one_hot(sequences[1:, :length])

    def slow(given):
        return predictor.predict({"sequence": given})["main"][:, 0].sum(axis=1).astype(float)

    [output] = outputs_of(spec)
    value, gradient = averaged.gradient(codes, output)
    assert value[0] == pytest.approx(slow(codes)[0], rel=1e-5)
    found = slopes(slow, codes[0], np.arange(length))
    np.testing.assert_allclose(gradient[0], found, atol=3e-3 * np.abs(gradient).max())


@pytest.mark.parametrize("outputs", ["marks", "cells"])
def test_a_conditioned_model_keeps_its_tracks(sequences, outputs):
    length, bins = 64, 8
    cells, marks = ("a", "b"), ("K", "M")
    conditioning = Conditioning(cells, marks, outputs, "delta", track_width=8, track_length=8)
    targets = tuple(
        Target(i, f"{c}_{m}", cell=c, mark=m)
        for i, (c, m) in enumerate((c, m) for c in cells for m in marks)
    )
    inputs = {"sequence": (length, 4), "tracks": (8, 2)}
    spec = ModelSpec("c", inputs, 8, 0, (Head("main", targets),), conditioning=conditioning)
    keras.utils.set_random_seed(4)
    sequence = keras.Input((length, 4), name="sequence")
    tracks = keras.Input((8, 2), name="tracks")
    x = keras.layers.Conv1D(5, 7, padding="same", activation="gelu")(sequence)
    x = keras.layers.AveragePooling1D(8)(x)
    x = keras.layers.Concatenate()([x, tracks])
    x = keras.layers.Conv1D(5, 3, padding="same", activation="gelu")(x)
    count = head_values(spec, "b")
    assert count == (2 if outputs == "marks" else 4)
    out = keras.layers.Dense(count, activation="softplus", name="main")(x)
    model = keras.Model({"sequence": sequence, "tracks": tracks}, out)
    rng = np.random.default_rng(1)
    further = {"tracks": rng.normal(size=(2, 8, 2)).astype(np.float32)}
    predictor = AveragedPredictor(CellPredictor(KerasPredictor(model, spec, 64), "b"), True, (0, 2))
    codes = one_hot(sequences[:, 130 : 130 + length])
    both = outputs_of(spec, each=True, cell="b")
    assert [o.name for o in both] == ["b_K", "b_M"]
    averaged = AveragedScalar.of(
        model, spec, "main", Bins.parse("2-5", bins), True, (0, 2), values=count
    )
    for column, output in enumerate(both):

        def slow(given, column=column):
            more = {"tracks": np.repeat(further["tracks"][1:], len(given), axis=0)}
            values = predictor.predict(more | {"sequence": given})["main"][:, 2:5, column]
            return values.sum(axis=1).astype(float)

        value, gradient = averaged.gradient(codes, output, further)
        assert value[1] == pytest.approx(slow(codes[1:])[0], rel=1e-5)
        found = slopes(slow, codes[1], np.arange(0, length, 5))
        np.testing.assert_allclose(gradient[1][::5], found, atol=3e-3 * np.abs(gradient).max())


def test_one_output_and_bfloat16(sequences):
    low = SMALL.model(dtype="mixed_bfloat16")
    alone = keras.Model(low.inputs, low.output["main"])
    bins, [output] = Bins.parse("all", SMALL.BINS), outputs_of(SPEC)
    rough = AveragedScalar.of(alone, SPEC, "main", bins).gradient(one_hot(sequences), output)
    exact = AveragedScalar.of(SMALL.model(), SPEC, "main", bins)
    value, gradient = exact.gradient(one_hot(sequences), output)
    assert rough[1].dtype == np.float32
    np.testing.assert_allclose(rough[0], value, rtol=0.1)
    assert np.corrcoef(rough[1].ravel(), gradient.ravel())[0, 1] > 0.95


def test_what_has_no_way_to_the_output_has_no_gradient(sequences):
    sequence = keras.Input((SMALL.LENGTH, 4), name="sequence")
    zero = keras.layers.Rescaling(0.0)(keras.layers.AveragePooling1D(SMALL.BIN)(sequence))
    out = keras.layers.Dense(3, name="main")(keras.layers.Cropping1D(4)(zero))
    averaged = AveragedScalar.of(
        keras.Model({"sequence": sequence}, out), SPEC, "main", Bins.parse("all", SMALL.BINS)
    )
    assert not averaged.gradient(one_hot(sequences), outputs_of(SPEC)[0])[1].any()


def test_refusals(model, sequences):
    with pytest.raises(ConfigError, match="24 bins of 3 values, its contract says 6 of 3"):
        scalar_of(model, "main", 2, 3, 6)
    with pytest.raises(ConfigError, match="shifts reach 128 bp"):
        AveragedScalar.of(model, SPEC, "main", Bins.parse("all", SMALL.BINS), shifts=(128,))
    linear = AveragedScalar.of(
        SMALL.model(linear=True), SPEC, "main", Bins.parse("all", SMALL.BINS), log=True
    )
    [output] = outputs_of(SPEC, targets=[SMALL.TARGETS[0]])
    sign = np.sign(
        AveragedScalar.of(
            SMALL.model(linear=True), SPEC, "main", Bins.parse("all", SMALL.BINS)
        ).value(one_hot(sequences), output)[0]
    )
    down = type(output)("x", "x", -1e3 * sign * output.weights, output.partners)
    with pytest.raises(ConfigError, match="has no logarithm: leave --log1p out"):
        linear.gradient(one_hot(sequences[:1]), down)
