"""Figures of deletions, scrambles, insertions and double mutants: what is drawn is what came in."""

import numpy as np
import pandas
import pytest

from tfepi.perturbation.tables import long_rows, write_table
from tfepi.report.epistasis_figures import draw_epistasis, epistasis_figure
from tfepi.report.figures import save_figure
from tfepi.report.insertion_figures import draw_insertions, motifs_figure, offsets_figure
from tfepi.report.piece_figures import draw_pieces, piece_figure
from tfepi.report.region_figures import strongest
from tfrecords_tools.errors import ConfigError

TARGETS = ["quiet", "loud"]


def pieces(regions=2, step=10):
    number = np.repeat(np.arange(regions), 4)
    start = 1000 * number + step * np.tile(np.arange(4), regions)
    places = {
        "number": number,
        "region": [f"r{n}" if n else "." for n in number],
        "chrom": ["chr1"] * len(number),
        "start": start,
        "end": start + 10,
        "strand": ["+"] * len(number),
    }
    values = np.random.default_rng(1).normal(0, 1, (len(number), 2)).astype(np.float32)
    values[:, 1] *= 10
    return places, {"SAD": values, "SAD_sd": np.abs(values)}


def frame(places, values):
    return long_rows(places, TARGETS, values).to_pandas()


def test_pieces_are_bars_where_they_lie():
    rows = frame(*pieces(1))
    rows = rows[rows["target"] == "loud"]
    [axis] = piece_figure(rows, "SAD").axes
    bars = [(p.get_x(), p.get_width(), p.get_height()) for p in axis.patches]
    wanted = [(r.start, 10, pytest.approx(r.SAD)) for r in rows.itertuples()]
    assert bars == wanted
    assert "mean ± sd" in axis.get_ylabel()
    assert "chr1:0–40 (+)" in axis.get_title()
    assert axis.get_title().endswith("loud")
    plain = piece_figure(rows.drop(columns="SAD_sd"), "SAD").axes[0]
    assert plain.get_ylabel() == "SAD of deleting"
    with pytest.raises(ConfigError, match="there are no pieces to draw"):
        piece_figure(rows[:0], "SAD")


def test_pieces_that_overlap_are_a_line():
    rows = frame(*pieces(1, 5))
    rows = rows[rows["target"] == "loud"].assign(SAD=[1.0, np.nan, 3.0, 2.0])
    [axis] = piece_figure(rows, "SAD").axes
    assert not axis.patches
    line = axis.lines[1]
    assert line.get_xdata().tolist() == [5, 10, 15, 20]
    np.testing.assert_array_equal(line.get_ydata(), rows["SAD"])


def test_a_figure_for_each_region_unless_there_are_many(tmp_path):
    write_table(tmp_path / "t", "x", [long_rows(pieces()[0], TARGETS, pieces()[1])])
    assert draw_pieces(tmp_path, "t", "SAD", quiet=True) == 2
    names = {p.name for p in (tmp_path / "figures").iterdir()}
    assert names == {f"region{n}.{s}" for n in (0, 1) for s in ("png", "svg")}
    assert strongest(frame(*pieces()), "SAD") == "loud"
    many = pieces(13)
    write_table(tmp_path / "many", "x", [long_rows(many[0], TARGETS, many[1])])
    assert draw_pieces(tmp_path, "many", "SAD", quiet=True) == 0


def motif_rows(motifs=5, intervals=True):
    rows = []
    for n in range(motifs):
        for offset, strand in [("all", "all"), *((o, s) for o in (-20, 0, 20) for s in "+-")]:
            for target, size in zip(TARGETS, (1, 10), strict=True):
                mean = size * (n - 2.5)
                ends = (mean - 1, mean + 1) if intervals else (np.nan, np.nan)
                row = (f"m{n}", str(offset), strand, target, "SAD", mean, *ends, 5)
                rows += [row, (*row[:4], "D2", 0.0, 0.0, 0.0, 5)]
    names = ["motif", "offset", "strand", "target", "statistic", "mean", "low", "high", "units"]
    return pandas.DataFrame(rows, columns=names)


@pytest.mark.parametrize("intervals", [True, False])
def test_motifs_with_the_largest_first(intervals):
    rows = motif_rows(intervals=intervals).query("target == 'loud' and statistic == 'SAD'")
    overall = rows[rows["offset"] == "all"]
    [axis] = motifs_figure(overall, "SAD", "loud").axes
    labels = dict(
        zip(axis.get_yticks(), (t.get_text() for t in axis.get_yticklabels()), strict=True)
    )
    points = axis.lines[-1]
    shown = {labels[y]: x for x, y in zip(*points.get_data(), strict=True)}
    assert shown == dict(zip(overall["motif"], overall["mean"], strict=True))
    assert labels[4] == "m0"  # -25, the largest
    assert ("interval" in axis.get_xlabel()) == intervals
    with pytest.raises(ConfigError, match="there are no motifs to draw"):
        motifs_figure(overall[:0], "SAD", "loud")


def test_a_panel_for_each_motif_and_a_line_for_each_strand():
    rows = motif_rows().query("target == 'loud' and statistic == 'SAD' and offset != 'all'")
    placed = rows.assign(offset=rows["offset"].astype(int))
    figure = offsets_figure(placed, ["m4", "m1"], "SAD", "loud")
    assert [a.get_title() for a in figure.axes] == ["m4", "m1"]
    for axis, mean in zip(figure.axes, (15, -15), strict=True):
        for line in axis.lines[1:]:
            assert line.get_xdata().tolist() == [-20, 0, 20]
            assert line.get_ydata().tolist() == [mean] * 3
        assert len(axis.lines) == 3
    with pytest.raises(ConfigError, match="there are no motifs to draw"):
        offsets_figure(placed, [], "SAD", "loud")


def test_figures_of_a_folder_of_insertions(tmp_path):
    motif_rows().to_csv(tmp_path / "motifs.tsv", sep="\t", index=False)
    assert draw_insertions(tmp_path, "SAD") == 2
    assert (tmp_path / "figures" / "offsets.png").stat().st_size > 1000
    one = motif_rows()
    one[one["offset"].isin(["all", "0"])].to_csv(tmp_path / "motifs.tsv", sep="\t", index=False)
    assert draw_insertions(tmp_path, "SAD") == 1


def pair_rows(size=4, regions=1):
    a, b = np.triu_indices(size, 1)
    pairs = np.repeat(np.arange(len(a)), 2)
    places = {
        "number": np.repeat(np.arange(regions), len(pairs)),
        "region": ["name"] * len(pairs) * regions,
        "chrom": ["chr1"] * len(pairs) * regions,
        "strand": ["-"] * len(pairs) * regions,
        "a": np.tile(100 + a[pairs], regions),
        "own_a": [*"ACGT" * 3][: len(pairs)] * regions,
        "new_a": ["C", "G"] * len(a) * regions,
        "b": np.tile(100 + b[pairs], regions),
        "own_b": ["T"] * len(pairs) * regions,
        "new_b": ["C", "G"] * len(a) * regions,
    }
    rng = np.random.default_rng(3)
    values = {
        f"SAD_{x}": rng.normal(0, 1, (len(pairs) * regions, 2)).astype(np.float32)
        for x in ("a", "b", "ab", "epistasis")
    }
    return places, values


def test_the_heat_map_is_the_mean_over_letters(tmp_path):
    rows = frame(*pair_rows())
    rows = rows[rows["target"] == "loud"]
    figure = epistasis_figure(rows, "SAD")
    bars, heat, *_ = figure.axes
    grid = np.ma.filled(heat.images[0].get_array().astype(float), np.nan)
    for a in range(4):
        assert np.isnan(grid[a, a])
        for b in range(a + 1, 4):
            part = rows[(rows["a"] == 100 + a) & (rows["b"] == 100 + b)]
            assert grid[a, b] == grid[b, a] == pytest.approx(part["SAD_epistasis"].mean())
    assert len(bars.patches) == 4
    assert "letters of the minus strand" in heat.get_xlabel()
    assert heat.get_xticklabels()[3].get_text() == "T"
    save_figure(figure, tmp_path / "x")
    with pytest.raises(ConfigError, match="there are no pairs to draw"):
        epistasis_figure(rows[:0], "SAD")


def test_a_heat_map_for_each_region_unless_there_are_many(tmp_path):
    for regions, drawn in ((2, 2), (13, 0)):
        places, values = pair_rows(regions=regions)
        write_table(tmp_path / "pairs.parquet", "x", [long_rows(places, TARGETS, values)])
        assert draw_epistasis(tmp_path, "SAD", quiet=True) == drawn
