"""Accuracy of binary labels against plain loops and scikit-learn on repeated data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tfepi.conditioning import accuracy
from tfepi.conditioning.accuracy import RankedLabels, differing
from tfrecords_tools.errors import ConfigError


def slow_auprc(labels, values):
    """The definition, threshold by threshold."""
    labels = labels.astype(float)
    total = 0.0
    before = 0.0
    for threshold in sorted(set(values), reverse=True):
        called = values >= threshold
        recall = labels[called].sum() / labels.sum()
        total += (recall - before) * labels[called].mean()
        before = recall
    return total


def slow_auroc(labels, values):
    wins = [
        (p > n) + (p == n) / 2 for p in values[labels == 1] for n in values[labels == 0].tolist()
    ]
    return np.mean(wins)


def leopard_loop(labels, values):
    """Leopard's sum: bins of 0.001 leave from the lowest up; recall lost x precision before."""
    places = np.floor(values * 1000 + 0.5).astype(int)
    held, positives = len(labels), labels.sum()
    total, left = 0.0, positives
    for place in range(1001):
        inside = places == place
        precision = left / held if held else 0.0
        total += labels[inside].sum() / positives * precision
        left -= labels[inside].sum()
        held -= inside.sum()
    return total


def make(seed, n=80, levels=9, missing=True):
    rng = np.random.default_rng(seed)
    prediction = (rng.integers(0, levels, n) / levels).astype(np.float32)
    truth = (rng.random(n) < 0.15 + 0.6 * prediction).astype(np.float32)
    if missing:
        truth[rng.random(n) < 0.2] = np.nan
    return truth, prediction, rng.integers(0, 7, n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 9, 1000]))
def test_resamples_equal_repeated_positions(seed, levels):
    truth, prediction, block = make(seed, levels=levels)
    drawn = np.random.default_rng(seed + 1).multinomial(7, np.full(7, 1 / 7), 5)
    found = RankedLabels.of(truth, prediction, block, 7).statistics(drawn)
    for number, row in enumerate(drawn):
        times = np.where(np.isnan(truth), 0, row[block])
        y, p = np.repeat(truth, times), np.repeat(prediction, times)
        if not len(y) or y.min() == y.max():
            assert np.isnan(found["auprc"][number])
            assert np.isnan(found["auroc"][number])
            continue
        assert found["auprc"][number] == pytest.approx(average_precision_score(y, p), abs=1e-12)
        assert found["auprc"][number] == pytest.approx(slow_auprc(y, p), abs=1e-12)
        assert found["auroc"][number] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert found["positive_rate"][number] == pytest.approx(y.mean())


def test_a_case_by_hand():
    truth = np.array([1, 0, 1, 0, np.nan, 0])
    prediction = np.array([0.9, 0.8, 0.7, 0.7, 0.95, 0.1])
    found = RankedLabels.of(truth, prediction, np.zeros(6, int), 1).statistics()
    # thresholds 0.9: 1 of 1; 0.8: 1 of 2; 0.7: 2 of 4
    assert found["auprc"][0] == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert found["auroc"][0] == pytest.approx((3 + 1 + 0.5) / 6)
    assert found["auroc"][0] == slow_auroc(truth[truth >= 0], prediction[truth >= 0])
    assert found["positive_rate"][0] == pytest.approx(2 / 5)


def test_stretches_of_thresholds_join(monkeypatch):
    truth, prediction, block = make(3, 400, 100_000)
    labels = RankedLabels.of(truth, prediction, block, 7)
    drawn = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), 30)
    whole = labels.statistics(drawn)
    monkeypatch.setattr(accuracy, "_CHUNK_VALUES", 90)  # three thresholds at a time
    for name, values in labels.statistics(drawn).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-13)


def test_among_equals_leaving_the_others_out():
    truth, prediction, block = make(4, 300)
    chosen = np.random.default_rng(9).random(300) < 0.5
    labels = RankedLabels.of(truth, prediction, block, 7).among(chosen)
    other = RankedLabels.of(np.where(chosen, truth, np.nan), prediction, block, 7)
    drawn = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), 4)
    for name, values in other.statistics(drawn).items():
        np.testing.assert_array_equal(labels.statistics(drawn)[name], values)


def test_leopards_step_sum():
    rng = np.random.default_rng(5)
    prediction = 0.99 * rng.random(3000)
    prediction[:40] = np.round(prediction[:40], 2) + 0.0005  # on the edges of bins
    truth = (rng.random(3000) < 0.3 * prediction).astype(float)
    labels = RankedLabels.of(truth, prediction, np.zeros(3000, int), 1)
    found = labels.rounded().statistics()["auprc"][0]
    assert found == pytest.approx(leopard_loop(truth, prediction), abs=1e-12)
    assert found != pytest.approx(labels.statistics()["auprc"][0], abs=1e-6)
    with pytest.raises(ConfigError, match=r"reach from 0 to 1\.5"):
        RankedLabels.of(np.array([1.0, 0]), np.array([0, 1.5]), np.zeros(2, int), 1).rounded()


def test_undefined():
    zeros = np.zeros(4, int)
    for truth in (np.ones(4), np.zeros(4)):
        found = RankedLabels.of(truth, np.arange(4.0), zeros, 1).statistics()
        assert np.isnan(found["auprc"][0])
        assert np.isnan(found["auroc"][0])
        assert found["positive_rate"][0] == truth[0]
    found = RankedLabels.of(np.full(4, np.nan), np.arange(4.0), zeros, 1).statistics()
    assert np.isnan([v[0] for v in found.values()]).all()


def test_errors():
    zeros = np.zeros(3, int)
    with pytest.raises(ConfigError, match=r"0 and 1, not 2\.5"):
        RankedLabels.of(np.array([0, 2.5, 1]), np.arange(3.0), zeros, 1)
    with pytest.raises(ConfigError, match=r"1 of 2 observed positions have no finite prediction"):
        RankedLabels.of(np.array([0, np.nan, 1]), np.array([0, np.nan, np.nan]), zeros, 1)


def test_differing():
    nan = np.nan
    truths = [
        np.array([0, 0, 1, nan, nan, 1]),
        np.array([0, 1, 1, 1, nan, nan]),
        np.array([0, 0, 1, 0, 1, nan]),
    ]
    wanted = [False, True, False, True, False, False]
    np.testing.assert_array_equal(differing(truths), wanted)
    np.testing.assert_array_equal(differing(iter(truths)), wanted)
