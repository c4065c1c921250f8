"""Figures of heritability: what is drawn is what was read."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfepi.heritability.read_run import Found
from tfepi.heritability.shares import Comparison, mean_of
from tfepi.report.heritability_figures import cluster_figure, draw_heritability, share_figure
from tfrecords_tools.errors import ConfigError


def comparison(name, specific=0.59, ubiquitous=0.08):
    ratio = specific / ubiquitous if ubiquitous > 0 else np.nan
    errors = (0.05, 0.02)
    return Comparison(
        name, specific, errors[0], ubiquitous, errors[1], ratio, (5, 9), 0.06, 0.02, "jackknife"
    )


def found(count=1):
    rows = [comparison(f"t{n}", 0.59 - 0.05 * n) for n in range(count)]
    table = pd.DataFrame(
        [
            dict(zip(_COLUMNS, (f"t{t}", name, 0.03, 0.1 * n, 0.01, 3 * n, 0.3), strict=True))
            for t in range(count)
            for n, name in enumerate(("ubiquitous", "A", "B"), 1)
        ]
    )
    return Found(table, rows, mean_of(rows) if count > 1 else None, "ubiquitous", [])


_COLUMNS = [
    "trait",
    "annotation",
    "prop_snps",
    "prop_h2",
    "prop_h2_se",
    "enrichment",
    "enrichment_se",
]


def test_one_trait():
    [axis] = share_figure(found()).axes
    assert [p.get_height() for p in axis.patches] == [0.59, 0.08]
    assert [t.get_text() for t in axis.get_legend().get_texts()] == [
        *("cell-type specific", "ubiquitous", "± standard error (jackknife)")
    ]
    assert [t.get_text() for t in axis.texts] == ["7.4×"]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["t0"]
    spans = [path.vertices[:, 1] for c in axis.collections for path in c.get_paths()]
    np.testing.assert_allclose([s for s in spans if len(s)], [[0.54, 0.64], [0.06, 0.10]])


def test_several_traits_and_their_mean():
    given = found(3)
    [axis] = share_figure(given).axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["mean", "t0", "t1", "t2"]
    told = axis.get_legend().get_texts()[-1].get_text()
    assert told == "± standard error (jackknife),\nof the mean: between traits"
    mixed = [*given.comparisons[:2], replace(given.comparisons[2], method="independent")]
    [other] = share_figure(replace(given, comparisons=mixed)).axes
    told = other.get_legend().get_texts()[-1].get_text()
    assert told == "± standard error,\nof the mean: between traits"
    heights = [p.get_height() for p in axis.patches]
    np.testing.assert_allclose(heights, [0.54, 0.59, 0.54, 0.49, 0.08, 0.08, 0.08, 0.08])


def test_without_an_ubiquitous_cluster():
    alone = Found(found().table, [comparison("t", ubiquitous=np.nan)], None, None, [])
    [axis] = share_figure(alone).axes
    assert len(axis.patches) == 1
    assert not axis.texts
    with pytest.raises(ConfigError, match="there are no shares of clusters to draw"):
        share_figure(Found(found().table, [], None, None, []))


def test_shares_below_zero():
    below = Found(found().table, [comparison("t", 0.3, -0.1)], None, "ubiquitous", [])
    figure = share_figure(below)
    figure.canvas.draw()
    [axis] = figure.axes
    labels = [t.get_text() for t in axis.get_yticklabels()]
    assert "−10%" in labels
    assert not any("-" in text for text in labels)  # no hyphens
    assert not axis.texts
    noisy = comparison("t", 0.3, 0.03)  # its error is 0.02
    [axis] = share_figure(replace(below, comparisons=[noisy])).axes
    assert not axis.texts


def test_clusters():
    left, right = cluster_figure(found(2).table).axes
    assert left.get_ylim() == (2.5, -0.5)
    assert [t.get_text() for t in left.get_yticklabels()] == ["ubiquitous", "A", "B"]
    dots = [line.get_xdata().astype(float) for line in left.get_lines() if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, [[0.1, 0.2, 0.3]] * 2)
    dots = [
        line.get_xdata().astype(float) for line in right.get_lines() if line.get_marker() == "o"
    ]
    np.testing.assert_allclose(dots, [[3, 6, 9]] * 2)


def test_files(tmp_path):
    paths = draw_heritability(found(2), tmp_path / "figures")
    assert [p.name for p in paths] == ["clusters.svg", "clusters.png", "shares.svg", "shares.png"]
    assert all(p.stat().st_size for p in paths)


def test_many_traits_keep_the_figure_narrow():
    figure = share_figure(found(30))
    assert figure.get_figwidth() < 16
    assert not figure.axes[0].texts
    assert len(figure.axes[0].patches) == 62
    [legend] = cluster_figure(found(30).table).legends
    assert {t.get_text() for t in legend.get_texts()} == {"share of SNPs", "30 traits"}
