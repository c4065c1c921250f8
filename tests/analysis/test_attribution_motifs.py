"""Known motifs: exact chances against enumeration, scans and tables against loops."""

import json
from itertools import product

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from tfepi.analysis.attribution_file import FORMAT
from tfepi.analysis.attribution_matches import UNIT, Scorer, background, best, indices, reached
from tfepi.analysis.attribution_motifs import match, motif_table
from tfepi.analysis.attribution_report import report_seqlets
from tfepi.analysis.attribution_seqlets import SeqletOptions
from tfepi.analysis.meme import KnownMotif, read_meme
from tfepi.report.attribution_motifs import draw_motifs, motif_figure
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import encode, one_hot, reverse_complement

BACKGROUND = np.array([0.3, 0.2, 0.2, 0.3])


def consensus(text, name=None):
    shares = np.full((len(text), 4), 0.02)
    shares[range(len(text)), encode(text)] = 0.94
    return KnownMotif(name or text, "", shares, 100)


def test_chances_against_enumeration():
    rng = np.random.default_rng(0)
    scores = rng.integers(-9, 10, (5, 4))
    found = reached(scores, BACKGROUND)
    every = [
        (sum(row[b] for row, b in zip(scores, word, strict=True)), np.prod(BACKGROUND[list(word)]))
        for word in product(range(4), repeat=5)
    ]
    low, high = min(s for s, _ in every), max(s for s, _ in every)
    assert len(found) == high - low + 1
    for i, chance in enumerate(found):
        slow = sum(p for s, p in every if s >= low + i)
        assert chance == pytest.approx(slow, rel=1e-9)


def test_scores_are_log_odds_with_pseudocounts():
    motif = KnownMotif("m", "", np.array([[0.7, 0.1, 0.2, 0], [0, 0, 0, 1.0]]), 10)
    scorer = Scorer.of(motif, BACKGROUND)
    for place in range(2):
        for letter in range(4):
            share = (motif.shares[place, letter] * 10 + 0.1 * BACKGROUND[letter]) / 10.1
            bits = np.log2(share / BACKGROUND[letter])
            assert scorer.scores[place, letter] * UNIT == pytest.approx(bits, abs=UNIT / 2)
    assert scorer.low == scorer.scores.min(axis=1).sum()
    assert scorer.p(np.array([scorer.low, scorer.scores.max(axis=1).sum()])) == pytest.approx(
        [1, 0.3 * 0.3]  # A and T
    )


@pytest.mark.parametrize("width", [1, 4, 7, 13])
def test_best_placements_against_a_loop(width):
    rng = np.random.default_rng(width)
    shares = rng.dirichlet(np.ones(4), width)
    scorer = Scorer.of(KnownMotif("m", "", shares), BACKGROUND)
    size, flank = 9, 8
    stretches = rng.choice(5, (60, size + 2 * flank), p=[0.24] * 4 + [0.04]).astype(np.uint8)
    stretches[0] = 4
    found = best(scorer, stretches, flank)
    for row, stretch in enumerate(stretches):
        tried = []
        for middle in range(flank, flank + size):
            first = middle - width // 2
            word = stretch[first : first + width]
            if (word == 4).any():
                continue
            for reverse in (False, True):
                read = reverse_complement(word) if reverse else word
                score = sum(scorer.scores[i, b] for i, b in enumerate(read))
                tried.append((score, first - flank, reverse))
        if not tried:
            assert found.p[row] == 1
            assert np.isnan(found.bits[row])
            continue
        top = max(score for score, _, _ in tried)
        assert found.bits[row] == pytest.approx(top * UNIT)
        assert (top, found.offset[row], found.reverse[row]) in tried
        p = scorer.reach[top - scorer.low]
        assert found.p[row] == pytest.approx(1 - (1 - p) ** len(tried), rel=1e-6)
    assert len(best(scorer, stretches[:0], flank).p) == 0


def test_background_is_the_same_on_both_strands():
    np.testing.assert_allclose(background(np.array([9, 0, 4, 3])), [7 / 20, 3 / 20, 3 / 20, 7 / 20])
    own = one_hot(encode("ACGTN")) > 0
    assert indices(own).tolist() == [0, 1, 2, 3, 4]


def planted_stretches(rng, count, word, every=2):
    size, flank = 15, 8
    found = rng.integers(0, 4, (count, size + 2 * flank)).astype(np.uint8)
    for i in range(0, count, every):
        found[i, 12 : 12 + len(word)] = word if i % 4 else reverse_complement(word)
    return found, flank


def test_matches_and_the_table():
    rng = np.random.default_rng(4)
    word = encode("TTACCCGA")
    seqlets, flank = planted_stretches(rng, 80, word)
    others = rng.integers(0, 4, seqlets.shape).astype(np.uint8)
    motifs = [consensus("TTACCCGA", "Reb1"), consensus("GTCACGTG", "Cbf1")]
    scorers = [Scorer.of(m, background(np.ones(4))) for m in motifs]
    found = match(scorers, seqlets, others, flank, 0.05)
    table = found.table
    mine = table[table["motif"] == 0]
    assert set(range(0, 80, 2)) <= set(mine["seqlet"])
    planted = mine[mine["seqlet"] % 2 == 0]
    assert (planted["offset"] == 4).all()
    assert (planted["strand"] == np.where(planted["seqlet"] % 4, "+", "-")).all()
    # q of each motif by itself, as Benjamini and Hochberg define it
    for number, scorer in enumerate(scorers):
        p = best(scorer, seqlets, flank).p
        q = [min(1, min(x * 80 / (p <= x).sum() for x in p[p >= own])) for own in p]
        kept = {i for i, x in enumerate(q) if x <= 0.05}
        rows = table[table["motif"] == number]
        assert set(rows["seqlet"]) == kept
        for row in rows.itertuples():
            assert row.q == pytest.approx(q[row.seqlet], rel=1e-9)
        least = rows["p"].max() if len(rows) else -1
        assert found.controls[number] == (best(scorer, others, flank).p <= least).sum()
    assert table.groupby("seqlet")["best"].sum().eq(1).all()
    scores = np.where(np.arange(80) % 4 == 0, -1.0, 2.0)
    sums = np.arange(len(table), dtype=float)
    rows = motif_table(scorers, found, scores, sums)
    first = rows.iloc[0]
    assert (first["motif"], first["seqlets"]) == ("Reb1", len(mine))
    assert first["positive"] == pytest.approx((scores[mine["seqlet"]] > 0).mean())
    assert first["mean_attribution"] == pytest.approx(sums[mine.index].mean())
    cells = [[len(mine), 80 - len(mine)], [first["controls"], 80 - first["controls"]]]
    assert first["p"] == pytest.approx(fisher_exact(cells, "greater")[1])
    ratio = (len(mine) + 1) / 81 / ((first["controls"] + 1) / 81)
    assert first["enrichment"] == pytest.approx(ratio)
    assert first["q"] == pytest.approx(min(1, first["p"] * 2))


@pytest.mark.parametrize("count", [0, 5])
def test_nothing_matches(count):
    seqlets = np.full((count, 31), 4, np.uint8)
    scorers = [Scorer.of(consensus("TTACCCGA"), BACKGROUND)]
    found = match(scorers, seqlets, seqlets, 8, 0.05)
    assert len(found.table) == 0
    assert len(motif_table(scorers, found, np.zeros(count), np.zeros(0))) == 0


@pytest.fixture
def folder(tmp_path):
    """attributions.h5 of 40 windows, half with TTACCCGA contributing 3 a base, some reversed."""
    rng = np.random.default_rng(6)
    count, length = 40, 120
    bases = rng.integers(0, 4, (count, length)).astype(np.uint8)
    own = rng.normal(0, 0.3, (count, length))
    word = encode("TTACCCGA")
    for i in range(0, count, 2):
        first = 20 + i
        bases[i, first : first + 8] = word if i % 4 else reverse_complement(word)
        own[i, first : first + 8] += 3
    letters = one_hot(bases) > 0
    hypothetical = np.where(letters, own[:, :, None], 0).astype(np.float32)
    with h5py.File(tmp_path / "attributions.h5", "w") as file:
        file.attrs["format"] = FORMAT
        file["chr"] = np.array([b"c1"] * count)
        file["strand"] = np.array([b"+", b"+", b"-", b"-"] * (count // 4))
        file["label"] = np.array([b"."] * count)
        file["outputs"], file["stems"] = np.array([b"a", b"b"]), np.array([b"t0", b"t1"])
        file["altered"] = np.zeros(count, bool)
        file["start"] = np.arange(count) * 200 - 50
        file["end"] = file["start"][()] + length
        file["seqs"] = letters
        file["hypothetical"] = np.stack([hypothetical, 0 * hypothetical], axis=-1)
    return tmp_path


def test_report(folder):
    motifs = [consensus("TTACCCGA", "Reb1"), consensus("GTCACGTG", "Cbf1")]
    found = report_seqlets(folder, SeqletOptions(10, 0.05), motifs, quiet=True)
    table = pd.read_csv(folder / "seqlets.tsv", sep="\t")
    assert len(table) == found.seqlets
    assert set(table["output"]) == {"a"}  # the other contributes nothing
    reb1 = table[table["motif"] == "Reb1"]
    assert set(reb1["window"]) == set(range(0, 40, 2))
    strands = dict(zip(table["window"], table["strand"], strict=True))
    matches = pd.read_csv(folder / "matches.tsv", sep="\t")
    matches = matches[(matches["motif"] == "Reb1") & (matches["best"] == 1)]
    assert len(matches) == 20
    windows = reb1.set_index("seqlet")["window"]
    for row in matches.itertuples():
        number = windows[row.seqlet]
        low = number * 200 - 50
        first = 20 + number
        # where the word was written, on the genome
        start = low + first if strands[number] == "+" else low + 120 - first - 8
        assert (row.start, row.end) == (start, start + 8)
        turned = (number % 4 == 0) != (strands[number] == "-")
        assert row.strand == ("-" if turned else "+")
        assert row.attribution == pytest.approx(24, abs=4)
    rows = pd.read_csv(folder / "motifs.tsv", sep="\t")
    facts = json.loads((folder / "seqlets.json").read_text())
    assert (facts["format"], facts["size"], facts["motifs"]) == ("tfepi-seqlets", 10, None)
    assert facts["outputs"][0]["seqlets"] == len(table)
    assert facts["outputs"][0]["positive"] > 1
    assert facts["outputs"][1] == {"output": "b", "seqlets": 0, "positive": None, "negative": None}
    assert rows.iloc[0]["motif"] == "Reb1"
    assert rows.iloc[0]["best"] == 20
    assert rows.iloc[0]["p"] < 1e-4
    bed = [line.split("\t") for line in (folder / "seqlets.bed").read_text().splitlines()]
    assert len(bed) == len(table)
    assert [int(b[1]) for b in bed] == sorted(int(b[1]) for b in bed)
    assert min(int(b[1]) for b in bed) >= 0
    logo = found.logos[0]
    assert (logo.motif.name, logo.matches, logo.output) == ("Reb1", 20, "a")
    assert logo.mean.shape == (14, 4)
    own = logo.mean[3:11]
    assert own.argmax(axis=1).tolist() == encode("TTACCCGA").tolist()
    np.testing.assert_allclose(own.max(axis=1), 3, atol=0.3)
    np.testing.assert_allclose(logo.mean[[0, 1, 12, 13]], 0, atol=0.3)
    paths = draw_motifs(folder, found.logos)
    assert [p.name for p in paths] == ["motifs.svg", "motifs.png"]


def test_seqlets_without_motifs(folder):
    found = report_seqlets(folder, SeqletOptions(10, 0.05), quiet=True)
    assert found.seqlets >= 20
    assert found.motifs.empty
    assert not (folder / "matches.tsv").exists()
    table = pd.read_csv(folder / "seqlets.tsv", sep="\t")
    assert "motif" not in table
    with h5py.File(folder / "attributions.h5") as file:
        row = table.iloc[3]
        first = int(row["start"] - file["start"][row["window"]])
        if row["strand"] == "-":
            first = int(file["end"][row["window"]] - row["end"])
        bases = file["seqs"][row["window"], first : first + 10].argmax(axis=1)
        assert "".join("ACGT"[b] for b in bases) == row["sequence"]
        score = file["hypothetical"][row["window"], first : first + 10, :, 0].sum()
        assert row["score"] == pytest.approx(score, rel=1e-4)
    assert draw_motifs(folder, found.logos) == []
    # what was of other seqlets is gone
    database = folder / "m.meme"
    database.write_text(
        "MEME version 4\n\nMOTIF M1\nletter-probability matrix: alength= 4 w= 2\n"
        "0.7 0.1 0.1 0.1\n0 1 0 0\n"
    )
    report_seqlets(folder, SeqletOptions(10, 0.05), read_meme(database), database, quiet=True)
    assert (folder / "matches.tsv").exists()
    facts = json.loads((folder / "seqlets.json").read_text())
    assert facts["motifs"]["path"].endswith("m.meme")
    report_seqlets(folder, SeqletOptions(10, 0.05), quiet=True)
    assert not (folder / "matches.tsv").exists()
    assert not (folder / "motifs.tsv").exists()


def test_no_motifs_to_draw():
    with pytest.raises(ConfigError, match="there are no motifs to draw"):
        motif_figure([], "a")
