"""The originals' layout against what their own functions (and bedtools 2.30) gave."""

import numpy as np
import pytest

from tfrecords_tools import compat_layout
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval


def tuples(intervals):
    return [(i.chrom, i.start, i.end) for i in intervals]


def test_the_longest_contig_that_needs_no_halving_is_forgotten():
    """Of a:100, a:1380, b:700, c:380, d:200 bp, halved down to 300, d is."""
    chroms = {"a": 1500, "b": 700, "c": 390, "d": 205}
    gaps = [("a", 100, 120), ("c", 0, 10), ("d", 0, 5)]
    got = compat_layout.make_contigs(chroms, 10, [Interval(*g) for g in gaps], (), 300)
    assert tuples(got) == [
        *(("c", 10, 200), ("b", 0, 175), ("c", 200, 390), ("b", 525, 700), ("b", 350, 525)),
        *(("b", 175, 350), ("a", 637, 810), ("a", 1327, 1500), ("a", 982, 1155), ("a", 292, 465)),
        *(("a", 0, 100), ("a", 120, 292), ("a", 465, 637), ("a", 810, 982), ("a", 1155, 1327)),
    ]


def test_without_a_limit_none_is_forgotten():
    got = compat_layout.make_contigs({"a": 1500, "b": 5}, 10, (), (), None)
    assert tuples(got) == [("a", 0, 1500)]


def test_cuts_overlap_and_come_in_bedtools_order():
    cut = [("a", 20000, 60000), ("a", 100, 140), ("a", 50, 40000), ("a", 16380, 16390)]
    cut += [("a", 16500, 16600), ("b", 0, 9)]
    cut = [Interval(*c) for c in cut]
    got = compat_layout.make_contigs({"b": 100, "a": 50000}, 1, (), [cut], None)
    assert tuples(got) == [
        *(("b", 0, 9), ("a", 100, 140), ("a", 16500, 16600), ("a", 20000, 50000)),
        *(("a", 50, 40000), ("a", 16380, 16390)),
    ]
    again = compat_layout.make_contigs({"b": 100, "a": 50000}, 1, (), [cut, cut[1:2]], None)
    assert tuples(again) == [("a", 100, 140), ("a", 100, 140)]


def test_unmappable_intervals_count_one_by_one():
    """The last row has the place of the second: one of the two is marked, as there."""
    windows = [Interval("a", start, start + 64) for start in (0, 10, 50, 10)]
    spans = [Interval("a", *s) for s in ((0, 17), (17, 20), (33, 90), (71, 73))]
    got = compat_layout.unmappable_bins(windows, spans, 16)
    assert got.astype(int).tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    other = compat_layout.unmappable_bins(windows, [Interval("b", 0, 100)], 16)
    assert not other.any()


def test_unmappable_bins_against_a_loop():
    rng = np.random.default_rng(2)
    windows = [Interval("a", int(s), int(s) + 320) for s in rng.choice(5000, 60, replace=False)]
    spans = [
        Interval("a", int(s), int(s + n))
        for s, n in zip(rng.integers(0, 5000, 50), rng.integers(1, 600, 50), strict=True)
    ]
    got = compat_layout.unmappable_bins(windows, spans, 32)
    for row, w in enumerate(windows):
        want = np.zeros(10, bool)
        for s in spans:
            low, high = max(s.start, w.start) - w.start, min(s.end, w.end) - w.start
            if low < high:
                touched = [b for b in range(10) if low < (b + 1) * 32 and high > b * 32]
                minor = {b for b in touched[:1] if (b + 1) * 32 - low < 3.2}
                minor |= {b for b in touched[-1:] if high - b * 32 < 3.2}
                want[[b for b in touched if b not in minor]] = True
        assert got[row].tolist() == want.tolist()


def test_the_blacklist_has_a_margin_and_is_not_merged():
    found = compat_layout.blacklist([Interval("a", 30, 40), Interval("a", 5, 50)])
    assert {c: s.tolist() for c, s in found.items()} == {"a": [[0, 70], [10, 60]]}


def test_the_only_contig_is_not_forgotten_silently():
    with pytest.raises(ConfigError, match="a:0-100 is the only one: use a smaller --break"):
        compat_layout.make_contigs({"a": 100}, 10, (), (), 100)


def test_no_contig_that_holds_a_window():
    with pytest.raises(ConfigError, match="no contig holds a window of 200 bp"):
        compat_layout.make_contigs({"a": 100}, 200, (), (), 500)


def test_windows_that_overlap_are_refused():
    apart = [Interval("b", 0, 9), Interval("a", 9, 18), Interval("a", 0, 9)]
    compat_layout.refuse_overlap(apart)
    with pytest.raises(ConfigError, match="windows a:0-9 and a:8-17 overlap"):
        compat_layout.refuse_overlap([*apart, Interval("a", 8, 17)])
