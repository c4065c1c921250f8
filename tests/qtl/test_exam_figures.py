"""Figures of an exam: what is drawn is what the result says, and what cannot be drawn is not."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.qtl.exam import Options, exam
from tfepi.qtl.exam_features import FeatureFiles
from tfepi.qtl.exam_scores import Choice
from tfepi.qtl.exam_simulation import QtlSimulation, simulate_qtls
from tfepi.qtl.exam_variants import Limits
from tfepi.report.qtl_exam_figures import (
    balance_figure,
    curves_figure,
    distance_figure,
    draw_exam,
    effects_figure,
)
from tfrecords_tools.errors import ConfigError

OPTIONS = Options(bootstrap=Bootstrap(rank_resamples=40))


@pytest.fixture(scope="module")
def hold(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qtls")
    paths = simulate_qtls(QtlSimulation(variants=4000, causal=150)).write(folder)
    kept = {}

    def run(name, options=OPTIONS, tss=True):
        files = FeatureFiles(tss=str(paths["tss.bed"]) if tss else None)
        scores = {n: (paths["scores.tsv"], Choice(targets=(n,))) for n in ("score", "place")}

        def draw(found, out):
            kept[name] = found, draw_exam(found, out)

        exam(paths["qtls.tsv"], scores, folder / name, options, files, quiet=True, draw=draw)
        return kept[name]

    return run


@pytest.fixture(scope="module")
def drawn(hold):
    return hold("out")


def test_every_figure_is_written(drawn):
    _, paths = drawn
    names = {p.name for p in paths}
    assert names == {
        f"{n}.{s}" for n in ("curves", "distance", "effects", "balance") for s in ("svg", "png")
    }
    assert all(p.stat().st_size > 1000 for p in paths)


def test_curves_are_those_of_scikit_learn(drawn):
    found, _ = drawn
    left, right = curves_figure(found).axes
    chosen = found.sheet.matched
    truth, size = found.sheet.positive[chosen], found.values("score")[1][chosen]
    misses, hits, _ = roc_curve(truth, size, drop_intermediate=False)
    np.testing.assert_allclose(left.lines[0].get_xydata(), np.stack([misses, hits], axis=1))
    precision, recall, _ = precision_recall_curve(truth, size)
    expected = np.stack([recall, precision], axis=1)[-2::-1]
    np.testing.assert_allclose(right.lines[0].get_xydata(), expected)
    marks = found.result["accuracy"][0]
    assert f"score: {marks['auroc']['value']:.3f} [" in left.get_legend().get_texts()[0].get_text()


def test_values_by_distance_and_their_intervals(drawn):
    found, _ = drawn
    axes = distance_figure(found.result).axes
    marks = [m for m in found.result["accuracy"] if m["score"] == "score" and m["positives"]]
    for axis, name in zip(axes, ("auroc", "sign_accuracy", "spearman"), strict=True):
        line = next(x for x in axis.lines if x.get_label() == "score")
        expected = [m[name]["value"] for m in marks]
        np.testing.assert_allclose(line.get_ydata(), np.array(expected, float))
        ticks = [t.get_text() for t in axis.get_xticklabels()]
        of = {
            "auroc": [m["positives"] for m in marks],
            "sign_accuracy": [m["sign_accuracy"]["variants"] for m in marks],
            "spearman": [m["effects"] for m in marks],
        }[name]
        assert [t.split("n = ")[1] for t in ticks] == [str(n) for n in of]
        assert ticks[0].startswith("all\n")
    labels = [x.get_label() for x in axes[0].lines]
    assert "1/TSS distance" in labels
    assert "1/TSS distance" not in [x.get_label() for x in axes[1].lines]


def test_positives_that_differ_between_scores_are_a_span(drawn):
    found, _ = drawn
    marks = copy.deepcopy(found.result["accuracy"])
    own = [m for m in marks if m["from"] is None and m["to"] is None]
    own[1]["sign_accuracy"]["variants"] -= 7
    most = own[0]["sign_accuracy"]["variants"]
    axes = distance_figure(found.result | {"accuracy": marks}).axes
    assert axes[1].get_xticklabels()[0].get_text() == f"all\nn = {most - 7}–{most}"
    assert axes[1].get_xlabel() == "TSS distance\nn: positives with signs"
    assert axes[0].get_xticklabels()[0].get_text() == f"all\nn = {own[0]['positives']}"


def test_effects_have_as_many_points_of_either_sign_as_there_are(drawn):
    found, _ = drawn
    axis = effects_figure(found).axes[0]
    signs = found.result["accuracy"][0]["sign_accuracy"]
    same, other = (line.get_xydata() for line in axis.lines[:2])
    assert (len(same), len(same) + len(other)) == (signs["same"], signs["variants"])
    assert (same.prod(axis=1) > 0).all()
    assert (other.prod(axis=1) <= 0).all()
    assert np.abs(np.r_[same, other]).max() == 1
    assert f"n = {signs['variants']}" in axis.get_title(loc="left")


def test_differences_before_and_after(drawn):
    found, _ = drawn
    axis = balance_figure(found.result["balance"]).axes[0]
    for line, key in zip(axis.lines[:2], ("difference_before", "difference_after"), strict=True):
        assert line.get_xdata().tolist() == [r[key] for r in found.result["balance"]]
    with pytest.raises(ConfigError, match="no features to draw"):
        balance_figure([])


def test_what_has_no_numbers_is_not_drawn(hold):
    few = replace(OPTIONS, limits=Limits(0.9985, 0.01))
    found, paths = hold("few", few, tss=False)
    assert 0 < found.result["counts"]["positives"] < 10
    assert {p.stem for p in paths} == {"balance"}
