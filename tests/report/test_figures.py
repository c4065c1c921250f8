"""Figures: the same data give the same bytes, and what is drawn is what came in."""

import json
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.evaluation.metrics import evaluate
from tfepi.evaluation.predictions import Layout, PredictionParts
from tfepi.report import accuracy_figures, figures, panels
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

X = Target(0, "x")
PNG = b"\x89PNG\r\n\x1a\n"


def values(seed=0, shape=(300,)):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 4, shape)
    truth = rng.poisson(rate).astype(float)
    truth.flat[::17] = np.nan
    return truth, rate * 0.8 + 0.3


@pytest.fixture
def predictions(tmp_path):
    places = [*range(40), *range(60, 75)]
    windows = tuple(Interval("chr2", 128 * i, 128 * (i + 1)) for i in places)
    targets = tuple(Target(i, f"cell type {i}") for i in range(8))
    layout = Layout(windows, 4, 32, targets)
    parts = PredictionParts(tmp_path / "run", layout)
    parts.claim()
    truth, prediction = values(1, (55, 4, 8))
    prediction += np.random.default_rng(2).gamma(1, np.arange(1, 9), prediction.shape)
    parts.write(0, truth, prediction)
    return parts


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines()}


def test_the_same_data_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        figure = panels.observed_predicted([panels.Observed(X, *values(), note="r = 0.9")])
        paths = figures.save_figure(figure, tmp_path / name)
        assert [p.suffix for p in paths] == [".svg", ".png"]
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
        assert first == second
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    svg = (tmp_path / "a.svg").read_text()
    assert "dc:date" not in svg
    assert "observed, log2(x + 1)" in svg  # text stays text


def test_a_figure_leaves_no_settings_behind():
    before = dict(matplotlib.rcParams)
    panels.observed_predicted([panels.Observed(X, *values())])
    assert dict(matplotlib.rcParams) == before


def test_observed_predicted_counts_every_position():
    truth, prediction = values()
    figure = panels.observed_predicted([panels.Observed(X, truth, prediction)])
    axis = figure.axes[0]
    mesh = axis.collections[0]
    assert mesh.get_array().sum() == (~np.isnan(truth)).sum()
    assert axis.get_xlabel() == "observed, log2(x + 1)\nx: coverage"
    assert axis.get_ylabel() == "predicted, log2(x + 1)"


def test_observed_predicted_of_values_below_zero_keeps_the_scale():
    truth = np.linspace(-2, 2, 30)
    figure = panels.observed_predicted([panels.Observed(X, truth, truth / 2, "", "fold change")])
    assert figure.axes[0].get_xlabel() == "observed, x\nx: fold change"
    assert figure.axes[0].collections[0].get_array().sum() == 30


def test_observed_predicted_of_a_binary_truth():
    truth = np.array([0, 1, 1, 0, 1, np.nan])
    figure = panels.observed_predicted([panels.Observed(X, truth, np.linspace(0, 1, 6))])
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert labels == ["observed 0 (n = 2)", "observed 1 (n = 3)"]


def test_observed_predicted_without_a_value_and_constant(tmp_path):
    nothing = panels.Observed(X, np.full(5, np.nan), np.ones(5))
    constant = panels.Observed(X, np.full(5, 2.0), np.full(5, 2.0))
    figure = panels.observed_predicted([nothing, constant])
    assert figure.axes[0].texts[0].get_text() == "no observed value"
    figures.save_figure(figure, tmp_path / "x")


def test_tracks_break_at_gaps():
    starts = np.array([0, 100, 200, 500, 600])
    truth, prediction = np.arange(5.0), np.arange(5.0) * 2
    figure = panels.tracks("chrX", starts, 100, [panels.Observed(X, truth, prediction)])
    x, y = lines(figure.axes[0])["predicted"].get_data()
    np.testing.assert_allclose(x, [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7])
    np.testing.assert_array_equal(y, [0, 2, 4, np.nan, 6, 8, 8])
    assert figure.axes[0].get_xlabel() == "position on chrX (kb), bins of 100 bp"


@pytest.mark.parametrize(
    ("counts", "ticks"),
    [
        ([1, 1], [1, 2]),
        ([3, 9], [1, 9]),
        ([1, 37], [1, 10, 37]),
        ([5, 190_000], [1, 10, 100, 1000, 10_000, 190_000]),
        ([], [1, 2]),
    ],
)
def test_ticks_of_counts(counts, ticks):
    figure = Figure()
    axis = figure.subplots()
    counts = np.array(counts, float)
    drawn = axis.scatter(*[np.arange(len(counts))] * 2, c=counts, norm=LogNorm())
    figures.count_bar(figure, axis, drawn, "genes")
    bar = axis.child_axes[0]
    assert bar.get_yticks().tolist() == ticks
    assert bar.get_ylabel() == "genes"
    assert drawn.get_clim() == (1, ticks[-1])
    figure.canvas.draw()
    assert bar.get_yticklabels()[-1].get_text() == f"{ticks[-1]:,}"


def test_figures_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="no targets"):
        panels.observed_predicted([])
    with pytest.raises(ConfigError, match="no targets"):
        panels.tracks("c", np.array([0]), 10, [])


def test_draw_accuracy(tmp_path, predictions):
    metrics = evaluate(predictions, Bootstrap(resamples=30, rank_resamples=0))
    epochs = [{"epoch": e, "loss": 3 - e, "learning_rate": 0.1} for e in range(2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in epochs))
    for name in ("a", "b"):
        paths = accuracy_figures.draw_accuracy(
            predictions, metrics, tmp_path / name, "reads", tmp_path / "metrics.jsonl"
        )
    stems = ["accuracy", "observed_predicted", "tracks", "training"]
    assert [p.stem for p in paths] == [s for s in stems for _ in range(2)]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
    svg = (tmp_path / "a" / "tracks.svg").read_text()
    assert "reads per 32 bp" in svg
    assert re.search("position on chr2 \\(kb\\), bins of 32 bp", svg)


def test_targets_are_spread_over_ranks():
    entries = [{"r": {"value": v}} for v in (0.1, 0.9, None, 0.5, 0.7)]
    assert accuracy_figures.targets_shown(entries, "r", 3) == [1, 3, 2]
    assert accuracy_figures.targets_shown(entries, "r", 9) == [1, 4, 3, 0, 2]
    assert accuracy_figures.targets_shown(entries, "auroc", 1) == [0]


def test_the_busiest_stretch():
    places = [(0, 64), (64, 128), (128, 192), (500, 564), (564, 628), (600, 664), (628, 692)]
    windows = tuple(Interval("c", *p) for p in reversed(places))
    layout = Layout(windows, 2, 32, (Target(0, "a"),))
    truth = np.ones((7, 2))
    truth[0] = truth[1] = 9  # (628, 692), and (600, 664), which overlaps and is passed over
    truth[4] = np.nan
    found = accuracy_figures.busiest_stretch(layout, [truth], bins=400)
    assert [windows[i].start for i in found] == [500, 564, 628]
    found = accuracy_figures.busiest_stretch(layout, [truth], bins=4)
    assert [windows[i].start for i in found] == [628]
    found = accuracy_figures.busiest_stretch(layout, [np.full((7, 2), np.nan)], bins=400)
    assert [windows[i].start for i in found] == [0, 64, 128]


def test_sites_show_the_densest_stretch(tmp_path):
    places = [("chr1", 0), ("chr2", 5), ("chr1", 19_999), ("chr1", 20_000), ("chr1", 30_000)]
    places += [("chr2", 7)]
    windows = tuple(Interval(chrom, start, start + 1, "test") for chrom, start in places)
    layout = Layout(windows, 1, 1, (Target(0, "brain"),))
    found = accuracy_figures.densest_stretch(layout)
    assert found.tolist() == [2, 3, 4]
    assert accuracy_figures.densest_stretch(layout, 5).tolist() == [2, 3]
    parts = PredictionParts(tmp_path, layout)
    parts.claim()
    truth = np.array([0.1, 0.9, 0.2, np.nan, 1, 0], np.float32)[:, None, None]
    parts.write(0, truth, np.linspace(0, 1, 6, dtype=np.float32)[:, None, None])
    metrics = evaluate(parts, Bootstrap(0, 0))
    accuracy_figures.draw_accuracy(parts, metrics, tmp_path / "figures", "beta")
    text = (tmp_path / "figures" / "tracks.svg").read_text()
    assert "20 kb that hold the most" in text
    assert "Spearman" in (tmp_path / "figures" / "accuracy.svg").read_text()
    assert "log2" not in (tmp_path / "figures" / "observed_predicted.svg").read_text()


def test_training_metrics_that_are_none(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(InputFileError, match="does not exist"):
        accuracy_figures.read_curves(path)
    path.write_text('{"epoch": 0}\n\n[1]\n')
    with pytest.raises(InputFileError, match="line 3 is no JSON object"):
        accuracy_figures.read_curves(path)
    path.write_text('{"epoch": 0}\n{"epo')
    with pytest.raises(InputFileError, match="line 2 is no JSON object"):
        accuracy_figures.read_curves(path)


def test_panels_are_named_and_say_what_values_are():
    target = Target(3, "ENCFF1", description="DNASE:liver")
    panel = panels.Observed(target, *values(), "r = 0.5", "signal per 32 bp: mean, scale 2")
    axis = panels.observed_predicted([panel]).axes[0]
    assert axis.get_title(loc="left") == "ENCFF1\nDNASE:liver"
    assert axis.get_xlabel().endswith("x: signal per 32 bp: mean, scale 2")
    for figure in (
        panels.tracks("c", np.arange(300) * 32, 32, [panel, panel], "valid windows"),
        panels.sites("c", np.arange(300), [panel, panel], "valid windows"),
    ):
        assert figure.axes[0].get_title(loc="left") == "ENCFF1  DNASE:liver   r = 0.5"
        assert figure.axes[1].get_ylabel() == "signal per 32 bp:\nmean, scale 2"
        assert figure.get_suptitle() == "valid windows"
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        assert not any(a.title.get_window_extent().overlaps(legend) for a in figure.axes)
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["observed", "predicted"]


def test_a_bar_of_counts_stays_below_the_title():
    panel = panels.Observed(Target(0, "a" * 36), *values())
    figure = panels.observed_predicted([panel] * 6)
    figure.draw_without_rendering()
    for axis in figure.axes:
        bar = axis.child_axes[0].get_tightbbox()
        assert not bar.overlaps(axis._left_title.get_window_extent())


def test_probabilities_of_bins_are_drawn_as_shares():
    truth, prediction = np.linspace(0, 0.5, 30), np.linspace(0.1, 0.4, 30)
    panel = panels.Observed(X, truth, prediction, "", "probability")
    axis = panels.observed_predicted([panel]).axes[0]
    assert axis.get_xlabel() == "observed, probability"
    assert axis.get_xlim() == (0, 1)
