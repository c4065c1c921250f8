"""Figures of fields: what is drawn is what was measured."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.receptive_field.field import Effort, field_of_model
from tfepi.receptive_field.printing import printed
from tfepi.receptive_field.tables import StateField
from tfepi.report.receptive_field_edges import edges_figure
from tfepi.report.receptive_field_figures import (
    comparison_figure,
    cumulative_figure,
    draw_fields,
)
from tfepi.report.receptive_field_profiles import PLAIN, profile_figure
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


@pytest.fixture(scope="module")
def cropped():
    """The field of a model of 64 bp that predicts 8 bins of 4 bp in its middle."""
    model = SMALL.local_model(64, (5, 3), pool=4, crop=4)
    effort = Effort(("perturbation",), ("centre", "left", "right"), repeats=2, edge=14)
    return field_of_model(model, effort=effort)


def legend_of(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


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
    ends = [line.get_xdata()[0] for line in axes[0].lines[1:]]
    assert ends == [-3.5, 3.5]  # of the theoretical field, which is 7 bp around 0
    for axis in axes:  # and are seen
        assert axis.get_xlim()[0] < -3.5 < 3.5 < axis.get_xlim()[1]
    assert legend_of(figure) == ["mean", "largest", "ends of the field by theory"]
    assert [t.get_text() for t in axes[2].texts] == ["no effect"]
    assert axes[2].get_xlabel() == "position of the output relative to the mutation (bp)"


def test_edges_mark_where_the_base_is(states):
    figure = edges_figure(states[:1])
    axes = figure.axes[::2]
    titles = [a.get_title(loc="left") for a in axes]
    assert titles == ["mutation at 32 (centre)", "mutation at 2 (left)", "mutation at 61 (right)"]
    for axis, at in zip(axes, (32, 2, 61), strict=True):
        line, mark = axis.lines
        assert (list(mark.get_xdata()), mark.get_marker()) == ([at], "v")
        high = np.asarray(line.get_ydata())
        assert abs(line.get_xdata()[high > 0].mean() - at) <= 2.5
        low, high = axis.get_xlim()  # what the base touches fills the row, not a hairline of it
        assert low <= at - 3 if at > 3 else low == -0.5
        assert high - low < 20
    assert legend_of(figure) == ["trained", "mutation"]


def test_edges_outside_the_output_are_seen_and_what_is_not_predicted(cropped):
    figure = edges_figure([StateField("m", "", "trained", cropped)])
    assert legend_of(figure) == ["trained", "mutation", "not predicted"]
    left = figure.axes[2]
    assert left.get_title(loc="left") == "mutation at 12 (left)"
    assert left.get_xlim()[0] < 12 < 16 < left.get_xlim()[1]
    shades = [(p.get_x(), p.get_x() + p.get_width()) for p in left.patches]
    assert shades == [(0, 16), (48, 64)]


def test_lines_of_theory_hold_wide_bins_and_say_what_cuts_them(cropped):
    figure = profile_figure([StateField("m", "", "trained", cropped)], "perturbation")
    axis = figure.axes[0]
    line, *theory = axis.lines
    held = np.asarray(line.get_xdata())[np.asarray(line.get_ydata()) > 0]
    assert [t.get_xdata()[0] for t in theory] == [held.min() - 2, held.max() + 2]
    assert legend_of(figure)[-1] == "ends of the field by theory"
    shown = edges_figure([StateField("m", "", "trained", cropped)]).axes[2].lines[0]
    assert shown.get_xdata()[0] == 16  # all of the first bin
    short = field_of_model(SMALL.local_model(6, (5, 3), pool=1), effort=Effort(("gradient",)))
    figure = profile_figure([StateField("m", "", "trained", short)], "gradient")
    assert legend_of(figure)[-1] == "ends of the field by theory, cut by the input"


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
    assert axis.get_xlabel() == "width of the gradient of one output (bp)"
    assert not any("cut" in text for text in legend_of(axis.figure))


def test_other_methods_side_by_side_are_named(states):
    scanned = field_of_model(SMALL.local_model(8, (5, 3), pool=8), effort=Effort(("scan",)))
    both = [states[0], StateField("one", "", "trained", scanned)]
    figure = comparison_figure(both)
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["small, trained (gradient)", "one, trained (scan)"]
    assert figure.axes[0].get_xlabel() == "width of the effect (bp)"
    assert "cut by the input's ends" in legend_of(figure)
    axis = cumulative_figure(both).axes[0]
    assert axis.get_ylabel() == "share of the effect within"
    assert legend_of(axis.figure) == labels


def test_shares_by_distance(states):
    axis = cumulative_figure(states).axes[0]
    drawn = [line for line in axis.lines if not line.get_label().startswith("_")]
    assert len(drawn) == 2
    distance, share = states[0].field.found[-1].measured.aligned().cumulative()
    assert axis.get_ylabel() == "share of the gradient of one output within"
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


def test_a_state_has_one_name_everywhere(states):
    drawn = StateField("small", "", "randomised", states[0].field, ("head/kernel",))
    both = [states[1], drawn]
    axes = profile_figure(both, "perturbation").axes
    titles = [a.get_title(loc="left") for a in axes]
    assert titles[2:] == ["zeros drawn", "zeros drawn, logarithmic"]
    assert legend_of(edges_figure(both))[:2] == ["untrained", "zeros drawn"]
    labels = [t.get_text() for t in comparison_figure(both).axes[0].get_yticklabels()]
    assert labels == ["small, untrained", "small, zeros drawn"]
    assert "small, zeros drawn" in legend_of(cumulative_figure(both))
    assert printed([drawn]).splitlines()[1].split()[:3] == ["small", "zeros", "drawn"]


def test_small_numbers_of_axes_have_a_minus():
    assert [PLAIN(v, 0) for v in (-0.5, 1e-7, 3)] == ["−0.5", "1e−07", "3"]
