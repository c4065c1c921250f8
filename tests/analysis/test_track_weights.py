import numpy as np
import pytest

from tfepi.analysis.track_weights import check_sense, of_head, track_weights
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

TARGETS = (
    Target(0, "a+", strand_pair=1),
    Target(1, "a-", strand_pair=0),
    Target(2, "d", strand_pair=2),
    Target(3, "b+", strand_pair=4),
    Target(4, "b-", strand_pair=3),
)


def test_weights():
    third = 1 / 3
    for sense, wanted in (
        (False, {"+": [0.2] * 5, "-": [0.2] * 5, ".": [0.2] * 5}),
        (
            True,
            {"+": [third, 0, third, third, 0], "-": [0, third, third, 0, third], ".": [0.2] * 5},
        ),
    ):
        found = track_weights(TARGETS, sense)
        assert found.keys() == wanted.keys()
        for strand, values in wanted.items():
            np.testing.assert_allclose(found[strand], values)
            assert found[strand].dtype == np.float32
    # A strand without the other is no pair.
    assert all(w.tolist() == [1] for w in track_weights(TARGETS[:1], True).values())


def test_of_a_head():
    weights = {"+": np.array([0.25, 0.75], np.float32), "-": np.array([1, 0], np.float32)}
    head = Head("main", TARGETS)
    found = of_head(weights, head, [3, 1])
    assert found.keys() == weights.keys()
    np.testing.assert_array_equal(found["+"], [0, 0.75, 0, 0.25, 0])
    np.testing.assert_array_equal(found["-"], [0, 0, 0, 1, 0])
    assert of_head(weights, head, None) is weights


def test_tracks_without_strands():
    check_sense(TARGETS)
    with pytest.raises(ConfigError, match="of 1 track none pairs with another"):
        check_sense(TARGETS[2:3])
