"""Overcorrelation between cell types, against plain correlations."""

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, multiplicities
from tfepi.specificity.overcorrelation import overcorrelation
from tfrecords_tools.errors import ConfigError

CELLS = ("x", "y", "z", "w")


def draw(n=300, seed=0, blocks=15):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 1, (n, 1))
    truth = 2 ** (3 + 0.4 * shared + rng.normal(0, 1, (n, 4))) - 1
    prediction = 2 ** (3 + shared + 0.3 * rng.normal(0, 1, (n, 4))) - 1
    truth = np.maximum(truth, 0)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    return truth, np.maximum(prediction, 0), Blocks(rng.integers(0, blocks, n), blocks, 1000)


def plain(values, other, i, j):
    seen = ~(np.isnan(values) | np.isnan(other))
    both = seen[:, i] & seen[:, j]
    logs = np.log2(values[both] + 1)
    return np.corrcoef(logs[:, i], logs[:, j])[0, 1], both.sum()


def test_matrices_and_resamples_are_those_of_plain_correlations():
    truth, prediction, blocks = draw()
    found = overcorrelation(truth, prediction, blocks, Bootstrap(40, seed=2))
    over = []
    for i in range(4):
        for j in range(4):
            y, n = plain(truth, prediction, i, j)
            p, _ = plain(prediction, truth, i, j)
            assert found.n[i, j] == n
            assert found.experimental[i, j] == pytest.approx(y)
            assert found.predicted[i, j] == pytest.approx(p)
            assert found.over[i, j] == pytest.approx(p - y, abs=1e-9)
            if i < j:
                over.append(p - y)
                assert found.low[i, j] < p - y < found.high[i, j]
    assert found.means["overcorrelation"][0] == pytest.approx(np.mean(over))
    drawn = multiplicities(15, 40, 2)
    for b in (0, 39):
        rows = np.repeat(np.arange(len(truth)), drawn[b][blocks.index])
        y, p = truth[rows], prediction[rows]
        again = [
            plain(p, y, i, j)[0] - plain(y, p, i, j)[0] for i in range(4) for j in range(i + 1, 4)
        ]
        assert found.resampled["overcorrelation"][b] == pytest.approx(np.mean(again))
    low, high = found.means["overcorrelation"][1:]
    assert (low, high) == pytest.approx(
        np.quantile(found.resampled["overcorrelation"], (0.025, 0.975))
    )


def test_the_table_has_every_pair_and_their_mean():
    truth, prediction, blocks = draw()
    found = overcorrelation(truth, prediction, blocks, Bootstrap(20))
    table = found.table(CELLS, "ubiquitous")
    assert len(table) == 7
    assert table.iloc[0].tolist()[:3] == ["ubiquitous", "x", "y"]
    assert table.iloc[0]["overcorrelation"] == found.over[0, 1]
    assert table.iloc[-1].tolist()[:3] == ["ubiquitous", "mean", "mean"]
    assert table.iloc[-1]["low"] == found.means["overcorrelation"][1]


def test_constant_predictions_are_undefined():
    truth, prediction, blocks = draw()
    prediction[:, 2] = 3.3
    found = overcorrelation(truth, prediction, blocks, Bootstrap(20))
    assert np.isnan(found.predicted[2]).all()
    assert np.isnan(found.predicted).sum() == 7
    assert np.isfinite(found.experimental).all()
    kept = [found.over[i, j] for i, j in ((0, 1), (0, 3), (1, 3))]
    assert found.means["overcorrelation"][0] == pytest.approx(np.mean(kept))
    prediction[:] = 1
    assert np.isnan(overcorrelation(truth, prediction).means["overcorrelation"]).all()


def test_values_without_a_logarithm_are_undefined():
    truth, prediction, _ = draw()
    expected = overcorrelation(truth, prediction)
    prediction[4, 1] = -1
    found = overcorrelation(truth, prediction)
    assert np.isnan(found.predicted).sum() == 7
    assert found.over[0, 2] == expected.over[0, 2]


def test_no_blocks_no_intervals():
    truth, prediction, blocks = draw()
    for given in (None, Blocks(blocks.index % 4, 4, 1000)):
        found = overcorrelation(truth, prediction, given, Bootstrap(20))
        assert np.isnan(found.low).all()
        assert np.isnan(found.means["overcorrelation"][1:]).all()
        assert np.isfinite(found.over).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, p: (y[:, :1], p[:, :1]), "1 cell type given"),
        (lambda y, p: (y, p[:, :2]), "measured values are of shape"),
    ],
)
def test_values_that_cannot_be_correlated(change, message):
    truth, prediction, blocks = draw()
    with pytest.raises(ConfigError, match=message):
        overcorrelation(*change(truth, prediction), blocks)
