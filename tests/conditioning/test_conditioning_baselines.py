"""Baselines against plain loops, a numerical gradient and scikit-learn."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from tfepi.conditioning.baselines import (
    Neighbours,
    fit_logistic,
    logistic_loss,
    mean_of_cells,
)
from tfrecords_tools.errors import ConfigError


def test_mean_of_cells():
    nan = np.nan
    first = np.array([[[1, nan], [1, nan]]])
    second = np.array([[[0, 1], [1, nan]]])
    found = mean_of_cells(iter([first, second]), np.array([0.1, 0.2]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[[0.5, 1], [1, 0.2]]])
    np.testing.assert_allclose(mean_of_cells([first], 0.3), [[[1, 0.3], [1, 0.3]]])
    with pytest.raises(ConfigError, match="at least one other cell type"):
        mean_of_cells([], 0.5)


def slow_features(plan, row):
    """Base by base."""
    bases = np.repeat(np.nan_to_num(row), plan.track_width)
    centre = len(bases) / 2
    found = []
    for b in range(plan.bins):
        line = []
        for side in range(-plan.beside, plan.beside + 1):
            start = round(centre - plan.bins * plan.bin_width / 2 + (b + side) * plan.bin_width)
            inside = bases[max(start, 0) : max(start + plan.bin_width, 0)]
            line.append(np.log1p(inside.sum() / plan.bin_width))
        found.append(line)
    return found


@pytest.mark.parametrize(
    "plan",
    [
        Neighbours(16, 40, 16, 20, 3),
        Neighbours(4, 64, 16, 10, 2),  # finer than the targets
        Neighbours(32, 8, 8, 12, 1),  # coarser, and not on their grid
        Neighbours(10, 20, 25, 6, 0),
        Neighbours(8, 8, 8, 8, 9),  # neighbours all beyond the track
    ],
)
def test_features_of_neighbours(plan):
    rng = np.random.default_rng(0)
    tracks = rng.gamma(1, 2, (3, plan.track_length)).astype(np.float32)
    tracks[rng.random(tracks.shape) < 0.2] = np.nan
    found = plan.features(tracks)
    assert found.shape == (3, plan.bins, 2 * plan.beside + 1)
    assert found.dtype == np.float32
    for row, values in zip(tracks, found, strict=True):
        np.testing.assert_allclose(values, slow_features(plan, row), rtol=1e-5, atol=1e-6)


def test_errors_of_neighbours():
    with pytest.raises(ConfigError, match="covers 80 bp, less than the 96 bp"):
        Neighbours(8, 10, 16, 6)
    with pytest.raises(ConfigError, match="beside is -1"):
        Neighbours(8, 10, 8, 6, -1)
    plan = Neighbours(8, 10, 8, 6)
    with pytest.raises(ConfigError, match=r"shape \(1, 9\)"):
        plan.features(np.ones((1, 9)))
    with pytest.raises(ConfigError, match="reaches from -2 to 1"):
        plan.features(np.r_[-2, np.ones(9)][None])
    with pytest.raises(ConfigError, match="to inf"):
        plan.features(np.r_[np.inf, np.ones(9)][None])


def examples(n=600, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.gamma(1, 2, (n // 6, 6, 3))
    score = x @ [[0.8, -0.2], [0.0, 0.5], [-0.6, 0.1]] - [1.0, 0.5]
    y = (rng.random(score.shape) < 1 / (1 + np.exp(-score))).astype(float)
    y[rng.random(y.shape) < 0.1] = np.nan
    return x, y


def test_the_gradient():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 3)), (rng.random(40) < 0.4).astype(float)
    at = rng.normal(size=4)
    loss, gradient = logistic_loss(at, x, y, 0.7)
    probability = 1 / (1 + np.exp(-(x @ at[:3] + at[3])))
    plain = -(y * np.log(probability) + (1 - y) * np.log(1 - probability)).mean()
    assert loss == pytest.approx(plain + 0.7 / 80 * (at[:3] @ at[:3]))
    slow = approx_fprime(at, lambda w: logistic_loss(w, x, y, 0.7)[0], 1e-7)
    np.testing.assert_allclose(gradient, slow, atol=1e-6)


def test_the_fit_equals_scikit_learn():
    x, y = examples()
    found = fit_logistic([(x, y)], penalty=2.0)
    rows = ~np.isnan(y.reshape(-1, 2)).all(axis=1)
    flat, labels = x.reshape(-1, 3), y.reshape(-1, 2)
    scaled = (flat - flat[rows].mean(axis=0)) / flat[rows].std(axis=0)
    for mark in range(2):
        seen = ~np.isnan(labels[:, mark])
        model = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000)
        model.fit(scaled[seen], labels[seen, mark])
        np.testing.assert_allclose(found.weights[mark], model.coef_[0], atol=1e-4)
        want = model.predict_proba(scaled)[:, 1].reshape(100, 6)
        predicted = found.predict(x)
        assert predicted.dtype == np.float32
        np.testing.assert_allclose(predicted[..., mark], want, atol=1e-4)


def test_the_sample_does_not_depend_on_batches():
    x, y = examples(6000)
    whole = fit_logistic([(x, y)], most=500, seed=3)
    cut = fit_logistic(((x[i : i + 70], y[i : i + 70]) for i in range(0, 1000, 70)), 500, seed=3)
    np.testing.assert_array_equal(whole.weights, cut.weights)
    other = fit_logistic([(x, y)], most=500, seed=4)
    assert (whole.weights != other.weights).any()
    every = fit_logistic([(x, y)])
    assert np.abs(whole.weights - every.weights).max() < 0.5


def test_a_constant_feature_and_errors():
    x, y = examples()
    x[..., 1] = 4
    assert np.isfinite(fit_logistic([(x, y)]).predict(x)).all()
    with pytest.raises(ConfigError, match="no observed labels"):
        fit_logistic([(x, np.full_like(y, np.nan))])
    with pytest.raises(ConfigError, match="no observed labels"):
        fit_logistic([])
    y[..., 1] = 0
    with pytest.raises(ConfigError, match="mark number 1 has not both labels among"):
        fit_logistic([(x, y)])
