"""Weighted rank statistics against scipy and scikit-learn on repeated data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from tfepi.evaluation import ranks
from tfrecords_tools.errors import ConfigError


def make(seed, n=60, levels=8):
    rng = np.random.default_rng(seed)
    prediction = rng.integers(0, levels, n).astype(float)  # many ties
    counts = rng.poisson(prediction / 2 + 0.5).astype(float)
    binary = (rng.random(n) < 0.2 + 0.6 * prediction / levels).astype(float)
    return prediction, counts, binary, rng.integers(0, 4, n)


def test_unweighted_equal_the_oracles():
    prediction, counts, binary, _ = make(0, 300)
    counts[::7] = np.nan
    seen = ~np.isnan(counts)
    want = spearmanr(counts[seen], prediction[seen])[0]
    assert ranks.spearmanr(counts.reshape(30, 10), prediction.reshape(30, 10)) == pytest.approx(
        want, abs=1e-12
    )
    binary[::5] = np.nan
    seen = ~np.isnan(binary)
    y, p = binary[seen], prediction[seen]
    assert ranks.auroc(binary, prediction) == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    want = average_precision_score(y, p)
    assert ranks.auprc(binary, prediction) == pytest.approx(want, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 8, 1000]))
def test_weights_equal_repeats(seed, levels):
    prediction, counts, binary, weights = make(seed, levels=levels)
    repeated = [np.repeat(v, weights) for v in (prediction, counts, binary)]
    found = ranks.RankedPair(counts, prediction).statistics(weights.astype(float))
    if np.ptp(repeated[0]) and np.ptp(repeated[1]):
        assert found["spearmanr"] == pytest.approx(spearmanr(*repeated[:2])[0], abs=1e-12)
    else:
        assert np.isnan(found["spearmanr"])
    found = ranks.RankedPair(binary, prediction, True).statistics(weights.astype(float))
    if np.ptp(repeated[2]):
        y, p = repeated[2], repeated[0]
        assert found["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert found["auprc"] == pytest.approx(average_precision_score(y, p), abs=1e-12)
    else:
        assert np.isnan(found["auroc"])
        assert np.isnan(found["auprc"])


def test_ranking_equals_rankdata_of_repeats():
    _, counts, _, weights = make(3)
    found = ranks.Ranking(counts).ranks(weights)
    want = rankdata(np.repeat(counts, weights))
    np.testing.assert_allclose(np.repeat(found, weights), want)


def test_undefined():
    ones = np.ones(5)
    assert np.isnan(ranks.spearmanr(ones, np.arange(5.0)))
    assert np.isnan(ranks.spearmanr(np.arange(5.0), ones))
    assert np.isnan(ranks.spearmanr(np.full(5, np.nan), ones))
    assert np.isnan(ranks.auroc(ones, np.arange(5.0)))
    assert np.isnan(ranks.auprc(0 * ones, np.arange(5.0)))
    assert np.isnan(ranks.auprc(np.full(5, np.nan), ones))


def test_auroc_refuses_counts():
    with pytest.raises(ConfigError, match="0 and 1, not 3"):
        ranks.auroc(np.array([0.0, 3.0, 1.0]), np.arange(3.0))
