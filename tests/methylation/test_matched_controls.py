"""Matching of variants against slow versions; the prior by quantile against its law."""

import numpy as np
import pandas as pd
import pytest

from tfepi.evaluation.controls import cells, draw_controls, matched_quantiles
from tfepi.methylation.cpg_distance import cpg_distance
from tfepi.methylation.score_prior import prior_weight
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome


def made(count=900, seed=0):
    rng = np.random.default_rng(seed)
    features = {
        "distance": rng.geometric(0.02, count).astype(float),
        "density": rng.poisson(4, count).astype(float),
        "frequency": rng.uniform(0, 0.5, count),
    }
    features["frequency"][::50] = np.nan
    score = np.round(rng.gamma(0.5, 0.1, count), 2)  # many ties
    score[::40] = np.nan
    return features, score


def slow_cells(features, bins):
    """Return a label of each variant's cell, by a loop over sorted values."""
    whole = [i for i in range(900) if not any(np.isnan(v[i]) for v in features.values())]
    labels = [()] * 900
    for values in features.values():
        ranked = sorted(values[i] for i in whole)
        n = len(ranked)
        cuts = {ranked[-(-n * k // bins) - 1] for k in range(1, bins)}
        for i in whole:
            labels[i] += (sum(values[i] >= c for c in cuts),)
    return labels


@pytest.mark.parametrize("bins", [1, 3, 7])
def test_cells_equal_a_loop(bins):
    features, _ = made()
    found = cells(features, bins)
    labels = slow_cells(features, bins)
    assert all((f == -1) == (label == ()) for f, label in zip(found.of, labels, strict=True))
    pairs = set(zip(found.of.tolist(), labels, strict=True))
    assert len(pairs) == len({p[0] for p in pairs}) == len({p[1] for p in pairs})
    assert found.of.max() < found.count


def test_number_of_bins_follows_the_number_of_variants():
    rng = np.random.default_rng(1)
    for count, bins in ((150, 1), (800, 2), (5000, 5), (200_000, 10)):
        found = cells({"a": rng.random(count), "b": rng.random(count)})
        assert [len(e) + 1 for e in found.edges.values()] == [bins, bins]
    with pytest.raises(ConfigError, match="0 features"):
        cells({})
    with pytest.raises(ConfigError, match="in 0 bins"):
        cells({"a": rng.random(9)}, 0)


def test_quantiles_equal_a_loop():
    features, score = made()
    of = cells(features, 3).of
    found, others = matched_quantiles(score, of, least=20)
    for i in range(len(score)):
        same = [score[j] for j in range(900) if j != i and of[j] == of[i] and of[i] >= 0]
        same = [s for s in same if not np.isnan(s)]
        if np.isnan(score[i]) or of[i] < 0:
            assert np.isnan(found[i])
            assert others[i] == 0
            continue
        assert others[i] == len(same)
        if len(same) < 20:
            assert np.isnan(found[i])
        else:
            lower = sum(s < score[i] for s in same) + sum(s == score[i] for s in same) / 2
            assert found[i] == pytest.approx(lower / len(same), abs=1e-12)
    assert np.isnan(found[others < 20]).all()
    assert (others < 20).sum() > (others == 0).sum()
    assert 0.48 < np.nanmean(found) < 0.52


def test_controls_lie_in_the_cell_of_their_case():
    features, score = made()
    of = cells(features, 3).of
    rng = np.random.default_rng(2)
    cases = rng.random(900) < 0.08
    eligible = ~np.isnan(score) & (rng.random(900) < 0.9)
    found = draw_controls(cases, eligible, of, 4, seed=3)
    assert cases[found.cases].all()
    assert (np.diff(found.cases) > 0).all()
    assert eligible[found.controls].all()
    assert not cases[found.controls].any()
    assert found.controls.shape == (len(found.cases), 4)
    assert len(np.unique(found.controls)) == found.controls.size
    np.testing.assert_array_equal(of[found.controls], np.repeat(of[found.cases][:, None], 4, 1))
    kept = 0  # in each cell as many as can be
    for cell in set(of[cases & (of >= 0)].tolist()):
        there = (of == cell) & eligible & ~cases
        kept += min((cases & (of == cell)).sum(), there.sum() // 4)
    assert len(found.cases) == kept == cases.sum() - found.unmatched
    assert found.unmatched > 0


@pytest.mark.parametrize(
    ("pool", "each", "kept"), [(40, 4, 10), (39, 4, 9), (35, 3, 10), (5, 1, 5)]
)
def test_fewer_controls_rather_than_fewer_cases(pool, each, kept):
    cases = np.arange(10 + pool) < 10
    found = draw_controls(cases, ~cases, np.zeros(10 + pool, int), 4, seed=0)
    assert found.controls.shape == (kept, each)
    assert found.unmatched == 10 - kept


def test_draw_is_seeded_and_even():
    of = np.zeros(50, int)
    cases = np.arange(50) == 7
    draws = [draw_controls(cases, np.ones(50, bool), of, 1, s).controls[0, 0] for s in range(400)]
    assert draws[:3] == [
        draw_controls(cases, np.ones(50, bool), of, 1, s).controls[0, 0] for s in range(3)
    ]
    assert set(draws) == set(range(50)) - {7}
    none = draw_controls(cases, ~np.ones(50, bool), of, 1, 0)
    assert (len(none.cases), none.controls.shape, none.unmatched) == (0, (0, 1), 1)
    with pytest.raises(ConfigError, match="0 controls per case"):
        draw_controls(cases, cases, of, 0, 0)


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">chr1\nTTCGAAAACGNNT\n>chr2\nAATTGC\n")
    with Genome(path) as opened:
        yield opened


def test_distance_to_cpgs(genome):
    bases = "TTCGAAAACGNNT"
    variants = pd.DataFrame(
        {"chrom": ["chr1"] * 13 + ["chr2"], "pos": [*range(1, 14), 3], "ref": [*bases, "TTG"]}
    )
    found = cpg_distance(genome, variants)
    places = [i for i in range(12) if bases[i : i + 2] == "CG"]
    assert places == [2, 8]
    np.testing.assert_array_equal(found[:13], [min(abs(i - c) for c in places) for i in range(13)])
    assert np.isnan(found[13])


def test_another_genome(genome):
    variants = pd.DataFrame({"chrom": "chr1", "pos": [1, 2, 3, 4], "ref": list("TTAA")})
    with pytest.raises(InputFileError, match=r"is REF of 50.0% of the variants"):
        cpg_distance(genome, variants)
    with pytest.raises(InputFileError, match=r"chr1:99 lies beyond the 13 bp of it"):
        cpg_distance(genome, variants.assign(pos=99))
    with pytest.raises(InputFileError, match="chr7"):
        cpg_distance(genome, variants.assign(chrom="chr7"))


def test_prior_weight():
    q = (np.arange(100_000) + 0.5) / 100_000
    weight = prior_weight(q, 100)
    assert weight.mean() == pytest.approx(1, abs=1e-4)
    low, high = prior_weight([0, 1], 100)
    assert high / low == pytest.approx(100)
    # q with 10 times fewer above it weighs 10 times as much, far from the bound
    a, b = prior_weight([0, 0.9], 1e6)
    assert b / a == pytest.approx(10, rel=1e-4)
    assert (np.diff(weight) > 0).all()
    assert prior_weight([np.nan, 0.3], 100)[0] == 1
    assert prior_weight([np.nan, 0.3], 1).tolist() == [1, 1]
    with pytest.raises(ConfigError, match=r"prior ratio is 0.5"):
        prior_weight(q, 0.5)
