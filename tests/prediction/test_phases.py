import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.prediction.phases import Phases
from tfepi.prediction.windows import Site
from tfrecords_tools.errors import ConfigError


def plain_windows(length, bins, count, edge):
    """First bin, first that counts and the one behind the last, phase by phase, ascending."""
    starts = set()
    for phase in range(count):
        start = phase * bins // count
        while start + bins < length:
            starts.add(start)
            start += bins
        starts.add(max(0, length - bins))
    return [
        (
            start,
            start + edge if start else 0,
            length if start + bins >= length else start + bins - edge,
        )
        for start in sorted(starts)
    ]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), bins=st.integers(1, 40), length=st.integers(1, 300))
def test_windows_are_those_of_each_phase(data, bins, length):
    count = data.draw(st.integers(1, bins))
    most = (bins - -(-bins // count)) // 2
    edge = data.draw(st.integers(0, most))
    phases = Phases(count, edge, bins, 1)
    wanted = plain_windows(length, bins, count, edge)
    assert list(zip(*(a.tolist() for a in phases.touching(length, 0, length)), strict=True)) == (
        wanted
    )
    low = data.draw(st.integers(0, length - 1))
    high = data.draw(st.integers(low + 1, length))
    found = list(zip(*(a.tolist() for a in phases.touching(length, low, high)), strict=True))
    assert found == [w for w in wanted if w[1] < high and w[2] > low]
    covered = np.zeros(length, int)
    for start, begin, end in wanted:
        covered[begin:end] += 1
        assert 0 <= start <= max(0, length - bins)
    assert covered.min() >= 1
    assert covered.max() <= count + 1


@settings(max_examples=100, deadline=None)
@given(data=st.data(), bins=st.integers(2, 40))
def test_a_larger_edge_leaves_a_hole_and_is_refused(data, bins):
    count = data.draw(st.integers(1, bins))
    edge = (bins - -(-bins // count)) // 2 + 1
    covered = np.zeros(4 * bins, int)
    for _, begin, end in plain_windows(4 * bins, bins, count, edge):
        covered[begin:end] += 1
    assert covered.min() == 0
    with pytest.raises(ConfigError, match="would leave bases without a value"):
        Phases(count, edge, bins, 1)


def test_leopard():
    """10,240 bp from 0 and 5,120; 100 bp left out at both edges but a chromosome's."""
    phases = Phases.of(2, 100, Site(0, 0, 10_240, 1, 10_240))
    start, begin, end = phases.touching(25_000, 0, 25_000)
    assert start.tolist() == [0, 5_120, 10_240, 14_760]
    assert begin.tolist() == [0, 5_220, 10_340, 14_860]
    assert end.tolist() == [10_140, 15_260, 20_380, 25_000]
    for length in (600, 10_240):
        assert [a.tolist() for a in phases.touching(length, 0, length)] == [[0], [0], [length]]


def test_edges_are_whole_bins():
    site = Site(0, 0, 320, 32, 10_240)
    assert Phases.of(2, 100, site) == Phases(2, 4, 320, 32)
    assert Phases.of(2, 96, site) == Phases(2, 3, 320, 32)
    assert Phases.of(1, 0, site) is None
    with pytest.raises(ConfigError, match=r"edge is 5216 bp \(whole bins\): 2 phases"):
        Phases.of(2, 5_200, site)


@pytest.mark.parametrize(
    ("count", "edge", "message"),
    [
        (1, 100, "edge is 100 bp: 1 phases of windows of 600 bp would leave bases without a value"),
        (2, 151, "want an edge of at most 150 bp, or more phases"),
        (0, 0, "phases are 0: want 1 to 600, the bins of a window"),
        (601, 0, "phases are 601: want 1 to 600"),
        (2, -1, "edge is -1 bp: want 0 or more"),
    ],
)
def test_bad_phases(count, edge, message):
    with pytest.raises(ConfigError, match=message):
        Phases.of(count, edge, Site(0, 0, 600, 1, 600))
