"""The quantile map against a plain-Python reading of the formula."""

from itertools import pairwise

import numpy as np
import pytest

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.quantile import QuantileMap, check_sample, resampled, sample_positions


def oracle(sample, reference, value):
    """Leopard's formula, number by number; sample and reference are sorted and equally long."""
    knots = [(0.0, 0.0)]
    for distinct in sorted(set(sample))[1:]:
        ranks = [i for i, s in enumerate(sample) if s == distinct]
        knots.append((distinct, sum(reference[i] for i in ranks) / len(ranks)))
    if value > sample[-1]:
        x, y = sample[-10:], reference[-10:]
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
            (a - mean_x) ** 2 for a in x
        )
        return mean_y + slope * (value - mean_x)
    for (x0, y0), (x1, y1) in pairwise(knots):
        if x0 <= value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)


@pytest.mark.parametrize("least", [0, 3])
def test_every_value_is_the_formulas(least):
    rng = np.random.default_rng(least)
    sample = np.sort(rng.poisson(2, 60).astype(float) + least)  # many ties
    reference = np.sort(rng.gamma(0.5, 9, 60))
    assert len(set(sample)) < 12
    values = np.r_[0, np.unique(sample), rng.uniform(0, sample[-1], 40), sample[-1] + [0.1, 5, 70]]
    found = QuantileMap.of(sample, reference)(values)
    wanted = [oracle(sample.tolist(), reference.tolist(), v) for v in values]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_golden_numbers():
    sample = np.array([0, 0, 1, 1, 2, 4.0])
    reference = np.array([0, 1, 2, 4, 10, 20.0])
    found = QuantileMap.of(sample, reference)
    np.testing.assert_array_equal(found.signal, [0, 1, 2, 4])
    np.testing.assert_array_equal(found.normalised, [0, 3, 10, 20])
    assert (found.slope, found.intercept) == pytest.approx((5, -0.5))
    values = np.array([0, 0.5, 1.5, 3, 4, 5, 10])
    np.testing.assert_allclose(found(values), [0, 1.5, 6.5, 15, 20, 24.5, 49.5])


def test_the_least_value_becomes_the_knot_at_zero():
    found = QuantileMap.of(np.array([2.0, 2, 3, 5]), np.array([7.0, 7, 8, 9]))
    np.testing.assert_array_equal(found.signal, [0, 3, 5])
    np.testing.assert_array_equal(found.normalised, [0, 8, 9])


def test_a_track_as_its_own_reference_stays_as_it_is():
    sample = np.sort(np.random.default_rng(4).gamma(0.4, 5, 400))
    found = QuantileMap.of(sample, sample)
    np.testing.assert_array_equal(found.signal[1:], sample[1:])
    np.testing.assert_array_equal(found.normalised, found.signal)
    values = np.r_[np.linspace(0, sample[-1], 500), 2 * sample[-1]]
    np.testing.assert_allclose(found(values), values, rtol=1e-9)


def test_above_a_sample_whose_largest_ten_are_one_value():
    sample = np.r_[np.zeros(5), np.full(10, 4.0)]
    found = QuantileMap.of(sample, np.r_[np.zeros(5), np.full(10, 6.0)])
    # The line of least norm through (4, 6), as polyfit scales it.
    np.testing.assert_allclose(found(np.array([4.0, 8.0])), [6, 9])


def test_missing_stays_missing():
    found = QuantileMap.of(np.array([0.0, 1, 2]), np.array([0.0, 5, 6]))
    np.testing.assert_array_equal(found(np.array([np.nan, 1, 1.5])), [np.nan, 5, 5.5])


def test_a_shorter_sample_takes_the_references_ranks():
    values = np.arange(0, 40.0, 2)
    assert resampled(values, 20) is values
    np.testing.assert_allclose(resampled(values, 10), values.reshape(10, 2).mean(axis=1))
    np.testing.assert_allclose(resampled(np.array([1.0, 3]), 4), [1, 1.5, 2.5, 3])


def test_positions_are_a_chromosomes_own():
    found = sample_positions("chr1", 2500, 1000, 3)
    assert len(found) == 3
    assert (np.diff(found) >= 0).all()
    many = sample_positions("chr1", 997, 1, 3)
    assert len(many) == 997
    assert 0 <= many[0] < 20
    assert 977 <= many[-1] < 997
    assert len(np.unique(many)) < 800  # drawn with replacement
    np.testing.assert_array_equal(sample_positions("chr1", 997, 1, 3), many)
    assert (sample_positions("chr2", 997, 1, 3) != many).any()
    assert (sample_positions("chr1", 997, 1, 4) != many).any()


def test_a_sample_of_one_value_is_refused():
    with pytest.raises(InputFileError, match="the track of x has only the value 3 at"):
        check_sample(np.full(4, 3.0), "the track of x")
    with pytest.raises(InputFileError, match="the track of x has no value"):
        check_sample(np.zeros(0), "the track of x")
    check_sample(np.array([0.0, 1]), "x")
