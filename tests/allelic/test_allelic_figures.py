"""Figures of allelic counts: what is drawn, and that nothing that is drawn is hidden."""

import numpy as np
import pytest

from tfepi.allelic.analysis import MEAN, analyse, with_mean
from tfepi.allelic.positives import Cut
from tfepi.allelic.report_text import lines
from tfepi.allelic.testing import HowTested, sites_tested
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.report.allelic_accuracy_figures import accuracy_figure, cluster_figure, roc_figure
from tfepi.report.allelic_figures import ratio_figure, read_figure
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts

CUT, TESTING = Cut(), HowTested()


def analysed(sites=1500, cut=CUT, testing=TESTING, names=("a", "b"), held=None, **design):
    """Return the analysis of simulated counts, with the planted predictions."""
    counts = simulate_counts(AllelicDesign(sites, 0.15, 1.4, noise=0.8, **design), 3)
    tested = sites_tested(counts.sites, testing)
    deep = counts.sites.reads > testing.reads
    ratios = np.stack([counts.predicted[deep]] * len(names), axis=1)
    subsets = {"all": np.ones(len(tested.sites), bool)}
    if held is not None:
        subsets["held_out"] = np.arange(len(tested.sites)) < held
    bootstrap = Bootstrap(rank_resamples=20)
    return analyse(tested, cut, bootstrap, subsets, with_mean(ratios, names, None))


@pytest.mark.parametrize("dosages", [(1,), (1, 4)])
def test_expected_ratios_are_those_of_the_dosages(dosages):
    found = analysed(dosages=dosages)
    [axis] = ratio_figure(found).axes
    texts = [t.get_text() for t in axis.get_legend().get_texts()]
    [curve] = [p for p in axis.patches if "expected of as many" in p.get_label()]
    values, edges, _ = curve.get_data()
    assert values.sum() == pytest.approx(len(found.tested.sites))
    middle = values[(edges[:-1] < 0.5) & (edges[1:] > 0.5)]
    if dosages == (1,):
        assert middle == values.max()
        assert "expected share of REF" in texts
    else:  # at a dosage of 4 shares of 0.2 and 0.8
        side = values[(edges[:-1] < 0.8) & (edges[1:] > 0.8)]
        assert side > values.sum() / 41
        assert not any("expected share of REF" in t for t in texts)
        assert any("most likely share of REF at dosage 1" in t for t in texts)


def test_each_line_of_reads_is_seen():
    found = analysed(90, Cut(bins=1))
    [axis] = read_figure(found).axes
    texts = [t.get_text() for t in axis.get_legend().get_texts()]
    count = int(found.sets["all"].candidate.sum())
    assert texts[1:] == [f"balanced ({count})", f"balanced, taken but not matched ({count})"]
    _, whole, taken = axis.get_lines()
    np.testing.assert_array_equal(whole.get_ydata(), taken.get_ydata())
    assert whole.get_linewidth() > 2 * taken.get_linewidth()
    assert taken.get_linestyle() == "--"


def test_aurocs_with_both_intervals():
    found = analysed(held=500)
    figure = accuracy_figure(found)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == (2.6, -0.6)
    [legend] = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == [
        *("all sites", "held-out sites", "DeLong's 95% interval", "of resampled blocks")
    ]
    told = found.tasks["all"][MEAN]["imbalance"]["auroc"]
    ends = [tuple(line.get_xdata()) for line in left.get_lines()]
    assert tuple(told["delong"]) in ends
    assert tuple(told["interval"]) in ends
    [title] = {axis.get_title() for axis in figure.axes} - {"imbalanced or not"}
    assert title == "direction of imbalance"


def test_what_is_too_few_is_said_in_the_figure():
    found = analysed(1000, held=60)
    [alone] = {a.get_title() for a in accuracy_figure(found).axes[1:]}
    told = found.tasks["held_out"][MEAN]["direction"]
    counts = f"({told['positives']} and {told['negatives']})"
    assert alone == f"direction of imbalance\nheld-out sites: too few {counts}"


def test_each_dosage_is_told():
    testing = HowTested(test="betabinomial", per_dosage=True)
    found = analysed(600, testing=testing, dosages=(1,) * 40 + (2,), names=("a",))
    dosages = found.tested.dosages()
    assert 0 < dosages[2] < 20 < dosages[1]
    told = [line for line in lines(found, testing) if line.startswith("at dosage")]
    assert told[0].startswith("at dosage 1: rho ")
    assert told[0].endswith(f" of {dosages[1]} sites")
    assert told[1] == f"at dosage 2: that of all, as {dosages[2]} sites are fewer than 20"
    alone = analysed(600, testing=testing, names=("a",))
    assert "at dosage 1: all sites" in list(lines(alone, testing))


def by_cluster(sizes, seed=5):
    """Return the figure of clusters of so many sites each, and the rows that it is of."""
    counts = simulate_counts(AllelicDesign(1500, 0.15, 1.4, noise=0.8), seed)
    tested = sites_tested(counts.sites, TESTING)
    deep = counts.sites.reads > TESTING.reads
    names = np.repeat([*sizes, ""], [*sizes.values(), deep.sum() - sum(sizes.values())])
    predicted = with_mean(counts.predicted[deep][:, None], ("a",), None)
    subsets = {"all": np.ones(deep.sum(), bool)}
    bootstrap = Bootstrap(rank_resamples=20)
    found = analyse(tested, CUT, bootstrap, subsets, predicted, names, draws=2)
    return cluster_figure(found), found.clusters["all"]["a"]


def test_only_bars_that_are_there_are_in_the_legend():
    figure, rows = by_cluster({"ubiquitous": 6, "A": 300, "B": 8, "C": 5})
    [axis] = figure.axes
    assert [r["cluster"] for r in rows] == ["ubiquitous", "specific", "A", "B", "C"]
    [legend] = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["all sites"]  # none is matched
    assert [p.get_x() + p.get_width() / 2 for p in axis.patches] == pytest.approx([1, 2])
    marks = [t for t in axis.texts if t.get_text() == "fewer than 10"]
    assert [t.get_position()[0] for t in marks] == [0, 3, 4]
    low, high = axis.get_xlim()
    assert (low, high) == pytest.approx((-0.6, 4.6))
    assert "DeLong's 95% interval" in axis.get_ylabel()
    assert by_cluster({"ubiquitous": 6, "A": 8})[0] is None


def test_bars_of_matched_clusters():
    figure, rows = by_cluster({"ubiquitous": 400, "A": 300, "B": 8})
    [axis], [legend] = figure.axes, figure.legends
    series = ["all sites", "matched in imbalance", "ubiquitous, matched with it"]
    assert [t.get_text() for t in legend.get_texts()] == series
    keys = [tuple(p.get_facecolor()) for p in legend.get_patches()]
    assert len(set(keys)) == 3
    assert {tuple(p.get_facecolor()) for p in axis.patches} == set(keys)
    places = [p.get_x() + p.get_width() / 2 for p in axis.patches]
    assert places == pytest.approx([0, 0.73, 1, 1.27, 1.73, 2, 2.27])  # ubiquitous has one alone
    marks = [t.get_position()[0] for t in axis.texts]
    assert marks == pytest.approx([2.73, 3, 3.27])
    matched = rows[2]["matched"]
    heights = [p.get_y() + p.get_height() for p in axis.patches[5:]]
    assert heights == pytest.approx([matched["A"]["auroc"], matched["ubiquitous"]["auroc"]])


def test_intervals_of_the_curves_are_named():
    found = analysed()
    left = roc_figure(found).axes[0]
    told = found.tasks["all"][MEAN]["imbalance"]["auroc"]
    blocks, delong = (f"[{a:.3f}, {b:.3f}]" for a, b in (told["interval"], told["delong"]))
    text = f"mean: {told['value']:.3f}\nby blocks {blocks}\nby DeLong {delong}"
    assert left.get_legend().get_texts()[0].get_text() == text
