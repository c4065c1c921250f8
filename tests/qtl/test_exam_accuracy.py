"""Statistics of an exam against scikit-learn, scipy and resamples written out."""

import numpy as np
import pytest
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from tfepi.evaluation.bootstrap import Bootstrap, multiplicities, position_blocks
from tfepi.evaluation.delong import delong
from tfepi.qtl.exam_accuracy import STATISTICS, Sheet, accuracy, differences, direction, groups

BOOTSTRAP = Bootstrap(rank_resamples=40, seed=3)


def sheet_of(seed=1, count=240, **changes):
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.3
    matched = ~positive | (rng.random(count) < 0.9)
    effect = np.where(positive & (rng.random(count) < 0.9), rng.normal(size=count), np.nan)
    blocks = position_blocks(np.full(count, "chr1"), rng.integers(0, 3_000_000, count))
    distance = rng.integers(0, 50_000, count).astype(float)
    sheet = Sheet(positive, matched, effect, distance, blocks, **changes)
    score = rng.normal(size=count) + np.nan_to_num(effect)
    return sheet, score, np.abs(score) + positive


def plain(sheet, score, size, rows):
    """Return every statistic of rows, which may repeat."""
    use = [r for r in rows if sheet.matched[r]]
    truth, ranked = sheet.positive[use], size[use]
    known = [r for r in rows if sheet.positive[r] and np.isfinite(sheet.effect[r])]
    effect, own = sheet.effect[known], score[known]
    signed = (np.abs(effect) >= sheet.floor) & (own != 0) & (effect != 0)
    return {
        "auroc": roc_auc_score(truth, ranked),
        "auprc": average_precision_score(truth, ranked),
        "sign_accuracy": np.mean(np.sign(effect[signed]) == np.sign(own[signed])),
        "spearman": spearmanr(effect, own).statistic,
        "spearman_abs": spearmanr(np.abs(effect), np.abs(own)).statistic,
    }


def resamples(sheet):
    for drawn in multiplicities(sheet.blocks.count, 40, 3):
        yield np.repeat(np.arange(len(sheet.positive)), drawn[sheet.blocks.index])


@pytest.mark.parametrize("floor", [0.0, 0.4])
def test_every_statistic_and_its_interval(floor):
    sheet, score, size = sheet_of(floor=floor)
    found = accuracy(sheet, score, size, BOOTSTRAP)
    expected = plain(sheet, score, size, range(len(score)))
    drawn = [plain(sheet, score, size, rows) for rows in resamples(sheet)]
    for name in STATISTICS:
        assert found[name]["value"] == pytest.approx(expected[name])
        ends = np.quantile([d[name] for d in drawn], [0.025, 0.975])
        np.testing.assert_allclose(found[name]["interval"], ends, atol=1e-12)
    signs = found["sign_accuracy"]
    test = binomtest(signs["same"], signs["variants"])
    assert signs["p"] == pytest.approx(test.pvalue)
    np.testing.assert_allclose(signs["exact"], test.proportion_ci(method="exact"))
    assert found["note"] is None
    assert found["effect_note"] is None
    assert found["positives"] == (sheet.positive & sheet.matched).sum()


def test_differences_are_paired():
    sheet, score, size = sheet_of()
    rng = np.random.default_rng(9)
    other = score + rng.normal(size=len(score))
    scores = {"a": (score, size), "b": (other, np.abs(other))}
    rows = {r["statistic"]: r for r in differences(sheet, scores, BOOTSTRAP)}
    everything = range(len(score))
    pairs = [plain(sheet, *scores[n], everything) for n in "ab"]
    drawn = [[plain(sheet, *scores[n], rows) for n in "ab"] for rows in resamples(sheet)]
    for name in STATISTICS:
        row = rows[name]
        assert (row["score"], row["less"]) == ("b", "a")
        assert row["value"] == pytest.approx(pairs[1][name] - pairs[0][name])
        ends = np.quantile([b[name] - a[name] for a, b in drawn], [0.025, 0.975])
        np.testing.assert_allclose(row["interval"], ends, atol=1e-12)
    use = sheet.matched
    p = delong(sheet.positive[use], np.array([size[use], np.abs(other)[use]])).difference(1, 0)[2]
    assert rows["auroc"]["p"] == pytest.approx(p)
    assert rows["auprc"]["p"] is None


def test_groups_by_distance():
    sheet, score, size = sheet_of()
    places = groups(sheet, (1_000, 20_000))
    assert places == [(None, None), (None, 1_000), (1_000, 20_000), (20_000, None)]
    for low, high in places[1:]:
        inside = sheet.inside(low, high)
        by_hand = [(low or 0) <= d < (high or np.inf) for d in sheet.distance]
        np.testing.assert_array_equal(inside, by_hand)
        part = sheet.rows(low, high)
        value = accuracy(part, score[inside], size[inside], BOOTSTRAP)["auroc"]["value"]
        if value is not None:
            rows = np.flatnonzero(inside)
            assert value == pytest.approx(plain(sheet, score, size, rows)["auroc"])
    assert sheet.rows(None, None) is sheet
    assert groups(sheet, ()) == [(None, None)]
    nowhere = Sheet(sheet.positive, sheet.matched, sheet.effect, None, sheet.blocks)
    assert groups(nowhere, (5,)) == [(None, None)]


def test_too_few_give_counts_and_no_numbers():
    sheet, score, size = sheet_of(count=25)
    found = accuracy(sheet, score, size, BOOTSTRAP)
    assert "no AUROC of fewer than 10" in found["note"]
    assert "with an effect: no statistics of fewer than 10" in found["effect_note"]
    assert all(found[name]["value"] is None for name in STATISTICS)
    rows = differences(sheet, {"a": (score, size), "b": (-score, size)}, BOOTSTRAP)
    assert len(rows) == len(STATISTICS)
    assert all(r["value"] is None and r["p"] is None for r in rows)


def test_a_score_of_0_has_no_sign():
    sheet, score, size = sheet_of()
    score[np.flatnonzero(sheet.signed(score))[:7]] = 0
    found = direction(sheet, score, BOOTSTRAP)["sign_accuracy"]
    assert found["zero"] == 7
    assert found["variants"] == sheet.signed(score).sum() - 7
    found = accuracy(sheet, np.zeros(len(score)), size, BOOTSTRAP)
    assert found["sign_accuracy"]["value"] is None
    assert "0 positives with a sign" in found["effect_note"]


def test_without_resamples_or_blocks_there_are_no_intervals():
    sheet, score, size = sheet_of()
    found = accuracy(sheet, score, size, Bootstrap(rank_resamples=0))
    assert all(found[name]["interval"] is None for name in STATISTICS)
    assert found["auroc"]["delong"] is not None
    one = position_blocks(np.full(len(score), "chr1"), np.zeros(len(score), int))
    alone = Sheet(sheet.positive, sheet.matched, sheet.effect, sheet.distance, one)
    found = accuracy(alone, score, size, BOOTSTRAP)
    assert all(found[name]["interval"] is None for name in STATISTICS)
    assert differences(alone, {"a": (score, size), "b": (score, size)}, BOOTSTRAP)[0]["value"] == 0
