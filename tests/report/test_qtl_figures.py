"""Figures of QTL connectivity: what is drawn is what was counted."""

import numpy as np
import pytest
from scipy import sparse

from tfepi.qtl.bins import GenomeBins
from tfepi.qtl.connect_run import Result
from tfepi.qtl.connect_tables import density
from tfepi.qtl.connectivity import Connectivity
from tfepi.qtl.degree_laws import scale_free
from tfepi.report.qtl_figures import (
    _round_step,
    degree_figure,
    distance_figure,
    draw_connectivity,
    region_figure,
)
from tfrecords_tools.errors import ConfigError


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    bins = GenomeBins.of({"chr1": 3_000_000})
    links = np.zeros((300, 300), np.int32)
    for row in rng.choice(300, 120, replace=False):
        links[row, rng.integers(0, 300, 1 + int(rng.lognormal(2, 1)))] = rng.integers(1, 20)
    edges = np.linspace(-1e6, 1e6, 201)
    distances = rng.integers(0, 50, 200)
    found = Connectivity(
        bins, sparse.csr_array(links), int(distances.sum()), 120, 0, edges, distances
    )
    degrees = {"connected": found.connected, "binned": found.binned}
    laws = {k: scale_free(d, 0, 1) for k, d in degrees.items()}
    return Result({k: density(d) for k, d in degrees.items()}, found, laws)


def test_distances(result):
    figure = distance_figure({"a": result, "b": result, "c": result, "d": result})
    axes = [axis for axis in figure.axes if axis.axison]
    assert len(axes) == 4
    steps = axes[0].patches[0]
    np.testing.assert_array_equal(steps.get_data().values, result.found.distances)
    np.testing.assert_allclose(steps.get_data().edges, result.found.edges / 1000)
    assert axes[0].get_title("left") == f"a ({result.found.links:,} links)"
    assert figure.get_supylabel() == "links per 10 kb"
    with pytest.raises(ConfigError, match="no tables"):
        distance_figure({})


def test_regions(result):
    top, bottom = region_figure("a", result).axes
    for axis, kind in ((top, "connected"), (bottom, "binned")):
        steps, none = axis.patches
        degrees = getattr(result.found, kind)
        assert steps.get_data().values.sum() == (degrees > 0).sum() == 120
        assert none.get_height() == 180
        assert axis.get_yscale() == "log"
        assert axis.get_xticklabels()[0].get_text() == "none"
        assert axis.get_xticks()[0] == none.get_x() + none.get_width() / 2 < 0
        numbers = [t.get_text() for t in axis.get_xticklabels()[1:]]
        assert numbers == [str(int(x)) for x in axis.get_xticks()[1:]]
        assert len(numbers) > 2
        assert int(numbers[0]) > 0
        assert steps.get_data().edges[0] == 0.5  # a bar is about its number
    assert "none: 180 regions" in [t.get_text() for t in top.get_legend().get_texts()]
    over = result.summary["connected"]
    wanted = f"> 100: {over['over']:,} regions, {over['share_over']:.2%} of all"
    assert wanted in [t.get_text() for t in top.get_legend().get_texts()]


def test_degrees_and_laws(result):
    left, _ = degree_figure("a", result).axes
    lines = {line.get_label().split(",")[0]: line for line in left.get_lines()}
    regions = lines["regions"]
    degrees = result.found.connected
    x, share = regions.get_data()
    np.testing.assert_allclose(share, [(degrees >= v).sum() / 120 for v in x])
    law = result.laws["connected"]
    x, share = lines["power law of the tail"].get_data()
    assert x[0] == law.fitted.law.xmin
    assert share[0] == pytest.approx(law.fitted.law.tail / 120)
    x, share = lines["log-normal of all"].get_data()
    assert share[0] == pytest.approx(1)
    assert (np.diff(share) < 0).all()


def test_files(result, tmp_path):
    few = Result(result.summary, result.found, {"connected": None, "binned": None})
    paths = draw_connectivity({"a": few}, tmp_path)
    names = {p.name for p in paths}
    stems = ("distances", "a_regions")  # and no a_degrees
    assert names == {f"{s}.{kind}" for s in stems for kind in ("png", "svg")}
    assert {p.name for p in (tmp_path / "figures").iterdir()} == names


def test_bars_have_round_widths():
    assert [_round_step(n) for n in (1, 100, 101, 450, 6680)] == [1, 1, 2, 5, 100]
