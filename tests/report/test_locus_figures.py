"""Figures of loci and of enrichment: what is drawn is what was measured."""

import numpy as np
import pytest

from tfepi.methylation.enrichment import COLUMNS
from tfepi.methylation.loci import Locus
from tfepi.report.locus_figures import LocusPanel, enrichment_figure, locus_figure
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval


def panel(**changes):
    values = {
        "locus": Locus("hit", "chr1", 1000, 5000),
        "position": np.array([1500, 2000, 3000, 4000]),
        "log10p": np.array([1.0, 9.0, 8.0, 2.0]),
        "pip": np.array([np.nan, 0.7, 0.2, np.nan]),
        "member": np.array([False, True, True, False]),
        "scored_position": np.array([1500, 2000, 4500]),
        "score": np.array([0.1, 0.4, 0.2]),
        "scored_member": np.array([False, True, False]),
        "top": (2000, 0.4, "rs7"),
    }
    return LocusPanel(**values | changes)


def offsets(axis):
    found = [np.asarray(c.get_offsets()) for c in axis.collections if len(c.get_offsets())]
    return sorted(map(tuple, np.concatenate(found).tolist()))


def test_locus():
    genes = [Interval("chr1", 900, 2500, "LEFT"), Interval("chr1", 2400, 2600, "NEXT")]
    figure = locus_figure(panel(cpgs=np.array([1200, 1201, 4800]), genes=genes, line=7.3))
    upper, middle, density, track = [a for a in figure.axes if a.get_ylabel() != "PIP"]
    assert offsets(upper) == [(1.5, 1), (2.0, 9), (3.0, 8), (4.0, 2)]
    coloured = [c for c in upper.collections if c.get_array() is not None and len(c.get_array())]
    assert [c.get_array().tolist() for c in coloured] == [[0.2, 0.7]]  # the likeliest on top
    assert coloured[0].get_clim() == (0, 1)
    assert [list(x.get_ydata()) for x in upper.lines] == [[7.3, 7.3]]
    assert {(1.5, 0.1), (2.0, 0.4), (4.5, 0.2)} <= set(offsets(middle))
    assert [t.get_text() for t in middle.texts] == ["rs7"]
    heights = density.patches[0].get_data()
    assert heights.values.sum() * (heights.edges[1] - heights.edges[0]) == pytest.approx(3)
    assert [t.get_text() for t in track.texts] == ["LEFT", "NEXT"]
    assert len({t.get_position()[1] for t in track.texts}) == 2  # overlapping: rows of their own
    assert track.get_xlim() == (1.001, 5.0)
    assert track.get_xlabel() == "position on chr1 (kb)"
    assert [a.get_ylabel() for a in figure.axes if "PIP" in a.get_ylabel()] == ["PIP"]


def test_without_pip_and_scores():
    nothing = np.zeros(0)
    bare = panel(
        pip=np.full(4, np.nan),
        member=np.zeros(4, bool),
        scored_position=nothing,
        score=nothing,
        scored_member=nothing.astype(bool),
        top=None,
    )
    figure = locus_figure(bare)
    assert [a.get_ylabel() for a in figure.axes] == ["−log10 p", "score\n(largest |Δ beta|)"]
    assert len(offsets(figure.axes[0])) == 4
    with pytest.raises(ConfigError, match="no variants in locus hit to draw"):
        locus_figure(panel(position=nothing))


def row(**values):
    return dict.fromkeys(COLUMNS) | {"tissue": "brain", "score": "score"} | values


def test_enrichment():
    rows = [
        row(statistic="auroc", value=0.7, low=0.6, high=0.8),
        row(statistic="odds_ratio", top=0.01, value=4.0, low=2.0, high=8.0),
        row(statistic="odds_ratio", top=0.1, value=None, low=None, high=None),
        row(score="brain_score", statistic="auroc", value=0.75),
    ]
    figure = enrichment_figure(rows)
    left, right = figure.axes
    assert left.get_xscale() == "log"
    assert [t.get_text() for t in left.get_yticklabels()] == ["brain", "brain, task brain"]
    points = [x.get_xdata()[0] for x in left.lines if len(x.get_xdata()) == 1]
    assert points == [4.0]
    assert [c.get_segments()[0][:, 0].tolist() for c in left.collections] == [[2, 8]]
    assert [x.get_xdata()[0] for x in right.lines][:2] == [0.7, 0.75]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["top 1%", "top 10%"]
    with pytest.raises(ConfigError, match="no statistics of enrichment"):
        enrichment_figure([row(statistic="auroc")])
