"""Windows that share bases, beside sets of bases."""

from itertools import combinations

import numpy as np
import pytest

from tfepi.report.page.leakage import shared_windows
from tfrecords_tools.intervals import Interval


def drawn(seed: int) -> list[Interval]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rng.integers(0, 14)):
        start, size = int(rng.integers(0, 120)), int(rng.integers(1, 12))
        chrom, label = rng.choice(["chr1", "chr2"]), rng.choice(["train", "valid", "test"])
        found.append(Interval(str(chrom), start, start + size, str(label)))
    return found


def bases(window, margin):
    return {(window.chrom, p) for p in range(window.start - margin, window.end + margin)}


@pytest.mark.parametrize("crop", [0, 1, 7])
def test_shared_windows_are_those_with_common_bases(crop):
    for seed in range(40):
        windows = drawn(seed)
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
