import numpy as np
import pytest

from tfepi.analysis.track_weights import check_sense, of_head, track_weights
from tfepi.analysis.tss import StartSite
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
SITES = [StartSite("c", 9, strand, "g", "g") for strand in "+-."]


def test_weights():
    np.testing.assert_allclose(track_weights(TARGETS, SITES), np.full((3, 5), 0.2))
    found = track_weights(TARGETS, SITES, sense=True)
    third = 1 / 3
    np.testing.assert_allclose(found[0], [third, 0, third, third, 0])
    np.testing.assert_allclose(found[1], [0, third, third, 0, third])
    np.testing.assert_allclose(found[2], np.full(5, 0.2))
    # A strand without the other is no pair.
    np.testing.assert_allclose(track_weights(TARGETS[:1], SITES, True), np.ones((3, 1)))


def test_of_a_head():
    weights = np.array([[0.25, 0.75]], np.float32)
    head = Head("main", TARGETS)
    np.testing.assert_array_equal(of_head(weights, head, [3, 1]), [[0, 0.75, 0, 0.25, 0]])
    assert of_head(weights, head, None) is weights


def test_tracks_without_strands():
    check_sense(TARGETS)
    with pytest.raises(ConfigError, match="none of the 1 tracks pairs with another"):
        check_sense(TARGETS[2:3])
