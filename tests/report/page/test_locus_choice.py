"""Example loci are those that the rule names."""

import numpy as np
import pytest

from tfepi.evaluation.predictions import Layout
from tfepi.report.page.locus_choice import agreement, chosen_loci, joining_gap
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

BINS, WIDTH = 2, 10
TARGETS = (Target(0, "a"), Target(1, "b"))


def layout_of(runs):
    """Windows without gaps in runs of these lengths, and a gap after each; shuffled."""
    windows, start = [], 0
    for length in runs:
        for _ in range(length):
            windows.append(Interval("chr1", start, start + BINS * WIDTH))
            start += BINS * WIDTH
        start += 500
    order = np.random.default_rng(0).permutation(len(windows))
    return Layout(tuple(windows[i] for i in order), BINS, WIDTH, TARGETS)


def columns_of(layout, seed=0):
    rng = np.random.default_rng(seed)
    shape = (len(layout.windows), BINS)
    truths = [rng.random(shape) for _ in TARGETS]
    return [(t, t + rng.standard_normal(shape)) for t in truths]


def runs_of(layout, most):
    """Positions of windows of each run, cut to `most`, by plain steps."""
    order = sorted(range(len(layout.windows)), key=lambda i: layout.windows[i].start)
    runs = []
    for i in order:
        start = layout.windows[i].start
        if runs and len(runs[-1]) < most and layout.windows[runs[-1][-1]].end == start:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def test_four_stretches_by_the_rule():
    layout = layout_of([10, 10, 10, 9, 10, 3])
    columns = columns_of(layout)
    loci, ranked = chosen_loci(layout, columns, bins=20)
    runs = runs_of(layout, 10)
    mean = [t.mean() for t, _ in columns]
    signal = [sum(t[r].sum() / m for (t, _), m in zip(columns, mean, strict=True)) for r in runs]
    long = [r for r in runs if len(r) >= 5]
    assert ranked == len(long) == 5
    r = [np.mean([np.corrcoef(t[k].ravel(), p[k].ravel())[0, 1] for t, p in columns]) for k in long]
    order = np.argsort(r)[::-1]
    wanted = {"busiest": runs[int(np.argmax(signal))]}
    wanted |= {"best": long[order[0]], "median": long[order[2]], "worst": long[order[-1]]}
    named = {name: locus for locus in loci for name in locus.names}
    assert set(named) == set(wanted)
    for name, windows in wanted.items():
        assert named[name].windows.tolist() == windows
        rank = 1 + [long[k] for k in order].index(windows)
        assert named[name].rank == rank
        assert named[name].mean == pytest.approx(r[order[rank - 1]])
    places = [tuple(locus.windows) for locus in loci]
    assert len(set(places)) == len(places)


def test_one_stretch_is_all_four():
    layout = layout_of([6])
    (locus,), ranked = chosen_loci(layout, columns_of(layout), bins=20)
    assert (locus.names, ranked, locus.rank) == (("busiest", "best", "median", "worst"), 1, 1)


def test_the_busiest_may_be_too_short_to_rank():
    layout = layout_of([10, 10, 2])
    columns = columns_of(layout)
    last = max(range(len(layout.windows)), key=lambda i: layout.windows[i].start)
    for truth, _ in columns:
        truth[last] = 1000
    loci, ranked = chosen_loci(layout, columns, bins=20)
    assert loci[0].names == ("busiest",)
    assert loci[0].rank is None
    assert ranked == 2
    assert [n for locus in loci[1:] for n in locus.names] == [
        "best",
        "median",
        "worst",
    ]


def test_without_any_agreement_there_is_the_busiest():
    layout = layout_of([4, 4])
    columns = [(t, np.ones_like(p)) for t, p in columns_of(layout)]
    (locus,), ranked = chosen_loci(layout, columns, bins=8)
    assert (locus.names, ranked, locus.rank) == (("busiest",), 0, None)
    assert np.isnan(locus.mean)
    assert np.isnan(locus.agreement).all()


def test_agreement_is_pearson_r_of_what_was_observed():
    rng = np.random.default_rng(4)
    truth, prediction = rng.random((3, 5)), rng.random((3, 5))
    truth[0, :2] = np.nan
    seen = ~np.isnan(truth)
    wanted = np.corrcoef(truth[seen], prediction[seen])[0, 1]
    assert agreement(truth, prediction) == pytest.approx(wanted)
    assert np.isnan(agreement(np.full(4, np.nan), np.arange(4)))
    assert np.isnan(agreement(np.ones(4), np.arange(4)))


def test_windows_that_lie_apart_are_joined_across_the_usual_gap():
    width = BINS * WIDTH
    windows = [Interval("chr1", s, s + width) for s in range(0, 40 * 50, 50)]
    windows += [Interval("chr1", s, s + width) for s in range(10_000, 10_000 + 40 * 50, 50)]
    windows += [Interval("chr2", 10_000 + 40 * 50, 10_000 + 40 * 50 + width)]
    layout = Layout(tuple(windows), BINS, WIDTH, TARGETS)
    gap = joining_gap(layout)
    assert gap == 10 * (50 - width)
    loci, ranked = chosen_loci(layout, columns_of(layout), bins=40, gap=gap)
    assert ranked == 4
    starts = {windows[locus.windows[0]].start for locus in loci}
    assert starts <= {0, 1000, 10_000, 11_000}
    assert all(len(locus.windows) == 20 for locus in loci)
    assert joining_gap(layout_of([10, 10])) == 0
    assert joining_gap(layout_of([1])) == 0
