import numpy as np
import pytest

from tfepi.analysis.effect_distance import effect_distance
from tfepi.analysis.pair_accuracy import BASELINE, pair_accuracy
from tfepi.report.enhancer_figures import (
    Marked,
    Panel,
    distance_figure,
    pair_effects_figure,
    profile_figure,
)
from tfepi.report.figures import save_figure
from tfepi.report.pair_accuracy_figure import accuracy_figure
from tfrecords_tools.errors import ConfigError


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]


def saved(figure, tmp_path):
    paths = save_figure(figure, tmp_path / "figure")
    assert min(p.stat().st_size for p in paths) > 4000


PLACE = ("chr1", -50, 1000, 450, "-")


def test_profiles(tmp_path):
    rng = np.random.default_rng(0)
    panels = [Panel("signed", rng.normal(size=100)), Panel("weights", rng.random(50), log=True)]
    marked = [Marked(100, 160, True), Marked(700, 710, False), Marked(900, 950)]
    figure = profile_figure("a gene", *PLACE, panels, marked)
    saved(figure, tmp_path)
    first, second = figure.axes
    assert (first.get_yscale(), second.get_yscale()) == ("linear", "log")
    np.testing.assert_allclose(first.get_xlim(), (-0.05, 0.95))
    assert second.get_xlabel() == "position on chr1 (kb)"
    found = texts(figure)
    assert "TSS ←" in found
    assert {"regulates the gene", "does not", "candidate element"} <= set(found)


@pytest.mark.parametrize(
    ("values", "ends", "ticks"),
    [
        ((0.03, 0.038), (0.02, 0.05), ["0.02", "0.05"]),
        ((0.03, 0.16, 0.0), (0.02, 0.2), ["0.02", "0.05", "0.1", "0.2"]),
        ((0.0007, 0.11), (0.0005, 0.2), ["0.001", "0.01", "0.1"]),
        ((0.05, 0.05), (0.05, 0.1), ["0.05", "0.1"]),
        ((1.0, 10.0), (1, 10), ["1", "2", "5", "10"]),
    ],
)
def test_ticks_of_logarithmic_profiles(values, ends, ticks):
    figure = profile_figure("", *PLACE, [Panel("share", np.array(values), log=True)])
    [axis] = figure.axes
    np.testing.assert_allclose(axis.get_ylim(), ends)
    figure.canvas.draw()
    places = zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    inside = (ends[0] * 0.999, ends[1] * 1.001)
    assert [t.get_text() for y, t in places if inside[0] < y < inside[1]] == ticks
    assert not len(axis.yaxis.get_minorticklocs())


def test_profiles_of_nothing(tmp_path):
    figure = profile_figure("", *PLACE[:4], "+", [Panel("zero", np.zeros(10), log=True)])
    saved(figure, tmp_path)
    assert "TSS →" in texts(figure)
    with pytest.raises(ConfigError, match="there are no profiles to draw"):
        profile_figure("", *PLACE, [])


def test_effects_of_elements(tmp_path):
    distance = np.array([-9000, 100, 20_000, 5])
    effect, spread = np.array([-0.1, -2, 0.05, np.nan]), np.array([0.1, np.nan, 0.02, 1])
    label = np.array([True, True, False, True])
    figure = pair_effects_figure(distance, effect, spread, label)
    saved(figure, tmp_path)
    points = [
        line.get_xdata().tolist() for line in figure.axes[0].lines if line.get_marker() == "o"
    ]
    assert points == [[20.0], [-9.0, 0.1]]
    saved(pair_effects_figure(distance, effect, spread), tmp_path)
    with pytest.raises(ConfigError, match="there are no effects of elements"):
        pair_effects_figure(distance, np.full(4, np.nan), spread)


def by_distance(genes, promoter=5):
    rng = np.random.default_rng(1)
    gene, distance = (x.ravel() for x in np.meshgrid(range(genes), range(-40, 41, 10)))
    effect = rng.normal(size=len(gene)) * np.exp(-np.abs(distance) / 10)
    return effect_distance(gene, 1000 * distance, effect, promoter)


@pytest.mark.parametrize("genes", [1, 4, 30])
def test_effects_against_distance(tmp_path, genes):
    by = by_distance(genes)
    lines = {f"g{n}": (by.distance, by.mean) for n in range(genes)}
    figure = distance_figure(by, lines, 10_000)
    saved(figure, tmp_path)
    top, below = figure.axes
    drawn = [line.get_xdata() for line in top.lines if len(line.get_xdata()) == len(by.distance)]
    assert len(drawn) == (4 if genes == 4 else 0)  # thin lines, of few genes
    assert len(top.collections) == (genes > 1)  # the interval
    found = texts(figure)
    assert ("g0" if genes == 1 else f"mean of {genes} genes") in found
    assert ("each gene" in found) is (genes == 4)
    assert ("95% interval of the mean" in found) is (genes > 1)
    assert "each start site" in texts(distance_figure(by, lines, 9, "start site")) or genes != 4
    width = by.mass_width(0.9) / 1000
    assert any(f"90% within {width:.3g} kb" in text for text in found)
    np.testing.assert_allclose(below.lines[0].get_ydata(), by.cumulative[by.away])


def test_no_effect_and_no_distance(tmp_path):
    zero = effect_distance(np.zeros(3, int), np.array([-10, 0, 10]), np.zeros(3))
    saved(distance_figure(zero, {"g": (zero.distance, zero.mean)}, 10), tmp_path)
    with pytest.raises(ConfigError, match="every stretch lies at the TSS"):
        distance_figure(by_distance(1, promoter=10**6), {}, 10)


def test_accuracy(tmp_path):
    rng = np.random.default_rng(2)
    label, distance = rng.random(90) < 0.4, rng.integers(0, 60_000, 90).astype(float)
    scores = {"contribution": label + rng.normal(size=90), "other": rng.normal(size=90)}
    rows = pair_accuracy(label, rng.integers(0, 8, 90).astype(str), distance, scores)
    figure = accuracy_figure(rows)
    saved(figure, tmp_path)
    axis = figure.axes[0]
    names = [t.get_text().split("\n")[0] for t in axis.get_xticklabels()]
    assert names == ["all", "< 10 kb", "10–30 kb", "30–100 kb"]  # none lies further away
    assert {"contribution", "other", BASELINE} <= set(texts(figure))
    assert axis.get_ylabel() == "AUPRC"
    saved(accuracy_figure(rows, "auroc"), tmp_path)
    nothing = [row | {"value": None} for row in rows]
    with pytest.raises(ConfigError, match="there are no values of auprc to draw"):
        accuracy_figure(nothing)
