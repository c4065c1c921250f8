"""Figures of saturation mutagenesis: what is drawn is what came in, and where it lies."""

import h5py
import numpy as np
import pytest

from tfepi.report import mutagenesis_figures
from tfepi.report.figures import save_figure
from tfepi.report.logos import Changes, mutagenesis_figure
from tfepi.report.mutagenesis_figures import Plots, draw_mutagenesis, read_changes
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfepi.variants.mutagenesis import mutate
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

TARGETS = (Target(3, "quiet"), Target(7, "loud", description="a loud track"), Target(9, "last"))


def changes(stat="SAD", strand="+", length=12, start=1000):
    rng = np.random.default_rng(1)
    own = np.eye(5, 4)[rng.integers(0, 4, length)].astype(bool)
    own[2] = False
    scores = np.where(own, 0, rng.normal(0, 1, (length, 4)))
    return Changes(scores, own, "chr1", start, strand, stat, "a title")


def test_change_and_importance():
    made = changes()
    assert np.isnan(made.change[made.own]).all()
    assert np.array_equal(made.change[~made.own], made.scores[~made.own])
    assert np.isnan(made.importance[2])
    others = made.scores[0][~made.own[0]]
    assert made.importance[0] == pytest.approx(-others.mean())
    ratio = Changes(made.scores + 0.5, made.own, "chr1", 0, "+", "REF_RATIO", "")
    np.testing.assert_allclose(ratio.importance[3:], -made.importance[3:])
    shifted = Changes(made.scores - 5.0, made.own, "chr1", 0, "+", "sum", "")
    known = made.own.any(axis=1)
    np.testing.assert_allclose(shifted.change[known], made.change[known])


def test_positions_fall_on_the_minus_strand():
    assert [changes().position(i) for i in (0, 11)] == [1000, 1011]
    assert [changes(strand="-").position(i) for i in (0, 11)] == [1011, 1000]
    assert changes().round_positions(range(4, 12), 15) == [5, 10]
    assert changes(strand="-").round_positions(range(12), 15) == [1, 6, 11]
    long = changes(length=130, start=55)
    assert long.round_positions(range(100, 130), 100) == [105, 125]


def test_lines_of_a_long_sequence():
    made = changes(length=130)
    figure = mutagenesis_figure(made)
    logo, extremes, heat, *rest = figure.axes
    assert len(rest) == 3 + 1  # the second line, and the colour bar
    assert [a.get_xlim() for a in (logo, rest[0])] == [(-0.5, 99.5), (99.5, 199.5)]
    assert heat.images[0].get_array().shape == (4, 100)
    assert rest[2].images[0].get_array().shape == (4, 30)
    known = np.ma.filled(heat.images[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(known, made.change[:100].T)
    limit = np.nanmax(np.abs(made.change))
    assert heat.images[0].get_clim() == rest[2].images[0].get_clim() == (-limit, limit)
    bars = next(c for c in extremes.containers if c.get_label() == "gain")
    gains = np.maximum(np.nanmax(made.change[:100], axis=1), 0)
    assert [b.get_height() for b in bars] == pytest.approx(gains.tolist())
    assert logo.get_ylim() == rest[0].get_ylim()
    assert figure.get_suptitle() == "a title"
    ticks = [t.get_text() for t in heat.get_xticklabels()]
    assert ticks == ["1,000", "1,020", "1,040", "1,060", "1,080"]


def test_what_has_no_sign_has_no_loss():
    made = changes("D2")
    made = Changes(np.abs(made.scores), made.own, "chr1", 0, "-", "D2", "")
    _, extremes, heat, _ = mutagenesis_figure(made).axes
    assert [c.get_label() for c in extremes.containers] == ["gain"]
    assert extremes.get_ylabel() == "largest\nchange"
    assert heat.images[0].get_clim()[0] == 0
    assert heat.get_xlabel() == "chr1, 0-based position; minus strand: positions fall"
    assert (made.importance[3:] > 0).all()


def test_no_effect_anywhere_and_no_positions(tmp_path):
    made = changes()
    flat = Changes(made.scores * 0, made.own, "chr1", 0, "+", "SAD", "")
    save_figure(mutagenesis_figure(flat), tmp_path / "flat")
    empty = Changes(made.scores[:0], made.own[:0], "chr1", 0, "+", "SAD", "")
    with pytest.raises(ConfigError, match="there are no positions to draw"):
        mutagenesis_figure(empty)


def test_the_same_scores_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_figure(mutagenesis_figure(changes()), tmp_path / name)
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
        assert first == second


def test_which_figures_are_wanted():
    assert Plots.of(False, False, None, TARGETS) == Plots(12, None)
    assert Plots.of(True, False, "loud,3", TARGETS) == Plots(None, (1, 0))
    assert Plots.of(False, True, None, TARGETS) == Plots(0, None)
    with pytest.raises(ConfigError, match="want one of the two"):
        Plots.of(True, True, None, TARGETS)
    with pytest.raises(ConfigError, match="want one of the two"):
        Plots.of(False, True, "loud", TARGETS)
    with pytest.raises(ConfigError, match="unknown target 'lout': did you mean 'loud'"):
        Plots.of(False, False, "lout", TARGETS)


def test_a_gap_is_drawn_without_letters():
    made = changes()
    gap = Changes(made.scores, np.zeros_like(made.own), "chr1", 0, "+", "SAD", "")
    assert not mutagenesis_figure(gap).axes[0].patches


@pytest.fixture
def scored(tmp_path, genome_folder):
    """A folder of two scored regions; the target "loud" changes most."""
    spec = ModelSpec("toy", {"sequence": (64, 4)}, 64, 0, (Head("main", TARGETS),))

    def values(sequences):
        return (sequences.sum(axis=1) @ [1.0, 2, 3, 4])[:, None, None] * [[[0.1, 5, 1]]]

    bed = tmp_path / "in.bed"
    bed.write_text("chr1\t2000\t2001\tname\t0\t-\nchr1\t2100\t2101\n")
    return mutate(
        lambda: CallablePredictor(values, spec),
        spec,
        bed,
        genome_folder / "genome.fa",
        tmp_path / "out",
        Mutagenesis(length=10),
        quiet=True,
    )


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_is_drawn(scored, monkeypatch, caplog):
    caplog.set_level("INFO")
    assert draw_mutagenesis(scored, Plots(most=1), quiet=True) == 0
    assert "no figures: there are 2 sequences; --plots draws them all" in caplog.text
    assert draw_mutagenesis(scored, Plots(most=0), quiet=True) == 0
    assert not (scored / "figures").exists()
    assert draw_mutagenesis(scored, quiet=True) == 2
    stems = [f"seq{i}_t7" for i in range(2)]
    assert names(scored / "figures") == [f"{s}.{e}" for s in stems for e in ("png", "svg")]
    svg = (scored / "figures" / "seq0_t7.svg").read_text()
    assert "chr1:1,995–2,005 (-)  name" in svg
    assert "a loud track" in svg
    assert draw_mutagenesis(scored, Plots(None, (0, 2)), quiet=True) == 4


def test_a_long_sequence_is_drawn_in_its_middle(scored, monkeypatch):
    monkeypatch.setattr(mutagenesis_figures, "MOST_BP", 4)
    with h5py.File(scored / "scores.h5") as file:
        minus, plus = read_changes(file, 0, 1), read_changes(file, 1, 1)
        assert np.array_equal(minus.scores, file["sum"][0, 3:7, :, 1])
        assert np.array_equal(plus.own, file["seqs"][1, 3:7])
        start, end = file["start"][:2].tolist(), file["end"][:2].tolist()
    assert (minus.position(3), minus.position(0)) == (end[0] - 7, end[0] - 4)
    assert (plus.position(0), plus.position(3)) == (start[1] + 3, start[1] + 6)
    assert ", middle 4 bp" in minus.title
