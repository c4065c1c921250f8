"""The figure of normalisation draws what came in."""

import numpy as np
import pytest

from tfepi.report import normalize_figures
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.normalize_survey import NormalizedCell


@pytest.fixture
def figure(monkeypatch):
    """A list of what is drawn instead of being saved."""
    drawn = []
    monkeypatch.setattr(normalize_figures, "save_figure", lambda f, _: drawn.append(f))
    return drawn


def cell(name, assay, held_out=False, seed=0, gaps=0):
    rng = np.random.default_rng(seed)
    signal = np.where(rng.random(2000) < 0.3, 0, rng.gamma(0.5, 4, 2000)).astype(np.float32)
    before = np.sort(signal)[::-1]
    signal[:gaps] = np.nan
    share = np.arange(1, 2001) / 2000
    return NormalizedCell(name, assay, held_out, share, before, before / 3, signal, signal / 3)


def test_shares_and_correlations(figure, tmp_path):
    cells = [cell("x", "ATAC"), cell("y", None, seed=1, gaps=50), cell("z", "DNase", True, seed=2)]
    normalize_figures.draw_normalization(cells, tmp_path)
    before, after, left, right = figure[0].axes[:4]
    lines = before.get_lines()
    assert [line.get_linestyle() for line in lines] == ["--", "-", "-"]
    assert len({line.get_color() for line in lines}) == 3
    x, y = lines[1].get_data()  # DNase, ATAC, not stated
    np.testing.assert_array_equal(x, cells[0].before[cells[0].before > 0])
    assert y[-1] == pytest.approx((cells[0].before > 0).mean())
    np.testing.assert_array_equal(after.get_lines()[1].get_xdata(), x / 3)
    assert (before.get_xscale(), before.get_yscale()) == ("log", "log")
    assert before.get_xlim() == after.get_xlim()
    assert [t.get_text() for t in left.get_yticklabels()] == ["z (held out)", "x", "y"]
    known = slice(50, None)
    wanted = np.corrcoef([c.signal_before[known] for c in (cells[2], cells[1])])[0, 1]
    matrix = left.images[0].get_array()
    assert matrix[0, 2] == pytest.approx(wanted, abs=1e-6)
    assert len(left.texts) == 9
    assert right.images[0].get_clim() == (0, 1)
    [legend] = figure[0].legends
    names = [t.get_text() for t in legend.get_texts()]
    assert names == ["DNase", "ATAC", "assay not stated", "held out"]
    assert legend._ncols == 3


def test_the_same_cells_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths = normalize_figures.draw_normalization([cell("x", "ATAC")], tmp_path / name)
        assert [p.name for p in paths] == ["normalize.svg", "normalize.png"]
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / n / f"normalize.{suffix}").read_bytes() for n in "ab")
        assert first == second


def test_many_cells_have_no_numbers_and_then_no_names(figure, tmp_path):
    for count, names in ((12, 12), (45, 0)):
        cells = [cell(f"cell {n}", "DNase", seed=n) for n in range(count)]
        normalize_figures.draw_normalization(cells, tmp_path)
        axis = figure[-1].axes[2]
        assert not axis.texts
        assert len(axis.get_xticklabels()) == names
        assert axis.get_xlabel() == ("" if names else "45 tracks, by assay")


def test_nothing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no tracks to draw"):
        normalize_figures.draw_normalization([], tmp_path)
