"""Overdispersion and reference bias: the likelihood written out, and planted values found again."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import betabinom, binom

from tfepi.allelic.dispersion import overdispersion
from tfepi.allelic.likelihood import Likelihood, maximum, profile_interval
from tfepi.allelic.reference_bias import reference_bias
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts
from tfrecords_tools.errors import ConfigError


def planted(seed=1, **design):
    """Return simulated sites with more than 20 reads."""
    sites = simulate_counts(AllelicDesign(**({"sites": 3000} | design)), seed).sites
    return sites.rows(sites.reads > 20)


def test_the_likelihood_is_the_sum_over_sites():
    sites = planted(sites=60, dosages=(1.0, 2.0), rho=0.05)
    assert set(sites.dosage) == {1, 2}
    likelihood = Likelihood(sites)
    for centre, theta in ((0.5, 0.0), (0.6, 0.0), (0.45, 0.1)):
        odds, total = centre / (1 - centre), 0.0
        for k, n, dosage in zip(sites.ref_reads, sites.reads, sites.dosage, strict=True):
            each = []
            for o in (odds * dosage, odds / dosage):
                m = o / (1 + o)
                law = betabinom(n, m / theta, (1 - m) / theta) if theta else binom(n, m)
                each.append(law.pmf(k))
            total += np.log(np.mean(each))
        assert likelihood(centre, theta) == pytest.approx(total, rel=1e-9)


def test_effects_to_either_side_are_as_likely():
    sites = planted(sites=40, imbalanced=0)
    found = Likelihood(sites).cases(0.5, 0.0, 1.0)
    cases = np.unique(np.stack([sites.ref_reads, sites.alt_reads]), axis=1)
    wanted = [np.log(np.mean(binom.pmf(k, k + a, expit([1.0, -1.0])))) for k, a in cases.T.tolist()]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("rho", [0.005, 0.02, 0.1])
def test_a_planted_overdispersion_is_in_the_interval(rho):
    sites = planted(imbalanced=0, rho=rho)
    everything = overdispersion(sites, background=False)
    assert everything.interval[0] < rho < everything.interval[1]
    assert everything.interval[1] - everything.interval[0] < 0.35 * rho
    assert everything.p < 1e-6
    assert (everything.others, everything.rho_others) == (0, None)
    background = overdispersion(sites)
    assert background.interval[0] < rho < background.interval[1]


def test_intervals_cover_the_truth():
    inside = 0
    for seed in range(40):
        low, high = overdispersion(
            planted(seed, sites=400, imbalanced=0, rho=0.03), background=False
        ).interval
        inside += low <= 0.03 <= high
    assert inside >= 35  # of 38 expected: P(< 35) is 2%


def test_imbalanced_sites_do_not_hide_themselves():
    sites = planted(imbalanced=0.15, effect=1.2, spread=0.3, rho=0.02)
    found = overdispersion(sites)
    assert found.interval[0] < 0.02 < found.interval[1]
    assert 0.1 < found.others < 0.2
    assert overdispersion(sites, background=False).rho > 0.05


def test_reads_that_are_drawn_one_by_one_have_none():
    for design in ({"imbalanced": 0}, {"imbalanced": 0.1}, {"imbalanced": 0, "dosages": (1, 3)}):
        found = overdispersion(planted(**design))
        assert found.interval[0] == 0
        assert found.interval[1] < 0.002
        assert found.p > 0.01


def test_too_few_sites_tell_nothing():
    sites = planted(sites=15)
    with pytest.raises(ConfigError, match="of 15 sites: want 20 or more"):
        overdispersion(sites)
    assert reference_bias(sites) is None


@pytest.mark.parametrize("design", [{}, {"rho": 0.03}, {"dosages": (1.0, 2.0, 4.0)}])
def test_a_bias_towards_ref_is_in_its_interval(design):
    for bias in (0.0, 0.15):
        found = reference_bias(planted(imbalanced=0.1, bias=bias, seed=3, **design))
        assert found.interval[0] < expit(bias) < found.interval[1]
        assert found.interval[1] - found.interval[0] < 0.02
        assert (found.p < 1e-6) == (bias > 0)
        assert (found.sign_p < 1e-6) == (bias > 0)
        assert found.above + found.below <= 3000
        assert found.median == pytest.approx(expit(bias), abs=0.02)
        assert found.to_json()["interval"] == list(found.interval)


def test_maxima_and_profiles_of_a_parabola():
    at, value = maximum(lambda x: -((x - 0.3) ** 2), np.array([0.0, 0.2, 0.4, 0.9]), 2.0)
    assert (at, value) == (pytest.approx(0.3, abs=1e-4), pytest.approx(0, abs=1e-8))
    assert maximum(lambda x: -x, np.array([0.0, 1.0]), 2.0)[0] == 0
    ends = profile_interval(lambda x: -((x - 1) ** 2) / 2, 1.0, 0.0, (-5, 5), 0.95)
    np.testing.assert_allclose(ends, [1 - 1.959964, 1 + 1.959964], atol=1e-4)
    assert profile_interval(lambda x: -((x - 1) ** 2) / 2, 1.0, 0.0, (0, 2), 0.95) == (0, 2)
