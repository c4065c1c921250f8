"""Losses whose values have weights: against loops, in any batch, with most of them missing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfepi.training.losses import make_loss


@pytest.fixture
def sample():
    """Truth with four of five values missing, prediction and weights, [6, 2, 5]."""
    rng = np.random.default_rng(3)
    y, p = rng.random((6, 2, 5)), rng.uniform(0.05, 0.95, (6, 2, 5))
    w = rng.random((6, 2, 5))
    y[rng.random(y.shape) < 0.8] = np.nan
    y[0], y[1, 0, 0], y[1, 1] = np.nan, 0.3, np.nan
    w[np.isnan(y)] = 0
    return tuple(v.astype(np.float32) for v in (y, p, w))


def plain(name, y, p, w):
    """Return each example's loss by loops."""
    found = []
    for example in range(len(y)):
        total, count = 0.0, 0
        for index in np.argwhere(~np.isnan(y[example])):
            a, b = (float(v[example][tuple(index)]) for v in (y, p))
            term = (b - a) ** 2 if name == "mse" else -a * np.log(b) - (1 - a) * np.log(1 - b)
            total, count = total + float(w[example][tuple(index)]) * term, count + 1
        found.append(total / max(count, 1))
    return np.array(found)


@pytest.mark.parametrize("name", ["mse", "bce"])
def test_weights_are_those_of_values(name, sample):
    y, p, w = sample
    loss, want = make_loss(name), plain(name, y, p, w)
    assert want[0] == 0
    assert (want[1:] > 0).any()
    assert float(loss(y, p, w)) == pytest.approx(want.mean(), rel=1e-5)
    assert float(loss(y, p, np.ones_like(w))) == pytest.approx(float(loss(y, p)), rel=1e-6)
    assert float(loss(y, p)) == pytest.approx(plain(name, y, p, np.ones_like(w)).mean(), rel=1e-5)
    of_examples = np.arange(6, dtype=np.float32)
    want = (plain(name, y, p, np.ones_like(w)) * of_examples).mean()
    assert float(loss(y, p, of_examples)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("name", ["mse", "bce"])
def test_splitting_a_batch_changes_nothing(name, sample):
    loss = make_loss(name)
    whole = float(loss(*sample))
    halves = [float(loss(*(v[part] for v in sample))) for part in (slice(3), slice(3, 6))]
    assert np.mean(halves) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", ["mse", "bce"])
@pytest.mark.parametrize("weighted", [True, False])
def test_no_gradient_is_nan(name, weighted, sample):
    y, p, w = sample
    p = p.copy()
    p[2, 0, :2] = 0, 1  # where the cross-entropy is steepest
    prediction = tf.Variable(p)
    with tf.GradientTape() as tape:
        value = make_loss(name)(y, prediction, w if weighted else None)
    gradient = tape.gradient(value, prediction).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[np.isnan(y)] == 0).all()
    assert (gradient[~np.isnan(y)] != 0).any()


def test_weights_go_through_fit_and_evaluate(sample):
    y, p, w = sample
    inputs = keras.Input((2, 5))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile("sgd", make_loss("mse"))
    dataset = tf.data.Dataset.from_tensor_slices((p, y, w)).batch(4)  # 4 and 2
    want = plain("mse", y, p, w).mean()
    assert model.evaluate(dataset, verbose=0) == pytest.approx(want, rel=1e-5)
    assert float(model.test_on_batch(p, y, w)) == pytest.approx(want, rel=1e-5)
