import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.analysis.contributions import Averaged, contributions, gradient_function, log_gradient
from tfepi.analysis.tss_windows import TssWindow
from tfepi.models import enformer
from tfepi.predictors import KerasPredictor
from tfepi.spec import AveragedPredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
WAYS = [(False, (0,)), (True, (0,)), (False, (-3, 0, 5)), (True, (-40, 1))]
WEIGHTS = np.array([[1, 0, 0], [0.25, 0.5, 0.25]], np.float32)


@pytest.fixture(scope="module")
def sequences():
    found = np.random.default_rng(3).integers(0, 4, (2, SMALL.LENGTH)).astype(np.uint8)
    found[0, 100:140] = 4
    found[1, :9] = 4
    return found


@pytest.fixture(scope="module")
def made():
    return SMALL.model()


def expression(model, spec, window, weights, rc, shifts):
    """The function from one-hot codes to expression that predictions give, float64."""
    predictor = AveragedPredictor(KerasPredictor(model, spec, 64), rc, shifts)

    def run(codes, row):
        values = predictor.predict({"sequence": codes})["main"]
        bins = values[:, window.first : window.first + window.count].astype(float)
        return (bins.sum(axis=1) * weights[row]).sum(axis=1)

    return run


@pytest.mark.parametrize(("rc", "shifts"), WAYS)
def test_of_a_linear_model_contributions_are_what_each_base_adds(sequences, rc, shifts):
    model, spec, window = SMALL.model(linear=True), SMALL.spec(), TssWindow.of(SMALL.spec(), 5)
    predict = expression(model, spec, window, WEIGHTS, rc, shifts)
    averaged = Averaged.of(model, spec.head(), window, rc, shifts)
    value, gradient = averaged(sequences, WEIGHTS)
    assert averaged.passes == len(shifts) * (1 + rc)
    for row, sequence in enumerate(sequences):
        found = contributions(sequence, gradient[row])
        without = np.repeat(sequence[None], SMALL.LENGTH, axis=0)
        np.fill_diagonal(without, 4)
        own = predict(one_hot(sequence[None]), row)
        assert value[row] == pytest.approx(own[0], rel=1e-5)
        added = own - predict(one_hot(without), row)
        np.testing.assert_allclose(found, added, atol=2e-6)
        assert np.abs(added).max() > 0.02
        # Around the predicted bins, and nowhere else, whatever strand or shift.
        reach = 10 + max(map(abs, shifts))
        far = np.ones(SMALL.LENGTH, bool)
        far[window.span[0] - reach : window.span[1] + reach] = False
        assert not found[far].any()


@pytest.mark.parametrize(("rc", "shifts"), WAYS)
def test_gradients_against_finite_differences(made, sequences, rc, shifts):
    spec, window = SMALL.spec(), TssWindow.of(SMALL.spec())
    predict = expression(made, spec, window, WEIGHTS, rc, shifts)
    value, gradient = Averaged.of(made, spec.head(), window, rc, shifts)(sequences, WEIGHTS)
    assert gradient.dtype == np.float32
    step = 0.02
    for row, sequence in enumerate(sequences):
        codes = one_hot(sequence[None])
        assert value[row] == pytest.approx(predict(codes, row)[0], rel=1e-5)
        place = np.r_[0:4, 8:11, 98:104, 120:132, 250:256]
        change = np.zeros((len(place), 4, SMALL.LENGTH, 4), np.float32)
        for i, p in enumerate(place):
            for letter in range(4):
                change[i, letter, p, letter] = step
        change = change.reshape(-1, SMALL.LENGTH, 4)
        slow = (predict(codes + change, row) - predict(codes - change, row)) / (2 * step)
        slow = slow.reshape(len(place), 4)
        largest = np.abs(gradient[row]).max()
        np.testing.assert_allclose(gradient[row][place], slow, atol=2e-3 * largest + 2e-5)


def test_enformer_and_a_direction(sequences):
    head = Head("main", (Target(0, "a", strand_pair=1), Target(1, "b", strand_pair=0)))
    model = enformer(
        input_length=4096,
        channels=48,
        width_rounding=8,
        transformer_layers=1,
        target_length=16,
        output_heads=2,
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "output_kernel" in weight.path:
            weight.assign(rng.normal(0, 0.2, weight.shape))
    spec = ModelSpec("enformer", {"sequence": (4096, 4)}, 128, 1024, (head,))
    window = TssWindow.of(spec)
    weights = np.array([[1, 0]], np.float32)
    sequence = rng.integers(0, 4, (1, 4096)).astype(np.uint8)
    value, gradient = Averaged.of(model, head, window, True, (0, 2))(sequence, weights)
    predict = expression(model, spec, window, weights, True, (0, 2))
    codes, step = one_hot(sequence), 0.01
    assert value[0] == pytest.approx(predict(codes, 0)[0], rel=1e-5)
    direction = rng.normal(size=codes.shape).astype(np.float32) * (codes + 0.2)
    up, down = predict(codes + step * direction, 0), predict(codes - step * direction, 0)
    slope = (gradient * direction).sum()
    assert slope == pytest.approx((up - down)[0] / (2 * step), rel=0.02, abs=1e-3)
    # With attention that gives something, the far ends count too.
    assert np.abs(gradient[0, :500]).max() > 0


def test_each_sequence_of_a_batch_has_its_own_gradient(made, sequences):
    function = gradient_function(made, "main", 3)
    value, gradient = function(sequences, WEIGHTS, 9)
    for row in range(2):
        one = function(sequences[row : row + 1], WEIGHTS[row : row + 1], 9)
        np.testing.assert_allclose(one[0], value[row], rtol=1e-5)
        np.testing.assert_allclose(one[1][0], gradient[row], atol=1e-6)


def test_a_model_of_one_output_and_of_bfloat16(sequences):
    model = SMALL.model(dtype="mixed_bfloat16")
    alone = type(model)(model.inputs, model.output["main"])
    spec, window = SMALL.spec(), TssWindow.of(SMALL.spec())
    value, gradient = Averaged.of(alone, spec.head(), window)(sequences, WEIGHTS)
    exact = Averaged.of(SMALL.model(), spec.head(), window)(sequences, WEIGHTS)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(value, exact[0], rtol=0.1)
    correlation = np.corrcoef(gradient.ravel(), exact[1].ravel())[0, 1]
    assert correlation > 0.95


def test_what_has_no_way_to_the_output_has_no_gradient(sequences):
    import keras

    sequence = keras.Input((SMALL.LENGTH, 4), name="sequence")
    zero = keras.layers.Rescaling(0.0)(keras.layers.AveragePooling1D(SMALL.BIN)(sequence))
    out = keras.layers.Dense(3, name="main")(keras.layers.Cropping1D(4)(zero))
    _, gradient = gradient_function(keras.Model({"sequence": sequence}, out), "main", 3)(
        sequences, WEIGHTS, 9
    )
    assert not gradient.any()


def test_own_letters_centred_or_not():
    rng = np.random.default_rng(1)
    sequence = np.array([0, 3, 4, 2, 1], np.uint8)
    gradient = rng.normal(size=(5, 4)).astype(np.float32)
    plain, centred = contributions(sequence, gradient), contributions(sequence, gradient, True)
    for place, letter in enumerate(sequence):
        own = 0.0 if letter == 4 else gradient[place, letter]
        mean = 0.0 if letter == 4 else gradient[place].mean()
        assert plain[place] == pytest.approx(own)
        assert centred[place] == pytest.approx(own - mean, abs=1e-6)
    assert plain.dtype == np.float32


def test_an_expression_without_logarithm():
    with pytest.raises(ConfigError, match=r"an expression of -0\.5, which has no logarithm"):
        log_gradient(np.array([2.0, -0.5]), np.zeros((2, 3, 4), np.float32), 0.5)


def test_gradient_of_the_logarithm(made, sequences):
    spec, window = SMALL.spec(), TssWindow.of(SMALL.spec())
    predict = expression(made, spec, window, WEIGHTS, False, (0,))
    value, gradient = Averaged.of(made, spec.head(), window)(sequences, WEIGHTS)
    found = log_gradient(value, gradient, 0.5)
    assert found.dtype == np.float32
    direction = np.random.default_rng(2).normal(size=(1, SMALL.LENGTH, 4)).astype(np.float32)
    for row in range(2):
        codes = one_hot(sequences[row : row + 1])
        up, down = (np.log2(predict(codes + s * direction, row)[0] + 0.5) for s in (0.01, -0.01))
        assert (found[row] * direction[0]).sum() == pytest.approx((up - down) / 0.02, rel=5e-3)
