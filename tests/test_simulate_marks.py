"""Simulated cell types and marks: their law against a plain oracle, their files against the law."""

import csv
import filecmp
import json

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.simulate import Simulation, find_sites, simulate
from tfepi.simulate.marks import (
    ACCESSIBILITY,
    ASSAYS,
    CELLS,
    HELD_OUT,
    MARK_TRACKS,
    MARKS,
    OPENERS,
    REACH,
    TRACKS,
    openings,
)
from tfepi.simulate.marks_effects import signals
from tfepi.simulate.marks_simulation import SPARSE_CHROMOSOME, SPARSE_TRACK, reads_of
from tfepi.simulate.motifs import ALL_MOTIFS
from tfepi.simulate.writing import Reads
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, decode, encode, reverse_complement
from tfrecords_tools.input_tracks import read_tracks
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.targets import read_targets

SMALL = Simulation(length=600_000, chromosomes=3, tracks=4, variants=250, seed=7, marks=True)
TINY = Simulation(length=120_000, chromosomes=2, tracks=4, variants=20, seed=5, marks=True)
NAMES = [t.name for t in TRACKS]
BIN = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("marks")
    simulate(path, SMALL, quiet=True)
    return path


def expected(indices, track):
    return track.expected(len(indices), openings(find_sites(indices, ALL_MOTIFS)))


def cosine(distance, half_width):
    inside = np.abs(distance) < half_width
    return np.where(inside, 0.5 * (1 + np.cos(np.pi * distance / half_width)), 0.0)


def plain_expected(indices, track):
    """Return a track's expected signal, written down from the law by loops over sites."""
    sites = find_sites(indices, ALL_MOTIFS)
    found = [
        (list(ALL_MOTIFS)[m], c, s)
        for m, c, s in zip(sites.motif, sites.centre, sites.strength, strict=True)
    ]
    total = np.zeros(len(indices))
    for motif, centre, strength in found:
        if motif not in track.cell.levels:
            continue
        openness = track.cell.levels[motif] * strength
        distance = np.arange(len(indices)) + 0.5 - centre
        if track.mark is None:
            if track.cell.assay == "DNase":
                total += openness * cosine(distance, 150) * (1 - 0.6 * cosine(distance, 14))
            else:
                shoulders = cosine(distance - 180, 70) + cosine(distance + 180, 70)
                total += openness * (cosine(distance, 80) + 0.35 * shoulders)
            continue
        missing = kept = 1.0
        for other, at, s in found:
            if other == "K" and abs(at - centre) <= 60:
                missing *= 1 - s
            if other == "D" and abs(at - centre) <= 100:
                kept *= 1 - 0.95 * s
        carried = track.mark.alone.get(motif, 0) + track.mark.helped.get(motif, 0) * (1 - missing)
        total += openness * carried * kept * cosine(distance, track.mark.half_width)
    if track.mark is None:
        return {"DNase": 1.0, "ATAC": 2.5}[track.cell.assay] * (0.05 + total)
    return 0.2 + 7 * total


@pytest.mark.parametrize("track", TRACKS, ids=NAMES)
def test_signal_is_the_law_written_down(track):
    rng = np.random.default_rng(3)
    indices = rng.integers(0, 4, 2400).astype(np.uint8)
    for number, name in enumerate("AKBDCKEKFDPKKDBAPFEC"):
        text = encode(ALL_MOTIFS[name])
        text = reverse_complement(text) if number % 2 else text
        indices[200 + 97 * number : 210 + 97 * number] = text
        indices[235 + 97 * number : 245 + 97 * number] = encode(ALL_MOTIFS["KDP"[number % 3]])
    indices[700:720] = 4
    np.testing.assert_allclose(expected(indices, track), plain_expected(indices, track), rtol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3000))
def test_both_strands_mean_the_same(seed, length):
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 5, length).astype(np.uint8)
    for name in "ABCDEFKPKD":
        start = rng.integers(0, max(1, length - 10))
        indices[start : start + 10] = encode(ALL_MOTIFS[name])[: max(0, length - start)]
    for track in TRACKS:
        backward = expected(reverse_complement(indices), track)
        np.testing.assert_allclose(backward[::-1], expected(indices, track), rtol=1e-9)


def test_nothing_beyond_the_reach_matters():
    assert REACH == 360  # the U-Net sees 564 bp to either side
    rng = np.random.default_rng(5)
    middle = rng.integers(0, 4, 2 * REACH + 1).astype(np.uint8)
    for name, at in (("D", 0), ("C", 95), ("K", 140), ("B", 330), ("F", 520), ("D", 615)):
        middle[at : at + 10] = encode(ALL_MOTIFS[name])
    values = []
    for seed in (1, 2):
        ends = np.random.default_rng(seed).integers(0, 4, (2, 700)).astype(np.uint8)
        whole = np.concatenate([ends[0], middle, ends[1]])
        values.append([expected(whole, t)[700 + REACH] for t in TRACKS])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
    assert max(values[0]) > 2


def test_a_cell_type_is_a_new_mixture_of_known_factors():
    assert HELD_OUT == "cell4"
    *trained, held_out = CELLS
    for cell in trained:  # none is a part of another
        assert set(held_out.levels) - set(cell.levels)
        assert set(cell.levels) - set(held_out.levels)
    for motif in OPENERS:
        active = [c.levels[motif] for c in trained if motif in c.levels]
        assert active
        assert held_out.levels.get(motif, 0) <= max(active)
        assert len(active) < len(trained) or motif == "P"  # P alone is everywhere
    assert [c.assay for c in CELLS] == ["DNase", "DNase", "ATAC", "DNase"]


def test_assays_show_a_site_in_their_own_way():
    dnase, atac = (ASSAYS[a].profile() for a in ("DNase", "ATAC"))
    for profile in (dnase, atac):
        np.testing.assert_array_equal(profile, profile[::-1])
    assert (len(dnase), len(atac)) == (300, 500)
    assert dnase[150] == pytest.approx(0.4, abs=0.01)  # the footprint
    assert dnase[150 + 25] > 0.9
    assert atac[250] == pytest.approx(1, abs=0.01)
    assert atac[250 + 100] == pytest.approx(0, abs=0.02)
    assert atac[250 + 180] == pytest.approx(0.35, abs=0.01)  # a shoulder


def alone(*placed):
    """Return 2,000 bases without a site, and then the motifs placed at (position, name)."""
    rng = np.random.default_rng(1)
    indices = rng.integers(0, 4, 2000).astype(np.uint8)
    while len(found := find_sites(indices, ALL_MOTIFS).centre):
        for c in found:
            indices[c - 5 : c + 5] = rng.integers(0, 4, 10)
    for position, name in placed:
        indices[position : position + 10] = encode(ALL_MOTIFS[name])
    return indices


def tops(*placed):
    """Return {track: highest expected signal} of placed motifs."""
    indices = alone(*placed)
    return {t.name: round(float(expected(indices, t).max()), 2) for t in TRACKS}


def test_sequence_decides_what_an_open_site_carries():
    c, with_k, far_k = (
        tops((1000, "C")),
        tops((1000, "C"), (1060, "K")),
        tops((1000, "C"), (1061, "K")),
    )
    assert c["cell4_H3K27ac"] == far_k["cell4_H3K27ac"] == 0.2
    assert with_k["cell4_H3K27ac"] == pytest.approx(0.2 + 7 * 0.8, abs=0.01)
    assert c["cell4_H3K4me1"] == with_k["cell4_H3K4me1"] == pytest.approx(5.8, abs=0.01)
    assert c["cell1_H3K4me1"] == 0.2  # no factor for C
    with_d, far_d = tops((1000, "C"), (900, "D")), tops((1000, "C"), (899, "D"))
    assert with_d["cell4_H3K4me1"] == pytest.approx(0.2 + 7 * 0.8 * 0.05, abs=0.01)
    assert far_d == c
    for other in (with_k, with_d):  # accessibility knows of neither
        assert all(other[t.name] == c[t.name] for t in ACCESSIBILITY)
    b = tops((1000, "B"))
    assert b["cell3_accessibility"] == pytest.approx(2.5 * (0.05 + 0.8), abs=0.01)  # ATAC
    assert b["cell1_accessibility"] < 0.05 + 0.8  # DNase has a footprint
    assert set(tops((1000, "K"), (1100, "D")).values()) == {0.05, 0.12, 0.2}


def test_same_seed_same_bytes(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for path in folders:
        path.mkdir()
        simulate(path, TINY, quiet=True)
    for sub in (".", "expected"):
        a, b = (path / sub for path in folders)
        names = sorted(p.name for p in a.iterdir() if p.is_file())
        assert names == sorted(p.name for p in b.iterdir() if p.is_file())
        assert len(names) > 10
        _, different, failed = filecmp.cmpfiles(a, b, names, shallow=False)
        assert not different
        assert not failed


def test_tables_name_cells_marks_and_files(folder):
    targets = read_targets(folder / "targets.txt", with_files=True)
    assert [t.identifier for t in targets] == [
        f"cell{c}_{m}" for c in (1, 2, 3, 4) for m in ("H3K27ac", "H3K4me1")
    ]
    assert {(t.threshold, t.sum_stat, t.nan) for t in targets} == {(2.0, "mean", "keep")}
    assert all(t.identifier == f"{t.cell}_{t.mark}" for t in targets)
    signal = read_targets(folder / "targets_signal.txt", with_files=True)
    assert [t.identifier for t in signal] == [t.identifier for t in targets]
    assert {t.threshold for t in signal} == {None}
    tracks = read_tracks(folder / "tracks.txt")
    assert [(t.cell, t.assay) for t in tracks] == [(c.name, c.assay) for c in CELLS]
    for t in (*targets, *tracks):
        assert (folder / t.file).exists()
        peaks = read_bed(folder / t.peaks)
        assert peaks
        assert all(0 <= p.start < p.end <= SMALL.lengths[p.chrom] for p in peaks)
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["held_out"] == "cell4"
    assert truth["cells"][3]["levels"] == CELLS[3].levels
    assert truth["settings"]["length"] == 600_000
    assert {s.label for s in read_bed(folder / "sites.bed")} == set(ALL_MOTIFS)


def regions(folder, chrom, *names):
    return [i for n in names for i in read_bed(folder / f"{n}.bed") if i.chrom == chrom]


def test_tracks_are_noisy_copies_of_the_law_where_they_have_values(folder):
    missing = {}
    for chrom in SMALL.lengths:
        with Genome(folder / "genome.fa") as genome:
            indices = genome.indices(chrom, 0, genome.length(chrom))
        for track in TRACKS:
            with pyBigWig.open(str(folder / f"{track.name}.bw")) as bw:
                values = bw.values(chrom, 0, len(indices), numpy=True)
            assert np.isnan(values[indices == 4]).all()
            missing[track.name, chrom] = np.isnan(values[indices != 4]).mean()
            assert np.nanmin(values) == 0
            for i in regions(folder, chrom, "unmappable"):
                assert np.nansum(values[i.start + 16 : i.end - 16]) == 0
            for i in regions(folder, chrom, "unmappable", "blacklist"):
                values[max(0, i.start - 16) : i.end + 16] = np.nan
            true = expected(indices, track)
            with pyBigWig.open(str(folder / "expected" / f"{track.name}.bw")) as bw:
                step = reads_of(track, 1).step
                whole = len(true) // step * step
                kept = bw.values(chrom, 0, whole, numpy=True)
            np.testing.assert_allclose(
                kept[::step], true[:whole].reshape(-1, step).mean(axis=1), rtol=1e-5
            )
            bins = len(values) // 256
            observed = values[: bins * 256].reshape(bins, 256).mean(axis=1)
            true = true[: bins * 256].reshape(bins, 256).mean(axis=1)
            keep = ~np.isnan(observed)
            assert np.corrcoef(observed[keep], true[keep])[0, 1] > 0.95
            assert observed[keep].mean() == pytest.approx(true[keep].mean(), rel=0.05)
    sparse = missing.pop((SPARSE_TRACK, SPARSE_CHROMOSOME))
    assert 0.12 < sparse < 0.28
    assert 0.002 < min(missing.values()) <= max(missing.values()) < 0.03
    assert len(set(missing.values())) == len(missing)  # each has its own gaps


@pytest.mark.parametrize("dispersion", [0.0, 0.3])
def test_reads_have_their_mean_and_variance(dispersion):
    reads = Reads(step=16, depth=0.5, dispersion=dispersion)
    signal = np.full(16 * 40_000 + 7, 1.5)
    drawn = reads.draw(signal, np.random.default_rng(1)) * 16 * 0.5
    assert len(drawn) == 40_000
    np.testing.assert_array_equal(drawn, np.round(drawn))
    assert drawn.mean() == pytest.approx(12, rel=0.01)
    assert drawn.var() == pytest.approx(12 + dispersion * 12**2, rel=0.05)
    assert not reads.draw(np.zeros(160), np.random.default_rng(1)).any()


def binned(folder, name):
    """Return a track's mean over bins of the genome, NaN where half of a bin lacks values."""
    found = []
    with pyBigWig.open(str(folder / f"{name}.bw")) as bw:
        for chrom, length in SMALL.lengths.items():
            values = bw.values(chrom, 0, length // BIN * BIN, numpy=True).astype(np.float64)
            for i in regions(folder, chrom, "unmappable", "blacklist"):
                values[i.start : i.end] = np.nan
            values = values.reshape(-1, BIN)
            good = np.isfinite(values).sum(axis=1)
            mean = np.where(np.isnan(values), 0, values).sum(axis=1) / np.maximum(good, 1)
            found.append(np.where(good >= BIN / 2, mean, np.nan))
    return np.concatenate(found)


def average_precision(label, score):
    """Return Σ Δrecall · precision over the distinct scores."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    last = np.append(np.diff(score[order]) != 0, True)
    recall, precision = hits[last] / hits[-1], hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(recall, prepend=0) * precision).sum())


@pytest.mark.parametrize("mark", [m.name for m in MARKS])
def test_neither_accessibility_nor_other_cells_tell_the_held_out_cell(folder, mark):
    values = np.stack([binned(folder, f"{c.name}_{mark}") for c in CELLS])
    labels = np.where(np.isnan(values), np.nan, values > 2)
    rates = np.nanmean(labels, axis=1)
    assert 0.03 < rates.min() <= rates.max() < 0.125
    measured = labels[:, ~np.isnan(labels).any(axis=0)] > 0
    varies = measured.any(axis=0) & ~measured.all(axis=0)
    assert 0.10 < varies.mean() < 0.22
    assert 0.02 < (measured.all(axis=0).sum() / measured.any(axis=0).sum()) < 0.15
    keep = ~np.isnan(labels).any(axis=0)
    label = labels[3, keep]
    open_now = np.nan_to_num(binned(folder, f"{HELD_OUT}_accessibility"))
    wider = [np.convolve(open_now, np.ones(n) / n, "same") for n in (3, 5, 9)]
    true = np.stack([binned(folder, f"expected/{c.name}_{mark}") for c in CELLS])[:, keep]
    precision = {
        "truth": average_precision(label, true[3]),
        "accessibility": average_precision(label, open_now[keep]),
        "wider": max(average_precision(label, x[keep]) for x in wider),
        "average": average_precision(label, labels[:3, keep].mean(axis=0)),
        "average truth": average_precision(label, true[:3].mean(axis=0)),
    }
    assert 0.90 < precision["truth"] < 0.97
    assert 0.42 < precision["accessibility"] < precision["wider"] < 0.70
    assert 0.30 < precision["average"] < 0.50
    assert precision["average truth"] < 0.55  # what a model of sequence alone can reach
    assert precision["wider"] > precision["average"] + 0.07
    assert precision["wider"] > precision["average truth"] + 0.03
    assert precision["accessibility"] > 4 * rates[3]


def read_effects(folder):
    with open(folder / "effects.tsv") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_effects_are_those_of_the_whole_chromosome(folder):
    rows = read_effects(folder)
    assert len(rows) == SMALL.variants
    longer = [r for r in rows if len(r["ref"]) != len(r["alt"])]
    assert longer
    with Genome(folder / "genome.fa") as genome:
        chroms = {c: genome.indices(c, 0, n) for c, n in genome.chroms.items()}
    for row in rows[::25] + longer[:4]:
        pos = int(row["pos"]) - 1
        ref = chroms[row["chrom"]]
        assert decode(ref[pos : pos + len(row["ref"])]) == row["ref"]
        alt = np.concatenate([ref[:pos], encode(row["alt"]), ref[pos + len(row["ref"]) :]])
        span = slice(pos + 1 - 96, pos + 1 + 96)
        for track in TRACKS[::3]:
            r, a = (expected(x, track)[span].mean() for x in (ref, alt))
            found = {k: float(row[f"{k}_{track.name}"]) for k in ("ref", "alt", "diff", "log2fc")}
            assert found["ref"] == pytest.approx(r, rel=1e-5)
            assert found["alt"] == pytest.approx(a, rel=1e-5)
            assert found["diff"] == pytest.approx(a - r, rel=1e-4, abs=1e-4)
            assert found["log2fc"] == pytest.approx(np.log2(a / r), rel=1e-4, abs=1e-5)


def test_variants_act_where_their_place_says(folder):
    rows = read_effects(folder)
    lines = (folder / "variants.vcf").read_text().splitlines()
    lines = [line.split("\t") for line in lines if not line.startswith("#")]
    assert [(r["id"], r["pos"], f"PLACE={r['place']}") for r in rows] == [
        (line[2], line[1], line[7]) for line in lines
    ]
    place = np.array([r["place"] for r in rows])
    assert set(place) == {f"opener_{m}" for m in OPENERS} | {"cofactor", "repressor", "outside"}
    change = np.array([[float(r[f"log2fc_{t.name}"]) for t in TRACKS] for r in rows])
    acts = np.abs(change) > 0.05
    opened, marked = acts[:, :4].any(axis=1), acts[:, 4:].any(axis=1)
    opener = np.char.startswith(place, "opener")
    assert 0.35 < opener.mean() < 0.6
    assert opened[opener].mean() > 0.9
    for kind, least in (("cofactor", 0.15), ("repressor", 0.1)):
        hit = place == kind
        assert hit.mean() > least
        assert opened[hit].mean() < 0.05
        assert marked[hit].mean() > 0.9
    me1 = [i for i, t in enumerate(TRACKS) if t.mark and t.mark.name == "H3K4me1"]
    assert acts[place == "cofactor"][:, me1].mean() < 0.05  # K acts on H3K27ac alone
    assert marked[place == "outside"].mean() < 0.1
    # Each (cell, mark) has variants that act and variants that do not, and cells differ.
    assert (acts.mean(axis=0) > 0.1).all()
    assert (acts.mean(axis=0) < 0.6).all()
    for first in (4, 5):
        assert 0.3 < (np.ptp(change[:, first::2], axis=1) > 0.05).mean() < 0.9


def test_breaking_a_cofactor_is_invisible_to_accessibility():
    indices = alone((1000, "C"), (1040, "K"))
    for pos, changed in ((1044, {"H3K27ac"}), (1004, {"accessibility", "H3K27ac", "H3K4me1"})):
        alt = (indices[pos : pos + 1] + 1) % 4
        pairs = signals(indices, pos, decode(indices[pos : pos + 1]), alt, 192)
        found = dict(zip(NAMES, pairs, strict=True))
        assert {n.split("_")[1] for n, (r, a) in found.items() if a < r} == changed
        assert all(r == a for n, (r, a) in found.items() if n.startswith("cell1"))


def test_four_cell_types_and_no_other_number():
    with pytest.raises(ConfigError, match="tracks is 3, but marks are simulated in 4 cell types"):
        Simulation(marks=True)
    assert Simulation.with_marks(3) == Simulation(tracks=4, variants=600, seed=3, marks=True)


def test_the_command_has_a_mode_for_marks(run_script, tmp_path):
    small = ("-q", "--marks", "--length", 120_000, "--chromosomes", 2, "--variants", 4)
    done = run_script("tfepi_simulate.py", "-o", tmp_path / "out", *small)
    assert done.stdout.startswith("119999 bp, 4 cell types in ")
    assert len(read_targets(tmp_path / "out/targets.txt")) == len(MARK_TRACKS) == 8
    run_script("tfepi_simulate.py", "-o", tmp_path / "out", "--overwrite", *small)
    for extra, text in ((("--tracks", 3), "leave it out"), (("--large",), "not allowed with")):
        done = run_script("tfepi_simulate.py", "-o", tmp_path / "no", *small, *extra, check=False)
        assert done.returncode == 2
        assert text in done.stderr
        assert not (tmp_path / "no").exists()
