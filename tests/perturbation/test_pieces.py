"""Deletions and scrambles: sequences by hand, scores one at a time, tables."""

from itertools import pairwise

import numpy as np
import pandas
import pytest

from tfepi.perturbation.deletions import Deletions, blanked, removed
from tfepi.perturbation.design import Piece, cut_pieces
from tfepi.perturbation.piece_tables import write_deletions, write_scrambles
from tfepi.perturbation.scrambles import Scrambles, permuted, scrambled, stream
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import encode, reverse_complement

REGIONS = [
    Stretch("cA", 400, 423, "+", "one"),
    Stretch("cB", 95, 110, "-", "gap"),
    Stretch("cB", 0, 9, "+"),
]


def in_threes(table):
    """The rows of each place: one for each of three targets."""
    return [table.iloc[low : low + 3] for low in range(0, len(table), 3)]


def test_pieces_and_the_windows_they_share():
    sites, pieces = cut_pieces(REGIONS[:1], 5, None, 64, 12)
    assert [(p.site, p.start, p.end) for p in pieces] == [
        *((0, 400, 405), (0, 405, 410), (1, 410, 415), (1, 415, 420), (2, 420, 423))
    ]
    assert [s.window for s in sites] == [405 - 32, 415 - 32, 421 - 32]
    assert [p.low for p in pieces] == [400 - 373, 405 - 373, 410 - 383, 415 - 383, 420 - 389]
    _, overlapping = cut_pieces(REGIONS[:1], 10, 4, 64, 40)
    assert [(p.start, p.end) for p in overlapping] == [
        *((400, 410), (404, 414), (408, 418), (412, 422), (416, 423))
    ]
    _, reverse = cut_pieces([Stretch("cB", 100, 106, "-")], 3, None, 64, 40)
    assert [(p.low, p.high) for p in reverse] == [(32, 35), (29, 32)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, None, 64, 20), "--width is 0 bp: want at least 1"),
        ((-3, 2, 64, 20), "--width is -3 bp: want at least 1"),
        ((3, 0, 64, 20), "--step is 0 bp: want at least 1"),
        ((65, None, 64, 64), "--width is 65 bp, the model's window 64 bp: want at most that"),
        ((65, None, 64, 20), "--width is 65 bp, the model's window 64 bp"),
        ((21, None, 64, 20), r"-l is 20 bp: want 21 \(--width\) to 64 \(the model's window\)"),
        ((3, None, 64, 65), r"-l is 65 bp: want 3 \(--width\) to 64 .*, or leave -l out"),
        ((3, None, 64, -5), r"-l is -5 bp: want 3 \(--width\) to 64"),
    ],
)
def test_sizes_that_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        cut_pieces(REGIONS, *arguments)


def test_regions_without_bases_are_refused():
    with pytest.raises(InputFileError, match="the regions have no bases"):
        cut_pieces([Stretch("cA", 5, 5)], 3, None, 64, 20)


def test_what_is_removed_closes_in_from_the_far_side():
    own = encode("ACGTACGTAC")
    before, behind = encode("TTT"), encode("GGG")
    assert np.array_equal(blanked(own, 2, 4), encode("ACNNACGTAC"))
    assert np.array_equal(removed(own, 1, 3, before, behind), encode("TTATACGTAC"))
    assert np.array_equal(removed(own, 6, 9, before, behind), encode("ACGTACCGGG"))
    assert np.array_equal(removed(own, 4, 6, before, behind), encode("ACGTGTACGG"))
    assert np.array_equal(own, encode("ACGTACGTAC"))


@pytest.mark.parametrize("way", ["blank", "remove"])
def test_deletions_equal_one_at_a_time(run, way, window_of, ask, letters):
    sites, pieces = cut_pieces(REGIONS, 5, 3, 64, 12)
    design = Deletions(sites, pieces, way)
    folder = run(design, {"t": lambda p, rows, _: write_deletions(p, rows, sites, pieces)})
    table = pandas.read_parquet(folder / "t")
    assert len(table) == 3 * len(pieces)
    for piece, rows in zip(pieces, in_threes(table), strict=True):
        site, region = sites[piece.site], REGIONS[piece.region]
        own = window_of(region.chrom, site.window, region.strand)
        size = piece.end - piece.start
        if way == "blank":
            new = own.copy()
            new[piece.low : piece.low + size] = 4
        else:
            wide = window_of(region.chrom, site.window - size, region.strand, 64 + 2 * size)
            cut = np.delete(wide, np.arange(piece.low + size, piece.low + 2 * size))
            left = piece.low + size // 2 < 32
            new = cut[:64] if left else cut[size:]
        wanted = (ask(new) - ask(own)).sum(axis=0)
        np.testing.assert_allclose(rows["SAD"], wanted, rtol=1e-3, atol=1e-4)
        first = rows.iloc[0]
        place = (first["chrom"], first["start"], first["end"], first["strand"], first["region"])
        assert place == (region.chrom, piece.start, piece.end, region.strand, region.label or ".")
        assert first["number"] == piece.region
    assert table["target"].tolist()[:4] == ["T0", "T1", "T2", "T0"]


def test_scrambles_keep_what_they_say():
    own = encode("AACCGGTTNACGTAACCNN")
    for keeping in ("letters", "dinucleotides"):
        found = scrambled(own, keeping, np.random.default_rng(1))
        assert np.array_equal(found == 4, own == 4)
        assert np.array_equal(np.bincount(found), np.bincount(own))
        pairs = [sorted(pairwise(x[:8].tolist())) for x in (own, found)]
        assert (pairs[0] == pairs[1]) == (keeping == "dinucleotides")
    again = [permuted(own, stream(3, "cA", 7, 19, n)) for n in (0, 0, 1)]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


def test_scrambles_are_the_same_in_every_window(genome):
    window = Window(64, 1, 0, 0)
    found = []
    for start in (370, 390):
        piece = Piece(0, 0, 400, 430, 400 - start)
        design = Scrambles([Site("cA", start)], [piece], 2, "letters", 7)
        own = genome.indices("cA", start, start + 64)
        changed = design.change(genome, window, 0, own, np.arange(2))
        kept = np.r_[0 : 400 - start, 430 - start : 64]
        assert np.array_equal(changed[:, kept], np.repeat(own[None, kept], 2, axis=0))
        found.append(changed[:, 400 - start : 430 - start])
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0][0], found[0][1])


def test_scrambles_have_means_and_deviations(run, genome, window_of, ask):
    sites, pieces = cut_pieces(REGIONS, 8, None, 64, 16)
    design = Scrambles(sites, pieces, 4, "letters", 1)
    finish = {"t": lambda p, rows, _: write_scrambles(p, rows, sites, pieces, 4)}
    table = pandas.read_parquet(run(design, finish, stats=("SAD", "D2")) / "t")
    window = Window(64, 1, 0, 0)
    for n, rows in enumerate(in_threes(table)):
        piece = pieces[n]
        region = REGIONS[piece.region]
        own = window_of(region.chrom, sites[piece.site].window, region.strand)
        new = design.change(genome, window, piece.site, own, np.arange(4 * n, 4 * n + 4))
        changes = [ask(s) - ask(own) for s in new]
        sad = np.array([c.sum(axis=0) for c in changes])
        d2 = np.array([np.sqrt((c**2).sum(axis=0)) for c in changes])
        for name, values in (("SAD", sad), ("D2", d2)):
            np.testing.assert_allclose(rows[name], values.mean(axis=0), rtol=1e-3, atol=1e-3)
            wanted = values.std(axis=0, ddof=1)
            np.testing.assert_allclose(rows[f"{name}_sd"], wanted, rtol=1e-3, atol=1e-3)
        assert rows["differ"].iloc[0] == np.mean([(s != own).sum() for s in new])
    assert table["SAD_sd"].max() > 0


def test_one_scramble_has_no_deviation(run):
    sites, pieces = cut_pieces(REGIONS[:1], 12, None, 64, 16)
    finish = {"t": lambda p, rows, _: write_scrambles(p, rows, sites, pieces, 1)}
    table = pandas.read_parquet(run(Scrambles(sites, pieces, 1), finish) / "t")
    assert table["SAD_sd"].isna().all()
    assert table["SAD"].notna().all()


def test_options_that_are_refused():
    with pytest.raises(ConfigError, match="unknown way of deletion 'cut'"):
        Deletions([], [], "cut")
    with pytest.raises(ConfigError, match="0 scrambles of each piece"):
        Scrambles([], [], 0)
    with pytest.raises(ConfigError, match="unknown property that scrambles keep 'order'"):
        Scrambles([], [], 1, "order")
    with pytest.raises(ConfigError, match="unknown property"):
        scrambled(encode("ACGT"), "order", np.random.default_rng(1))


def test_reverse_strand_indices_are_of_the_same_bases(genome, window_of):
    sites, pieces = cut_pieces([Stretch("cA", 200, 211, "-")], 4, None, 64, 20)
    own = window_of("cA", sites[0].window, "-")
    for p in pieces:
        wanted = reverse_complement(genome.indices("cA", p.start, p.end))
        assert np.array_equal(own[p.low : p.high], wanted)
