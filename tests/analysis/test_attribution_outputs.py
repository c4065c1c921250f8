"""Bins and targets that are attributed."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.analysis.attribution_outputs import Bins, head_values, outputs_of
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
SPEC = SMALL.spec()


@pytest.mark.parametrize(
    ("text", "total", "bins"),
    [
        ("all", 7, range(7)),
        ("centre", 7, [3]),
        ("centre", 1, [0]),
        ("centre", 8, [3, 4]),
        ("2-5", 7, [2, 3, 4]),
        (" 0-1 ", 1, [0]),
    ],
)
def test_bins(text, total, bins):
    found = Bins.parse(text, total)
    assert list(range(found.first, found.first + found.count)) == list(bins)
    mirrored = range(found.mirrored, found.mirrored + found.count)
    assert [total - 1 - b for b in mirrored][::-1] == list(bins)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("middle", "bins are 'middle': want all, centre, or i-j as 3-5"),
        ("3", "want all, centre, or i-j"),
        ("3-3", "want i-j with i < j and j up to 6"),
        ("2-7", "bins are '2-7' of a model with 6"),
    ],
)
def test_bad_bins(text, message):
    with pytest.raises(ConfigError) as error:
        Bins.parse(text, 6)
    assert message in str(error.value)


def test_a_sum_of_targets_or_each():
    [total] = outputs_of(SPEC)
    assert (total.name, total.stem) == ("sum", "sum")
    np.testing.assert_array_equal(total.weights, [1, 1, 1])
    [two] = outputs_of(SPEC, "main", [SMALL.TARGETS[2], SMALL.TARGETS[0]])
    np.testing.assert_array_equal(two.weights, [1, 0, 1])
    np.testing.assert_array_equal(two.partners, [0, 1, 1])  # the plus strand is the minus one's
    each = outputs_of(SPEC, None, [SMALL.TARGETS[2], SMALL.TARGETS[0]], each=True)
    assert [(o.name, o.stem) for o in each] == [("dnase", "t2"), ("cage+", "t0")]
    np.testing.assert_array_equal(each[1].partners, [0, 1, 0])
    [one] = outputs_of(SPEC, None, [SMALL.TARGETS[1]])
    assert (one.name, one.stem) == ("cage-", "t1")
    assert head_values(SPEC, None) == 3


def test_unknown_names():
    with pytest.raises(ConfigError, match="head 'body' is not one"):
        outputs_of(SPEC, "body")
    with pytest.raises(ConfigError, match="unknown target 'x'"):
        outputs_of(SPEC, None, [Target(0, "x")])
    with pytest.raises(ConfigError, match="is not conditioned on cell types"):
        outputs_of(SPEC, cell="a")
