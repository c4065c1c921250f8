"""Which of two strands' tracks is a gene's own."""

import logging

import numpy as np
import pytest

from tfepi.analysis.sense import SensePair, sense_pairs, sense_values
from tfrecords_tools.targets import Target, read_targets


def table(*names, pairs=(), description=""):
    partner = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    return tuple(
        Target(10 + i, n, strand_pair=10 + partner.get(i, i), description=description)
        for i, n in enumerate(names)
    )


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("x+", "x-"), SensePair("x", "x", 0, 1)),
        (("x-", "x+"), SensePair("x", "x", 1, 0)),
        (("x_plus", "x_minus"), SensePair("x", "x", 0, 1)),
        (("x.rev", "x.fwd"), SensePair("x", "x", 1, 0)),
        (("x-forward", "x-reverse"), SensePair("x", "x", 0, 1)),
    ],
)
def test_ends_of_identifiers(names, wanted):
    assert sense_pairs(table(*names, pairs=((0, 1),))) == (wanted,)


def test_pairs_among_other_targets():
    targets = table("a", "b-", "c+", "b+", "b", pairs=((1, 3),), description="cage")
    assert sense_pairs(targets) == (SensePair("b_sense", "cage", 3, 1),)
    assert sense_pairs(targets[:3]) == ()  # the other strand was not chosen
    assert sense_pairs(()) == ()


def test_no_two_tracks_have_one_name():
    targets = table("x+", "x-", "x_plus", "x_minus", "x", pairs=((0, 1), (2, 3)))
    assert [p.name for p in sense_pairs(targets)] == ["x_sense", "x_sense_sense"]


@pytest.mark.parametrize("names", [("x1", "x2"), ("x+", "y-"), ("+", "-"), ("x+", "x+b")])
def test_strands_that_cannot_be_told_apart(names, caplog):
    with caplog.at_level(logging.WARNING):
        assert sense_pairs(table(*names, pairs=((0, 1),))) == ()
    [record] = caplog.records
    assert record.getMessage().startswith("no sense values of 1 pair of strands, whose")
    assert record.getMessage().endswith(f": {names[0]} and {names[1]}")


def test_values_are_those_of_the_own_strand():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    pairs = (SensePair("x", "x", 0, 1), SensePair("y", "y", 3, 2))
    found = sense_values(values, ["+", "-", "."], pairs)
    np.testing.assert_array_equal(found, [[0, 3], [5, 6], [np.nan, np.nan]])
    assert found.dtype == np.float32
    assert sense_values(values, ["+", "-", "."], ()).shape == (3, 0)


def test_a_published_table(test_data):
    targets = read_targets(test_data / "data/human/basenji_records/targets.txt")
    pairs = sense_pairs(targets)
    assert len(pairs) == 27
    assert pairs[0] == SensePair("CNhs10752", targets[0].description, 0, 1)
    assert all(targets[p.reverse].index == targets[p.forward].strand_pair for p in pairs)
