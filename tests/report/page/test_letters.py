"""Logos of few polygons."""

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, GlyphRenderer, Patch

from tfepi.report.logos import COLOURS, LETTERS
from tfepi.report.page.letters import (
    MOST_BASES,
    MOST_LETTERS,
    OUTLINES,
    letters_plot,
    polygons,
)
from tfrecords_tools.errors import ConfigError

START = 240_345_000


def parts(x, y, letter):
    """The polygons of one letter: [places, points, 2], without what separates them."""
    points = len(OUTLINES[letter]) + 1
    assert len(x) % points == 0
    return np.stack([x, y], -1).reshape(-1, points, 2)[:, :-1]


def drawn(plot):
    """Letter → x and y of its patch; and the source of all bases."""
    found, bases = {}, None
    by_colour = {colour: letter for letter, colour in COLOURS.items()}
    for model in plot.model.references():
        if isinstance(model, GlyphRenderer) and isinstance(model.glyph, Patch):
            data = model.data_source.data
            found[by_colour[model.glyph.fill_color]] = np.array(data["x"]), np.array(data["y"])
        if isinstance(model, ColumnDataSource) and "bar" in model.data:
            bases = model.data
    return found, bases


@pytest.mark.parametrize("letter", LETTERS)
def test_outlines_fill_the_unit_square(letter):
    outline = OUTLINES[letter]
    assert len(outline) <= 24
    assert np.nanmin(outline[:, 1]) == pytest.approx(0, abs=0.01)
    assert np.nanmax(outline[:, 1]) == pytest.approx(1, abs=0.01)
    assert np.nanmin(outline[:, 0]) >= 0
    assert np.nanmax(outline[:, 0]) <= 1


def test_letters_stand_on_the_axis_or_hang_from_it():
    x, y = polygons("T", np.array([START, START + 7]), np.array([2.0, -3.0]))
    up, down = parts(x, y, "T")
    assert (up[:, 1].min(), up[:, 1].max()) == (0, 2)
    assert (down[:, 1].min(), down[:, 1].max()) == (-3, 0)
    assert down[down[:, 0] < START + 7.1, 1].max() == 0  # its bar is above, as when it stands
    assert START < up[:, 0].min() < up[:, 0].max() < START + 1
    assert START + 7 < down[:, 0].min() < down[:, 0].max() < START + 8


@pytest.mark.parametrize(("length", "peak"), [(50, 3), (700, 350), (700, 5), (5000, 4990)])
def test_every_base_is_a_letter_or_a_bar_as_high_as_its_contribution(length, peak):
    rng = np.random.default_rng(length)
    sequence = rng.integers(0, 5, length).astype(np.uint8)
    values = (rng.uniform(0.2, 1, length) * rng.choice([-1, 1], length)).astype(np.float32)
    sequence[peak], values[peak] = 2, 5
    plot = letters_plot("l", "text", "chr1", START, sequence, values, "t", "reads")
    found, bases = drawn(plot)
    assert len(bases["x"]) == min(length, MOST_BASES)
    first = bases["x"][0] - START
    own = slice(first, first + len(bases["x"]))
    np.testing.assert_array_equal(bases["value"], values[own])
    assert bases["base"] == ["ACGTN"[b] for b in sequence[own]]
    lettered = np.flatnonzero(np.isnan(bases["bar"])) + first
    assert len(lettered) == min(length, MOST_LETTERS)
    assert peak in lettered
    assert (np.diff(lettered) == 1).all()
    shown = {}
    for letter, (x, y) in found.items():
        for one in parts(x, y, letter):
            low, high = np.nanmin(one[:, 1]), np.nanmax(one[:, 1])
            shown[int(np.floor(np.nanmin(one[:, 0]))) - START] = (
                letter,
                high if high > -low else low,
            )
    wanted = {i: "ACGT"[sequence[i]] for i in lettered if sequence[i] < 4}
    assert {i: letter for i, (letter, _) in shown.items()} == wanted
    for i, (_, height) in shown.items():
        assert height == pytest.approx(values[i], rel=0.01)
    (x_range,) = plot.ranges
    assert x_range.start <= START + peak < x_range.end


def test_letters_too_low_to_be_seen_are_left_out():
    values = np.array([1, 1e-4, 0, -1, 1], np.float32)
    found, _ = drawn(letters_plot("l", "", "c", 0, np.zeros(5, np.uint8), values, "t", "u"))
    assert len(parts(*found["A"], "A")) == 3
    flat, _ = drawn(letters_plot("l", "", "c", 0, np.zeros(5, np.uint8), 0 * values, "t", "u"))
    assert not len(flat["A"][0])


def test_no_bases_are_refused():
    with pytest.raises(ConfigError, match="there are no bases to draw"):
        letters_plot("l", "", "c", 0, np.zeros(0, np.uint8), np.zeros(0), "t", "u")
