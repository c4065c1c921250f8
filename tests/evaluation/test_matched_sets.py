"""Matched sets against what their definitions say; DeLong against pairs, and against resampling."""

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks, position_blocks
from tfepi.evaluation.classification import classification
from tfepi.evaluation.delong import delong
from tfepi.evaluation.matched_sets import balance, equal_histograms, largest_matched
from tfepi.evaluation.ranks import auprc, auroc
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval


def depths(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(5, 1, 60), rng.normal(4, 1, 5000)


def test_the_others_have_the_proportions_of_the_set_and_no_more_could():
    kept, others = depths()
    found = largest_matched(kept, others)
    of = np.searchsorted(found.edges, others[found.rows], side="right")
    taken = np.bincount(of, minlength=len(found.wanted))
    scarcest = min(a / w for a, w in zip(found.available, found.wanted, strict=True))
    assert taken.tolist() == [int(scarcest * w) for w in found.wanted]
    assert (taken == found.available).any()
    assert found.ratio == pytest.approx(scarcest, rel=0.05)
    assert np.unique(found.rows).size == found.rows.size
    everything = np.concatenate([kept, others])
    before = balance({"d": everything}, np.arange(60), np.arange(60, 5060))[0]
    after = balance({"d": everything}, np.arange(60), 60 + found.rows)[0]
    assert before["difference"] > 0.8
    assert abs(after["difference"]) < 0.15
    assert after["ks"] < before["ks"] / 2


def test_without_others_in_a_bin_none_is_taken():
    assert largest_matched(np.arange(20.0), np.zeros(50), bins=2).ratio == 0


def test_what_cannot_be_matched():
    with pytest.raises(ConfigError, match="the set is empty"):
        largest_matched(np.zeros(0), np.zeros(3))
    with pytest.raises(ConfigError, match="finite"):
        largest_matched(np.array([1.0, np.nan]), np.zeros(3))
    with pytest.raises(ConfigError, match="rising"):
        equal_histograms(np.zeros(3), np.zeros(3), [1, 1])


def test_equal_histograms_are_the_smaller_of_both():
    first, second = depths()
    first[0], second[0] = np.nan, 99
    edges = np.arange(2, 7.1, 0.5)
    rows = equal_histograms(first, second, edges)
    counts = [np.histogram(v[r], edges)[0] for v, r in zip((first, second), rows, strict=True)]
    smaller = np.minimum(np.histogram(first[1:], edges)[0], np.histogram(second, edges)[0])
    assert (counts[0] == counts[1]).all()
    assert (counts[0] == smaller).all()
    again = equal_histograms(first, second, edges, seed=45)
    assert not np.array_equal(rows[1], again[1])


def test_the_last_bin_has_its_upper_edge():
    rows = equal_histograms(np.array([1.0, 2.0]), np.array([2.0, 1.5]), [1, 2])
    assert [r.tolist() for r in rows] == [[0, 1], [0, 1]]


def test_balance_without_spread_and_without_values():
    table = balance(
        {"same": np.ones(4), "none": np.full(4, np.nan), "apart": np.array([0, 0, 1, 1])},
        np.array([True, True, False, False]),
        np.array([2, 3]),
    )
    assert table[0]["difference"] == 0
    assert np.isnan(table[1]["ks"])
    assert table[2]["difference"] == -np.inf  # 0 and 0 beside 1 and 1


def labelled(n=80, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    scores = np.round(truth + rng.normal(0, [[1.0], [2.0]], (2, n)), 1)
    return truth, scores


def test_delong_is_the_variance_of_comparisons_of_pairs():
    truth, scores = labelled()
    found = delong(truth, scores)
    for k, s in enumerate(scores):
        pairs = s[truth][:, None] - s[~truth][None, :]
        wins = (pairs > 0) + 0.5 * (pairs == 0)
        assert found.auroc[k] == pytest.approx(wins.mean()) == pytest.approx(auroc(truth, s))
        variance = wins.mean(1).var(ddof=1) / truth.sum()
        variance += wins.mean(0).var(ddof=1) / (~truth).sum()
        assert found.covariance[k, k] == pytest.approx(variance)
    apart, error, p = found.difference(0, 1)
    assert apart == pytest.approx(found.auroc[0] - found.auroc[1])
    assert 0 < p < 1
    drawn = []
    rng = np.random.default_rng(2)
    for _ in range(800):
        rows = [rng.choice(np.flatnonzero(truth == v), (truth == v).sum()) for v in (True, False)]
        rows = np.concatenate(rows)
        drawn.append(auroc(truth[rows], scores[0][rows]) - auroc(truth[rows], scores[1][rows]))
    assert error == pytest.approx(np.std(drawn), rel=0.15)


def test_delong_covers_the_truth():
    rng = np.random.default_rng(3)
    truth, inside = np.repeat([True, False], [40, 60]), 0
    for _ in range(400):
        low, high = delong(truth, truth + rng.normal(0, 1, 100)).interval()
        inside += low <= 0.76025 <= high  # P(N(1, 2) > 0)
    assert 0.92 <= inside / 400 <= 0.98


def test_delong_of_what_is_the_same_and_of_too_little():
    truth, scores = labelled()
    assert delong(truth, np.stack([scores[0]] * 2)).difference(0, 1) == (0, 0, 1)
    with pytest.raises(ConfigError, match="two positives"):
        delong([1, 0, 0], [1, 2, 3])
    with pytest.raises(ConfigError, match="no number"):
        delong([1, 0, 0, 1], [1, 2, 3, np.nan])


def test_classification_has_both_intervals():
    truth, scores = labelled(200)
    score = scores[0].copy()
    score[3] = np.nan
    blocks = position_blocks(["chr1"] * 200, np.arange(200) * 1000)
    found = classification(truth, score, blocks, Bootstrap(rank_resamples=100))
    seen = ~np.isnan(score)
    assert found["missing"] == 1
    assert found["note"] is None
    assert found["auroc"]["value"] == pytest.approx(auroc(truth[seen], score[seen]))
    assert found["auprc"]["value"] == pytest.approx(auprc(truth[seen], score[seen]))
    for ends in (found["auroc"]["interval"], found["auroc"]["delong"], found["auprc"]["interval"]):
        assert ends[0] < ends[1]
    assert found["auroc"]["delong"] == list(delong(truth[seen], score[seen]).interval())


def test_fewer_than_ten_positives_give_no_auroc():
    truth = np.repeat([True, False], [9, 200])
    found = classification(truth, np.arange(209.0))
    assert found["auroc"]["value"] is None
    assert found["auprc"]["value"] is None
    assert "9 positives" in found["note"]
    assert found["negatives"] == 200
    assert "3 negatives" in classification(np.arange(30) >= 3, np.arange(30.0))["note"]


def test_blocks_of_positions_are_those_of_windows():
    rng = np.random.default_rng(4)
    chrom = rng.choice(["chr2", "chr10"], 300)
    place = rng.integers(0, 5_000_000, 300)
    windows = [Interval(c, int(p), int(p) + 1) for c, p in zip(chrom, place, strict=True)]
    for size in (None, 400_000):
        a, b = position_blocks(chrom, place, size), genome_blocks(windows, size)
        assert (a.count, a.block_bp) == (b.count, b.block_bp)
        assert len({*zip(a.index.tolist(), b.index.tolist(), strict=True)}) == a.count
    with pytest.raises(ConfigError, match="leaves 2 blocks"):
        position_blocks(["chr1"] * 9, np.arange(9) * 100_000, 500_000)
    for size in (0, -5):
        with pytest.raises(ConfigError, match="want a positive number"):
            position_blocks(["chr1"] * 9, np.arange(9), size)
        with pytest.raises(ConfigError, match="want a positive number"):
            genome_blocks(windows, size)
    with pytest.raises(ConfigError, match="no positions"):
        position_blocks([], [])
