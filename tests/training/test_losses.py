"""Losses and their gradients against numpy over the observed values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfepi.training.losses import LOSSES, make_loss
from tfrecords_tools.errors import ConfigError


def plain(name, y, p):
    if name == "poisson":
        return p - y * np.log(p + 1e-7)
    if name == "mse":
        return (p - y) ** 2
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def sample(name, missing):
    rng = np.random.default_rng(2)
    y = (
        (rng.random((4, 6, 3)) < 0.4).astype(np.float64)
        if name == "bce"
        else rng.poisson(3, (4, 6, 3))
    )
    p = rng.uniform(0.05, 0.95, y.shape)
    y = y.astype(np.float64)
    if missing:
        y[rng.random(y.shape) < 0.3] = np.nan
    return y, p


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("missing", [False, True])
def test_value_is_the_mean_over_observed_then_over_examples(name, missing):
    y, p = sample(name, missing)
    want = np.mean([np.nanmean(plain(name, a, b)) for a, b in zip(y, p, strict=True)])
    got = float(make_loss(name)(y.astype(np.float32), p.astype(np.float32)))
    assert got == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_finite_and_zero_where_the_truth_is_missing(name):
    y, p = sample(name, True)
    p[0, 0, 0] = 0.0 if name != "bce" else 1.0
    y[0, 0, 0] = np.nan
    x = tf.constant(p, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = make_loss(name)(tf.constant(y, tf.float32), x)
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[np.isnan(y)] == 0).all()
    assert (gradient[~np.isnan(y)] != 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_batches_do_not_matter(name):
    y, p = (v.astype(np.float32) for v in sample(name, True))
    loss = make_loss(name)
    halves = [float(loss(y[i : i + 2], p[i : i + 2])) for i in (0, 2)]
    assert np.mean(halves) == pytest.approx(float(loss(y, p)), rel=1e-5)


def test_an_example_without_truth_counts_as_zero():
    y = np.full((2, 3, 1), np.nan, np.float32)
    y[0] = 1
    assert float(make_loss("mse")(y, np.zeros_like(y))) == 0.5


def test_an_unknown_loss_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'poisson'"):
        make_loss("poison")


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_registered(name):
    config = keras.saving.serialize_keras_object(make_loss(name))
    assert type(keras.saving.deserialize_keras_object(config)) is LOSSES[name]
