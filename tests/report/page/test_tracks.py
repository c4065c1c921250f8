"""Rows of values along the genome: what is given is what is drawn."""

import numpy as np
import pytest
from bokeh.embed import components
from bokeh.models import ColumnDataSource, HoverTool, PlainText, Plot, Quad, Range1d, Step, VSpan

from tfepi.report.page.letters import letters_plot
from tfepi.report.page.panel_style import round_ticks, tick_text
from tfepi.report.page.tracks import (
    MOST_BINS,
    Bins,
    Place,
    Row,
    Series,
    thinned,
    tracks_plot,
)
from tfrecords_tools.errors import ConfigError

START = 240_345_001  # beyond what float32 tells apart
PAGE_BYTES = 150_000


def spaced(count, width=192, gap_after=(), gap=1000):
    starts = START + width * np.arange(count)
    for place in gap_after:
        starts[place + 1 :] += gap
    return Bins.of("chr7", starts, width)


def rows_of(count, targets=2, seed=3, name="target"):
    rng = np.random.default_rng(seed)
    rows = []
    for t in range(targets):
        observed = np.round(10 ** rng.uniform(-3, 5) * rng.random(count), 3)
        observed[rng.random(count) < 0.1] = np.nan
        series = [Series("observed", "area", observed)]
        series += [Series("predicted", "line", rng.random(count))]
        rows.append(Row(f"{name} {t}", "reads", series, f"note {t}"))
    return rows


def figures(plot):
    return [m for m in plot.model.references() if isinstance(m, Plot)]


def sources(plot):
    found = [m for m in plot.model.references() if isinstance(m, ColumnDataSource)]
    return [s.data for s in found if "x" in s.data and "end" in s.data]


def steps_at(data, column, positions):
    """What a step from each x to the next shows at positions; NaN where nothing is drawn."""
    x = np.asarray(data["x"], np.int64)
    found = []
    for position in positions:
        last = np.flatnonzero(x <= position)[-1]
        found.append(data[column][last])
    return np.array(found)


@pytest.mark.parametrize("gaps", [(), (4,), (0, 4, 5)])
def test_the_values_of_every_bin_are_in_the_document(gaps):
    count = 12
    bins, rows = spaced(count, gap_after=gaps), rows_of(count)
    (data,) = sources(tracks_plot("a", "text", bins, rows))
    middles = bins.starts + 96
    for r, row in enumerate(rows):
        for k, series in enumerate(row.series):
            values = series.values.astype(np.float32)
            column = data[f"r{r}_{k}"]
            assert column.dtype == np.float32
            np.testing.assert_array_equal(steps_at(data, f"r{r}_{k}", middles), values)
            np.testing.assert_array_equal(
                column[np.isin(data["x"], bins.starts) & (data["end"] > data["x"])], values
            )
    assert data["x"].dtype == data["end"].dtype == np.int32
    for place in gaps:
        beyond = bins.ends[place] + 500
        assert np.isnan(steps_at(data, "r0_1", [beyond])).all()
    assert (np.diff(data["x"].astype(int)) >= 0).all()
    assert set(data["end"][data["end"] > data["x"]]) == set(bins.ends)


def test_a_step_ends_with_its_bin_and_an_area_does_too():
    bins, rows = spaced(3), rows_of(3)
    (data,) = sources(tracks_plot("a", "text", bins, rows))
    assert data["x"].tolist() == [*bins.starts, bins.ends[-1]]
    assert data["r0_1"][-1] == data["r0_1"][-2]
    assert np.isnan(data["r0_0"][-1])


def test_rows_share_one_range_and_forms_differ_by_more_than_colour():
    bins = spaced(8)
    change = Series("ALT − REF", "bars", np.linspace(-1, 1, 8))
    both = [Series("REF", "line", np.ones(8)), Series("ALT", "dashes", np.zeros(8))]
    rows = [Row("a", "reads", both), Row("difference", "reads", [change])]
    plot = tracks_plot("a", "text", bins, rows, place=Place("variant", START + 9, START + 10))
    assert len(figures(plot)) == 2
    (x_range,) = plot.ranges
    assert all(f.x_range is x_range for f in figures(plot))
    assert (x_range.start, x_range.end) == (START, bins.ends[-1])
    assert all(f.sizing_mode == "stretch_width" for f in figures(plot))
    glyphs = [m for m in plot.model.references() if isinstance(m, Step)]
    assert sorted(str(g.line_dash) for g in glyphs) == ["[5, 3]", "[]"]
    assert len({g.line_color for g in glyphs}) == 2
    bars = [m for m in plot.model.references() if isinstance(m, Quad) and m.top == "r1_0"]
    assert [b.bottom for b in bars] == [0]
    lines = [m for m in plot.model.references() if isinstance(m, VSpan)]
    assert len(lines) == 2
    assert plot.model.toolbar.logo is None


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$$\\frac12$$", "@x{safe} ${y}"])
def test_text_of_inputs_is_plain_text_and_nowhere_else(name):
    bins = Bins.of(name, START + 5 * np.arange(6), 5)
    rows = [Row(name, name, rows_of(6)[0].series, name)]
    logo = letters_plot("l", "", name, 5, np.zeros(9, np.uint8), np.ones(9), name, name, name)
    for plot in (tracks_plot("a", "text", bins, rows), logo):
        seen = 0
        for model in plot.model.references():
            if isinstance(model, PlainText):
                seen += name[:12] in model.text
                continue
            for value in model.properties_with_values(include_defaults=False).values():
                assert not (isinstance(value, str | list | dict) and name[:12] in repr(value))
        assert seen == 4  # title, note, unit, chromosome
        for tool in (m for m in plot.model.references() if isinstance(m, HoverTool)):
            assert isinstance(tool.tooltips, list)  # of words and columns, no HTML


def plain_thinned(bins, values, count):
    means, starts, ends = [], [], []
    k = 0
    while k < len(values):
        stop = k + 1
        while stop < len(values) and stop < k + count and bins.starts[stop] == bins.ends[stop - 1]:
            stop += 1
        known = [v for v in values[k:stop] if v == v]
        means.append(np.mean(known) if known else np.nan)
        starts.append(bins.starts[k])
        ends.append(bins.ends[stop - 1])
        k = stop
    return means, starts, ends


@pytest.mark.parametrize(("count", "gaps"), [(3, ()), (4, (2, 9, 10)), (50, (5,))])
def test_thinned_bins_are_means_between_gaps(count, gaps):
    bins, rows = spaced(20, gap_after=gaps), rows_of(20)
    rows[0].series[0].values[:8] = np.nan
    fewer, drawn = thinned(bins, rows, count)
    for row, own in zip(rows, drawn, strict=True):
        assert (own.title, own.unit, own.note) == (row.title, row.unit, row.note)
        for series, found in zip(row.series, own.series, strict=True):
            means, starts, ends = plain_thinned(bins, series.values, count)
            np.testing.assert_allclose(found.values, means)
            assert (fewer.starts.tolist(), fewer.ends.tolist()) == (starts, ends)


def test_many_bins_are_thinned_and_the_text_says_so():
    count = 2 * MOST_BINS + 1
    plot = tracks_plot("a", "What is seen.", spaced(count), rows_of(count))
    (data,) = sources(plot)
    assert len(data["x"]) <= MOST_BINS + 1
    assert plot.text == "What is seen. Drawn are means of 3 bins."


def test_a_locus_of_six_targets_with_its_letters_is_small():
    rng = np.random.default_rng(1)
    tracks = tracks_plot("a", "text", spaced(MOST_BINS), rows_of(MOST_BINS, 6))
    sequence, added = rng.integers(0, 4, 2000).astype(np.uint8), rng.standard_normal(2000)
    letters = letters_plot("l", "text", "chr7", START, sequence, added, "t", "reads")
    script, _ = components([tracks.model, letters.model])
    assert len(script.encode()) < PAGE_BYTES


@pytest.mark.parametrize("values", [[np.nan] * 4, [0] * 4, [-3, -2, -1, np.nan], [1e-9, 0, 0, 0]])
def test_every_axis_holds_its_values_and_0(values):
    values = np.array(values, float)
    (drawn,) = figures(
        tracks_plot("a", "", spaced(4), [Row("a", "u", [Series("s", "area", values)])])
    )
    known = values[~np.isnan(values)]
    assert isinstance(drawn.y_range, Range1d)
    assert drawn.y_range.start <= min(0, known.min(initial=0))
    assert drawn.y_range.end >= max(0, known.max(initial=0))
    assert drawn.y_range.start < drawn.y_range.end
    assert 0 in drawn.yaxis.ticker.ticks


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 7.3), (0, 0.00031), (-3, 0), (-120, 980), (0, 2.5e6), (-1e-7, 1e-7)],
)
def test_ticks_are_few_round_and_inside(low, high):
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 5
    assert 0 in ticks
    assert low <= ticks[0]
    assert ticks[-1] <= high
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    lead = f"{steps[0]:.3e}"[:4]
    assert lead in ("1.00", "2.00", "2.50", "5.00", "4.00")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-3.0, "−3"), (0.25, "0.25"), (9000.0, "9000"), (12000.0, "12k"), (1.5e6, "1.5M")],
)
def test_ticks_have_few_letters(value, text):
    assert tick_text(value) == text


def test_nothing_to_draw_is_refused():
    with pytest.raises(ConfigError, match="there are no targets to draw"):
        tracks_plot("a", "", spaced(4), [])
    with pytest.raises(ConfigError, match="there are no bins to draw"):
        tracks_plot("a", "", Bins.of("c", np.array([]), 5), rows_of(1))


def test_bins_are_named_by_their_places():
    bins = Bins.of("chr1", np.array([1000, 1005]), 5)
    assert str(bins) == "chr1:1,000–1,010"
    assert bins.at(1) == "chr1:1,005–1,010"
