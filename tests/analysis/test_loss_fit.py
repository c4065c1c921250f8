"""Which loss fits: data drawn from each law are recognised, and the parts against plain loops."""

import math

import numpy as np
import pytest
from scipy import stats

from tfepi.analysis.loss_fit import (
    UNDETERMINED,
    _log_mass,
    fit_losses,
    fitted_dispersion,
    log_variance,
    negative_binomial_log,
    stretches,
)
from tfepi.analysis.variance_laws import (
    LAWS,
    Law,
    defined,
    fitted_law,
    quadratic_law,
    raised,
    score,
)
from tfepi.evaluation.bootstrap import multiplicities


def means(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(1, 4, n) + 0.1, rng


def draw(law, scale=1.0, n=20_000, seed=0):
    """Draw values of a law; those of counts are times a scale, as of means or shares of reads."""
    mean, rng = means(n, seed)
    if law == "poisson":
        return scale * rng.poisson(mean / scale), mean
    if law == "negative_binomial":
        return scale * rng.negative_binomial(2.5, 1 / (1 + 0.4 * mean / scale)), mean
    if law == "gaussian_log1p":
        return np.expm1(np.log1p(mean) + rng.normal(-0.18, 0.6, n)), mean
    return mean + rng.normal(0, 3, n), mean


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("law", "scale"),
    [
        ("poisson", 1),
        ("poisson", 0.3),
        ("negative_binomial", 1),
        ("negative_binomial", 0.3),
        ("gaussian", 1),
        ("gaussian_log1p", 1),
    ],
)
def test_the_law_that_made_the_data_is_recognised(law, scale, seed):
    found = fit_losses(*draw(law, scale, seed=seed))
    assert found.best == law
    # Poisson is a negative binomial without dispersion: no data tell them apart.
    assert found.alike == (["negative_binomial"] if law == "poisson" else [])
    fitted = found.laws[law]
    wanted = {"poisson": scale, "negative_binomial": scale, "gaussian": 9}
    wanted["gaussian_log1p"] = math.expm1(0.36)
    assert fitted.scale == pytest.approx(wanted[law], rel=0.25)
    if law == "negative_binomial":
        assert fitted.dispersion == pytest.approx(0.4, rel=0.15)
        divided = " of y / 0." if scale == 0.3 else ""
        assert found.loss.startswith(f"negative_binomial{divided}")
        assert found.loss.count("/") == bool(divided)
    else:
        named = {"poisson": "poisson", "gaussian": "mse", "gaussian_log1p": "mse of log(1 + y)"}
        assert found.loss == named[law]


@pytest.mark.parametrize("law", ["poisson", "negative_binomial"])
def test_probabilities_of_counts_agree(law):
    found = fit_losses(*draw(law))
    assert max(found.probability, key=found.probability.get) in (law, "negative_binomial")
    assert found.probability[law] == pytest.approx(max(found.probability.values()), abs=1e-3)
    rounded, mean = draw("gaussian_log1p")
    whole = fit_losses(np.round(np.maximum(rounded, 0)), mean)
    assert max(whole.probability, key=whole.probability.get) == "gaussian_log1p"
    assert fit_losses(rounded, mean).probability is None


def test_scores_against_a_plain_loop():
    y, mean = draw("negative_binomial", n=600)
    blocks = np.repeat(np.arange(6), 100)
    found = fit_losses(y, mean, blocks, seed=3)
    held = raised(mean)
    for name in LAWS:
        total = np.zeros(6)
        for half in (0, 1):
            others = blocks % 2 != half
            law = fitted_law(name, y[others], held[others])
            for i in np.flatnonzero(~others):
                deviation = math.sqrt(variance(law, held[i]))
                total[blocks[i]] += stats.norm.logpdf(y[i], held[i], deviation)
        assert found.scores[name]["value"] == pytest.approx(total.sum() / 600, abs=1e-9)
        drawn = multiplicities(6, 1000, 3)
        resampled = [sum(k * t for k, t in zip(d, total, strict=True)) / (100 * 6) for d in drawn]
        np.testing.assert_allclose(
            found.scores[name]["interval"], np.quantile(resampled, [0.025, 0.975])
        )
    best = found.scores[found.best]["value"]
    for name, margin in found.margins.items():
        assert margin["value"] == pytest.approx(best - found.scores[name]["value"])


def variance(law, mean):
    if law.name == "gaussian":
        return law.scale
    if law.name == "gaussian_log1p":
        return law.scale * (1 + mean) ** 2
    return law.scale * mean + law.dispersion * mean**2


def test_parameters_have_the_highest_pseudo_likelihood():
    y, mean = draw("negative_binomial", n=2000)
    for name in LAWS:
        law = fitted_law(name, y, mean)
        best = score(law, y, mean).mean()
        for factor in (0.97, 1.03):
            other = Law(name, law.scale * factor, law.dispersion)
            assert score(other, y, mean).mean() < best
            if name == "negative_binomial":
                other = Law(name, law.scale, law.dispersion * factor)
                assert score(other, y, mean).mean() < best
    assert fitted_law("negative_binomial", y, mean, 0.7) == Law("negative_binomial", 1.0, 0.7)


def without_linear_term(n=3000, seed=0):
    """Draw values whose variance is 5·μ², at low means; and their means."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(0.7, 0.1, n) + 0.003
    return mean * rng.gamma(0.2, 5, n), mean


@pytest.mark.parametrize("seed", range(12))
def test_a_linear_term_that_adds_nothing_gives_no_divisor(seed):
    y, mean = without_linear_term(seed=seed)
    found = fit_losses(y, mean)
    law = found.laws["negative_binomial"]
    assert found.best == "negative_binomial"
    assert law.dispersion == pytest.approx(5, rel=0.3)
    assert not law.determined
    assert found.loss == "negative_binomial, divisor undetermined"
    value = found.to_json()
    assert (value["divisor"], value["note"]) == (None, UNDETERMINED)
    assert value["laws"]["negative_binomial"] == {"scale": None, "dispersion": law.dispersion}


def test_a_law_without_a_linear_term_against_a_plain_loop():
    y, mean = without_linear_term(300)
    law = quadratic_law(y, mean)
    assert (law.scale, law.determined) == (0, False)
    wanted = sum((a - m) ** 2 / m**2 for a, m in zip(y, mean, strict=True)) / 300
    assert law.dispersion == pytest.approx(wanted)
    np.testing.assert_allclose(law.variance(mean), wanted * mean**2)


@pytest.mark.parametrize(("scale", "divisor"), [(0.3, 0.3), (1, 1)])
def test_a_linear_term_that_the_values_show_gives_a_divisor(scale, divisor):
    found = fit_losses(*draw("negative_binomial", scale))
    assert found.laws["negative_binomial"].determined
    value = found.to_json()
    assert value["divisor"] == pytest.approx(divisor, rel=0.25)
    assert value["note"] is None
    assert fit_losses(*draw("gaussian")).to_json()["divisor"] == 1
    # An α that a model learned has φ = 1, which is not fitted.
    assert fit_losses(*without_linear_term(), dispersion=5.0).divisor == 1


def test_a_law_of_logs_has_the_moments_it_says():
    rng = np.random.default_rng(1)
    y = np.expm1(np.log1p(5) + rng.normal(-0.5 * 0.25, 0.5, 400_000))
    assert y.mean() == pytest.approx(5, rel=0.01)
    assert y.var() == pytest.approx(Law("gaussian_log1p", math.expm1(0.25)).variance(5.0), rel=0.02)
    away = np.log1p(y) - np.log1p(5)
    assert log_variance(away) == pytest.approx(0.25, rel=0.01)


def test_which_laws_are_defined():
    mean = np.array([-0.5, 1.0])
    assert [defined(law, mean) for law in LAWS] == [False, False, True, True]
    assert [defined(law, mean - 1) for law in LAWS] == [False, False, True, False]
    assert not defined("poisson", np.zeros(3))
    assert raised(np.array([0.0, 1, 5])).tolist() == [0.02, 1, 5]
    y, mean = draw("gaussian")
    found = fit_losses(y - 100, mean - 100)
    assert found.best == "gaussian"
    assert found.margins == {}
    assert found.to_json()["laws"]["poisson"] is None


def test_predictions_of_nothing_do_not_decide():
    y, mean = draw("poisson")
    mean[np.flatnonzero(y == 0)[:40]] = 0  # as an activation in float32 gives
    found = fit_losses(y, mean)
    assert found.best == "poisson"
    assert all(math.isfinite(s["value"]) for s in found.scores.values())


def test_blocks():
    assert stretches(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    y, mean = draw("poisson", n=400)
    few = fit_losses(y, mean, np.arange(400) // 150)
    assert few.scores["poisson"]["interval"] is None
    assert set(few.alike) == set(LAWS) - {few.best}
    one = fit_losses(y, mean, np.zeros(400, int))
    assert one.laws["gaussian"].scale == pytest.approx(((y - mean) ** 2).mean())
    assert fit_losses(y, mean).scores["poisson"]["interval"] is not None


def test_the_dispersion_is_a_slope_through_the_origin():
    observed, predicted = draw("negative_binomial", n=500)
    z = ((observed - predicted) ** 2 - observed) / predicted
    slope = np.linalg.lstsq(predicted[:, None], z, rcond=None)[0][0]
    assert fitted_dispersion(observed, predicted) == pytest.approx(slope)
    assert fitted_dispersion(predicted, predicted) == 0
    assert fitted_dispersion(np.ones(3), np.zeros(3)) == 0


def test_probabilities_against_scipy():
    y, mean = np.arange(30.0), np.linspace(0.1, 20, 30)
    for alpha in (0.05, 0.4, 3):
        wanted = stats.nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mean))
        np.testing.assert_allclose(negative_binomial_log(y, mean, alpha), wanted, rtol=1e-9)
    np.testing.assert_allclose(negative_binomial_log(y, mean, 0), stats.poisson.logpmf(y, mean))
    low = np.array([-40.0, -1, 0.5, 30])
    mass = _log_mass(low, low + 0.5)
    assert mass[0] == pytest.approx(stats.norm.logcdf(-39.5), rel=1e-6)
    assert mass[1] == pytest.approx(math.log(stats.norm.cdf(-0.5) - stats.norm.cdf(-1)))
    assert mass[2] == pytest.approx(math.log(stats.norm.cdf(1) - stats.norm.cdf(0.5)))
    assert mass[3] == pytest.approx(stats.norm.logsf(30.0), rel=1e-3)
