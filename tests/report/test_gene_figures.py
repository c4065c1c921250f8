"""Figures of expression: what is drawn is what varies, and what was measured."""

import h5py
import numpy as np
import pytest

from tfepi.analysis.expression_file import FORMAT, NAME, Expression
from tfepi.analysis.gene_accuracy import Cloud, GeneAccuracy
from tfepi.report import gene_figures
from tfepi.report.gene_figures import accuracy_figure, draw_genes, expression_figure
from tfrecords_tools.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes predictions and returns them, read again."""

    def make(values, strands=None) -> Expression:
        values = np.asarray(values, np.float32)
        genes, tracks = values.shape
        strands = strands or ["."] * tracks
        with h5py.File(tmp_path / NAME, "w") as file:
            file.attrs["format"], file.attrs["format_version"] = FORMAT, 1
            file["number"], file["position"] = np.arange(genes), np.arange(genes)
            for key in ("gene", "name"):
                file[key] = np.array([f"{key}{i}".encode() for i in range(genes)])
            file["chrom"] = np.array([b"c"] * genes)
            for key in ("ids", "labels"):
                file[f"track_{key}"] = np.array([f"{key}{i}".encode() for i in range(tracks)])
            file["track_strand"] = np.array([s.encode() for s in strands])
            file["tss_bin"] = file["with_neighbours"] = values
        return Expression.read(tmp_path)

    return make


def shades(values):
    logged = np.log2(np.asarray(values, float) + 1)
    return (logged - logged.mean(axis=0)) / logged.std(axis=0)


def test_the_heat_map_shows_the_most_variable(write, monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 4, (300, 70))
    monkeypatch.setattr(Expression, "blocks", lambda self, value: _short_blocks(self, value))
    figure = expression_figure(write(values))
    axis, bar = figure.axes
    image = np.asarray(axis.get_images()[0].get_array())
    assert image.shape == (gene_figures.MOST_GENES, gene_figures.MOST_TRACKS)
    wanted = shades(np.float32(values))
    genes = [int(t.get_text().removeprefix("name")) for t in axis.get_yticklabels()]
    tracks = [int(t.get_text().removeprefix("labels")) for t in axis.get_xticklabels()]
    np.testing.assert_allclose(image, wanted[np.ix_(genes, tracks)], atol=1e-4)
    variance = wanted.var(axis=1)
    assert set(genes) == set(np.argsort(-variance)[:40].tolist())
    assert set(tracks) == set(np.argsort(-wanted[sorted(genes)].var(axis=0))[:40].tolist())
    assert axis.get_title() == "40 of 300 genes, 40 of 70 tracks: the most variable"
    assert "standard deviations" in bar.get_ylabel()


_blocks = Expression.blocks


def _short_blocks(self, value):
    return _blocks(self, value, 70 * 64)


def test_of_a_pair_of_strands_the_sense_track_is_drawn(write):
    values = np.random.default_rng(0).gamma(2, 4, (5, 6))
    values[2, 3] = -3  # has no logarithm
    values[:, 4] = 7  # does not vary
    figure = expression_figure(write(values, ["+", "-", ".", ".", ".", "sense"]))
    labels = {t.get_text() for t in figure.axes[0].get_xticklabels()}
    assert labels == {"labels2", "labels3", "labels4", "labels5 (sense)"}
    image = np.asarray(figure.axes[0].get_images()[0].get_array())
    assert np.isfinite(image).all()


def test_few_tracks_have_distributions(write):
    figure = expression_figure(write(np.arange(40).reshape(20, 2)))
    [axis] = figure.axes
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["labels0", "labels1"]
    assert axis.get_ylabel() == "genes"
    assert axis.get_xlabel() == "predicted with neighbours, log2(x + 1)"
    assert axis.get_title() == "predicted expression of 20 genes"
    for patch, column in zip(axis.patches, np.arange(40).reshape(20, 2).T, strict=True):
        heights = patch.get_xy()[1:-1:2, 1]  # the outline goes up and along, bin by bin
        edges = np.histogram_bin_edges(np.log2(np.arange(40) + 1), 8)
        np.testing.assert_array_equal(heights, np.histogram(np.log2(column + 1), edges)[0])


def test_few_genes_of_many_tracks(write):
    values = np.arange(10.0).reshape(2, 5)
    values[1, 0] = -2  # has no logarithm
    figure = expression_figure(write(values))
    assert figure.axes[0].get_title() == "predicted expression of 2 genes in 2 of 5 tracks"
    assert sum(p.get_xy()[:, 1].max() for p in figure.axes[0].patches) == 2
    figure = expression_figure(write(np.full((2, 1), np.nan)))
    assert figure.axes[0].get_title() == "predicted expression of 2 genes"


def clouds(*sizes):
    rng = np.random.default_rng(0)
    return [
        Cloud(f"s{i}", rng.gamma(1, 9, n), rng.gamma(1, 9, n), f"r = {i}")
        for i, n in enumerate(sizes)
    ]


def test_observed_against_predicted():
    made = clouds(30, 900, 12, 40)
    figure = accuracy_figure(made)
    axes = [a for a in figure.axes if a.get_xlabel()]
    assert [a.get_title() for a in axes] == [f"s{i}\nr = {i}" for i in range(4)]
    np.testing.assert_allclose(axes[0].lines[1].get_xdata(), np.log2(made[0].observed + 1))
    np.testing.assert_allclose(axes[0].lines[1].get_ydata(), np.log2(made[0].predicted + 1))
    assert axes[1].collections[0].get_array().sum() == 900
    for axis, cloud in zip(axes, made, strict=True):
        low, high = axis.get_xlim()
        assert axis.get_ylim() == (low, high)
        assert axis.get_aspect() == 1
        np.testing.assert_array_equal(axis.lines[0].get_xydata(), [[low, low], [high, high]])
        values = np.log2(np.r_[cloud.observed, cloud.predicted] + 1)
        assert low < values.min() <= values.max() < high
        np.testing.assert_array_equal(axis.get_xticks(), axis.get_yticks())
    bar = next(a for axis in axes for a in axis.child_axes if a.get_ylabel() == "genes")
    assert bar.get_yticks()[-1] == axes[1].collections[0].get_array().max()
    with pytest.raises(ConfigError, match="no tracks to draw"):
        accuracy_figure([])


def test_one_value_and_none():
    one = Cloud("one", np.array([3.0]), np.array([3.0]), "")
    none = Cloud("none", np.array([3.0]), np.array([np.nan]), "")
    first, second = accuracy_figure([one, none]).axes
    np.testing.assert_allclose(first.get_xlim(), (1.5, 2.5))
    assert second.texts[0].get_text() == "no value"


def test_files(write, tmp_path):
    write(np.random.default_rng(0).gamma(2, 4, (9, 4)))
    first = draw_genes(tmp_path, GeneAccuracy({}, tuple(clouds(20))))
    bytes_ = [p.read_bytes() for p in first]
    assert [p.name for p in first] == [
        "expression.svg",
        "expression.png",
        "accuracy.svg",
        "accuracy.png",
    ]
    again = draw_genes(tmp_path, GeneAccuracy({}, tuple(clouds(20))))
    assert [p.read_bytes() for p in again] == bytes_
    assert len(draw_genes(tmp_path)) == 2
