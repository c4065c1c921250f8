"""Laws of degrees: likelihoods against plain sums, and planted laws that are found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from tfepi.qtl import degree_laws
from tfepi.qtl.degree_laws import compare, exponential, lognormal, scale_free, stretched_exponential
from tfepi.qtl.power_law import PowerLaw, counted, draw


def lognormals(mu=4.0, sigma=1.2, size=8000, seed=0):
    rng = np.random.default_rng(seed)
    return np.maximum(1, np.round(rng.lognormal(mu, sigma, size))).astype(int)


def every(law, xmin, most=400_000):
    """Return a law's mass of each whole number from xmin on, from its share above."""
    above = law.above(np.arange(xmin, most), xmin)
    return -np.diff(above), above


@pytest.mark.parametrize("fitted", [exponential, lognormal, stretched_exponential])
@pytest.mark.parametrize("xmin", [1, 30])
def test_masses_agree_with_likelihoods_and_sum_to_one(fitted, xmin):
    x, count = counted(np.array([v for v in lognormals() if v >= xmin]))
    law = fitted(x.astype(float), count)
    mass, above = every(law, int(x[0]))
    assert above[0] == pytest.approx(1)
    near = x < 2000
    np.testing.assert_allclose(mass[x[near] - x[0]], np.exp(law.log_likelihood[near]), rtol=1e-5)


def test_lognormal_finds_its_parameters():
    values = lognormals(4.0, 0.7, 20_000)
    x, count = counted(values)
    law = lognormal(x.astype(float), count)
    assert law.parameters["mu"] == pytest.approx(4.0, abs=0.02)
    assert law.parameters["sigma"] == pytest.approx(0.7, abs=0.015)
    edges = norm.logcdf((np.log(x + 0.5) - 4.0) / 0.7), norm.logcdf((np.log(x - 0.5) - 4.0) / 0.7)
    truth = (count * (edges[0] + np.log1p(-np.exp(edges[1] - edges[0])))).sum()
    assert (count * law.log_likelihood).sum() >= truth - 0.1 * len(values) ** 0.5


def test_exponential_finds_its_rate():
    values = np.random.default_rng(0).geometric(0.02, 20_000) + 9
    x, count = counted(values)
    law = exponential(x.astype(float), count)
    assert 1 - np.exp(-law.parameters["rate"]) == pytest.approx(0.02, rel=0.03)


def test_stretched_exponential_finds_its_shape():
    values = np.round(80 * np.random.default_rng(0).weibull(0.6, 20_000)).astype(int)
    x, count = counted(values)
    law = stretched_exponential(x.astype(float), count)
    assert law.parameters["shape"] == pytest.approx(0.6, abs=0.02)
    assert np.exp(law.parameters["log_scale"]) == pytest.approx(80, rel=0.05)


def test_golden_ratios():
    # powerlaw 2.0.0: distribution_compare gives −0.05863 and 1805.03 (p = 2e-15).
    values = draw(PowerLaw(5, 2.5, 0, 0.0), 5000, np.random.default_rng(1))
    found = compare(*counted(values), 2.511741612)
    assert found["lognormal"].ratio == pytest.approx(-0.0586, abs=0.002)
    assert found["exponential"].ratio == pytest.approx(1805.03, abs=0.01)
    assert found["exponential"].p == pytest.approx(2.05e-15, rel=0.1)
    assert found["exponential"].favours == "power_law"
    assert found["lognormal"].favours is None


def test_vuong_against_repeated_values():
    values = lognormals(size=500)
    x, count = counted(values)
    found = compare(x, count, 1.3)["exponential"]
    each = np.repeat(found.power_law.log_likelihood - found.law.log_likelihood, count)
    assert found.ratio == pytest.approx(each.sum())
    normalised = each.mean() / each.std() * np.sqrt(len(each))
    assert found.normalised == pytest.approx(normalised)
    assert found.p == pytest.approx(2 * norm.sf(abs(normalised)))


@pytest.mark.parametrize("seed", range(3))
def test_planted_lognormal_degrees_are_favoured(seed):
    found = scale_free(lognormals(seed=seed), 0, seed)
    assert found.whole["lognormal"].favours == "lognormal"
    assert found.whole["lognormal"].p < 1e-6
    assert "over all degrees nearer: log-normal" in found.verdict


def test_planted_power_law_degrees():
    values = draw(PowerLaw(1, 2.4, 0, 0.0), 4000, np.random.default_rng(9))
    found = scale_free(values, 40, 9)
    low, high = found.fitted.alpha_interval
    assert low <= 2.4 <= high
    assert found.fitted.p > 0.1
    assert found.whole["exponential"].favours == "power_law"
    assert found.verdict.startswith("a power law is not rejected in its tail (from ")
    value = found.to_json()
    assert value["alpha"] == found.fitted.law.alpha
    json.dumps(value, allow_nan=False)


def test_verdicts():
    found = scale_free(np.random.default_rng(1).poisson(300, 4000), 40, 1)
    rejected = found.verdict
    assert rejected.startswith("a power law is rejected even in its tail (from ")
    assert "; nearest there: " in rejected
    nearer = scale_free(np.random.default_rng(1).geometric(0.01, 4000), 0, 1)
    assert nearer.verdict.startswith("not tested whether a power law fits its tail (from ")
    assert "--resamples 0)" in nearer.verdict
    assert "reject" not in nearer.verdict
    few = replace(found, fitted=replace(found.fitted, resamples=5, p=0.2)).verdict
    assert few.startswith("not decided whether a power law fits its tail (from ")
    assert "p = 0.2, 1 of 5 resamples: 0.0051 to 0.72 at 95%, and the limit is 0.1; " in few
    assert nearer.tail["exponential"].favours in (None, "exponential")


def test_alternatives_are_all_fitted():
    assert set(degree_laws.ALTERNATIVES) == set(compare(*counted(lognormals(size=300)), 1.3))
