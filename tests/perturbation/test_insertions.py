"""Motifs and where they are inserted: sequences by hand, effects one at a time, intervals."""

import csv

import numpy as np
import pandas
import pytest

from tfepi.evaluation.bootstrap import interval, multiplicities
from tfepi.perturbation.insertion_tables import write_insertions, write_means
from tfepi.perturbation.insertions import Background, Insertions, backgrounds, parse_offsets
from tfepi.perturbation.motifs import (
    Motif,
    check_motif_names,
    consensus_motifs,
    inserted,
    meme_motifs,
)
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import encode, reverse_complement

WINDOW = Window(64, 1, 0, 0)
MEME = """MEME version 4

ALPHABET= ACGT

MOTIF one first
letter-probability matrix: alength= 4 w= 3 nsites= 20 E= 0
 0.1 0.7 0.1 0.1
 0.25 0.25 0.25 0.25
 0.0 0.0 0.5 0.5
"""


def test_letters_of_a_consensus():
    plain, named = consensus_motifs("TTACCCG, Abf1 = rtN")
    assert (plain.name, named.name, len(plain), len(named)) == ("TTACCCG", "Abf1", 7, 3)
    assert np.array_equal(plain.best(encode("AAAAAAA")), encode("TTACCCG"))
    for own, wanted in (("GCC", "GTC"), ("CTA", "ATA"), ("TGN", "ATA")):
        assert np.array_equal(named.best(encode(own)), encode(wanted)), own


def test_motifs_of_a_meme_file(tmp_path):
    path = tmp_path / "in.meme"
    path.write_text(MEME)
    [motif] = meme_motifs(path)
    assert motif.name == "one"
    np.testing.assert_allclose(motif.frequencies[0], [0.1, 0.7, 0.1, 0.1])
    assert np.array_equal(motif.best(encode("AGA")), encode("CGG"))
    drawn = np.stack([motif.sample(np.random.default_rng(n)) for n in range(4000)])
    shares = np.stack([(drawn == b).mean(axis=0) for b in range(4)], axis=1)
    np.testing.assert_allclose(shares, motif.frequencies, atol=0.03)
    with pytest.raises(InputFileError, match="does not exist"):
        meme_motifs(tmp_path / "none")


def test_a_motif_on_either_strand():
    own, motif = encode("ACGTACGTAC"), consensus_motifs("GGA")[0]
    assert np.array_equal(inserted(own, motif, 2), encode("ACGGACGTAC"))
    assert np.array_equal(inserted(own, motif, 2, "-"), encode("ACTCCCGTAC"))
    drawn = Motif("x", np.array([[0, 0, 0, 1.0], [0, 0, 0, 1.0]]))
    rng = np.random.default_rng(1)
    assert np.array_equal(inserted(own, drawn, 0, "-", rng), encode("AAGTACGTAC"))
    assert np.array_equal(own, encode("ACGTACGTAC"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TTXA", "has the letter 'X': want IUPAC letters"),
        ("a=", "consensus is 'a='"),
        ("=ACG", "consensus is '=ACG'"),
        ("ACG,,T", "consensus is ''"),
    ],
)
def test_a_bad_consensus(text, message):
    with pytest.raises(ConfigError, match=message):
        consensus_motifs(text)


def test_names_of_motifs():
    with pytest.raises(ConfigError, match="no motif is given"):
        check_motif_names([])
    with pytest.raises(ConfigError, match="two motifs are called 'ACG'"):
        check_motif_names(consensus_motifs("ACG,ACG=TTT"))


def test_offsets_of_a_text():
    assert parse_offsets("0") == (0,)
    assert parse_offsets("5,-3,-10:10:10,5") == (-10, -3, 0, 5, 10)
    for text in ("", "a", "1:5", "1:5:0", "5:1:1", "1:2:3:4", "1.5"):
        with pytest.raises(ConfigError, match="offsets are"):
            parse_offsets(text)


def test_backgrounds_are_windows_or_their_shuffles(genome, window_of):
    regions = [Stretch("cA", 400, 411, "-", "x"), Stretch("cB", 50, 52)]
    plain = backgrounds(regions, 64, 0, 1)
    assert [(b.region, b.shuffle, b.window, b.strand) for b in plain] == [
        *((0, None, 405 - 32, "-"), (1, None, 51 - 32, "+"))
    ]
    assert np.array_equal(plain[0].sequence(genome, WINDOW), window_of("cA", 373, "-"))
    shuffles = backgrounds(regions, 64, 3, 1)
    assert [(b.region, b.shuffle) for b in shuffles] == [(r, n) for r in (0, 1) for n in range(3)]
    own = window_of("cA", 373, "-")
    texts = [b.sequence(genome, WINDOW) for b in shuffles[:3]]
    for text in texts:
        pairs = [sorted(zip(x[:-1].tolist(), x[1:].tolist(), strict=True)) for x in (own, text)]
        assert pairs[0] == pairs[1]
        assert not np.array_equal(own, text)
    assert not np.array_equal(texts[0], texts[1])
    again = Background(shuffles[1].site, 0, 1, 1).sequence(genome, WINDOW)
    assert np.array_equal(again, texts[1])
    other = Background(shuffles[1].site, 0, 1, 2).sequence(genome, WINDOW)
    assert not np.array_equal(other, texts[1])
    with pytest.raises(ConfigError, match="-1 shuffles of each region"):
        backgrounds(regions, 64, -1, 1)


def test_what_does_not_fit_is_refused():
    sites = [Background(Site("cA", 100), 0)]
    motifs = consensus_motifs("ACGTA")
    Insertions(sites, motifs, 64, (-30, 29))
    for offset in (-31, 30):
        with pytest.raises(ConfigError, match=r"motif ACGTA of 5 bp at offset .* does not fit"):
            Insertions(sites, motifs, 64, (offset,))
    for strands in ((), ("x",), ("+", "+"), ("-", "+")):
        with pytest.raises(ConfigError, match="strands are"):
            Insertions(sites, motifs, 64, strands=strands)
    with pytest.raises(ConfigError, match="unknown draw of letters 'most'"):
        Insertions(sites, motifs, 64, draw="most")


def test_sampled_letters_are_the_same_at_all_places(genome):
    motif = Motif("x", np.full((8, 4), 0.25))
    design = Insertions([Background(Site("cA", n), 0) for n in (100, 200)], [motif], 64, (-8, 8),
                        draw="sample")  # fmt: skip
    drawn = []
    for site, row in ((0, 0), (0, 1), (0, 2), (1, 4)):
        own = design.sites[site].sequence(genome, WINDOW)
        low = 20 if row in (0, 1, 4) else 36
        new = design.change(genome, WINDOW, site, own, np.array([row]))[0][low : low + 8]
        drawn.append(reverse_complement(new) if row == 1 else new)
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[3])


@pytest.fixture
def design():
    regions = [Stretch("cA", 100 + 30 * n, 110 + 30 * n, "+-"[n % 2], f"r{n}") for n in range(6)]
    motifs = consensus_motifs("Reb1=TTACCCG,RTCA")
    return Insertions(backgrounds(regions, 64, 2, 3), motifs, 64, (-9, 0, 12), ("+", "-"))


@pytest.fixture
def folder(run, design):
    finish = {
        "motifs.tsv": lambda p, rows, _: write_means(p, rows, design, 44),
        "t": lambda p, rows, _: write_insertions(p, rows, design),
    }
    return run(design, finish, stats=("SAD", "logSED"))


def test_each_insertion_equals_one_at_a_time(folder, design, genome, ask):
    table = pandas.read_parquet(folder / "t")
    assert len(table) == 12 * 2 * 3 * 2 * 3
    rows = iter(table.itertuples())
    for background in design.sites:
        own = background.sequence(genome, WINDOW)
        for motif in design.motifs:
            for offset in design.offsets:
                for strand in "+-":
                    new = own.copy()
                    low = 32 + offset - len(motif) // 2
                    here = own[low : low + len(motif)]
                    here = here if strand == "+" else reverse_complement(here)
                    letters = motif.best(here)
                    letters = letters if strand == "+" else reverse_complement(letters)
                    new[low : low + len(motif)] = letters
                    before, after = ask(own).sum(axis=0), ask(new).sum(axis=0)
                    for target in range(3):
                        row = next(rows)
                        place = (row.region, row.shuffle, row.motif, row.offset, row.strand)
                        label = f"r{background.region}"
                        assert place == (label, background.shuffle, motif.name, offset, strand)
                        assert row.target == f"T{target}"
                        assert row.number == background.region
                        change = after[target] - before[target]
                        assert pytest.approx(change, rel=1e-3, abs=1e-3) == row.SAD
                        ratio = np.log2(after[target] + 1) - np.log2(before[target] + 1)
                        assert row.logSED == pytest.approx(ratio, rel=1e-3, abs=1e-4)


def test_means_and_intervals(folder, design):
    table = pandas.read_parquet(folder / "t")
    with open(folder / "motifs.tsv", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert len(rows) == 2 * 2 * (1 + 3 * 2) * 3  # statistics, motifs, places, targets
    drawn = multiplicities(6, 1000, 44)
    for row in rows:
        part = table[(table["motif"] == row["motif"]) & (table["target"] == row["target"])]
        if row["offset"] != "all":
            part = part[(part["offset"] == int(row["offset"])) & (part["strand"] == row["strand"])]
        stat = row["statistic"]
        assert float(row["mean"]) == pytest.approx(part[stat].mean(), rel=1e-4, abs=1e-6)
        by_region = part.groupby("number")[stat].mean().to_numpy(float)
        low, high = interval(drawn @ by_region / 6)
        assert float(row["low"]) == pytest.approx(low, rel=1e-3, abs=1e-5)
        assert float(row["high"]) == pytest.approx(high, rel=1e-3, abs=1e-5)
        assert row["units"] == "6"


@pytest.mark.parametrize(("regions", "shuffles", "units"), [(2, 4, "8"), (2, 0, "2"), (6, 0, "6")])
def test_units_of_the_bootstrap(run, regions, shuffles, units):
    places = [Stretch("cA", 100 + 30 * n, 110 + 30 * n) for n in range(regions)]
    design = Insertions(backgrounds(places, 64, shuffles, 3), consensus_motifs("TTACCCG"), 64)
    finish = {"t": lambda p, rows, _: write_means(p, rows, design, 44)}
    table = pandas.read_csv(run(design, finish) / "t", sep="\t", dtype=str)
    assert set(table["units"]) == {units}
    assert table["low"].isna().all() == table["high"].isna().all() == (units == "2")


def test_windows_as_they_are_have_no_number_of_a_shuffle(run):
    design = Insertions(
        backgrounds([Stretch("cA", 100, 110)], 64, 0, 3), consensus_motifs("TTACCCG"), 64
    )
    finish = {"t": lambda p, rows, _: write_insertions(p, rows, design)}
    table = pandas.read_parquet(run(design, finish) / "t")
    assert table["shuffle"].isna().all()
    assert table["region"].tolist() == ["."] * 6
