"""Losses and their gradients: the original tools' values, and plain loops over observed values."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import gammaln
from scipy.stats import nbinom

from tfepi.layers import Dispersion
from tfepi.train_params import TrainParams
from tfepi.training.losses import LOSSES, NegativeBinomial, make_loss, position_weights
from tfrecords_tools.errors import ConfigError

EPS = 1e-7
# Keys of each loss that make its terms and weights differ.
KEYS = [
    {"loss": "poisson"},
    {"loss": "mse"},
    {"loss": "bce"},
    {"loss": "mse_udot"},
    {"loss": "mse_udot", "spec_weight": 0.3},
    {"loss": "poisson_kl"},
    {"loss": "poisson_kl", "spec_weight": 2.5},
    {"loss": "poisson_mn"},
    {"loss": "poisson_mn", "total_weight": 0.2},
    {"loss": "poisson_mn", "total_weight": 0.2, "weight_range": 8, "weight_exp": 6},
    {"loss": "poisson_mn", "weight_range": 3, "weight_exp": 2},
]
# Baskerville's on TensorFlow 2.15, on `regular`.
ORIGINAL = (
    1.229519248008728,
    3.3103296756744385,
    0.8170533180236816,
    3.3091723918914795,
    3.3099822998046875,
    1.825981616973877,
    2.720675230026245,
    1.2295193672180176,
    3.501765012741089,
    3.4090068340301514,
    1.9223136901855469,
)
COUNTS = [
    {"loss": "negative_binomial", "dispersion": 0.1},
    {"loss": "negative_binomial", "dispersion": 3.0},
]
each = pytest.mark.parametrize("keys", [*KEYS, *COUNTS], ids=str)


def loss_of(keys):
    if keys["loss"] != "negative_binomial":
        return make_loss(TrainParams(**keys))
    layer = Dispersion(keys["dispersion"])
    layer.build((None, 6, 3))
    return NegativeBinomial(layer)


def regular(name):
    k = np.arange(36)
    if name == "bce":
        y, p = k * 7 % 11 < 4, (k * 13 % 29 + 1) / 30
    else:
        y, p = k * 7 % 5, (k * 13 % 29 + 1) / 8
    return y.reshape(2, 6, 3).astype(np.float32), p.reshape(2, 6, 3).astype(np.float32)


def with_missing(name):
    rng = np.random.default_rng(2)
    y = rng.poisson(3, (4, 6, 3)).astype(np.float64)
    if name == "bce":
        y = (y > 3).astype(np.float64)
    p = rng.uniform(0.05, 0.95, y.shape)
    y[rng.random(y.shape) < 0.3] = np.nan
    y[1, :, 2] = np.nan  # a target
    y[2, 4] = np.nan  # a bin
    return y, p


def plain(y, p, *, loss, spec_weight=1, total_weight=1, weight_range=1, weight_exp=1, dispersion=1):
    """Return an example's loss by loops over what was observed."""
    bins, targets = y.shape
    seen = [(b, t) for b in range(bins) for t in range(targets) if not np.isnan(y[b, t])]
    poisson = np.mean([p[i] - y[i] * np.log(p[i] + EPS) for i in seen])
    if loss == "poisson":
        return poisson
    if loss == "negative_binomial":
        size = 1 / dispersion
        values = [nbinom.logpmf(y[i], size, size / (size + p[i])) + gammaln(y[i] + 1) for i in seen]
        return -np.mean(values)
    if loss == "mse":
        return np.mean([(p[i] - y[i]) ** 2 for i in seen])
    if loss == "bce":
        return -np.mean([np.log(p[i] if y[i] else 1 - p[i]) for i in seen])
    if loss == "poisson_mn":
        values = []
        for t in range(targets):
            at = [b for b in range(bins) if (b, t) in seen]
            if not at:
                continue
            middle = (bins - 1) / 2
            decay = np.log(weight_range) if weight_range > 1 else 0.0
            w = [np.exp(-decay * abs((b - middle) / middle) ** weight_exp) for b in range(bins)]
            w = [v / max(w) for v in w]
            ys, ps = sum(w[b] * y[b, t] for b in at), sum(w[b] * p[b, t] for b in at)
            value = total_weight * (ps - ys * np.log(ps + EPS))
            for b in at:
                value -= (w[b] * y[b, t] + EPS) * np.log((w[b] * p[b, t] + EPS) / ps)
            values.append(value / sum(w[b] for b in at))
        return np.mean(values)
    udot, divergence = [], []
    for b in range(bins):
        at = [t for t in range(targets) if (b, t) in seen]
        if not at:
            continue
        a, c = y[b, at], p[b, at]
        udot += list((c - a) ** 2 - spec_weight * (a - a.mean()) * (c - c.mean()))
        q, r = (np.maximum((v + EPS) / (v + EPS).sum(), EPS) for v in (a, c))
        divergence.append(np.sum(q * np.log(q / r)))
    return np.mean(udot) if loss == "mse_udot" else poisson + spec_weight * np.mean(divergence)


@pytest.mark.parametrize(("keys", "want"), list(zip(KEYS, ORIGINAL, strict=True)), ids=str)
def test_the_value_is_the_originals(keys, want):
    y, p = regular(keys["loss"])
    assert float(loss_of(keys)(y, p)) == pytest.approx(want, rel=1e-6)


def test_the_window_of_an_odd_number_of_bins_is_the_originals():
    y, p = regular("poisson_mn")
    assert float(loss_of(KEYS[-2])(y[:, :5], p[:, :5])) == pytest.approx(
        3.046969175338745, rel=1e-6
    )


@each
@pytest.mark.parametrize("missing", [False, True])
def test_value_is_the_mean_over_observed_then_over_examples(keys, missing):
    y, p = with_missing(keys["loss"])
    if not missing:
        y = np.nan_to_num(y, nan=1.0)
    want = np.mean([plain(a, b, **keys) for a, b in zip(y, p, strict=True)])
    got = float(loss_of(keys)(y.astype(np.float32), p.astype(np.float32)))
    assert got == pytest.approx(want, rel=1e-5)


def gradient_of(keys, y, p):
    x = tf.constant(p, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(keys)(tf.constant(y, tf.float32), x)
    return tape.gradient(loss, x).numpy()


@each
def test_gradient_is_that_of_the_plain_value(keys):
    y, p = with_missing(keys["loss"])
    gradient = gradient_of(keys, y, p)
    for i in map(tuple, np.argwhere(~np.isnan(y))[::9]):
        values = []
        for step in (1e-5, -1e-5):
            moved = p.copy()
            moved[i] += step
            values.append(plain(y[i[0]], moved[i[0]], **keys))
        assert gradient[i] == pytest.approx((values[0] - values[1]) / 2e-5 / 4, rel=1e-3, abs=1e-6)


@each
def test_gradient_is_finite_and_zero_where_the_truth_is_missing(keys):
    y, p = with_missing(keys["loss"])
    p[np.isnan(y)] = 0.0
    p[np.isnan(y) & (np.indices(y.shape)[1] == 2)] = np.nan
    y[3], p[3, :3], p[3, 3] = 0.0, 0.0, 1.0
    gradient = gradient_of(keys, y, p)
    assert np.isfinite(gradient).all()
    assert (gradient[np.isnan(y)] == 0).all()
    assert (gradient[~np.isnan(y)] != 0).any()


@each
@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_nothing_but_zeros_is_finite(keys, truth):
    # The originals' poisson_mn is minus infinity here.
    y = np.full((2, 6, 3), truth, np.float32)
    assert np.isfinite(float(loss_of(keys)(y, np.zeros_like(y))))
    assert np.isfinite(gradient_of(keys, y, np.zeros_like(y))).all()


@each
def test_batches_do_not_matter(keys):
    y, p = (v.astype(np.float32) for v in with_missing(keys["loss"]))
    loss = loss_of(keys)
    halves = [float(loss(y[i : i + 2], p[i : i + 2])) for i in (0, 2)]
    assert np.mean(halves) == pytest.approx(float(loss(y, p)), rel=1e-5)


@each
def test_an_example_without_truth_counts_as_zero(keys):
    y, p = regular(keys["loss"])
    y[1] = np.nan
    assert float(loss_of(keys)(y, p)) == pytest.approx(float(loss_of(keys)(y[:1], p[:1])) / 2)


def test_poisson_mn_without_weights_is_poisson():
    y, p = regular("poisson")
    assert float(make_loss("poisson_mn")(y, p)) == pytest.approx(float(make_loss("poisson")(y, p)))


def test_float16_truth_and_prediction():
    y, p = (v.astype(np.float16) for v in regular("poisson_mn"))
    assert float(loss_of(KEYS[8])(y, p)) == pytest.approx(ORIGINAL[8], rel=1e-3)


def test_position_weights():
    weights = position_weights(33, 8, 6)
    assert weights[16] == 1
    np.testing.assert_allclose(weights[[0, -1]], 1 / 8)
    np.testing.assert_array_equal(weights, weights[::-1])
    assert (np.diff(weights[:17]) >= 0).all()
    np.testing.assert_array_equal(position_weights(1, 8, 6), [1])
    np.testing.assert_array_equal(position_weights(4, 1, 6), np.ones(4))


def test_an_unknown_loss_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'poisson'"):
        make_loss("poison")


@pytest.mark.parametrize("keys", KEYS, ids=str)
def test_losses_survive_serialisation(keys):
    loss = loss_of(keys)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is LOSSES[keys["loss"]]
    assert again.get_config() == loss.get_config()
    y, p = regular(keys["loss"])
    assert float(again(y, p)) == float(loss(y, p))
