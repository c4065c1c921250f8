"""The index of figures holds every figure, and none of them reads files."""

import ast
from pathlib import Path

import numpy as np
import pytest

import tfepi.report
from tfepi import figures
from tfepi.report.karyogram_figure import MOST_CONTIGS
from tfrecords_tools.errors import ConfigError


def written() -> dict[str, ast.FunctionDef]:
    """Return "module:function" → definition of each public function that returns a figure."""
    found = {}
    for path in Path(tfepi.report.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if public and node.returns and ast.unparse(node.returns).startswith("Figure"):
                found[f"{path.stem}:{node.name}"] = node
    return found


def test_the_index_is_complete():
    assert set(figures._PLACES.values()) == {*written(), "figures:save_figure"}
    assert len(set(figures._PLACES.values())) == len(figures._PLACES)
    for name in dir(figures):
        assert callable(getattr(figures, name)), name
    with pytest.raises(AttributeError, match="no attribute 'histogram'"):
        figures.histogram  # noqa: B018


def test_figures_are_of_values():
    for name, node in written().items():
        kinds = [ast.unparse(a.annotation) for a in node.args.args + node.args.kwonlyargs]
        assert not any("Path" in kind for kind in kinds), name


def test_karyogram_draws_each_stretch():
    splits = {
        "train": {"chr1": np.array([[0, 50_000], [60_000, 90_000]]), "chr2": np.array([[5, 700]])},
        "test": {"chr2": np.array([[40_000, 80_000]])},
    }
    figure = figures.karyogram(splits, {"chr2": 80_000, "chr1": 100_000, "chr3": 10})
    [axis] = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["chr2", "chr1"]
    assert [bar.get_width() for bar in axis.patches] == [80, 100]
    drawn = [[tuple(p.get_extents().intervalx) for p in c.get_paths()] for c in axis.collections]
    assert drawn == [[(0.005, 0.7)], [(0, 50), (60, 90)], [(40, 80)], []]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["train", "test"]
    with pytest.raises(ConfigError, match="no stretches"):
        figures.karyogram({"train": {}})


def test_karyogram_of_many_contigs_draws_the_longest():
    spans = {f"c{i}": np.array([[0, 1000 + i]]) for i in range(MOST_CONTIGS + 5)}
    [axis] = figures.karyogram({"train": spans}).axes
    names = [t.get_text() for t in axis.get_yticklabels()]
    assert (len(names), names[0]) == (MOST_CONTIGS, f"c{MOST_CONTIGS + 4}")
    assert "5 more sequences are not drawn" in axis.get_xlabel()


def test_model_window_has_its_lengths():
    [axis] = figures.model_window(768, 288, 192, 900).axes
    texts = [t.get_text() for t in axis.get_yticklabels()]
    assert texts == ["sequence: 768 bp", "predicted: 1 × 192 bp", "one bin sees: 768 bp"]
    assert [bar.get_width() for bar in axis.patches] == [768, 192, 768, 192]
    with pytest.raises(ConfigError, match="leaves no bin"):
        figures.model_window(100, 50, 10, 10)


def test_score_histogram_has_its_counts():
    edges, counts = np.array([-2.0, -1.0, 0.0]), np.array([3, 7])
    [axis] = figures.score_histogram(edges, counts, "SAD").axes
    drawn = axis.patches[0].get_data()
    np.testing.assert_array_equal(drawn.values, counts)
    np.testing.assert_allclose(drawn.edges, [0.01, 0.1, 1])
    with pytest.raises(ConfigError, match="want one more"):
        figures.score_histogram(edges, counts[:1], "SAD")
