"""Figures of fields: what is drawn is what was measured."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.receptive_field.field import Effort, field_of_model
from tfepi.receptive_field.tables import StateField
from tfepi.report.receptive_field_figures import (
    comparison_figure,
    cumulative_figure,
    draw_fields,
)
from tfepi.report.receptive_field_profiles import edges_figure, profile_figure
from tfrecords_tools.errors import ConfigError

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))


@pytest.fixture(scope="module")
def states():
    model = SMALL.local_model(64, (5, 3), pool=1)
    effort = Effort(("perturbation", "gradient"), ("centre", "left", "right"), repeats=3, edge=2)
    field = field_of_model(model, effort=effort)
    dead = SMALL.local_model(64, (5, 3), pool=1)
    dead.layers[-1].kernel.assign(np.zeros(dead.layers[-1].kernel.shape))
    none = field_of_model(dead, effort=effort)
    return [
        StateField("small", "", "trained", field),
        StateField("small", "", "untrained", none),
        StateField("other", "reduced", "untrained", field),
    ]


def test_a_row_for_each_state_linear_and_logarithmic(states):
    figure = profile_figure(states[:2], "perturbation")
    axes = figure.axes
    assert [a.get_title(loc="left") for a in axes] == [
        "trained",
        "trained, logarithmic",
        "untrained",
        "untrained, logarithmic",
    ]
    assert [a.get_yscale() for a in axes] == ["linear", "log", "linear", "linear"]
    profile = states[0].field.found[0].measured.aligned()
    line = axes[0].lines[0]
    shown = dict(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))
    for offset, value in zip(profile.offsets.tolist(), profile.mean.tolist(), strict=True):
        if abs(offset) <= 6:
            assert shown[offset] == value
    ends = {line.get_xdata()[0] for line in axes[0].lines[1:]}
    assert ends == {-3, 3}  # of the theoretical field
    assert [t.get_text() for t in axes[2].texts] == ["no effect"]
    assert axes[2].get_xlabel() == "position of the output relative to the mutation (bp)"


def test_edges_mark_where_the_base_is(states):
    figure = edges_figure(states[:1])
    axes = figure.axes[::2]
    titles = [a.get_title(loc="left") for a in axes]
    assert titles == ["mutation at 32 (centre)", "mutation at 2 (left)", "mutation at 61 (right)"]
    for axis, at in zip(axes, (32, 2, 61), strict=True):
        line, bar = axis.lines
        assert list(bar.get_xdata()) == [at, at]
        high = np.asarray(line.get_ydata())
        assert abs(line.get_xdata()[high > 0].mean() - at) <= 2.5


def test_models_side_by_side(states):
    axis = comparison_figure(states).axes[0]
    labels = [t.get_text() for t in axis.get_yticklabels()]
    assert labels == ["small, trained", "small, untrained", "other (reduced), untrained"]
    theory = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "|"]
    spans = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert theory == [7, 7, 7]
    assert spans == [7, 7]  # none of the dead one
    gradient = states[0].field.found[-1].measured
    assert gradient.method == "gradient"
    summary = gradient.summary()
    widths = [bar.get_width() for bar in axis.patches[:3]]
    assert widths == [summary[f"above_{t}"] for t in ("1e-04", "1e-02", "1e-01")]


def test_shares_by_distance(states):
    axis = cumulative_figure(states).axes[0]
    drawn = [line for line in axis.lines if not line.get_label().startswith("_")]
    assert len(drawn) == 2
    distance, share = states[0].field.found[-1].measured.aligned().cumulative()
    assert (drawn[0].get_xdata() == distance + 1).all()
    assert (drawn[0].get_ydata() == share).all()


def test_files_of_a_run(states, tmp_path):
    paths = draw_fields(tmp_path, states[:1])
    names = {f"small_{what}" for what in ("perturbation", "gradient", "edges")}
    names |= {"comparison", "cumulative"}
    assert {p.name for p in paths} == {n + s for n in names for s in (".png", ".svg")}
    assert all(p.parent == tmp_path / "figures" and p.exists() for p in paths)


def test_nothing_to_draw(states):
    for draw in (comparison_figure, cumulative_figure):
        with pytest.raises(ConfigError, match="no models to draw"):
            draw([])
    with pytest.raises(ConfigError, match="no measurements to draw"):
        profile_figure(states, "scan")
