"""Peaks called from the signal: the threshold is an exact quantile."""

import numpy as np
import pytest

from tfepi.specificity.peak_calls import CallRule, joined_bins, threshold_of, value_counts
from tfrecords_tools.errors import ConfigError, InputFileError


def test_the_threshold_is_the_quantile_of_bins_above_0():
    rng = np.random.default_rng(1)
    values = rng.gamma(0.5, 4, 5001).astype(np.float16)
    values[rng.random(5001) < 0.4] = 0
    values[:50] = np.nan
    positive = values[values > 0].astype(float)
    for quantile in (0.1, 0.5, 0.98, 0.999):
        found = threshold_of(value_counts(values), CallRule(quantile), "a")
        assert found == np.quantile(positive, quantile, method="inverted_cdf")


def test_a_stated_threshold_is_taken():
    assert threshold_of(np.zeros(1 << 16, np.int64), CallRule(threshold=2.5), "a") == 2.5


def test_no_signal():
    counts = value_counts(np.array([0, 0, np.nan], np.float16))
    with pytest.raises(InputFileError, match="no bin of 'a' has signal"):
        threshold_of(counts, CallRule(), "a")


def test_bins_that_touch_are_one_peak():
    found = joined_bins(
        [("c", np.array([0, 10, 30])), ("d", np.array([5])), ("c", np.array([20]))], 10
    )
    assert {c: v.tolist() for c, v in found.items()} == {"c": [[0, 40]], "d": [[5, 15]]}
    assert joined_bins([("c", np.array([], int))], 10) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.0}, "quantile is 1.0"),
        ({"threshold": -1.0}, "threshold is -1.0"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_rules_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        CallRule(**options)
