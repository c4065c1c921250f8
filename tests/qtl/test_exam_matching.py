"""Matched negatives: same cells, none twice, and what is left of differences between the sets."""

import numpy as np
import pytest

from tfepi.evaluation.ranks import auroc
from tfepi.qtl.exam_features import FREQUENCY, LD, PEAK, TSS
from tfepi.qtl.exam_matching import balance_table, chosen_features, match
from tfrecords_tools.errors import ConfigError


def simulated(seed=1, positives=400, others=12_000):
    rng = np.random.default_rng(seed)
    positive = np.r_[np.ones(positives, bool), np.zeros(others, bool)]
    away = np.where(rng.random(others) < 0.5, 20_000, 200_000)
    distance = np.r_[rng.exponential(5_000, positives), rng.exponential(away)]
    frequency = np.where(positive, rng.beta(4, 2, len(positive)), rng.random(len(positive))) / 2
    return {TSS: distance.round(), FREQUENCY: frequency}, positive


def test_controls_share_the_bins_of_their_case():
    features, positive = simulated()
    found = match(features, positive, per_case=3, cuts={TSS: (1000, 10_000)})
    controls = found.controls
    assert {1000, 10_000} <= set(found.edges[TSS])
    for name, values in features.items():
        bins = np.searchsorted(found.edges[name], values, side="right")
        np.testing.assert_array_equal(
            bins[controls.controls], np.repeat(bins[controls.cases], 3).reshape(-1, 3)
        )
        kept = values[controls.cases]
        drawn = values[found.negatives]
        assert values[positive].min() <= drawn.min() <= drawn.max() <= values[positive].max()
        assert len(kept) >= 0.9 * positive.sum()
    assert len(np.unique(found.negatives)) == found.negatives.size == controls.controls.size
    assert not positive[found.negatives].any()
    assert found.to_json()["negatives_of_each"] == 3
    assert found.to_json()["bins"] == {n: len(e) + 1 for n, e in found.edges.items()}


def test_matching_takes_away_what_a_feature_alone_tells():
    features, positive = simulated()
    found = match(features, positive)
    before, after = (
        auroc(positive[rows].astype(float), -features[TSS][rows])
        for rows in (slice(None), np.r_[found.controls.cases, found.negatives])
    )
    assert before > 0.85
    assert abs(after - 0.5) < 0.03
    table = {row["feature"]: row for row in balance_table(features, positive, found)}
    assert table[TSS]["auroc_before"] == pytest.approx(before)
    assert table[TSS]["auroc_after"] == pytest.approx(after)
    for row in table.values():
        assert row["matched"]
        assert abs(row["difference_after"]) < 0.1 < abs(row["difference_before"])
    distance = np.log10(features[TSS] + 1)
    assert table[TSS]["mean_first_before"] == pytest.approx(distance[positive].mean())


def test_the_nearest_of_a_cell_are_taken():
    rng = np.random.default_rng(2)
    positive = np.zeros(300, bool)
    positive[[20, 200]] = True
    features = {FREQUENCY: rng.random(300), TSS: rng.integers(0, 9999, 300).astype(float)}
    for name in features:
        features[name][[20, 200]] = features[name].min() - 0.1, features[name].max() + 0.1
    features[TSS][20] = 0.0
    found = match(features, positive, per_case=5, bins=1)
    apart = np.log10(features[TSS] + 1)
    spread = [v[positive].std() for v in (features[FREQUENCY], apart)]
    left = np.flatnonzero(~positive)
    taken = {}
    for case in np.random.default_rng(np.random.SeedSequence(44, spawn_key=(7,))).permutation(2):
        row = found.controls.cases[case]
        away = [
            ((features[FREQUENCY][i] - features[FREQUENCY][row]) / spread[0]) ** 2
            + ((apart[i] - apart[row]) / spread[1]) ** 2
            for i in left
        ]
        taken[case] = sorted(left[np.argsort(away)[:5]].tolist())
        left = np.setdiff1d(left, taken[case])
    assert [sorted(c) for c in found.controls.controls.tolist()] == [taken[0], taken[1]]


def test_scarce_candidates_leave_fewer_negatives_and_then_fewer_positives():
    features, positive = simulated()
    plenty = match(features, positive, per_case=1)
    assert max(len(e) for e in plenty.edges.values()) >= 8
    fewer = match(features, positive, per_case=50)
    assert fewer.to_json()["negatives_of_each"] < 50
    few, rows = simulated(others=800)
    lost = match(few, rows)
    assert min(len(e) for e in lost.edges.values()) == 3
    assert lost.to_json()["negatives_of_each"] == 1
    assert lost.to_json()["negatives_asked"] == 4
    assert lost.controls.unmatched > 40
    chosen = np.r_[lost.controls.cases, lost.negatives]
    assert abs(auroc(rows[chosen].astype(float), -few[TSS][chosen]) - 0.5) < 0.07
    coarse = match(features, positive, bins=1)
    assert all(len(e) == 0 for e in coarse.edges.values())


def test_without_features_any_candidate_will_do():
    features, positive = simulated(positives=20, others=100)
    found = match({}, positive, per_case=2)
    assert found.controls.controls.shape == (20, 2)
    row = balance_table(features, positive, found)[0]
    assert not row["matched"]
    assert match({}, np.ones(5, bool)).controls.controls.shape[0] == 0


def test_a_variant_without_a_feature_is_left_out():
    features, positive = simulated()
    features[LD] = np.where(np.arange(len(positive)) % 3 == 0, np.nan, 5.0)
    found = match(features, positive)
    assert found.lacking == 134
    assert not np.isnan(features[LD][np.r_[found.controls.cases, found.negatives]]).any()
    assert found.controls.unmatched >= 134


def test_features_that_both_sides_have(caplog):
    features, positive = simulated()
    features[LD] = np.where(positive, 5.0, np.nan)
    assert list(chosen_features(features, positive)) == [TSS, FREQUENCY]
    assert "not matched on LD score: no candidate negative has a value" in caplog.text
    assert list(chosen_features(features, positive, ("frequency",))) == [FREQUENCY]
    assert chosen_features(features, positive, ()) == {}
    with pytest.raises(ConfigError, match="cannot match on LD score: no candidate negative"):
        chosen_features(features, positive, ("ld",))
    with pytest.raises(ConfigError, match=f"cannot match on {PEAK}: .*; give --peaks FILE"):
        chosen_features(features, positive, ("peak",))
    with pytest.raises(ConfigError, match=r"unknown feature 'tsss' in --match: did you mean 'tss'"):
        chosen_features(features, positive, ("tsss",))


def test_what_is_refused():
    features, positive = simulated()
    with pytest.raises(ConfigError, match="0 bins"):
        match(features, positive, bins=0)
    features[LD] = np.where(positive, np.nan, 1.0)
    with pytest.raises(ConfigError, match=r"no positive has all of TSS distance, .*--match"):
        match(features, positive)
