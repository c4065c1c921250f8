"""Quantiles and p values against counting, adjusted values against a loop and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from tfepi.variants.empirical import adjusted, at_least, p_values, places, quantiles, ranked

few = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0])
floats = st.one_of(few, st.floats(-100, 100, width=32))
missing = st.one_of(st.just(np.nan), floats)


def plain_adjusted(p):
    """Benjamini and Hochberg's step-up procedure, one p value at a time."""
    m = len(p)
    return [
        min([1.0] + [other * m / sum(x <= other for x in p) for other in p if other >= own])
        for own in p
    ]


@settings(max_examples=150, deadline=None)
@given(
    background=st.lists(floats, min_size=1, max_size=30),
    values=st.lists(missing, min_size=1, max_size=20),
)
def test_against_counting(background, values):
    ordered, n = np.sort(np.array(background, np.float32)), len(background)
    given_values = np.array(values, np.float32)
    below, equal = places(ordered, given_values)
    found, counts = quantiles(ordered, given_values), at_least(ordered, given_values)
    p = p_values(counts, n)
    together = ranked(ordered, given_values)
    np.testing.assert_array_equal(together[0], found)
    np.testing.assert_array_equal(together[1], counts)
    for i, value in enumerate(given_values.tolist()):
        if np.isnan(value):
            assert np.isnan([found[i], p[i]]).all()
            assert counts[i] == -1
            continue
        smaller = sum(b < value for b in background)
        same = sum(b == value for b in background)
        assert (below[i], equal[i]) == (smaller, same)
        # The mean of the places it may have among the n and itself, from 1 to n + 1, less a half.
        middle = np.mean([smaller + k + 1 for k in range(same + 1)]) - 0.5
        assert found[i] == pytest.approx(middle / (n + 1))
        assert p[i] == pytest.approx((sum(b >= value for b in background) + 1) / (n + 1))


@settings(max_examples=60, deadline=None)
@given(background=st.lists(floats, min_size=1, max_size=30), value=floats)
def test_turned_round(background, value):
    """Of the negative among negatives the quantile is what is left to 1."""
    ordered = np.sort(np.array(background, np.float32))
    one = quantiles(ordered, np.array([value], np.float32))
    other = quantiles(-ordered[::-1], np.array([-value], np.float32))
    np.testing.assert_allclose(one + other, 1)


def test_limits_and_resolution():
    ordered = np.arange(9, dtype=np.float32)
    found = quantiles(ordered, np.array([-5, 4.5, 50], np.float32))
    np.testing.assert_allclose(found, [0.05, 0.55, 0.95])
    np.testing.assert_allclose(p_values(at_least(ordered, np.array([50.0])), 9), 0.1)
    assert np.isnan(quantiles(ordered[:0], np.array([1.0, np.nan]))).all()


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=40), n=st.integers(12, 20))
def test_adjusted_against_a_loop_and_scipy(counts, n):
    p = p_values(np.array(counts), n)
    levels = adjusted(np.bincount(counts, minlength=n + 1))
    found = levels[counts]
    np.testing.assert_allclose(found, plain_adjusted(p.tolist()))
    np.testing.assert_allclose(found, false_discovery_control(p))
    assert len(levels) == n + 1
    assert levels.max() <= 1


def test_nothing_to_adjust():
    assert adjusted(np.zeros(5, int)).tolist() == [1.0] * 5


def test_a_null_is_uniform_and_rarely_adjusted_below():
    rng = np.random.default_rng(0)
    background, tests = np.sort(rng.normal(size=2000)), rng.normal(size=5000)
    counts = at_least(background, tests)
    p = p_values(counts, len(background))
    for share in (0.05, 0.5, 0.95):
        assert (p <= share).mean() == pytest.approx(share, abs=0.03)
    assert adjusted(np.bincount(counts, minlength=2001))[counts].min() > 0.05
