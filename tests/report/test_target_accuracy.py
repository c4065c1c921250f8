"""Accuracy by target: few are named, many stand by kind."""

import numpy as np
import pytest

from tfepi.report.figures import LEGEND_COLUMNS, save_figure
from tfepi.report.target_accuracy import MANY_TARGETS, accuracy_per_target
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

A, B = Target(0, "a"), Target(1, "b", description="CAGE:liver")


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines()}


def many(sizes):
    """Return targets of kinds in turns, and a value of each that grows with its number."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    names = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    targets = [Target(i, f"t{i}", description=f"{name}:x") for i, name in enumerate(names)]
    values = np.linspace(0.1, 0.9, len(names))
    estimates = [{"value": v, "interval": [v - 0.1, v + 0.1]} for v in values]
    return targets, np.array(names), estimates


def test_accuracy_per_target_draws_each_estimate():
    first = [{"value": 0.6, "interval": [0.5, 0.7]}, {"value": None, "interval": None}]
    second = [{"value": 0.4, "interval": None}, {"value": 0.2, "interval": [0.1, 0.3]}]
    figure = accuracy_per_target([A, B], {"r": first, "r log": second}, "accuracy")
    axis = figure.axes[0]
    found = lines(axis)
    np.testing.assert_array_equal(found["r"].get_xdata(), [0.6, np.nan])
    np.testing.assert_array_equal(found["r log"].get_xdata(), [0.4, 0.2])
    segments = axis.collections[0].get_segments()
    np.testing.assert_allclose(segments[0][:, 0], [0.5, 0.7])
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b  CAGE:liver"]


def test_a_legend_of_many_statistics_has_three_columns():
    names = ("pearsonr", "spearmanr", "r2")
    value = [{"value": 0.5, "interval": None}]
    for count in (2, 3):
        figure = accuracy_per_target([A], dict.fromkeys(names[:count], value))
        assert figure.legends[0]._ncols == count
    assert LEGEND_COLUMNS == 3


def test_many_targets_stand_by_kind(tmp_path):
    targets, kinds, estimates = many({"CAGE": 30, "DNASE": 40, "RNA": 4})
    second = [{"value": 1 - e["value"], "interval": None} for e in estimates]
    figure = accuracy_per_target(targets, {"r": estimates, "r log": second}, "accuracy")
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("r", "r log")  # so that none hides the other
    assert [t.get_text() for t in left.get_yticklabels()] == ["DNASE (40)", "CAGE (30)", "RNA (4)"]
    value = np.array([e["value"] for e in estimates])
    drawn = lines(left)
    assert len({drawn[kind].get_color() for kind in ("CAGE", "DNASE", "RNA")}) == 3
    heights = []
    for kind in ("DNASE", "CAGE", "RNA"):
        x, y = drawn[kind].get_data()
        np.testing.assert_allclose(np.sort(x), np.sort(value[kinds == kind]))
        np.testing.assert_array_equal(np.argsort(x), np.argsort(y))  # the best is on top
        np.testing.assert_allclose(lines(right)[kind].get_ydata(), y)
        heights += [y.max(), y.min()]
    assert heights == sorted(heights, reverse=True)  # bands do not mix
    medians = [s.get_segments() for s in left.collections if len(s.get_segments()) == 1]
    found = [s[0][0, 0] for s in medians]
    np.testing.assert_allclose(
        found, [np.median(value[kinds == k]) for k in ("DNASE", "CAGE", "RNA")]
    )
    save_figure(figure, tmp_path / "many")


def test_names_of_kinds_do_not_touch():
    sizes = {"CAGE": 5000, **{f"K{i}": 1 + i % 3 for i in range(20)}}
    targets, _, estimates = many(sizes)
    figure = accuracy_per_target(targets, {"r": estimates})
    figure.draw_without_rendering()
    names = figure.axes[0].get_yticklabels()
    assert len(names) == 14
    assert names[-1].get_text().startswith("rarer kinds")
    boxes = [t.get_window_extent() for t in names]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_many_targets_without_kinds_or_values():
    targets = [Target(i, f"t{i}") for i in range(MANY_TARGETS + 1)]
    estimates = [{"value": v, "interval": None} for v in np.linspace(0.9, 0.1, len(targets))]
    estimates[3] = {"value": None, "interval": None}
    axis = accuracy_per_target(targets, {"r": estimates}).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["all (41)"]
    y = lines(axis)["all"].get_ydata()
    assert y[0] == y.max()
    assert y[3] == y.min()


def test_nothing_is_refused():
    with pytest.raises(ConfigError, match="no targets"):
        accuracy_per_target([], {"r": []})
    with pytest.raises(ConfigError, match="no statistics"):
        accuracy_per_target([A], {})
