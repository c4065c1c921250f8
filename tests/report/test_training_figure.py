"""Figure of training: curves as they came in, on axes that can be read."""

import numpy as np
import pytest

from tfepi.report.accuracy_figures import best_epoch
from tfepi.report.training_figure import training_curves
from tfrecords_tools.errors import ConfigError


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines()}


def epochs(count=6):
    rng = np.random.default_rng(0)
    return [
        {
            "epoch": e,
            "loss": 3 / (e + 1),
            "valid_loss": 3 / (e + 1) + 0.3,
            "pearsonr": 0.1 * e,
            "valid_pearsonr": 0.08 * e - (0.3 if e == count - 1 else 0),
            "r2": float("nan") if e == 0 else 0.05 * e,
            "valid_r2": 0.04 * e,
            "learning_rate": 0.01 * 0.9**e,
            "seconds": float(rng.random()),
        }
        for e in range(count)
    ]


def test_training_curves():
    figure = training_curves(epochs(), 4)
    drawn = [a for a in figure.axes if a.axison]
    wanted = ["loss", "Pearson r, mean over targets", "R², mean over targets", "learning rate"]
    assert [a.get_ylabel() for a in drawn] == wanted
    found = lines(drawn[1])
    np.testing.assert_allclose(found["training"].get_ydata(), 0.1 * np.arange(6))
    assert found["best epoch"].get_xdata()[0] == 4
    assert np.isnan(lines(drawn[2])["training"].get_ydata()[0])


def test_no_epoch_is_called_best_unless_it_is_told():
    assert all("best epoch" not in lines(axis) for axis in training_curves(epochs()).axes)


def test_a_constant_learning_rate_stands_on_zero():
    axis = training_curves([{"epoch": e, "learning_rate": 0.001} for e in range(3)]).axes[0]
    low, high = axis.get_ylim()
    assert low == 0
    assert 0.001 < high < 0.0012


def test_r2_below_the_axis_is_marked_and_told():
    r2, valid = (-9.64, -0.2, 0.1), (-0.1, 0.0, 0.3)
    values = [
        {"epoch": e, "r2": a, "valid_r2": b} for e, (a, b) in enumerate(zip(r2, valid, strict=True))
    ]
    figure = training_curves(values)
    axis = figure.axes[0]
    assert axis.get_ylim() == pytest.approx((-1, 0.35))
    marks = [line for line in axis.get_lines() if line.get_marker() == "v"]
    assert [m.get_xdata().tolist() for m in marks] == [[0]]
    assert marks[0].get_color() == lines(axis)["training"].get_color()
    assert axis.get_title(loc="right") == "▼ below the axis, down to −9.64"
    figure.draw_without_rendering()
    assert axis.get_position().x0 < 0.2  # what is cut takes no room


def test_r2_within_the_axis_is_left_alone():
    axis = training_curves([{"epoch": e, "r2": v} for e, v in enumerate((-0.3, 0.1))]).axes[0]
    assert axis.get_title(loc="right") == ""
    assert axis.get_ylim()[0] > -0.5
    assert not [line for line in axis.get_lines() if line.get_marker() == "v"]


def test_nothing_is_refused():
    with pytest.raises(ConfigError, match="no epochs"):
        training_curves([])
    with pytest.raises(ConfigError, match="no quantities"):
        training_curves([{"epoch": 0, "seconds": 3}])


def test_the_best_epoch_is_that_of_the_run(tmp_path):
    assert best_epoch(tmp_path / "metrics.jsonl") is None
    (tmp_path / "state.json").write_text('{"best_epoch": 14}')
    assert best_epoch(tmp_path / "metrics.jsonl") == 14
