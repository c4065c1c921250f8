"""Windows that share bases, beside sets of bases."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.report.page.leakage import shared_windows
from tfrecords_tools.intervals import Interval

WINDOWS = st.lists(
    st.builds(
        lambda chrom, start, size, label: Interval(chrom, start, start + size, label),
        st.sampled_from(("chr1", "chr2")),
        st.integers(0, 120),
        st.integers(1, 12),
        st.sampled_from(("train", "valid", "test")),
    ),
    max_size=14,
)


def bases(window, margin):
    return {(window.chrom, p) for p in range(window.start - margin, window.end + margin)}


@settings(max_examples=60)
@given(WINDOWS, st.integers(0, 9))
def test_shared_windows_are_those_with_common_bases(windows, crop):
    labels = list(dict.fromkeys(w.label for w in windows))
    found = shared_windows(windows, crop)
    assert [(s.first, s.second) for s in found] == list(combinations(labels, 2))
    for shared in found:
        ours = [w for w in windows if w.label == shared.second]
        assert shared.windows == len(ours)
        for margin, count in ((0, shared.bins), (crop, shared.sequence)):
            theirs = [bases(w, margin) for w in windows if w.label == shared.first]
            held = set().union(*theirs)
            assert count == sum(bool(bases(w, margin) & held) for w in ours)
