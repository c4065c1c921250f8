"""Figures of residuals: what is drawn is what was measured."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from tfepi.analysis.residuals import residuals_of
from tfepi.analysis.variance_laws import LAWS
from tfepi.report.residual_figures import _log_ticks, draw_residuals, residual_figure
from tfrecords_tools.targets import Target

TARGET = Target(5, "ENCFF1", description="CHIP:H3K27ac:t")


def made(shift=0.0, name="ENCFF1", dispersion=0.4):
    rng = np.random.default_rng(0)
    mean = rng.gamma(1, 4, 4000) + 0.1
    return residuals_of(name, rng.poisson(mean) + shift, mean + shift, 8, dispersion)


def lines(axis):
    return {line.get_label().split(" (φ")[0].split(": off")[0]: line for line in axis.get_lines()}


def test_variances_and_bands():
    found = made()
    left, right, scores, logs = residual_figure(found, TARGET, "reads").axes
    drawn = lines(left)
    assert [left.get_xscale(), left.get_yscale()] == ["log", "log"]
    np.testing.assert_allclose(drawn["residuals"].get_ydata(), found.residual_variance)
    names = ("Poisson", "negative binomial", "Gaussian", "Gaussian on logs")
    for name, law in zip(names, LAWS, strict=True):
        np.testing.assert_allclose(drawn[name].get_ydata(), found.variance[law])
    assert left.get_xlabel() == right.get_xlabel() == logs.get_xlabel() == "predicted reads"
    assert left.get_ylabel() == "variance of observed − predicted"
    heading = left.figure.get_suptitle()
    assert heading == "ENCFF1  CHIP:H3K27ac:t (4,000 positions)"
    assert [c.get_label() for c in right.collections] == ["middle 90%", "middle 50%"]
    np.testing.assert_allclose(lines(right)["median"].get_ydata(), found.quantiles[:, 2])
    np.testing.assert_allclose(lines(right)["mean"].get_ydata(), found.residual_mean)
    np.testing.assert_allclose(lines(logs)["median"].get_ydata(), found.log_quantiles[:, 2])
    np.testing.assert_allclose(lines(logs)["mean"].get_ydata(), found.log_mean)
    assert [t.get_text() for t in scores.get_yticklabels()] == list(names)
    dots = [x.get_xdata()[0] for x in scores.get_lines() if x.get_marker() == "o"]
    best = found.fit.best
    less = [0 if law == best else -found.fit.margins[law]["value"] for law in LAWS]
    np.testing.assert_allclose(dots, less)
    assert scores.get_title(loc="left").startswith("law to take: Poisson")
    assert scores.get_xlabel() == "score minus that of Poisson (nats per position)"


def test_negative_predictions_have_no_left_panel():
    left, right, scores, logs = residual_figure(made(-100.0), TARGET).axes
    assert left.texts[0].get_text() == "no positive prediction"
    assert right.get_xscale() == "linear"
    assert logs.texts[0].get_text() == "values of −1 or less"
    assert [t.get_text() for t in scores.get_yticklabels()] == ["Gaussian"]


def test_laws_that_agree_are_one_line_with_both_names():
    rng = np.random.default_rng(0)
    mean = rng.uniform(1, 30, 4000)
    found = residuals_of("x", rng.binomial(60, mean / 60), mean)  # less than Poisson's variance
    left = residual_figure(found, TARGET).axes[0]
    wanted = {"Poisson, negative binomial", "Gaussian", "Gaussian on logs", "residuals"}
    assert set(lines(left)) == wanted


def test_legends_stand_above_the_data():
    figure = residual_figure(made(), TARGET)
    figure.draw_without_rendering()
    for axis in (a for a in figure.axes if a.get_legend()):
        assert axis.get_legend().get_window_extent().y0 > axis.get_window_extent().y1


@pytest.mark.parametrize("along", ["x", "y"])
@pytest.mark.parametrize(
    ("low", "high"),
    [(0.029, 0.3), (0.0081, 0.066), (0.08, 0.11), (0.1, 0.9), (1e-6, 1e7), (2, 150)],
)
def test_labels_of_logarithmic_axes_do_not_touch(low, high, along):
    figure = Figure(figsize=(4, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.plot([low, high], [low, high])
    axis.set(xscale="log", yscale="log")
    chosen = getattr(axis, f"{along}axis")
    _log_ticks(chosen)
    figure.draw_without_rendering()
    first, last = chosen.get_view_interval()
    shown = [t for t in chosen.get_ticklabels(which="both") if t.get_text()]
    places = [t.get_position()[along == "y"] for t in shown]
    shown = [t for t, p in zip(shown, places, strict=True) if first <= p <= last]
    assert len(shown) >= 2
    assert all(float(t.get_text().replace("−", "-")) > 0 for t in shown)  # plain numbers
    boxes = [t.get_window_extent() for t in shown]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_files(tmp_path):
    paths = draw_residuals([(TARGET, made(), "reads")], tmp_path / "out")
    assert [p.name for p in paths] == [
        f"residuals_t{i}{suffix}" for i in (5,) for suffix in (".svg", ".png")
    ]
    assert all(p.stat().st_size for p in paths)
    summary = json.loads((tmp_path / "out" / "residuals.json").read_text())
    assert [t["identifier"] for t in summary["targets"]] == ["ENCFF1"]
    assert summary["targets"][0]["observed"] == 4000
    assert len((tmp_path / "out" / "residuals.tsv").read_text().splitlines()) == 1 + 8


def test_an_undetermined_divisor_is_not_a_number():
    rng = np.random.default_rng(0)
    mean = rng.gamma(0.7, 0.1, 3000) + 0.003
    found = residuals_of("ENCFF1", mean * rng.gamma(0.2, 5, 3000), mean)
    assert (found.fit.best, found.fit.divisor) == ("negative_binomial", None)
    left, _, scores, _ = residual_figure(found, TARGET).axes
    [label] = [t for t in left.get_legend_handles_labels()[1] if t.startswith("negative")]
    assert label.startswith("negative binomial (φ undetermined, α ")
    title = scores.get_title(loc="left").replace("\n", " ")
    assert title == "law to take: negative binomial; φ undetermined, so no divisor"
    assert "-" not in label
