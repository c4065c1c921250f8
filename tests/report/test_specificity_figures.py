"""Figures of clusters and of accuracy in them, from small tables."""

import numpy as np
import pandas as pd
import pytest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap
from tfepi.report.cluster_figures import clusters_figure, silhouettes_figure
from tfepi.report.figures import save_figure
from tfepi.report.height_figures import heights_figure, matched_figure
from tfepi.report.specificity_figures import (
    accuracy_figure,
    averages_figure,
    overcorrelation_figure,
)
from tfepi.specificity.accuracy import correlations
from tfepi.specificity.averages import averages, beside_donors
from tfepi.specificity.height_matching import Matching, height_matched
from tfepi.specificity.overcorrelation import overcorrelation
from tfrecords_tools.errors import ConfigError

NAMES, CELLS = ("ubiquitous", "a", "b"), ("liver", "lung")


def texts(figure):
    return " ".join(t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")))


def saved(figure, tmp_path):
    assert min(p.stat().st_size for p in save_figure(figure, tmp_path / "figure")) > 4000


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, 3, (200, 2))
    prediction = truth * rng.gamma(3, 0.3, truth.shape)
    cluster = rng.integers(0, 3, 200)
    return truth, prediction, cluster, NAMES, CELLS, Blocks(rng.integers(0, 9, 200), 9, 1000)


def summary():
    share = {"ubiquitous": (0.9, 0.8), "lung": (0.1, 1.0)}
    clusters = [
        {"name": n, "peaks": 1200, "tau": 0.1, "mean_share": dict(zip(CELLS, s, strict=True))}
        for n, s in share.items()
    ]
    tried = [("kmeans", 3, 0.4), ("kmeans", 4, 0.5), ("ward", 3, 0.3), ("mixture", 3, None)]
    return {
        "cell_types": list(CELLS),
        "clusters": clusters,
        "peaks": 2400,
        "sample": 2000,
        "method": "kmeans",
        "k": 4,
        "silhouette": 0.5,
        "joined": 2,
        "silhouettes": [dict(zip(("method", "k", "silhouette"), t, strict=True)) for t in tried],
    }


def test_clusters(tmp_path):
    figure = clusters_figure(summary())
    saved(figure, tmp_path)
    found = texts(figure)
    for text in ("ubiquitous (1,200)", "lung (1,200)", "k = 4", ".90", "2 are joined"):
        assert text in found
    with pytest.raises(ConfigError, match="no clusters to draw"):
        clusters_figure(summary() | {"clusters": []})


def test_silhouettes(tmp_path):
    figure = silhouettes_figure(summary())
    saved(figure, tmp_path)
    [axis] = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}
    assert lines["k-means"] == [[3, 0.4], [4, 0.5]]
    assert lines["chosen"] == [[4, 0.5]]
    assert "Gaussian mixture" not in lines
    none = [s | {"silhouette": None} for s in summary()["silhouettes"]]
    with pytest.raises(ConfigError, match="no silhouettes"):
        silhouettes_figure(summary() | {"silhouettes": none})


def test_accuracy_by_cluster(tmp_path, values):
    table = correlations(*values, Bootstrap(20)).table()
    figure = accuracy_figure(table, {"a": ("lung",)}, table)
    saved(figure, tmp_path)
    [axis] = figure.axes
    drawn = {tuple(np.round(p, 9)) for c in axis.collections for p in c.get_offsets()}
    own = table[table.cell_type != "mean"]
    assert {x for x, _ in drawn} == set(own["pearsonr_log2"].round(9))
    found = texts(figure)
    for text in ("genome-wide (200)", "the cluster's own", "between donors, 2 cell types", "mean"):
        assert text in found
    assert "pale" not in found
    lines = {round(line.get_xdata()[0], 9) for line in axis.get_lines() if len(line.get_xdata())}
    means = table[table.cell_type == "mean"]["pearsonr_log2"].round(9)
    assert set(means) <= lines
    few = table.assign(n=np.where(table.group == "a", 19, table.n))
    figure = accuracy_figure(few)
    assert "pale: fewer than 20" in texts(figure)
    pale = [c.get_offsets()[0][1] for c in figure.axes[0].collections if c.get_alpha() < 1]
    assert {round(y) for y in pale} == {4}  # below all positions, peaks, ubiquitous, specific
    with pytest.raises(ConfigError, match="no clusters with a defined accuracy"):
        accuracy_figure(table.assign(pearsonr_log2=np.nan))


def test_averages_of_models(tmp_path, values):
    found = correlations(*values, Bootstrap(20))
    table = averages(found)
    donors = correlations(*values[:2][::-1], *values[2:], Bootstrap(20))
    donors.value[:, 1] = np.nan  # only liver has donors
    beside = beside_donors(found, donors)
    figure = averages_figure({"one": table, "two": table.assign(low=np.nan)}, beside)
    saved(figure, tmp_path)
    assert "between donors, of liver" in texts(figure)
    drawn = {tuple(line.get_ydata()) for line in figure.axes[0].get_lines()}
    for row in beside.itertuples():
        assert {(row.ceiling, row.ceiling), (row.pearsonr_log2,)} <= drawn
    [axis] = figure.axes
    bars = sorted(round(b.get_height(), 9) for b in axis.patches)
    shown = table[table.average != "ubiquitous less specific"]["pearsonr_log2"]
    assert bars == sorted(2 * shown.round(9).tolist())
    assert "two" in texts(figure)
    with pytest.raises(ConfigError, match="no models"):
        averages_figure({})


def test_overcorrelations(tmp_path, values):
    truth, prediction, cluster = values[:3]
    tables = []
    for number, name in enumerate(("ubiquitous", "specific")):
        rows = cluster == number
        tables.append(overcorrelation(truth[rows], prediction[rows]).table(CELLS, name))
    table = pd.concat(tables)
    figure = overcorrelation_figure({"multitask": table, "single": table})
    saved(figure, tmp_path)
    assert len(figure.axes) == 5
    image = figure.axes[1].get_images()[0].get_array()
    assert "-" not in texts(figure).replace("-task", "")  # minus signs
    assert image[0, 1] == image[1, 0] == pytest.approx(tables[1]["overcorrelation"].iloc[0])
    assert "multitask specific peaks: mean" in texts(figure).replace("\n", " ")
    with pytest.raises(ConfigError, match="no groups of peaks"):
        overcorrelation_figure({"": table}, ("other",))


def test_heights(tmp_path):
    rows = [
        (group, cell, 30, 1.0, *quantiles)
        for group, quantiles in (("ubiquitous", (1, 2, 3, 4, 5)), ("specific", (0, 1, 1.5, 2, 3)))
        for cell in CELLS
    ]
    columns = ("group", "cell_type", "n", "mean", "q05", "q25", "q50", "q75", "q95")
    table = pd.DataFrame(rows, columns=columns)
    figure = heights_figure(table)
    saved(figure, tmp_path)
    assert len(figure.axes[0].patches) == 4
    assert "ubiquitous peaks (30 bins)" in texts(figure)
    assert "whiskers: middle 90%" in texts(figure)
    of_own = table[table.group == "specific"].assign(group="own", n=[6, 34])
    found = texts(heights_figure(pd.concat([table, of_own])))
    assert "the cell type's own clusters (6 to 34 bins by cell type)" in found
    assert "own" not in texts(figure)
    with pytest.raises(ConfigError, match="no ubiquitous or specific peaks"):
        heights_figure(table.assign(n=0))


def test_matched_heights(tmp_path, values):
    own = {"a": ("liver",), "b": ("lung",)}
    table = height_matched(*values, Bootstrap(20), Matching(draws=2), own)
    figure = matched_figure(table)
    saved(figure, tmp_path)
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "all specific peaks",
        "the cell type's own clusters",
    ]
    assert "matched,\nequal" in texts(figure)
    with pytest.raises(ConfigError, match="no matched sets"):
        matched_figure(table.iloc[:0])
