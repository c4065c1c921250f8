import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tfepi.analysis.element_pairs import Element
from tfepi.analysis.pair_accuracy import BASELINE, best_of_pair, pair_accuracy, parse_edges
from tfepi.analysis.pair_options import PairOptions
from tfepi.evaluation.bootstrap import multiplicities
from tfrecords_tools.errors import ConfigError

ORACLE = {"auprc": average_precision_score, "auroc": roc_auc_score}


@pytest.fixture
def pairs():
    rng = np.random.default_rng(3)
    gene = rng.integers(0, 7, 120)
    distance = rng.integers(0, 200_000, 120).astype(float)
    label = rng.random(120) < 0.2 + 0.4 * (distance < 40_000)
    score = np.round(label + rng.normal(size=120), 1)
    score[5] = np.nan
    return label, [f"g{g}" for g in gene], distance, {"score": score, "other": -np.abs(score)}


def groups(rows):
    return {(r["score"], r["from"], r["to"], r["statistic"]): r for r in rows}


def test_against_sklearn_by_distance(pairs):
    label, gene, distance, scores = pairs
    found = groups(pair_accuracy(label, gene, distance, scores, (30_000, 90_000), resamples=0))
    kept = np.isfinite(scores["score"])
    bounds = [(None, None), (None, 30_000), (30_000, 90_000), (90_000, None)]
    assert len(found) == 3 * 4 * 2
    for low, high in bounds:
        chosen = kept & (distance >= (low or 0)) & (distance < (high or np.inf))
        for name, values in {**scores, BASELINE: 1 / (distance + 1e-9)}.items():
            for statistic, oracle in ORACLE.items():
                row = found[name, low, high, statistic]
                assert row["value"] == pytest.approx(oracle(label[chosen], values[chosen]))
                assert (row["pairs"], row["positives"]) == (chosen.sum(), label[chosen].sum())
                assert (row["low"], row["gain_low"]) == (None, None)
                if name == BASELINE:
                    assert row["gain"] is None
                else:
                    base = found[BASELINE, low, high, statistic]["value"]
                    assert row["gain"] == pytest.approx(row["value"] - base)


def test_intervals_repeat_genes(pairs):
    label, gene, distance, scores = pairs
    scores = {"score": np.nan_to_num(scores["score"])}
    found = groups(pair_accuracy(label, gene, distance, scores, (10**6,), resamples=60, seed=9))
    names, index = np.unique(gene, return_inverse=True)
    values = {statistic: [] for statistic in ORACLE}
    for draw in multiplicities(len(names), 60, 9):
        rows = np.repeat(np.arange(len(label)), draw[index])
        for statistic, oracle in ORACLE.items():
            mine = oracle(label[rows], scores["score"][rows])
            values[statistic].append((mine, mine - oracle(label[rows], -distance[rows])))
    for statistic in ORACLE:
        row = found["score", None, None, statistic]
        ends = np.quantile(values[statistic], [0.025, 0.975], axis=0)
        np.testing.assert_allclose((row["low"], row["high"]), ends[:, 0])
        np.testing.assert_allclose((row["gain_low"], row["gain_high"]), ends[:, 1])


def test_what_is_not_defined():
    label, distance = np.array([True, True, False]), np.array([5.0, 6.0, 50_000])
    rows = pair_accuracy(label, ["a", "a", "b"], distance, {"s": np.arange(3.0)}, (10_000,))
    near = [r for r in rows if r["to"] == 10_000]
    assert {r["statistic"]: r["value"] for r in near} == {"auprc": None, "auroc": None}
    assert all(r["gain"] is None and r["low"] is None for r in near)
    every = [r for r in rows if r["from"] is None and r["to"] is None and r["score"] == "s"]
    assert [r["value"] for r in every] == [pytest.approx(7 / 12), 0]
    assert all(r["low"] is None for r in every)  # two genes are too few


def test_best_of_several_start_sites():
    pair = np.array([3, 1, 3, 1, 2])
    distance = np.array([-50, 7, 20, -9, 4])
    scores = {"s": np.array([1.0, np.nan, 5, 2, np.nan]), "t": np.array([9.0, 1, 8, 0, 3])}
    numbers, nearest, best = best_of_pair(pair, distance, scores)
    assert numbers.tolist() == [1, 2, 3]
    assert nearest.tolist() == [7, 4, 20]
    np.testing.assert_array_equal(best["s"], [2, np.nan, 5])
    np.testing.assert_array_equal(best["t"], [1, 3, 9])


def test_edges():
    assert parse_edges("10,30") == (10, 30)
    for text in ("", "a", "0,5", "5,5", "9,3"):
        with pytest.raises(ConfigError, match="groups are"):
            parse_edges(text)


def test_scores_of_elements():
    values = np.random.default_rng(0).normal(size=100)
    element = Element(0, 0, 20, 41, 1.0, 5)
    plain = PairOptions().score(values, element, 30)
    assert plain == pytest.approx(sum(abs(values[i]) for i in range(20, 41)))
    weighed = PairOptions(sigma=4.0).score(values, element, 30)
    slow = sum(abs(values[i]) * np.exp(-((i - 30) ** 2) / 32) for i in range(20, 41))
    assert weighed == pytest.approx(slow)
    assert np.isnan(PairOptions().score(values, Element(0, 0, 100, 100, 0.0, 5), 130))
    with pytest.raises(ConfigError, match="sigma is 0 bp"):
        PairOptions(sigma=0)
    with pytest.raises(ConfigError, match="width is -2 bp"):
        PairOptions(width=-2)
