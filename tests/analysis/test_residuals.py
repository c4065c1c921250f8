"""Residuals by predicted value: bins, laws of the variance, and how far these are off."""

import numpy as np
import pytest

from tfepi.analysis.residuals import residuals_of, residuals_table
from tfepi.analysis.variance_laws import LAWS
from tfrecords_tools.errors import ConfigError


def draw(law, n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(1, 4, n) + 0.1
    if law == "poisson":
        return rng.poisson(mean).astype(float), mean
    if law == "negative_binomial":
        return rng.negative_binomial(1 / 0.4, 1 / (1 + 0.4 * mean)).astype(float), mean
    if law == "gaussian_log1p":
        return np.expm1(np.log1p(mean) + rng.normal(-0.18, 0.6, n)), mean
    return mean + rng.normal(0, 3, n), mean


@pytest.mark.parametrize("law", LAWS)
def test_the_law_that_made_the_data_fits_best(law):
    observed, predicted = draw(law)
    found = residuals_of("x", observed, predicted)
    assert found.misfit[law] < 0.06
    others = {name: v for name, v in found.misfit.items() if name != law}
    if law == "poisson":  # which is a negative binomial without dispersion
        assert found.dispersion < 0.01
        assert others.pop("negative_binomial") < 0.06
    assert min(others.values()) > 0.08
    if law == "negative_binomial":
        assert found.dispersion == pytest.approx(0.4, rel=0.1)
    if law == "gaussian_log1p":  # whose residuals of logs vary alike everywhere
        np.testing.assert_allclose(found.log_variance, 0.36, rtol=0.15)
        np.testing.assert_allclose(found.log_mean, -0.18, atol=0.08)


def test_bins_against_a_plain_loop():
    observed, predicted = draw("negative_binomial", 999)
    observed[::10] = np.nan
    found = residuals_of("x", observed.reshape(27, 37), predicted.reshape(27, 37), 6, 0.25)
    seen = ~np.isnan(observed)
    y, p = observed[seen], predicted[seen]
    assert found.dispersion == 0.25
    laws = found.fit.laws
    assert found.count.sum() == len(y)
    assert len(found.count) == 6
    assert np.ptp(found.count) <= 1
    edges = np.quantile(p, np.linspace(0, 1, 7))
    for b in range(6):
        inside = (p >= edges[b]) & ((p < edges[b + 1]) if b < 5 else (p <= edges[6]))
        residual = y[inside] - p[inside]
        assert found.count[b] == inside.sum()
        assert found.low[b] == p[inside].min()
        assert found.high[b] == p[inside].max()
        assert found.predicted[b] == pytest.approx(p[inside].mean())
        assert found.observed_mean[b] == pytest.approx(y[inside].mean())
        assert found.observed_variance[b] == pytest.approx(y[inside].var())
        assert found.residual_mean[b] == pytest.approx(residual.mean())
        assert found.residual_variance[b] == pytest.approx(residual.var())
        np.testing.assert_allclose(
            found.quantiles[b], np.quantile(residual, [0.05, 0.25, 0.5, 0.75, 0.95])
        )
        logs = np.log1p(y[inside]) - np.log1p(p[inside])
        assert found.log_mean[b] == pytest.approx(logs.mean())
        assert found.log_variance[b] == pytest.approx(logs.var())
        np.testing.assert_allclose(
            found.log_quantiles[b], np.quantile(logs, [0.05, 0.25, 0.5, 0.75, 0.95])
        )
        held = np.maximum(p[inside], p.mean() / 100)
        wanted = {
            "poisson": laws["poisson"].scale * held,
            "negative_binomial": held + 0.25 * held**2,
            "gaussian": np.full(len(held), ((y - p) ** 2).mean()),
            "gaussian_log1p": laws["gaussian_log1p"].scale * (1 + held) ** 2,
        }
        for name, values in wanted.items():
            assert found.variance[name][b] == pytest.approx(values.mean())


def test_equal_predictions_stay_together():
    observed, _ = draw("poisson", 300)
    found = residuals_of("x", observed, np.repeat([1.0, 5.0], [200, 100]))
    np.testing.assert_array_equal(found.count, [200, 100])
    np.testing.assert_array_equal(found.predicted, [1, 5])
    found = residuals_of("x", observed, np.full(300, 2.0))
    np.testing.assert_array_equal(found.count, [300])


def test_negative_predictions_have_no_counting_law():
    observed, predicted = draw("gaussian", 400)
    found = residuals_of("x", observed, predicted - predicted.max() - 1)
    assert np.isnan(found.variance["poisson"]).all()
    assert found.misfit["poisson"] is None
    assert found.misfit["gaussian"] is not None
    assert found.dispersion is None
    assert np.isnan(found.log_mean).all()
    text = residuals_table([found])
    assert "nan" not in text


def test_table_and_summary():
    first = residuals_of("a", *draw("poisson", 400), bins=4)
    second = residuals_of("b", *draw("poisson", 400, 1), bins=3)
    header, *lines = (line.split("\t") for line in residuals_table([first, second]).splitlines())
    assert [line[0] for line in lines] == ["a"] * 4 + ["b"] * 3
    assert header[-5:] == [f"residual_q{q}" for q in ("05", "25", "50", "75", "95")]
    values = dict(zip(header, lines[1], strict=True))
    assert float(values["predicted"]) == pytest.approx(first.predicted[1], rel=1e-5)
    assert float(values["gaussian_variance"]) == pytest.approx(
        first.variance["gaussian"][1], rel=1e-5
    )
    value = first.to_json()
    assert value["observed"] == 400
    assert value["fit"]["best"] == "poisson"
    assert set(value["misfit"]) == set(LAWS)


def test_blocks_are_of_windows():
    observed, predicted = (v.reshape(50, 20) for v in draw("poisson", 1000))
    observed[3, 4] = np.nan
    blocks = np.arange(50) // 5
    found = residuals_of("x", observed, predicted, blocks=blocks)
    seen = ~np.isnan(observed)
    each = np.repeat(blocks, 20).reshape(50, 20)[seen]
    same = residuals_of("x", observed[seen], predicted[seen], blocks=each)
    assert found.to_json() == same.to_json()
    assert found.to_json() != residuals_of("x", observed, predicted).to_json()


def test_errors():
    with pytest.raises(ConfigError, match="'x' has 29 observed positions"):
        residuals_of("x", np.r_[np.ones(29), np.nan], np.ones(30))
    with pytest.raises(ConfigError, match="bins is 0"):
        residuals_of("x", np.ones(40), np.ones(40), 0)
