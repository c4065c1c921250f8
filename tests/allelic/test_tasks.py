"""Both tasks and clusters: AUROC of planted scores is what it must be."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from tfepi.allelic import testing
from tfepi.allelic.positives import imbalance_sets
from tfepi.allelic.tasks import (
    direction_task,
    directions_by_cluster,
    imbalance_task,
    matched_directions,
)
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.evaluation.ranks import auroc
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts
from tfrecords_tools.errors import ConfigError

BOOTSTRAP = Bootstrap(rank_resamples=60)
EFFECT, NOISE = 1.6, 1.2


@pytest.fixture(scope="module")
def planted():
    """Simulated counts with deep sites and strong effects, tested: who is imbalanced is known."""
    design = AllelicDesign(
        6000, 0.08, EFFECT, reads=150.0, deviation=0.3, noise=NOISE, dosages=(1.0,)
    )
    counts = simulate_counts(design, 5)
    deep = counts.sites.reads > 20
    tested = testing.sites_tested(counts.sites, testing.HowTested())
    return tested, imbalance_sets(tested), counts.predicted[deep], counts.effect[deep]


def test_the_auroc_of_imbalance_is_that_of_the_planted_score(planted):
    tested, sets, predicted, _ = planted
    told = imbalance_task(tested.sites, predicted, sets.positive, sets.negative, BOOTSTRAP)
    rng = np.random.default_rng(0)
    apart = np.abs(rng.normal(EFFECT, NOISE, 10**6)) > np.abs(rng.normal(0, NOISE, 10**6))
    truth = apart.mean()
    for ends in (told["auroc"]["delong"], told["auroc"]["interval"]):
        assert ends[0] < truth < ends[1]
        assert ends[1] - ends[0] < 0.08
    assert told["positives"] == sets.positive.sum()
    raw = imbalance_task(tested.sites, predicted, sets.positive, sets.negative, BOOTSTRAP, True)
    assert raw["auroc"]["delong"][0] < 0.5 < raw["auroc"]["delong"][1]  # as many of either sign
    used = sets.positive | sets.negative
    slow = auroc(sets.positive[used].astype(float), np.abs(predicted - 0.5)[used])
    assert told["auroc"]["value"] == pytest.approx(slow)


def test_the_auroc_of_direction_is_that_of_the_planted_score(planted):
    tested, sets, predicted, effect = planted
    told = direction_task(tested.sites, predicted, tested.direction, sets.positive, BOOTSTRAP)
    truth = norm.cdf(2 * EFFECT / (NOISE * np.sqrt(2)))
    for ends in (told["auroc"]["delong"], told["auroc"]["interval"]):
        assert ends[0] < truth < ends[1]
    assert told["positives"] + told["negatives"] == sets.positive.sum()
    assert told["undirected"] == 0
    found = effect != 0
    assert (np.sign(effect[found]) == tested.direction[found]).mean() > 0.999


def test_sites_without_direction_or_prediction_are_counted(planted):
    tested, sets, predicted, _ = planted
    direction, predicted = tested.direction.copy(), predicted.copy()
    rows = np.flatnonzero(sets.positive)
    direction[rows[:7]] = 0
    predicted[rows[7:10]] = np.nan
    told = direction_task(tested.sites, predicted, direction, sets.positive, BOOTSTRAP)
    assert (told["undirected"], told["missing"]) == (7, 3)
    assert told["positives"] + told["negatives"] == len(rows) - 10
    other = direction_task(
        tested.sites.rows(rows[10:]), predicted[rows[10:]], direction[rows[10:]], None, BOOTSTRAP
    )
    assert other["auroc"] == told["auroc"]


def test_fewer_than_ten_give_counts_only(planted):
    tested, sets, predicted, _ = planted
    few = np.zeros(len(predicted), bool)
    few[np.flatnonzero(sets.positive)[:9]] = True
    told = imbalance_task(tested.sites, predicted, few, sets.negative, BOOTSTRAP)
    assert told["auroc"]["value"] is None
    assert told["positives"] == 9
    assert "no AUROC of fewer than 10" in told["note"]
    nothing = imbalance_task(tested.sites, predicted, few & False, few & False, BOOTSTRAP)
    assert nothing["positives"] == nothing["negatives"] == 0


def test_matching_takes_away_what_only_imbalance_does():
    rng = np.random.default_rng(0)
    n = 4000
    sites = simulate_counts(AllelicDesign(n, 0.0, reads=400.0, deviation=0.01), 1).sites
    specific = np.arange(n) % 2 == 0
    share = expit(rng.normal(0, np.where(specific, 1.2, 0.5)))
    ref = rng.binomial(sites.reads, share)
    sites = type(sites)(
        *(sites.chrom, sites.position, sites.ref, sites.alt, ref, sites.reads - ref),
        *(sites.dosage, sites.sample),
    )
    ratio = sites.ratio
    predicted = expit(np.log(ratio / (1 - ratio)) + rng.normal(0, 1, n))
    direction = np.sign(ratio - 0.5)
    cluster = np.where(specific, "a", "ubiquitous")
    cluster = np.where(np.arange(n) < 40, "", cluster)  # in no peak
    found = directions_by_cluster(sites, predicted, direction, cluster, BOOTSTRAP, draws=6)
    by = {row["cluster"]: row for row in found}
    assert list(by) == ["ubiquitous", "specific", "a"]
    all_sites = [by[k]["all"]["auroc"]["value"] for k in ("a", "ubiquitous")]
    assert all_sites[0] - all_sites[1] > 0.08
    matched = by["a"]["matched"]
    low, high = matched["difference"]["interval"]
    assert low < 0 < high
    assert high - low < 0.15
    assert matched["difference"]["p"] > 0.05
    assert matched["sites"] < 0.7 * n / 2
    for name in ("a", "ubiquitous"):
        told = matched[name]
        for ends in (told["interval"], told["delong"]):
            assert ends[0] < told["auroc"] < ends[1]
    assert "matched" not in by["ubiquitous"]
    counted = by["specific"]["all"]
    assert counted["positives"] + counted["negatives"] + counted["undirected"] == n / 2 - 20


def test_a_true_difference_between_kinds_stays():
    n = 3000
    counts = simulate_counts(AllelicDesign(n, 0.9999, 1.0, reads=200.0, deviation=0.01), 2)
    rng = np.random.default_rng(1)
    specific = np.arange(n) % 2 == 0
    noise = np.where(specific, 2.5, 1.0)
    predicted = counts.effect + rng.normal(0, 1, n) * noise
    direction = np.sign(counts.sites.ratio - 0.5)
    groups = {"a": specific, "ubiquitous": ~specific}
    told = matched_directions(counts.sites, predicted, direction, groups, BOOTSTRAP, draws=5)
    truth = {"a": norm.cdf(2 / (2.5 * np.sqrt(2))), "ubiquitous": norm.cdf(2 / np.sqrt(2))}
    for name, value in truth.items():
        assert told[name]["delong"][0] < value < told[name]["delong"][1]
        assert told[name]["interval"][0] < value < told[name]["interval"][1]
    low, high = told["difference"]["interval"]
    assert low < truth["a"] - truth["ubiquitous"] < high < 0
    assert told["difference"]["p"] < 1e-6


def test_few_sites_of_a_cluster():
    counts = simulate_counts(AllelicDesign(40, 0.9, 1.0), 2)
    direction = np.sign(counts.sites.ratio - 0.5)
    cluster = np.where(np.arange(40) < 8, "a", "ubiquitous")
    found = directions_by_cluster(
        counts.sites, counts.predicted, direction, cluster, BOOTSTRAP, draws=3
    )
    matched = {row["cluster"]: row for row in found}["a"]["matched"]
    assert matched["a"]["auroc"] is None
    assert matched["difference"]["value"] is None
    assert "no AUROC of fewer than 10" in matched["note"]
    alone = directions_by_cluster(
        counts.sites, counts.predicted, direction, np.full(40, "ubiquitous"), BOOTSTRAP
    )
    assert [row["cluster"] for row in alone] == ["ubiquitous"]
    with pytest.raises(ConfigError, match="0 draws of 2 groups"):
        matched_directions(
            counts.sites,
            counts.predicted,
            direction,
            {"a": cluster == "a", "b": cluster != "a"},
            draws=0,
        )
