"""Additive statistics against scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance, r2_score

from tfepi.evaluation import accuracy as acc


def make(seed=0, n=300, missing=True):
    rng = np.random.default_rng(seed)
    truth = rng.poisson(rng.gamma(1, 3, n)).astype(np.float32)
    prediction = (truth * 0.5 + rng.gamma(2, 1, n)).astype(np.float32)
    if missing:
        truth[rng.random(n) < 0.2] = np.nan
    return truth, prediction


def observed(truth, prediction):
    seen = ~np.isnan(truth)
    return truth[seen].astype(float), prediction[seen].astype(float)


@pytest.mark.parametrize("missing", [False, True])
def test_statistics_equal_the_oracles(missing):
    truth, prediction = make(missing=missing)
    found = acc.accuracy(truth.reshape(30, 10), prediction.reshape(30, 10))
    y, p = observed(truth, prediction)
    assert found["pearsonr"] == pytest.approx(pearsonr(y, p)[0], abs=1e-12)
    logs = np.log2(y + 1), np.log2(p + 1)
    assert found["pearsonr_log2"] == pytest.approx(pearsonr(*logs)[0], abs=1e-12)
    assert found["r2"] == pytest.approx(r2_score(y, p), abs=1e-12)
    assert found["poisson_deviance"] == pytest.approx(mean_poisson_deviance(y, p), rel=1e-12)
    assert found["poisson_d2"] == pytest.approx(d2_tweedie_score(y, p, power=1), abs=1e-12)
    assert set(found) == set(acc.ADDITIVE)


def test_sums_of_blocks_add_up_to_the_whole():
    truth, prediction = make()
    block = np.random.default_rng(1).integers(0, 7, len(truth))
    sums = acc.block_sums(truth, prediction, block, 7)
    found, whole = acc.statistics(sums.sum(axis=0)), acc.accuracy(truth, prediction)
    for name in acc.ADDITIVE:
        assert found[name] == pytest.approx(whole[name], abs=1e-12)


def test_a_large_mean_does_not_cancel():
    rng = np.random.default_rng(3)
    truth = 1e8 + rng.normal(size=1000)
    prediction = truth + rng.normal(size=1000)
    found = acc.accuracy(truth, prediction)
    assert found["pearsonr"] == pytest.approx(pearsonr(truth, prediction)[0], abs=1e-7)


def test_missing_predictions_are_left_out():
    truth, prediction = make(missing=False)
    holed = prediction.copy()
    holed[::3] = np.nan
    keep = ~np.isnan(holed)
    assert acc.accuracy(truth, holed) == acc.accuracy(truth[keep], prediction[keep])


def test_poisson_deviance_of_a_zero_prediction_is_finite():
    found = acc.accuracy(np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.0, 3.0]))
    want = mean_poisson_deviance([0.0, 1.0, 3.0], [1e-7, 1e-7, 3.0])
    assert found["poisson_deviance"] == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 7.3])
def test_constant_truth_is_undefined(value):
    truth = np.full(50, value, np.float32)
    prediction = np.random.default_rng(0).gamma(1, 1, 50)
    found = acc.accuracy(truth, prediction)
    for name in ("pearsonr", "pearsonr_log2", "r2", "poisson_d2"):
        assert np.isnan(found[name]), name
    assert np.isfinite(found["poisson_deviance"])
    assert "constant" in acc.undefined_notes(truth, prediction)[0]


def test_a_resample_that_is_constant_is_undefined():
    """Two blocks of which one is constant and far from the mean of all."""
    truth = np.r_[np.full(20, 5.1), np.random.default_rng(0).random(20)]
    prediction = np.random.default_rng(1).random(40)
    sums = acc.block_sums(truth, prediction, np.repeat([0, 1], 20), 2)
    found = acc.statistics(np.array([[2, 0], [0, 2]]) @ sums)
    assert np.isnan(found["pearsonr"]).tolist() == [True, False]
    assert np.isnan(found["r2"]).tolist() == [True, False]


def test_constant_prediction_leaves_r2_defined():
    truth, _ = make(missing=False)
    found = acc.accuracy(truth, np.full(len(truth), 0.3))
    assert np.isnan(found["pearsonr"])
    assert found["r2"] == pytest.approx(r2_score(truth, np.full(len(truth), 0.3)), abs=1e-12)
    assert "predictions are constant" in acc.undefined_notes(truth, np.zeros(len(truth)))[0]


def test_values_out_of_a_statistics_domain_make_it_alone_undefined():
    truth = np.array([-0.5, 1.0, 2.0, 4.0])
    found = acc.accuracy(truth, np.array([0.1, 1.0, 2.0, 3.0]))
    assert np.isnan(found["poisson_deviance"])
    assert np.isnan(found["poisson_d2"])
    assert np.isfinite(found["pearsonr_log2"])
    truth[0] = -1
    found = acc.accuracy(truth, np.array([0.1, 1.0, 2.0, 3.0]))
    assert np.isnan(found["pearsonr_log2"])
    assert np.isfinite(found["pearsonr"])
    notes = " ".join(acc.undefined_notes(truth, np.arange(4.0)))
    assert "negative" in notes
    assert "log2" in notes


def test_nothing_observed():
    found = acc.accuracy(np.full(5, np.nan), np.arange(5.0))
    assert all(np.isnan(v) for v in found.values())
    assert "no position" in acc.undefined_notes(np.full(5, np.nan), np.arange(5.0))[0]


def test_is_binary():
    assert acc.is_binary(np.array([0, 1, np.nan]))
    assert not acc.is_binary(np.array([0, 2.0]))
    assert not acc.is_binary(np.array([np.nan]))


def oracle_across_targets(truth, prediction):
    found = {name: [] for name in acc.ACROSS_TARGETS}
    for y, p in zip(truth, prediction, strict=True):
        seen = ~np.isnan(y)
        y, p = y[seen].astype(float), p[seen].astype(float)
        bad = len(y) < 3 or np.ptp(y) == 0 or np.ptp(p) == 0
        found["pearsonr"].append(np.nan if bad else pearsonr(y, p)[0])
        found["spearmanr"].append(np.nan if bad else spearmanr(y, p)[0])
        logs = np.log2(y + 1), np.log2(p + 1)
        found["pearsonr_log2"].append(np.nan if bad else pearsonr(*logs)[0])
    return {k: np.array(v) for k, v in found.items()}


def test_across_targets_equals_a_loop():
    rng = np.random.default_rng(5)
    truth = rng.poisson(2, (60, 6)).astype(np.float32)
    prediction = (truth + rng.gamma(1, 1, (60, 6))).astype(np.float32)
    truth[rng.random(truth.shape) < 0.2] = np.nan
    truth[0] = np.nan
    truth[1] = 2
    prediction[2] = 1.1
    found, want = acc.across_targets(truth, prediction), oracle_across_targets(truth, prediction)
    assert set(found) == set(want)
    for name in want:
        np.testing.assert_allclose(found[name], want[name], atol=1e-12)
    assert np.isnan(found["pearsonr"][:3]).all()


def test_across_targets_without_missing_and_with_too_few():
    rng = np.random.default_rng(6)
    truth, prediction = rng.gamma(1, 1, (2, 20, 4))
    want = oracle_across_targets(truth, prediction)
    for name, values in acc.across_targets(truth, prediction).items():
        np.testing.assert_allclose(values, want[name], atol=1e-12)
    assert np.isnan(acc.across_targets(truth[:, :2], prediction[:, :2])["pearsonr"]).all()


def test_across_targets_outside_the_logarithm():
    truth, prediction = np.array([[-1.0, 2, 3]]), np.array([[1.0, 2, 4]])
    found = acc.across_targets(truth, prediction)
    assert np.isnan(found["pearsonr_log2"]).all()
    assert np.isfinite(found["pearsonr"]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_correlation_ignores_scale_and_offset_r2_does_not(seed, scale, offset):
    truth, prediction = (v.astype(float) for v in make(seed, n=40))
    first = acc.accuracy(truth, prediction)
    moved = acc.accuracy(truth, prediction * scale + offset)
    assert moved["pearsonr"] == pytest.approx(first["pearsonr"], abs=1e-9)
    assert first["r2"] <= first["pearsonr"] ** 2 + 1e-9
    assert moved["r2"] <= first["pearsonr"] ** 2 + 1e-9
