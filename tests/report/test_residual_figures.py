"""Figures of residuals: what is drawn is what was measured."""

import json

import numpy as np

from tfepi.analysis.residuals import residuals_of
from tfepi.report.residual_figures import draw_residuals, residual_figure


def made(shift=0.0, name="H3K27ac in t"):
    rng = np.random.default_rng(0)
    mean = rng.gamma(1, 4, 4000) + 0.1
    return residuals_of(name, rng.poisson(mean) + shift, mean + shift, 8)


def lines(axis):
    return {line.get_label().split(",")[0]: line for line in axis.get_lines()}


def test_variances_and_bands():
    found = made()
    left, right = residual_figure(found, "reads").axes
    drawn = lines(left)
    assert [left.get_xscale(), left.get_yscale()] == ["log", "log"]
    np.testing.assert_allclose(drawn["residuals"].get_ydata(), found.residual_variance)
    np.testing.assert_allclose(drawn["Poisson: mean"].get_ydata(), found.predicted)
    np.testing.assert_allclose(drawn["Gaussian: constant"].get_ydata(), found.variance["gaussian"])
    assert sum(k.startswith("negative binomial") for k in drawn) == 1
    assert left.get_ylabel() == "variance of the residual reads"
    assert [c.get_label() for c in right.collections] == ["middle 90%", "middle 50%"]
    np.testing.assert_allclose(lines(right)["median"].get_ydata(), found.quantiles[:, 2])


def test_negative_predictions_have_no_left_panel():
    left, right = residual_figure(made(-100.0)).axes
    assert left.texts[0].get_text() == "no positive prediction"
    assert right.get_xscale() == "linear"


def test_files(tmp_path):
    targets = ((i, made(name=f"target {i}")) for i in (5,))
    paths = draw_residuals(targets, tmp_path / "out", "reads")
    assert [p.name for p in paths] == [
        f"residuals_t{i}{suffix}" for i in (5,) for suffix in (".svg", ".png")
    ]
    assert all(p.stat().st_size for p in paths)
    summary = json.loads((tmp_path / "out" / "residuals.json").read_text())
    assert [t["identifier"] for t in summary["targets"]] == ["target 5"]
    assert summary["targets"][0]["observed"] == 4000
    assert len((tmp_path / "out" / "residuals.tsv").read_text().splitlines()) == 1 + 8
