"""The simulated genome: its law against a plain oracle, its files against its law."""

import csv
import filecmp
import hashlib
import itertools

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.simulate import Grammar, Simulation, expected_signal, find_sites, simulate
from tfepi.simulate.effects import centre_signal, mend
from tfepi.simulate.grammar import KERNEL, REACH, grammars
from tfepi.simulate.motifs import ALL_MOTIFS, MAX_COST, MOTIFS
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, decode, encode, reverse_complement
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.targets import read_targets

SMALL = Simulation(length=200_000, chromosomes=3, tracks=3, variants=60, seed=7)
CELL1, CELL2, CELL3 = grammars(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated")
    simulate(path, SMALL, quiet=True)
    return path


def background(length, seed=0, *placed):
    """Return random bases without any site, and then the motifs placed at (position, text)."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 4, length).astype(np.uint8)
    while len(found := find_sites(indices).centre):
        for c in found:
            indices[c - 5 : c + 5] = rng.integers(0, 4, 10)
    for position, text in placed:
        indices[position : position + len(text)] = encode(text)
    return indices


def plain_sites(indices, motifs=MOTIFS):
    """Return {(motif, centre, reverse): strength} by looking at every position letter by letter."""
    found = {}
    for (name, text), start in itertools.product(motifs.items(), range(len(indices) - 9)):
        for reverse in (False, True):
            word = indices[start : start + 10]
            word = reverse_complement(word) if reverse else word
            cost = 0.0
            for position, (base, wanted) in enumerate(zip(word, encode(text), strict=True)):
                if base == 4:
                    cost = np.inf
                elif base != wanted:
                    cost += (1.2 if abs(int(base) - int(wanted)) == 2 else 2.0) * (
                        0.5 if position in (0, 1, 8, 9) else 1.0
                    )
            if cost <= MAX_COST:
                found[name, start + 5, reverse] = np.exp(-cost)
    return found


def plain_signal(indices, grammar):
    """Return the expected signal by loops over sites and bases."""
    bumps = []
    sites = plain_sites(indices)
    for (name, centre, _), strength in sites.items():
        if name in grammar.alone:
            bumps.append((centre, grammar.alone[name] * strength))
    for (c, c_at, _), c_strength in sites.items():
        for (b, b_at, _), b_strength in sites.items():
            if grammar.pair and c == "C" and b == "B" and abs(c_at - b_at) <= 40:
                bumps.append(((c_at + b_at) / 2, grammar.pair * c_strength * b_strength))
    signal = np.full(len(indices), grammar.base)
    for centre, height in bumps:
        for (name, d_at, _), strength in sites.items():
            if name == "D" and grammar.silenced and abs(centre - d_at) <= 100:
                height *= 1 - grammar.silenced * strength
        for x in range(len(indices)):
            # A centre lies before its base, hence the half; between bases, both sides share.
            for side in {np.floor(centre), np.ceil(centre)}:
                share = 1.0 if centre == int(centre) else 0.5
                distance = x - side + 0.5
                if abs(distance) < 150:
                    signal[x] += share * height * 0.5 * (1 + np.cos(np.pi * distance / 150))
    return signal


@pytest.mark.parametrize("motifs", [MOTIFS, ALL_MOTIFS], ids=len)
def test_sites_are_those_found_letter_by_letter(motifs):
    indices = np.random.default_rng(9).integers(0, 4, 6000).astype(np.uint8)
    for number, text in enumerate(ALL_MOTIFS.values()):
        indices[50 * number : 50 * number + 10] = encode(text)
    sites = find_sites(indices, motifs)
    names = [list(ALL_MOTIFS)[m] for m in sites.motif]
    keys = zip(names, sites.centre.tolist(), sites.reverse.tolist(), strict=True)
    found = dict(zip(keys, sites.strength, strict=True))
    assert set(names) == set(motifs)
    assert found == pytest.approx(plain_sites(indices, motifs))
    for name in motifs:
        assert sites.of(name)[0].tolist() == [
            c for n, c in zip(names, sites.centre, strict=True) if n == name
        ]


@pytest.mark.parametrize("grammar", [CELL1, CELL2, CELL3], ids=lambda g: g.name)
def test_signal_is_the_plain_sum(grammar):
    rng = np.random.default_rng(3)
    indices = rng.integers(0, 4, 900).astype(np.uint8)
    placed = ["C", "B", "A", "D", "E", "B", "C", "D"]
    for number, name in enumerate(placed):
        text = encode(MOTIFS[name])
        text = reverse_complement(text) if number % 2 else text
        indices[300 + 23 * number : 310 + 23 * number] = text
    indices[600:620] = 4
    assert len(plain_sites(indices)) >= len(placed)
    np.testing.assert_allclose(
        expected_signal(indices, grammar), plain_signal(indices, grammar), rtol=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4000))
def test_both_strands_mean_the_same(seed, length):
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 5, length).astype(np.uint8)
    for name in "ABCDECB":
        start = rng.integers(0, max(1, length - 10))
        indices[start : start + 10] = encode(MOTIFS[name])[: max(0, length - start)]
    for grammar in grammars(4):
        forward = expected_signal(indices, grammar)
        backward = expected_signal(reverse_complement(indices), grammar)
        np.testing.assert_allclose(backward[::-1], forward, rtol=1e-9)


def test_each_cell_type_reads_its_own_grammar():
    def top(grammar, *placed):
        return expected_signal(background(1200, 1, *placed), grammar).max() - grammar.base

    a, b, c, d, e = ((600, MOTIFS[m]) for m in "ABCDE")
    # The tops of bumps: sites planted at one place, in an otherwise empty sequence.
    assert [round(top(g, a) / KERNEL.max(), 6) for g in (CELL1, CELL2, CELL3)] == [0.6, 0.6, 0.6]
    assert top(CELL1, b) > 0.9
    assert top(CELL2, b) == top(CELL3, b) == 0
    assert top(CELL2, c) == 0
    assert top(CELL2, c, (640, MOTIFS["B"])) > 1.9  # 40 bp apart
    assert top(CELL2, c, (641, MOTIFS["B"])) == 0
    assert top(CELL3, e) > 0.9
    assert top(CELL3, e, (690, MOTIFS["D"])) == pytest.approx(0.1 * top(CELL3, e))
    assert top(CELL3, e, (705, MOTIFS["D"])) == pytest.approx(top(CELL3, e))
    assert top(CELL1, d) == top(CELL2, d) == top(CELL3, d) == 0


def test_further_cell_types_differ():
    found = grammars(6)
    assert len({(tuple(g.alone.items()), g.pair, g.silenced) for g in found}) == 6


def test_nothing_beyond_the_reach_matters():
    rng = np.random.default_rng(5)
    middle = rng.integers(0, 4, 2 * REACH + 1).astype(np.uint8)
    for name, at in (("C", 20), ("B", 45), ("D", 100), ("E", 180), ("A", 290)):
        middle[at : at + 10] = encode(MOTIFS[name])
    values = []
    for seed in (1, 2):
        ends = np.random.default_rng(seed).integers(0, 4, (2, 500)).astype(np.uint8)
        whole = np.concatenate([ends[0], middle, ends[1]])
        values.append([expected_signal(whole, g)[500 + REACH] for g in grammars(3)])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)


@pytest.mark.parametrize("length", [0, 3, 9, 10, 11])
def test_short_sequences_have_their_background(length):
    indices = np.full(length, 4, np.uint8)
    np.testing.assert_array_equal(expected_signal(indices, CELL1), np.full(length, CELL1.base))


def test_same_seed_same_bytes(folder, tmp_path):
    simulate(tmp_path, SMALL, quiet=True)
    names = sorted(p.name for p in folder.iterdir())
    assert names == sorted(p.name for p in tmp_path.iterdir())
    _, different, failed = filecmp.cmpfiles(folder, tmp_path, names, shallow=False)
    assert not different
    assert not failed


# Of every file of a small genome: SHA-256 of its bytes, or of a bigWig's intervals, whose bytes
# depend on the version of zlib.
GOLDEN = {
    "blacklist.bed": "69418dae469a0bdb",
    "cell1.bw": "16a6d166e73ef190",
    "cell1_peaks.bed": "c8a100ec9841ca6c",
    "cell2.bw": "cd7b3918cc3e5213",
    "cell2_peaks.bed": "d7ce42cb2c9385fc",
    "cell3.bw": "2349004908318cd0",
    "cell3_peaks.bed": "ca63d5f65b6ebbbf",
    "cell4.bw": "f0140e041fbd7d52",
    "cell4_peaks.bed": "eb075ee3cf0da852",
    "effects.tsv": "cc6c14415bb8b90b",
    "gaps.bed": "30b5b24253d38825",
    "genome.fa": "c17d5f7abd4ed936",
    "sites.bed": "4dfedb9ba5034663",
    "targets.txt": "4d5556bca5950a42",
    "truth.json": "84fec74ee772580f",
    "unmappable.bed": "e3b0c44298fc1c14",
    "variants.vcf": "cf16c1c4f731215c",
}


def test_files_are_what_they_always_were(tmp_path):
    wanted = Simulation(length=90_000, chromosomes=3, tracks=4, variants=25, seed=11)
    simulate(tmp_path, wanted, quiet=True)
    found = {}
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        if path.suffix == ".bw":
            with pyBigWig.open(str(path)) as bw:
                content = repr([(c, bw.intervals(c)) for c in bw.chroms()]).encode()
        found[path.name] = hashlib.sha256(content).hexdigest()[:16]
    assert found == GOLDEN


def test_another_seed_another_genome(folder, tmp_path):
    simulate(tmp_path, Simulation(length=200_000, chromosomes=3, variants=5, seed=8), quiet=True)
    for name in ("genome.fa", "cell1.bw", "variants.vcf"):
        assert (tmp_path / name).read_bytes() != (folder / name).read_bytes()


def read_vcf(folder):
    lines = (folder / "variants.vcf").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def read_effects(folder):
    with open(folder / "effects.tsv") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_effects_are_those_of_the_whole_chromosome(folder):
    rows = read_effects(folder)
    assert len(rows) == SMALL.variants
    assert any(len(r["ref"]) != len(r["alt"]) for r in rows)
    with Genome(folder / "genome.fa") as genome:
        for row in rows[::4] + [r for r in rows if len(r["ref"]) != len(r["alt"])]:
            chrom, pos = row["chrom"], int(row["pos"]) - 1
            ref = genome.indices(chrom, 0, genome.length(chrom))
            alt = np.concatenate([ref[:pos], encode(row["alt"]), ref[pos + len(row["ref"]) :]])
            span = slice(pos + 1 - 96, pos + 1 + 96)
            for grammar in grammars(3):
                r = expected_signal(ref, grammar)[span].sum()
                a = expected_signal(alt, grammar)[span].sum()
                found = {k: float(row[f"{k}_{grammar.name}"]) for k in ("diff", "log2fc", "ref")}
                assert found["ref"] == pytest.approx(r, rel=1e-5)
                assert found["diff"] == pytest.approx(a - r, rel=1e-4, abs=1e-4)
                assert found["log2fc"] == pytest.approx(np.log2(a / r), rel=1e-4, abs=1e-5)


def test_some_variants_matter_and_most_outside_sites_do_not(folder):
    rows = read_effects(folder)
    large = [max(abs(float(r[f"log2fc_cell{c}"])) for c in (1, 2, 3)) > 0.1 for r in rows]
    inside = [x for x, r in zip(large, rows, strict=True) if r["place"] != "outside"]
    outside = [x for x, r in zip(large, rows, strict=True) if r["place"] == "outside"]
    assert np.mean(inside) > 0.5 > 0.3 > np.mean(outside)


def test_mending_a_site_leaves_one_mistake_less():
    text = "TGGCTCAGTA"  # A with two mistakes: A→G at 2, C→T at 8
    for placed in (text, decode(reverse_complement(encode(text)))):
        indices = background(400, 4, (200, placed))
        sites = find_sites(indices)
        (site,) = range(len(sites.centre))
        pos, base = mend(indices, sites, site)
        indices[pos] = base
        better = find_sites(indices).strength.max()
        assert better > sites.strength[site]
        assert better == pytest.approx(np.exp(-0.6))  # a transition at an outer position is left


def test_effects_go_both_ways(folder):
    diff = np.array([[float(r[f"diff_cell{c}"]) for c in (1, 2, 3)] for r in read_effects(folder)])
    assert (diff > 5).any(axis=1).sum() >= 3
    assert (diff < -5).any(axis=1).sum() >= 10


def test_vcf_and_effects_agree_with_the_genome(folder):
    vcf, effects = read_vcf(folder), read_effects(folder)
    with Genome(folder / "genome.fa") as genome:
        order = list(genome.chroms)
        keys = [(order.index(v[0]), int(v[1])) for v in vcf]
        assert keys == sorted(set(keys))
        for v, e in zip(vcf, effects, strict=True):
            assert (v[0], v[1], v[2], v[3], v[4]) == tuple(
                e[k] for k in ("chrom", "pos", "id", "ref", "alt")
            )
            start = int(v[1]) - 1
            assert (genome.indices(v[0], start, start + len(v[3])) == encode(v[3])).all()
            assert v[3] != v[4]


def test_tracks_follow_the_law_where_they_have_values(folder):
    with Genome(folder / "genome.fa") as genome:
        chrom = "chr1"
        indices = genome.indices(chrom, 0, genome.length(chrom))
    regions = {
        name: [i for i in read_bed(folder / f"{name}.bed") if i.chrom == chrom]
        for name in ("gaps", "unmappable", "blacklist")
    }
    assert all(regions.values())
    for grammar in grammars(3):
        with pyBigWig.open(str(folder / f"{grammar.name}.bw")) as track:
            values = track.values(chrom, 0, len(indices), numpy=True)
        expected = expected_signal(indices, grammar)
        assert np.isnan(values[indices == 4]).all()
        missing = np.isnan(values[indices != 4]).mean()
        assert 0.001 < missing < 0.05
        for i in regions["unmappable"]:
            assert np.nansum(values[i.start + 16 : i.end - 16]) == 0
        inside = np.zeros(len(indices), bool)
        for i in regions["blacklist"]:
            inside[i.start : i.end] = True
        assert np.nanmean(values[inside]) == pytest.approx(40 * expected[inside].mean(), rel=0.1)
        for i in itertools.chain(*regions.values()):
            values[max(0, i.start - 16) : i.end + 16] = np.nan
        bins = len(values) // 192
        observed = values[: bins * 192].reshape(bins, 192).sum(axis=1)
        true = expected[: bins * 192].reshape(bins, 192).sum(axis=1)
        keep = ~np.isnan(observed)
        assert np.corrcoef(observed[keep], true[keep])[0, 1] > 0.95
        assert observed[keep].mean() == pytest.approx(true[keep].mean(), rel=0.05)


def test_files_fit_together(folder):
    targets = read_targets(folder / "targets.txt")
    assert [t.identifier for t in targets] == ["cell1", "cell2", "cell3"]
    text = (folder / "genome.fa").read_text()
    assert {"a", "A", "N"} <= set(text)
    with Genome(folder / "genome.fa") as genome:
        assert genome.chroms == SMALL.lengths
        for gap in read_bed(folder / "gaps.bed"):
            assert (genome.indices(gap.chrom, gap.start, gap.end) == 4).all()
        total = sum(int((genome.indices(c, 0, n) == 4).sum()) for c, n in genome.chroms.items())
        assert total == sum(map(len, read_bed(folder / "gaps.bed")))
    for t in targets:
        peaks = read_bed(folder / t.peaks)
        assert peaks
        assert all(0 <= p.start < p.end <= SMALL.lengths[p.chrom] for p in peaks)
    sites = read_bed(folder / "sites.bed")
    assert {s.label for s in sites} == set(MOTIFS)


def test_centre_bin_of_an_indel_starts_at_the_same_base():
    indices = background(2000, 2, (1000, MOTIFS["A"]))
    # An insertion before the motif moves it to the right, within the bin: nothing changes
    # but what leaves at the bin's right end.
    ref, alt = centre_signal(indices, 990, "A", encode("AACC"), CELL1, 192)
    whole = np.concatenate([indices[:990], encode("AACC"), indices[991:]])
    assert alt == pytest.approx(expected_signal(whole, CELL1)[895:1087].sum())
    assert ref == pytest.approx(expected_signal(indices, CELL1)[895:1087].sum())
    assert ref != alt


def test_benchmark_size():
    large = Simulation.large()
    assert sum(large.lengths.values()) == 20_000_000
    assert large.tracks == 6


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"length": 0}, "length is 0"),
        ({"tracks": 0}, "tracks is 0"),
        ({"chromosomes": -1}, "chromosomes is -1"),
        ({"depth": 0.0}, "depth is 0.0"),
        ({"variants": -1}, "variants is -1"),
        ({"seed": -1}, "seed -1"),
        ({"bin_width": 3}, "bin_width is 3"),
        ({"length": 40_000}, "want 10000 or more"),
    ],
)
def test_wrong_settings_are_refused(wrong, text):
    with pytest.raises(ConfigError, match=text):
        Simulation(**wrong)


def test_grammar_defaults_have_no_partner():
    assert Grammar("x", {"A": 1.0}).pair == 0
