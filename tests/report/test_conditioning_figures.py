"""Figures of models compared: what is drawn is what came in."""

import numpy as np
import pytest

from tfepi.report import conditioning_figures as figures
from tfepi.report.figures import save_figure
from tfrecords_tools.errors import ConfigError

MODELS = [f"model {i}" for i in range(9)]
GROUPS = {"seen cells": ["t", "mono"], "t": ["t"], "unseen cell": ["neut"]}


def estimate(value, seeds=(1, 2)):
    by_seed = {str(s): value + 0.01 * s for s in seeds}
    return {"value": value, "interval": [value - 0.05, value + 0.05], "by_seed": by_seed}


def scores(statistics=("auprc", "positive_rate"), marks=("K27", "K4")):
    rows = []
    for g, (group, cells) in enumerate(GROUPS.items()):
        for k, mark in enumerate(marks):
            for m, model in enumerate(MODELS):
                if (model, group) == ("model 3", "unseen cell"):
                    continue
                value = 0.1 + 0.01 * m + 0.2 * k + 0.3 * g
                row = {"model": model, "group": group, "cells": cells, "mark": mark, "set": "all"}
                for number, name in enumerate(statistics):
                    row[name] = estimate(value / (1 + number), () if m == 8 else (1, 2))
                rows.append(row)
    return rows


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines()}


def values_of(axis, label_of_marker="o", size=5):
    return [
        line.get_xdata()
        for line in axis.get_lines()
        if line.get_marker() == label_of_marker and line.get_markersize() == size
    ]


def test_accuracy_by_mark():
    rows = scores()
    figure = figures.accuracy_by_mark(rows)
    titles = [a.get_title() for a in figure.axes]
    assert titles == [
        "K27, seen cells",
        "K27, unseen cell (neut)",
        "K4, seen cells",
        "K4, unseen cell (neut)",
    ]
    first, second = figure.axes[:2]
    assert [t.get_text() for t in first.get_yticklabels()] == MODELS
    np.testing.assert_allclose(values_of(first)[0], 0.1 + 0.01 * np.arange(9))
    drawn = values_of(second)[0]
    assert np.isnan(drawn[3])  # has no output there
    assert np.isnan(drawn).sum() == 1
    (intervals,) = first.collections
    np.testing.assert_allclose(intervals.get_segments()[2][:, 0], [0.07, 0.17])
    (seeds,) = values_of(first, size=3)
    assert len(seeds) == 8 * 2  # the ninth is a baseline
    assert first.texts[0].get_text() == "positive rate 0.050"
    assert figure.get_supxlabel().endswith("all positions (small circles: single seeds)")
    narrow = figures.accuracy_by_mark(rows, groups=("seen cells",))
    assert narrow.get_supxlabel().endswith("all positions\n(small circles: single seeds)")
    with pytest.raises(ConfigError, match="no scores of differing positions"):
        figures.accuracy_by_mark(rows, counted="differing")


def test_groups_can_be_chosen_and_guesses_are_marked():
    figure = figures.accuracy_by_mark(scores(("auroc",)), "auroc", groups=("t",))
    (first, _) = figure.axes
    assert first.get_title() == "K27, t (t)"
    assert 0.5 in [line.get_xdata()[0] for line in first.get_lines()]
    assert not first.texts


def test_differences():
    rows = [
        {
            "first": a,
            "second": b,
            "group": group,
            "cells": cells,
            "mark": "K27",
            "set": "differing",
            "auprc": estimate(0.1 * n),
        }
        for group, cells in GROUPS.items()
        for n, (a, b) in enumerate((("C", "A"), ("B", "D"), ("B", "A")))
    ]
    figure = figures.differences(rows, counted="differing")
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["C − A", "B − D", "B − A"]
    np.testing.assert_allclose(values_of(axis)[0], [0, 0.1, 0.2])
    assert figure.get_supxlabel().startswith("difference in AUPRC (average precision), differing")
    with pytest.raises(ConfigError, match="no differences on all variants"):
        figures.differences(rows, unit="variants")


def test_training_curves():
    curves = {
        (model, seed): [
            {
                "epoch": e,
                "loss": m + 0.1 * seed + 1 / (e + 1),
                "valid_loss": None if e == 1 else e + 1,
            }
            for e in range(3 if (model, seed) == ("B", 2) else 5)
        ]
        for m, model in enumerate("AB")
        for seed in (1, 2)
    }
    figure = figures.training_curves_of_models(curves)
    train, valid = figure.axes
    assert (train.get_title(), valid.get_title()) == ("training", "validation")
    found = lines(train)
    np.testing.assert_allclose(found["A"].get_ydata(), 0.15 + 1 / np.arange(1, 6))
    assert len(found["B"].get_xdata()) == 3  # as far as every seed got
    assert len(train.get_lines()) == 6
    assert np.isnan(lines(valid)["A"].get_ydata()[1])
    assert train.get_yscale() == valid.get_yscale() == "log"
    for epochs in curves.values():
        epochs[0]["loss"] = -0.1  # a likelihood may be above 1
    assert figures.training_curves_of_models(curves).axes[0].get_yscale() == "linear"
    with pytest.raises(ConfigError, match="no training curves"):
        figures.training_curves_of_models({})
    with pytest.raises(ConfigError, match="no losses"):
        figures.training_curves_of_models({("A", 1): [{"epoch": 0}]})


def test_variant_effects():
    names = ("sign_accuracy", "spearmanr", "auroc")
    ratios = {m: [2.0, 8.0] for m in MODELS[1:]}
    figure = figures.variant_effects(scores(names), ratios)
    assert len(figure.axes) == 2 * 4
    assert figure.axes[3].get_title() == "gradient ratio"
    means = [line.get_xdata() for line in figure.axes[3].get_lines() if line.get_marker() == "D"]
    np.testing.assert_allclose(means, [[4.0]] * 8)
    assert not figure.axes[7].axison  # one panel for all marks
    assert figure.axes[3].texts[0].get_text() == "no accessibility"
    np.testing.assert_allclose(values_of(figure.axes[0], "s")[0][[0, 8]], [0.7, 0.78])
    assert len(figures.variant_effects(scores(names)).axes) == 2 * 3
    with pytest.raises(ConfigError, match="effects of outside variants"):
        figures.variant_effects(scores(names), counted="outside")


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in "ab":
        save_figure(figures.accuracy_by_mark(scores(marks=("K27",)), title="chrX"), tmp_path / name)
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
        assert first == second
