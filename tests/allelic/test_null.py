"""p-values against sums that are written out, and against scipy where it has the test."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import comb
from scipy.stats import betabinom, binom, binomtest

from tfepi.allelic.null import (
    directions,
    expected_histogram,
    expected_ratios,
    p_values,
    q_values,
    read_probabilities,
)
from tfrecords_tools.errors import ConfigError


def p_of(ref_reads, reads, dosage=1.0, theta=0.0, centre=0.5):
    return p_values(np.array([ref_reads]), np.array([reads]), np.array([dosage]), theta, centre)[0]


def test_without_dosage_it_is_the_binomial_test():
    for n in (1, 2, 21, 64, 401):
        for k in sorted({0, 1, n // 3, n // 2, (n + 1) // 2, n - 1, n}):
            assert p_of(k, n) == pytest.approx(binomtest(k, n).pvalue, rel=1e-9), (k, n)
    assert p_of(30, 64, centre=0.6) == pytest.approx(binomtest(30, 64, 0.6).pvalue, rel=1e-9)


def slow_mixture(k: int, n: int, dosage: Fraction) -> Fraction:
    """Return the two-sided p of the equal mixture of two binomials, in whole numbers."""
    major = dosage / (1 + dosage)
    each = [
        sum(comb(n, i, exact=True) * m**i * (1 - m) ** (n - i) for m in (major, 1 - major)) / 2
        for i in range(n + 1)
    ]
    assert sum(each) == 1
    return sum(e for e in each if e <= each[k])


@pytest.mark.parametrize("dosage", [Fraction(3, 2), Fraction(2), Fraction(5)])
def test_with_a_dosage_the_mixture_is_summed(dosage):
    n = 30
    for k in range(n + 1):
        wanted = float(slow_mixture(k, n, dosage))
        assert p_of(k, n, float(dosage)) == pytest.approx(wanted, rel=1e-7)


def test_a_dosage_explains_what_it_may_and_no_more():
    assert p_of(40, 60) < 0.02 < p_of(40, 60, 2.0)  # 2:1
    assert p_of(20, 60, 2.0) == pytest.approx(p_of(40, 60, 2.0))  # either phase
    assert p_of(500, 1000, 2.0) < 1e-6 < 0.9 < p_of(500, 1000)  # as many of both are too equal


def test_overdispersed_reads_are_beta_binomial():
    for n, m, rho in ((25, 0.5, 0.02), (90, 0.3, 0.2), (40, 0.75, 1e-7)):
        theta = rho / (1 - rho)
        wanted = betabinom.pmf(np.arange(n + 1), n, m / theta, (1 - m) / theta)
        # At 1e-7 scipy's own gamma functions have lost digits.
        found = read_probabilities(n, (m,), theta)
        np.testing.assert_allclose(found, wanted, rtol=1e-8 if rho > 1e-3 else 1e-4, atol=1e-300)
        assert found.sum() == pytest.approx(1, abs=1e-12)
    probability = betabinom.pmf(np.arange(41), 40, 10, 10)
    wanted = probability[probability <= probability[30] * (1 + 1e-9)].sum()
    assert p_of(30, 40, theta=0.05) == pytest.approx(wanted, rel=1e-9)


def test_overdispersion_is_continuous_at_none():
    few = [p_of(30, 44, 2.0, theta) for theta in (0.0, 1e-12, 1e-9)]
    np.testing.assert_allclose(few, few[0], rtol=1e-6)


def test_sites_are_tested_each_by_its_own():
    rng = np.random.default_rng(0)
    n = rng.integers(1, 60, 200)
    k, dosage = rng.binomial(n, 0.5), rng.choice([1.0, 2.0], 200)
    theta = rng.choice([0.0, 0.1], 200)
    found = p_values(k, n, dosage, theta, 0.55)
    for i in range(0, 200, 7):
        assert found[i] == pytest.approx(p_of(k[i], n[i], dosage[i], theta[i], 0.55))
    assert len(p_values(k[:0], n[:0], dosage[:0])) == 0


def test_expected_histogram_is_the_sum_over_sites():
    reads, dosage = np.array([30, 30, 41]), np.array([1.0, 3.0, 3.0])
    theta, edges = np.array([0.0, 0.05, 0.05]), np.linspace(0, 1, 8)
    found = expected_histogram(reads, dosage, edges, theta, 0.55)
    slow = np.zeros(7)
    for n, b, t in zip(reads, dosage, theta, strict=True):
        ends = [float(e[0]) for e in expected_ratios(np.array([b]), 0.55)]
        for m in ends:
            for k in range(n + 1):
                law = betabinom(n, m / t, (1 - m) / t) if t else binom(n, m)
                bin_ = min(6, int(np.searchsorted(edges, k / n, side="right")) - 1)
                slow[bin_] += law.pmf(k) / 2
    np.testing.assert_allclose(found, slow, rtol=1e-9)
    assert found.sum() == pytest.approx(3)
    assert expected_histogram(reads[:0], dosage[:0], edges).tolist() == [0] * 7


def test_p_is_no_smaller_than_it_should_be():
    rng = np.random.default_rng(1)
    n = rng.integers(21, 200, 20_000)
    phase = rng.random(20_000) < 0.5
    for dosage, theta in ((1.0, 0.0), (3.0, 0.0), (2.0, 0.05)):
        share = np.where(phase, dosage, 1) / (1 + dosage)
        if theta:
            share = rng.beta(share / theta, (1 - share) / theta)
        p = p_values(rng.binomial(n, share), n, np.full(len(n), dosage), theta)
        for level in (0.01, 0.05, 0.2):
            error = 3 * math.sqrt(level * (1 - level) / len(p))
            assert 0.7 * level < (p < level).mean() < level + error


def test_a_bias_moves_the_odds():
    low, high = expected_ratios(np.array([1.0, 2.0]), 0.6)
    np.testing.assert_allclose(low, [0.6, 1.5 / 3.5])
    np.testing.assert_allclose(high, [0.6, 3 / 4])
    with pytest.raises(ConfigError, match=r"centre is 1\.0"):
        expected_ratios(np.array([1.0]), 1.0)


def test_directions_are_beyond_what_the_dosage_may_do():
    ratio = np.array([0.4, 0.5, 0.6, 0.3, 0.6, 0.7])
    dosage = np.array([1, 1, 1, 2, 2, 2.0])
    assert directions(ratio, dosage).tolist() == [-1, 0, 1, -1, 0, 1]
    assert directions(ratio[:3], dosage[:3], 0.55).tolist() == [-1, -1, 1]


def test_q_values_are_benjamini_and_hochbergs():
    p = np.array([0.9, 0.001, 0.02, 0.02, 0.5])
    order = np.argsort(p)
    ranked = p[order] * 5 / np.arange(1, 6)
    slow = np.empty(5)
    for r in range(5):
        slow[order[r]] = ranked[r:].min()
    np.testing.assert_allclose(q_values(p), slow)
    assert len(q_values(p[:0])) == 0
