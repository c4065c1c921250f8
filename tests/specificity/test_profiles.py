"""Profiles of peaks, and how specific they are."""

import numpy as np
import pytest

from tfepi.specificity.profiles import profiles, tau
from tfrecords_tools.errors import ConfigError, InputFileError

CELLS = ("a", "b", "c")


def signal(peaks=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(1, 3, (peaks, 3)) * (1, 4, 0.5)


def test_quantiles_give_every_cell_type_the_mean_distribution():
    x = signal()
    found = profiles(x, CELLS)
    ordered = np.sort(np.log2(x + 1), axis=0)
    reference = ordered.mean(axis=1)
    for column in range(3):
        rank = np.argsort(np.argsort(x[:, column]))
        expected = reference[rank]
        least = rank == 0  # on the line from 0
        np.testing.assert_allclose(found.logged[~least, column], expected[~least], atol=1e-9)
        assert 0 < found.logged[least, column] < reference[1]
    np.testing.assert_allclose(found.share, found.logged / found.logged.max(axis=1, keepdims=True))
    assert found.share.max() == 1


def test_scale_and_none():
    x = signal()
    scaled = profiles(x, CELLS, "scale").logged
    means = (2**scaled - 1).mean(axis=0)
    np.testing.assert_allclose(means, means[0])
    np.testing.assert_allclose(profiles(x, CELLS, "none").logged, np.log2(x + 1))


def test_peaks_without_a_profile_are_left_out():
    x = signal()
    x[3, 1] = np.nan
    x[7] = 0
    found = profiles(x, CELLS)
    assert found.missing.tolist() == [3]
    assert found.empty.tolist() == [7]
    assert len(found.rows) == 398
    assert not {3, 7} & set(found.rows.tolist())


@pytest.mark.parametrize(
    ("change", "how", "error", "message"),
    [
        (lambda x: x, "median", ConfigError, "unknown normalisation 'median'"),
        (lambda x: x - 5, "quantile", InputFileError, "a has signal -"),
        (lambda x: x * (1, 0, 1), "none", InputFileError, "b has no signal in any"),
        (lambda x: np.where([0, 1, 0], np.nan, x), "none", InputFileError, "missing in b 400:"),
        (lambda x: np.where([0, 1, 0], 2.0, x), "quantile", ConfigError, "same signal in every"),
    ],
)
def test_signal_without_profiles(change, how, error, message):
    with pytest.raises(error, match=message):
        profiles(change(signal()), CELLS, how)


def test_peaks_left_out_are_in_the_count_of_a_silent_cell_type():
    signal = np.array([[1.0, 0], [2, 0], [0, 0], [np.nan, 1]])
    message = r"b has no signal in any of 2 peaks \(2 more have no value or no signal anywhere\)"
    with pytest.raises(InputFileError, match=message):
        profiles(signal, ("a", "b"))


def test_tau():
    assert tau([1, 1, 1]) == 0
    assert tau([5, 0, 0]) == 1
    assert tau([2, 1, 0.5]) == pytest.approx((0 + 0.5 + 0.75) / 2)
    assert np.isnan(tau([0, 0, 0]))
    assert tau([[1, 1], [1, 0]]).tolist() == [0, 1]
