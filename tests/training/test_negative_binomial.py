"""Counts with a learned dispersion: against scipy, by finite differences, through files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import nbinom

from tfepi.layers import Dispersion
from tfepi.predictors import load_keras
from tfepi.train_params import TrainParams
from tfepi.training.dispersion import dispersion_of, with_dispersion
from tfepi.training.losses import NegativeBinomial, log_rising_factorial, make_loss
from tfepi.training.schedules import make_optimizer
from tfrecords_tools.errors import ConfigError

TRAIN = TrainParams(loss="negative_binomial", optimizer="adam", learning_rate=0.01, dispersion=0.3)


def layer_of(dispersions):
    layer = Dispersion()
    layer.build((None, None, len(dispersions)))
    layer.log_dispersion.assign(np.log(dispersions))
    return layer


def nll(y, mean, dispersion):
    size = 1 / dispersion
    return -nbinom.logpmf(y, size, size / (size + mean)) - gammaln(y + 1)


@pytest.mark.parametrize("dispersion", [1e-6, 1e-4, 1e-2, 0.1, 1, 10, 1e3, 1e4])
def test_the_rising_factorial_is_the_sum_over_whole_numbers(dispersion):
    y = np.array([0, 1, 2, 3, 7, 30, 200, 5000])
    sums = np.concatenate([[0], np.cumsum(np.log1p(dispersion * np.arange(5000)))])
    got = log_rising_factorial(y.astype(np.float32), np.float32(dispersion))
    np.testing.assert_allclose(got, sums[y], rtol=1e-5, atol=2e-5)


def test_the_rising_factorial_of_fractions_is_that_of_gamma():
    y, dispersion = np.array([0.1, 0.5, 1.7, 12.25, 99.9]), 0.7
    want = gammaln(y + 1 / dispersion) - gammaln(1 / dispersion) + y * np.log(dispersion)
    got = log_rising_factorial(y.astype(np.float32), np.float32(dispersion))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_every_target_has_its_own_dispersion():
    rng = np.random.default_rng(0)
    dispersions = np.array([1e-4, 0.05, 0.8, 6.0])
    y, mean = rng.poisson(8, (5, 7, 4)), rng.gamma(2, 4, (5, 7, 4))
    want = nll(y, mean, dispersions).mean()
    loss = NegativeBinomial(layer_of(dispersions))
    got = float(loss(y.astype(np.float32), mean.astype(np.float32)))
    assert got == pytest.approx(want, rel=1e-5)


def test_with_hardly_any_dispersion_it_is_poissons():
    rng = np.random.default_rng(1)
    y = rng.poisson(5, (4, 6, 2)).astype(np.float32)
    mean = rng.gamma(2, 3, y.shape).astype(np.float32)
    loss = NegativeBinomial(layer_of([1e-6, 1e-6]))
    assert float(loss(y, mean)) == pytest.approx(float(make_loss("poisson")(y, mean)), rel=1e-4)


def test_gradients_are_those_of_the_plain_value():
    rng = np.random.default_rng(2)
    dispersions = np.array([0.01, 0.4, 5.0])
    y = rng.poisson(6, (3, 5, 3)).astype(float)
    mean = rng.gamma(3, 2, y.shape)
    missing = rng.random(y.shape) < 0.3
    layer = layer_of(dispersions)
    with tf.GradientTape() as tape:
        x = tf.constant(mean, tf.float32)
        tape.watch(x)
        truth = np.where(missing, np.nan, y).astype(np.float32)
        value = NegativeBinomial(layer)(truth, x)
    of_mean, of_log = map(np.asarray, tape.gradient(value, [x, layer.log_dispersion.value]))

    def plain(mean, log):
        each = np.where(missing, 0, nll(y, mean, np.exp(log)))
        return np.mean(each.sum(axis=(1, 2)) / (~missing).sum(axis=(1, 2)))

    log = np.log(dispersions)
    for target in range(3):
        step = np.eye(3)[target] * 1e-5
        slope = (plain(mean, log + step) - plain(mean, log - step)) / 2e-5
        assert of_log[target] == pytest.approx(slope, rel=2e-3, abs=2e-6)
    for place in map(tuple, np.argwhere(np.ones_like(y))[::5]):
        moved = [mean.copy(), mean.copy()]
        moved[0][place] += 1e-5
        moved[1][place] -= 1e-5
        slope = (plain(moved[0], log) - plain(moved[1], log)) / 2e-5
        assert of_mean[place] == pytest.approx(slope, rel=1e-3, abs=1e-6)
        assert not (missing[place] and of_mean[place])


def small():
    """Return a model without a dispersion; its layers are few, for the sake of time."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((8, 4), name="sequence")
    y = keras.layers.Dense(2, activation="softplus", name="head")(inputs)
    return keras.Model({"sequence": inputs}, y, name="small")


def batch(count=8):
    rng = np.random.default_rng(5)
    x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (count, 8))]
    y = rng.poisson(3, (count, 8, 2)).astype(np.float32)
    y[rng.random(y.shape) < 0.3] = np.nan
    return {"sequence": x}, y


def compiled(model):
    model.compile(make_optimizer(TRAIN, 1), make_loss(TRAIN, model), jit_compile=False)
    return model


def test_known_dispersions_are_found():
    rng = np.random.default_rng(6)
    known, mean = np.array([0.05, 1.0]), 20.0
    sizes = 1 / known
    y = rng.negative_binomial(sizes, sizes / (sizes + mean), (10, 1000, 2)).astype(np.float32)
    # Every position has the same mean, which is learned with the dispersions.
    inputs = keras.Input((1000, 1), name="sequence")
    output = keras.layers.Dense(2, activation="exponential", name="head")(inputs)
    model = with_dispersion(keras.Model({"sequence": inputs}, output))
    model.get_layer("head").set_weights([np.zeros((1, 2)), np.log([10.0, 40.0])])
    model.compile(keras.optimizers.Adam(0.05), make_loss(TRAIN, model), jit_compile=False)
    x = {"sequence": np.ones((10, 1000, 1), np.float32)}
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(300), verbose=0)
    found = np.asarray(dispersion_of(model).dispersion)
    best = [
        minimize_scalar(
            lambda a, t=t: nll(y[..., t], y[..., t].mean(), a).sum(),
            bounds=(0.01, 5),
            method="bounded",
        ).x
        for t in range(2)
    ]
    np.testing.assert_allclose(found, best, rtol=0.01)
    np.testing.assert_allclose(found, known, rtol=0.1)  # the sample's error is 3% and 1%
    np.testing.assert_allclose(np.asarray(model(x))[0, 0], y.mean(axis=(0, 1)), rtol=0.01)


def test_the_model_predicts_the_same():
    model = small()
    x, _ = batch()
    again = with_dispersion(model, 0.3)
    np.testing.assert_array_equal(again(x), model(x))
    assert again.name == model.name
    assert len(again.trainable_weights) == len(model.trainable_weights) + 1


def test_a_checkpoint_resumes_to_the_same_weights(tmp_path):
    x, y = batch()
    whole = compiled(with_dispersion(small(), 0.3))
    for _ in range(4):
        whole.train_on_batch(x, y)
        if int(whole.optimizer.iterations) == 2:
            whole.save(tmp_path / "check.keras")
    again = compiled(with_dispersion(small(), 0.3))
    again.train_on_batch(x, y)  # whatever it was
    again.load_weights(tmp_path / "check.keras")
    assert int(again.optimizer.iterations) == 2
    for _ in range(2):
        again.train_on_batch(x, y)
    for ours, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (np.abs(dispersion_of(again).dispersion - 0.3) > 1e-3).all()


def test_saved_models_keep_the_dispersion_and_are_compiled_anew(tmp_path):
    x, y = batch()
    model = compiled(with_dispersion(small(), 0.3))
    model.train_on_batch(x, y)
    model.save(tmp_path / "m.keras")
    again = load_keras(tmp_path / "m.keras")
    want = np.asarray(dispersion_of(model).dispersion)
    assert (want != np.float32(0.3)).all()
    np.testing.assert_array_equal(dispersion_of(again).dispersion, want)
    loss = compiled(again).evaluate(x, y, verbose=0)
    assert loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    lost = keras.saving.load_model(tmp_path / "m.keras")
    with pytest.raises(ConfigError, match="has lost its model's dispersion: load the model with"):
        lost.evaluate(x, y, verbose=0)


def two_heads():
    inputs = keras.Input((32, 4), name="sequence")
    heads = {n: keras.layers.Dense(2, name=f"head_{n}")(inputs) for n in ("a", "b")}
    return with_dispersion(keras.Model({"sequence": inputs}, heads), 0.2)


def test_several_heads_have_their_own():
    model = two_heads()
    for head in ("a", "b"):
        part = keras.Model(model.input, model.output[head])
        layer = dispersion_of(part)
        assert layer is dispersion_of(model, head)
        assert layer.name == f"head_{head}_dispersion"
    assert set(model.output) == {"a", "b"}
    with pytest.raises(ConfigError, match="unknown head 'c' of model"):
        make_loss(TRAIN, model, "c")
    with pytest.raises(ConfigError, match="unknown head 'None'"):
        make_loss(TRAIN, model)


def test_a_model_without_a_dispersion_is_refused():
    for model in (None, small()):
        with pytest.raises(ConfigError, match="negative_binomial needs a model whose heads hold"):
            make_loss(TRAIN, model)
