"""Power laws: fit, distance, draws and test, against plain sums and planted truths."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import zeta
from scipy.stats import binom

from tfepi.qtl.power_law import (
    Fitted,
    PowerLaw,
    counted,
    distances,
    draw,
    exponents,
    fit,
    fit_and_test,
    resample,
    tail_sums,
)
from tfrecords_tools.errors import ConfigError


def drawn(alpha=2.5, xmin=3, size=2000, seed=0):
    return draw(PowerLaw(xmin, alpha, 0, 0.0), size, np.random.default_rng(seed))


def test_tail_sums_are_hurwitz_zeta():
    alpha = np.concatenate([np.linspace(1.01, 20, 40), [20.5, 49]])
    x = np.concatenate([np.arange(1, 300), [1000, 10_000, 100_000]])
    np.testing.assert_allclose(
        tail_sums(alpha, x), zeta(alpha[:, None], x.astype(float)), rtol=1e-9
    )


@pytest.mark.parametrize(("alpha", "xmin"), [(1.6, 1), (2.5, 3), (4.0, 20)])
def test_exponent_is_the_likeliest(alpha, xmin):
    x, count = counted(drawn(alpha, xmin))
    for begin in (0, 2):
        tail, n = x[begin:], count[begin:]

        def cost(a, tail=tail, n=n):
            return n.sum() * np.log(zeta(a, float(tail[0]))) + a * (n * np.log(tail)).sum()

        best = minimize_scalar(cost, bounds=(1.01, 20), method="bounded", options={"xatol": 1e-9}).x
        assert exponents(x, count, np.array([begin]))[0] == pytest.approx(best, abs=1e-5)


def test_distance_over_every_whole_number():
    values = drawn(size=400)
    x, count = counted(values)
    for begin in (0, 3, 10):
        tail = values[values >= x[begin]]
        every = np.arange(x[begin] - 1, tail.max() + 1)
        seen = (tail[:, None] <= every).mean(axis=0)
        law = 1 - zeta(2.2, every + 1.0) / zeta(2.2, float(x[begin]))
        found = distances(x, count, np.array([begin]), np.array([2.2]))[0]
        assert found == pytest.approx(np.abs(seen - law).max(), abs=1e-9)


def test_draws_follow_the_law():
    values = drawn(2.2, 5, 200_000)
    assert values.min() == 5
    for x in (6, 10, 50, 500, 25_005, 100_000):  # the last two beyond the table
        want = zeta(2.2, float(x)) / zeta(2.2, 5.0)
        error = 4 * np.sqrt(want * (1 - want) / 200_000)
        assert (values >= x).mean() == pytest.approx(want, abs=error)


def test_xmin_is_where_the_law_begins():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.integers(1, 20, 3000), drawn(2.5, 20, 3000, 6)])
    found = fit(*counted(values))
    assert 15 <= found.xmin <= 30
    assert found.tail == (values >= found.xmin).sum()
    assert found.alpha == pytest.approx(2.5, abs=0.15)


def test_a_golden_fit():
    # powerlaw 2.0.0 (Fit(values, discrete=True)) gives 2.51175, 5 and 0.0032743.
    found = fit(*counted(drawn(2.5, 5, 5000, 1)))
    assert found.xmin == 5
    assert found.alpha == pytest.approx(2.51174, abs=1e-5)
    assert found.ks == pytest.approx(0.0032723, abs=1e-7)


def test_planted_power_laws_are_not_rejected():
    inside, p = 0, []
    for seed in range(12):
        found = fit_and_test(drawn(2.5, 3, 1500, seed), 40, seed)
        low, high = found.alpha_interval
        inside += low <= 2.5 <= high
        p.append(found.p)
    assert inside >= 10  # of 95% intervals: 9 or fewer once in 50 times
    assert np.median(p) > 0.2
    assert sum(v <= 0.1 for v in p) <= 4


def test_another_law_is_rejected():
    rng = np.random.default_rng(1)
    found = fit_and_test(rng.poisson(300, 4000), 40, 1)
    assert (found.p, found.rejected) == (0, True)
    assert found.p_shown == "p < 0.088, none of 40 resamples"
    assert found.resamples == 40


def test_resamples_keep_the_body_and_draw_the_tail():
    x, count = counted(np.concatenate([np.full(900, 1), np.full(600, 2), drawn(2.5, 7, 1500)]))
    law = fit(x, count, 7)
    rng = np.random.default_rng(0)
    below, tails = np.zeros(2), 0
    for _ in range(40):
        again, times = resample(x, count, law, rng)
        assert times.sum() == 3000
        assert not set(again.tolist()) & set(range(3, 7))
        below += times[again < 3]
        tails += times[again >= 7].sum()
    assert below[0] / below.sum() == pytest.approx(0.6, abs=0.02)
    assert tails / 40 == pytest.approx(1500, rel=0.02)


def test_the_same_seed_gives_the_same():
    values = drawn(size=300)
    assert fit_and_test(values, 20, 3) == fit_and_test(values, 20, 3)
    assert fit_and_test(values, 20, 3) != fit_and_test(values, 20, 4)


def test_without_resamples():
    found = fit_and_test(drawn(size=300), 0, 3)
    assert (found.p, found.alpha_interval) == (None, None)
    assert (found.rejected, found.p_interval) == (None, None)
    assert found.p_shown == "fit not tested"


@pytest.mark.parametrize(
    ("farther", "resamples", "rejected"),
    [(0, 5, None), (0, 35, None), (0, 36, True), (5, 5, False), (1, 5, None), (20, 200, None)],
)
def test_few_resamples_decide_little(farther, resamples, rejected):
    law = PowerLaw(1, 2.5, 100, 0.1)
    found = Fitted(law, None, None, farther / resamples, resamples)
    assert found.rejected is rejected
    low, high = found.p_interval
    # Clopper and Pearson: at its ends what was seen, or what is farther away, has 2.5%.
    if farther:
        assert binom.sf(farther - 1, resamples, low) == pytest.approx(0.025)
    if farther < resamples:
        assert binom.cdf(farther, resamples, high) == pytest.approx(0.025)
    assert f"of {resamples} resamples" in found.p_shown


def test_few_resamples_have_no_intervals():
    assert fit_and_test(drawn(size=300), 19, 3).alpha_interval is None
    assert fit_and_test(drawn(size=300), 20, 3).alpha_interval is not None


def test_zeros_are_left_out():
    x, count = counted(np.array([0, 0, 3, 1, 3]))
    assert x.tolist() == [1, 3]
    assert count.tolist() == [1, 2]


@pytest.mark.parametrize("values", [[1, 2, 3], [4] * 100])
def test_too_few(values):
    with pytest.raises(ConfigError, match="are too few to fit a law: want 50 and 2"):
        fit(*counted(np.array(values)))
