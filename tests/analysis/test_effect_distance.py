import numpy as np
import pytest

from tfepi.analysis.effect_distance import effect_distance
from tfrecords_tools.errors import ConfigError


@pytest.fixture
def effects():
    """Gene, distance and effect of tiles at -30 … 40 around five genes, some missing."""
    rng = np.random.default_rng(4)
    gene, distance = (g.ravel() for g in np.meshgrid(range(5), range(-30, 50, 10), indexing="ij"))
    effect = rng.normal(size=len(gene)) * np.exp(-np.abs(distance) / 20)
    effect[[3, 17]] = np.nan
    return gene, distance, effect


def test_against_loops(effects):
    gene, distance, effect = effects
    found = effect_distance(gene, distance, effect, promoter=5, resamples=0)
    assert found.distance.tolist() == [0, 10, 20, 30, 40]
    assert found.away.tolist() == [False, True, True, True, True]
    mass = {}
    for row, d in enumerate(found.distance):
        at = [e for e, x in zip(effect, distance, strict=True) if abs(x) == d and not np.isnan(e)]
        assert found.count[row] == len(at)
        assert found.mean[row] == pytest.approx(np.mean(np.abs(at)))
        assert found.median[row] == pytest.approx(np.median(np.abs(at)))
        assert found.signed[row] == pytest.approx(np.mean(at))
        mass[d] = np.mean(np.abs(at)) * (1 if d == 40 else 2) if d else 0
    total = sum(mass.values())
    shares = [sum(v for k, v in mass.items() if k <= d) / total for d in (10, 20, 30, 40)]
    assert np.isnan(found.cumulative[0])
    np.testing.assert_allclose(found.cumulative[1:], shares)
    assert np.isnan(found.low).all()
    wanted = next(d for d, s in zip((10, 20, 30, 40), shares, strict=True) if s >= 0.8)
    assert found.to_json()["mass_within"]["0.8"] == wanted


def test_intervals_are_of_resampled_genes(effects):
    gene, distance, effect = effects
    found = effect_distance(gene, distance, effect, resamples=400, seed=3)
    from tfepi.evaluation.bootstrap import multiplicities

    draws = multiplicities(5, 400, 3)
    for row, d in enumerate(found.distance):
        means = []
        for draw in draws:
            values = [
                abs(e)
                for g, x, e in zip(gene, distance, effect, strict=True)
                if abs(x) == d and not np.isnan(e)
                for _ in range(draw[g])
            ]
            means.append(np.mean(values))
        ends = np.quantile(means, [0.025, 0.975])
        np.testing.assert_allclose((found.low[row], found.high[row]), ends)
        assert found.low[row] < found.mean[row] < found.high[row]


def test_widths():
    distance = np.array([-20, -10, 0, 10, 20, 30])
    effect = np.array([0.0, -1.0, -50.0, 0.8, 0.09, 0.0])
    found = effect_distance(np.zeros(6, int), distance, effect)
    assert found.mean.tolist() == pytest.approx([50, 0.9, 0.045, 0])
    assert found.threshold_width(0.1) == 10
    assert found.threshold_width(0.01) == 20
    assert found.mass_width(0.95) == 10
    assert found.mass_width(0.99) == 20
    assert found.non_zero == 20
    assert found.to_json()["mean_above"] == {"0.5": 10, "0.1": 10, "0.01": 20}


def test_no_effect_at_all():
    found = effect_distance(np.array([0, 0]), np.array([0, 10]), np.zeros(2))
    assert found.to_json() == {
        "mass_within": dict.fromkeys(("0.5", "0.8", "0.9", "0.95", "0.99")),
        "mean_above": dict.fromkeys(("0.5", "0.1", "0.01")),
        "non_zero": None,
    }


def test_nothing_that_is_a_number():
    with pytest.raises(ConfigError, match="no effect is a finite number"):
        effect_distance(np.array([0]), np.array([0]), np.array([np.nan]))
