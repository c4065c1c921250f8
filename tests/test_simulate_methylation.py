"""Simulated methylation: its law against a plain oracle, its files against its law."""

import csv
import filecmp
import gzip
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest
from bed_reader import open_bed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from tfepi.simulate import MethylationSimulation, find_sites, simulate
from tfepi.simulate import methylation_haplotypes as population
from tfepi.simulate.methylation import (
    BLOOD,
    BRAIN,
    EFFECTS,
    HIPPOCAMPUS,
    REACH,
    TISSUES,
    cpg_positions,
    profile,
)
from tfepi.simulate.methylation_array import betas_of_people, make_probes
from tfepi.simulate.methylation_contig import COMMON, make_contig
from tfepi.simulate.methylation_gwas import Gwas, Locus, find_loci, posteriors
from tfepi.simulate.methylation_mqtl import associate, mqtl_lines, regressions
from tfepi.simulate.methylation_sequence import decay_cpgs
from tfepi.simulate.methylation_truth import fst
from tfepi.simulate.methylation_variants import APART, Landscape, Variant, effects, propose
from tfepi.simulate.methylation_writing import bedmethyl_lines, draw_reads
from tfepi.simulate.motifs import ALL_MOTIFS
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, decode, encode, reverse_complement
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.methylation.samples import read_samples

SMALL = MethylationSimulation(
    length=240_000,
    chromosomes=2,
    variants=900,
    subjects=6,
    mqtl_people=60,
    discovery=700,
    target=80,
    other=90,
    seed=7,
)
TINY = replace(
    SMALL, length=60_000, variants=60, subjects=2, mqtl_people=20, discovery=40, target=8, other=8
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("methylation")
    simulate(path, SMALL, quiet=True)
    return path


@pytest.fixture(scope="module")
def sequences(folder):
    with Genome(folder / "genome.fa") as genome:
        return {c: genome.indices(c, 0, n) for c, n in genome.chroms.items()}


@pytest.fixture(scope="module")
def landscapes(sequences):
    return {chrom: Landscape.of(indices) for chrom, indices in sequences.items()}


def table(path):
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return list(csv.DictReader(text.decode().splitlines(), delimiter="\t"))


def vcf(folder):
    lines = (folder / "variants.vcf").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def info(row):
    return dict(field.split("=") for field in row[7].split(";"))


def betas(indices, tissue):
    landscape = Landscape.of(indices)
    return dict(
        zip(landscape.cpgs.tolist(), tissue.betas(landscape.features).tolist(), strict=True)
    )


def bump(distance, half_width):
    return 0.5 * (1 + np.cos(np.pi * distance / half_width)) if abs(distance) < half_width else 0.0


def plain_betas(indices, tissue):
    """Return {position: beta}, written down from the law by loops over CpGs and sites."""
    letters, found = decode(indices), {}
    cpgs = [k for k in range(len(letters) - 1) if letters[k : k + 2] == "CG"]
    sites = find_sites(indices, ALL_MOTIFS)
    for cpg in cpgs:
        density = sum(bump(other - cpg, 150) for other in cpgs)
        logit = tissue.base - 4.5 / (1 + np.exp(6 - density))
        for motif, centre, strength in zip(sites.motif, sites.centre, sites.strength, strict=True):
            name = list(ALL_MOTIFS)[motif]
            shape = 0.7 * bump(centre - cpg - 1, 400) + 0.3 * bump(centre - cpg - 1, 990)
            logit += tissue.levels.get(name, 0) * EFFECTS[name] * strength * shape
        found[cpg] = 1 / (1 + np.exp(-logit))
    return found


def crowded(seed, length):
    """Return random bases with all motifs, an island and a run of N."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 4, length).astype(np.uint8)
    decay_cpgs(indices, 0.8, rng)
    if length >= 800:
        indices[300:500] = np.tile(encode("CGTCGGACGA"), 20)
        indices[600:650] = 4
    for name in ALL_MOTIFS:
        start = int(rng.integers(0, max(1, length - 10)))
        text = encode(ALL_MOTIFS[name])
        text = reverse_complement(text) if rng.random() < 0.5 else text
        indices[start : start + 10] = text[: max(0, length - start)]
    return indices


@pytest.mark.parametrize("tissue", TISSUES, ids=[t.name for t in TISSUES])
def test_betas_are_the_law_written_down(tissue):
    indices = crowded(3, 3000)
    found, wanted = betas(indices, tissue), plain_betas(indices, tissue)
    assert list(found) == list(wanted)
    np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-10)
    assert min(wanted.values()) < 0.1
    assert max(wanted.values()) > 0.9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3000))
def test_both_strands_mean_the_same(seed, length):
    indices = crowded(seed, length)
    for tissue in TISSUES:
        forward = betas(indices, tissue)
        other = betas(reverse_complement(indices), tissue)
        mirrored = {length - 2 - cpg: beta for cpg, beta in other.items()}
        assert sorted(mirrored) == list(forward)
        for cpg, beta in forward.items():
            assert mirrored[cpg] == pytest.approx(beta, rel=1e-9)


def test_nothing_beyond_the_window_matters():
    middle = crowded(5, 2 * REACH + 1)
    middle[REACH : REACH + 2] = encode("CG")
    middle[:10], middle[-10:] = encode(ALL_MOTIFS["A"]), encode(ALL_MOTIFS["A"])
    found = []
    for seed in (1, 2):
        ends = np.random.default_rng(seed).integers(0, 4, (2, 1500)).astype(np.uint8)
        whole = np.concatenate([ends[0], middle, ends[1]])
        found.append([betas(whole, t)[1500 + REACH] for t in TISSUES])
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert found[0] == pytest.approx([betas(middle, t)[REACH] for t in TISSUES], rel=1e-12)
    assert len(np.unique(np.round(found[0], 3))) == 3
    assert (profile(np.array([990, -990, 1000])) == 0).all()


def test_the_profile_holds_most_within_500_bp():
    distance = np.arange(-990, 991)
    shape = profile(distance)
    np.testing.assert_array_equal(shape, shape[::-1])
    assert (np.diff(shape[990:]) <= 0).all()
    within = {d: shape[np.abs(distance) <= d].sum() / shape.sum() for d in (250, 500)}
    assert within[250] == pytest.approx(0.69, abs=0.01)
    assert within[500] == pytest.approx(0.91, abs=0.01)


def without_sites(*placed):
    """Return 2,500 bases whose only CpG is at 1,200, without a site but those placed."""
    rng = np.random.default_rng(1)
    indices = rng.integers(0, 4, 2500).astype(np.uint8)
    while len(at := cpg_positions(indices)) or len(find_sites(indices, ALL_MOTIFS).centre):
        indices[at] = 0
        for centre in find_sites(indices, ALL_MOTIFS).centre:
            indices[centre - 5 : centre + 5] = rng.integers(0, 4, 10)
    indices[1199:1203] = encode("ACGT")
    for position, name in placed:
        indices[position : position + 10] = encode(ALL_MOTIFS[name])
    assert len(find_sites(indices, ALL_MOTIFS).centre) == len(placed)
    return indices


@pytest.mark.parametrize("name", EFFECTS)
def test_motifs_protect_and_expose_in_their_tissues(name):
    empty, placed = without_sites(), without_sites((1230, name))
    for tissue in TISSUES:
        change = betas(placed, tissue)[1200] - betas(empty, tissue)[1200]
        level = tissue.levels.get(name, 0.0)
        if "CG" in ALL_MOTIFS[name] and not level:
            assert abs(change) < 0.01  # another CpG nearby, and no more
        else:
            assert np.sign(np.round(change, 6)) == np.sign(level * EFFECTS[name])
            assert (abs(change) > 0.03) == (level > 0)


def test_tissues_differ_and_brain_resembles_hippocampus(landscapes):
    f = np.concatenate([x.features for x in landscapes.values()])
    r = np.corrcoef([t.betas(f) for t in (HIPPOCAMPUS, BRAIN, BLOOD)])
    assert r[0, 1] > 0.93
    assert 0.6 < r[1, 2] < 0.9
    assert set(BRAIN.levels) - set(HIPPOCAMPUS.levels) == {"D"}
    assert set(BLOOD.levels) - set(BRAIN.levels) == {"E"}


def test_few_cpgs_but_in_islands_which_are_low(folder, landscapes):
    text = (folder / "genome.fa").read_text()
    assert {*"acgtN"} <= {*text}
    inside, outside, bp = [], [], [0, 0]
    for chrom, landscape in landscapes.items():
        island = np.zeros(len(landscape.indices), bool)
        for span in read_bed(folder / "islands.bed"):
            if span.chrom == chrom:
                island[span.start : span.end] = True
        known = landscape.indices != 4
        value = HIPPOCAMPUS.betas(landscape.features)
        inside += value[island[landscape.cpgs]].tolist()
        outside += value[~island[landscape.cpgs]].tolist()
        bp[0] += (island & known).sum()
        bp[1] += (~island & known).sum()
    assert 0.06 < len(inside) / bp[0] < 0.11
    assert 0.009 < len(outside) / bp[1] < 0.014
    assert np.mean(inside) < 0.15
    assert 0.6 < np.mean(outside) < 0.8


def test_decay_turns_a_share_of_cpgs_into_tpg_and_cpa():
    indices = np.tile(encode("ACGA"), 2000)
    decay_cpgs(indices, 0.75, np.random.default_rng(0))
    words = [decode(w) for w in indices.reshape(-1, 4)]
    counts = {w: words.count(w) for w in set(words)}
    assert set(counts) == {"ACGA", "ATGA", "ACAA"}
    assert counts["ACGA"] == pytest.approx(500, abs=80)
    assert counts["ATGA"] == pytest.approx(750, abs=90)


def test_same_seed_same_bytes(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for path in folders:
        path.mkdir()
        simulate(path, TINY, quiet=True)
    count = 0
    for sub in (".", "wgbs", "array", "cohort"):
        a, b = (path / sub for path in folders)
        names = sorted(p.name for p in a.iterdir() if p.is_file())
        assert names == sorted(p.name for p in b.iterdir() if p.is_file())
        _, different, failed = filecmp.cmpfiles(a, b, names, shallow=False)
        assert not different
        assert not failed
        count += len(names)
    assert count == 33


def alternative(indices, row):
    pos = int(row["pos"]) - 1
    return np.concatenate([indices[:pos], encode(row["alt"]), indices[pos + len(row["ref"]) :]])


def change(row):
    """Return the position of the first base that differs, and how many of REF and of ALT do."""
    pos, ref, alt = int(row["pos"]) - 1, row["ref"], row["alt"]
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, len(ref), len(alt)


def origin(position, row):
    """Return where a base of the alternative sequence lies in the reference, or None."""
    start, removed, inserted = change(row)
    if position < start:
        return position
    return position - inserted + removed if position >= start + inserted else None


def test_effects_are_differences_of_the_law_over_the_whole_chromosome(folder, sequences):
    rows = table(folder / "effects.tsv")
    assert len(rows) == SMALL.variants
    indels = [r for r in rows if len(r["ref"]) != len(r["alt"])]
    cpgs = [r for r in rows if int(r["created"]) or int(r["destroyed"])]
    before = {c: {t.name: betas(x, t) for t in TISSUES} for c, x in sequences.items()}
    changed = 0
    for row in [*indels[::4], *cpgs[::8], *rows[::25]]:
        chrom, (start, removed, _) = row["chrom"], change(row)
        landscape = Landscape.of(alternative(sequences[chrom], row))
        source = {p: origin(p, row) for p in landscape.cpgs.tolist()}
        kept = [p for p, o in source.items() if o in before[chrom]["brain"]]
        assert int(row["created"]) == len(source) - len(kept)
        assert int(row["destroyed"]) == len(before[chrom]["brain"]) - len(kept)
        near = [p for p in kept if start - 1000 <= source[p] < start + removed + 1000]
        for tissue in TISSUES:
            name = tissue.name
            value = dict(
                zip(landscape.cpgs.tolist(), tissue.betas(landscape.features), strict=True)
            )
            diff = {source[p] + 1: value[p] - before[chrom][name][source[p]] for p in near}
            if not diff:
                assert row[f"{name}_max"] == ""
                continue
            largest = max(map(abs, diff.values()))
            assert float(row[f"{name}_max"]) == pytest.approx(largest, rel=1e-4, abs=1e-8)
            assert abs(float(row[f"{name}_diff"])) == float(row[f"{name}_max"])
            if largest > 1e-6:
                changed += 1
                at = diff[int(row[f"{name}_cpg"])]
                assert at == pytest.approx(float(row[f"{name}_diff"]), rel=1e-4)
    assert changed > 30


def test_variants_act_through_motifs_and_by_degrees(folder):
    rows = table(folder / "effects.tsv")
    value = np.array([float(r["brain_max"] or 0) for r in rows])
    motif = np.array([r["place"] in ALL_MOTIFS for r in rows])
    outside = np.array([r["place"] == "outside" for r in rows])
    assert 0.1 < motif.mean() < 0.4
    assert np.median(value[motif]) > 0.02
    assert np.median(value[outside]) < 0.002
    assert all(((value > a) & (value < b)).sum() > 8 for a, b in ((0.02, 0.05), (0.1, 0.2)))
    sign = np.array([float(r["brain_diff"] or 0) for r in rows])
    assert min((sign > 0.02).sum(), (sign < -0.02).sum()) > 20
    assert sum(int(r["destroyed"]) for r in rows if r["place"] == "cpg") == sum(
        r["place"] == "cpg" for r in rows
    )


def test_changed_bases_are_what_alleles_do_not_share():
    for ref, alt, found in (
        ("A", "G", (50, 1, 1)),
        ("CGT", "C", (51, 2, 0)),
        ("C", "CGC", (50, 0, 2)),  # as far left as it can be
        ("A", "ACC", (51, 0, 2)),
    ):
        assert Variant(50, ref, alt, "").changed() == found
        assert change({"pos": "51", "ref": ref, "alt": alt}) == found


def test_an_allele_without_cpgs_in_reach_has_no_effect_to_report():
    indices = without_sites()
    (effect,) = effects(Landscape.of(indices), [Variant(100, decode(indices[100:101]), "N", "x")])
    assert effect.kept == len(effect.cpgs) == 0


def test_proposed_variants_are_apart_and_of_every_kind(landscapes):
    landscape = landscapes["chr1"]
    found = propose(landscape, 800, np.random.default_rng(0))
    assert len(found) == 800
    ends = np.array([v.pos + len(v.ref) for v in found])
    starts = np.array([v.pos for v in found])
    assert (starts[1:] - ends[:-1] >= APART).all()
    assert {v.place for v in found} == {*ALL_MOTIFS, "cpg", "outside"}
    indels = [v for v in found if len(v.ref) != len(v.alt)]
    assert 10 < len(indels) < 80
    for v in found:
        assert decode(landscape.indices[v.pos : v.pos + len(v.ref)]) == v.ref
        assert v.ref != v.alt
        assert "N" not in v.ref + v.alt


def test_the_vcf_has_the_genome_and_both_ancestries(folder, sequences):
    rows = vcf(folder)
    assert [r[2] for r in rows] == [r["id"] for r in table(folder / "effects.tsv")]
    assert len({r[2] for r in rows}) == len(rows) == SMALL.variants
    frequency = []
    for row in rows:
        pos = int(row[1]) - 1
        assert decode(sequences[row[0]][pos : pos + len(row[3])]) == row[3]
        fields = info(row)
        frequency.append([float(fields["AF"]), float(fields["AF_SECOND"])])
    first, second = np.array(frequency).T
    assert (np.minimum(np.array(frequency), 1 - np.array(frequency)).max(axis=1) >= COMMON).all()
    assert np.abs(first - second).mean() > 0.05
    assert np.corrcoef(first, second)[0, 1] > 0.7
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["population"]["fst"] == pytest.approx(fst(first, second), abs=1e-3)
    assert 0.04 < truth["population"]["fst"] < 0.25
    with pysam.VariantFile(str(folder / "variants.vcf")) as handle:
        assert sum(1 for _ in handle) == len(rows)


def test_fst_is_what_hudson_defined():
    first, second = np.array([0.1, 0.5, 0.9]), np.array([0.4, 0.5, 0.0])
    n = population.POOL
    top = below = 0.0
    for p, q in zip(first, second, strict=True):
        top += (p - q) ** 2 - p * (1 - p) / (n - 1) - q * (1 - q) / (n - 1)
        below += p * (1 - q) + q * (1 - p)
    assert fst(first, second) == pytest.approx(top / below)
    assert fst(np.zeros(2), np.zeros(2)) == 0


def test_mosaics_copy_the_pool_and_change_at_the_rate():
    rng = np.random.default_rng(0)
    at = np.linspace(0, 1e6, 401)
    pool = np.tile(np.arange(20, dtype=np.uint8)[:, None], (1, 401))  # each has a value of its own
    whole = population.mosaics(pool, at, 50, 0.0, rng)
    assert (whole == whole[:, :1]).all()
    assert len(set(whole[:, 0].tolist())) > 10
    made = population.mosaics(pool, at, 400, 1e-5, rng)
    changes = (np.diff(made.astype(int), axis=1) != 0).sum(axis=1)
    assert changes.mean() == pytest.approx(10 * 19 / 20, rel=0.06)  # one in 20 copies the same
    assert (whole == pool[whole[:, 0]]).all()
    assert population.mosaics(pool[:, :0], at[:0], 3, 1e-5, rng).shape == (3, 0)


def test_linkage_disequilibrium_falls_with_distance():
    rng = np.random.default_rng(4)
    positions = np.sort(rng.choice(300_000, 1500, replace=False))
    genetic = population.genetic_positions(positions, rng)
    assert (np.diff(genetic) >= 0).all()
    assert genetic[-1] - genetic[0] == pytest.approx(300_000, rel=0.05)
    first, _ = population.make_pools(genetic, rng)
    carried = population.people(first, genetic, 300, rng)
    np.testing.assert_allclose(carried.mean(axis=(0, 1)), first.mean(axis=0), atol=0.12)
    dosage = carried.sum(axis=1).astype(float)
    frequency = dosage.mean(axis=0) / 2
    kept = np.minimum(frequency, 1 - frequency) > 0.05
    r2 = np.corrcoef(dosage[:, kept].T) ** 2
    apart = np.abs(positions[kept][:, None] - positions[kept])
    bounds = (1, 2_000, 8_000, 32_000, 128_000, 300_000)
    means = [r2[(apart >= a) & (apart < b)].mean() for a, b in itertools.pairwise(bounds)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.2
    assert means[3] < 0.05
    assert (r2[(apart > 0) & (apart < 5_000)] > 0.9).mean() > 0.02  # proxies
    assert not len(population.genetic_positions(positions[:0], rng))


def test_people_have_the_betas_of_their_own_sequence(landscapes):
    landscape = landscapes["chr2"]
    rngs = np.random.default_rng(1), np.random.default_rng(2)
    contig = make_contig("chr2", landscape, 300, 0, rngs)
    probes = make_probes(contig, landscape.cpgs[::3], 0)
    carried = population.people(contig.pools[0], contig.genetic, 1, np.random.default_rng(3))
    assert carried.any(axis=(0, 1)).sum() > 50
    value = np.zeros((2, len(probes.cpgs)))
    for copy in (0, 1):
        sequence, shift, moves = landscape.indices, 0, []
        for k in np.flatnonzero(carried[0, copy]):
            v = contig.variants[k]
            at = v.pos + shift
            assert decode(sequence[at : at + len(v.ref)]) == v.ref
            parts = sequence[:at], encode(v.alt), sequence[at + len(v.ref) :]
            sequence = np.concatenate(parts)
            shift += len(v.alt) - len(v.ref)
            moves.append((v.pos + len(v.ref), shift))
        own = betas(sequence, BLOOD)
        for k, cpg in enumerate(probes.cpgs.tolist()):
            moved = cpg + next((s for end, s in reversed(moves) if end <= cpg), 0)
            value[copy, k] = own.get(moved, 0.0)
    found = betas_of_people(probes, carried, BLOOD)[0]
    error = np.abs(found - value.mean(axis=0))
    assert np.quantile(error, 0.98) < 1e-3
    assert error.max() < 0.05
    plain = BLOOD.betas(probes.features)
    assert np.abs(found - plain).max() > 0.2  # and variants matter
    assert probes.destroyers


def test_a_person_can_have_factors_of_their_own(landscapes):
    landscape = landscapes["chr2"]
    rngs = np.random.default_rng(1), np.random.default_rng(2)
    contig = make_contig("chr2", landscape, 20, 0, rngs)
    probes = make_probes(contig, landscape.cpgs[::50], 0)
    factors = np.ones((2, len(ALL_MOTIFS)))
    factors[1] = 0.0
    found = betas_of_people(probes, np.zeros((2, 2, 20), np.uint8), BRAIN, factors)
    np.testing.assert_allclose(found[0], BRAIN.betas(probes.features))
    blind = replace(BRAIN, levels={})
    np.testing.assert_allclose(found[1], blind.betas(probes.features))


def test_the_array_and_its_tables_can_be_read(folder, sequences, landscapes):
    manifest = list(csv.DictReader((folder / "array/manifest.csv").read_text().splitlines()))
    assert list(manifest[0]) == ["IlmnID", "Name", "Genome_Build", "CHR", "MAPINFO", "Strand"]
    for row in manifest:
        at = int(row["MAPINFO"]) - 1
        assert decode(sequences[row["CHR"]][at : at + 2]) == "CG"
    total = sum(len(x.cpgs) for x in landscapes.values())
    assert 0.05 < len(manifest) / total < 0.1
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["probes"] == len(manifest)
    assert truth["cpgs"] == total
    island = {c: dict(zip(x.cpgs, x.features[:, 0], strict=True)) for c, x in landscapes.items()}
    share = np.mean([island[r["CHR"]][int(r["MAPINFO"]) - 1] > 0.5 for r in manifest])
    assert share > 1.5 * np.mean([v > 0.5 for x in island.values() for v in x.values()])
    for tissue in (BRAIN, BLOOD):
        (sample,) = read_samples(folder / f"array/{tissue.name}.txt")
        assert (sample.identifier, sample.format, sample.tissue) == (
            tissue.name,
            "array",
            tissue.name,
        )
        rows = table(Path(sample.file))
        assert [r["IlmnID"] for r in rows] == [r["IlmnID"] for r in manifest]
        people = [f"subject{n + 1}" for n in range(SMALL.subjects)]
        assert list(rows[0]) == ["IlmnID", *people]
        text = np.array([[r[p] for p in people] for r in rows])
        assert 0.002 < (text == "NA").mean() < 0.02
        value = np.where(text == "NA", "nan", text).astype(float)
        assert 0 <= np.nanmin(value) < np.nanmax(value) <= 1
        expected = [
            tissue.betas(landscapes[r["CHR"]].features_of(np.array([int(r["MAPINFO"]) - 1]))).item()
            for r in manifest
        ]
        assert np.corrcoef(np.nanmean(value, axis=1), expected)[0, 1] > 0.9  # they have variants
        assert 0.02 < np.nanmedian(np.nanstd(value, axis=1)) < 0.06


def test_the_subjects_genotypes_are_a_vcf(folder):
    with pysam.VariantFile(str(folder / "subjects.vcf.gz")) as handle:
        assert list(handle.header.samples) == [f"subject{n + 1}" for n in range(SMALL.subjects)]
        records = [
            (r.chrom, r.pos, r.id, r.ref, *r.alts, [s["GT"] for s in r.samples.values()])
            for r in handle
        ]
    rows = vcf(folder)
    assert [r[:5] for r in records] == [(r[0], int(r[1]), r[2], r[3], r[4]) for r in rows]
    frequency = np.array([np.mean(r[5]) for r in records])
    known = np.array([float(info(r)["AF"]) for r in rows])
    assert np.corrcoef(frequency, known)[0, 1] > 0.9
    with pysam.VariantFile(str(folder / "subjects.vcf.gz")) as handle:  # by its index
        assert sum(1 for _ in handle.fetch("chr2")) == sum(r[0] == "chr2" for r in rows)


def test_bedmethyl_has_both_strands_and_the_law(folder, sequences, landscapes):
    (sample,) = read_samples(folder / "wgbs/samples.txt")
    assert (sample.format, sample.tissue) == ("bedmethyl", "hippocampus")
    expected = {
        (c, int(p)): b
        for c, x in landscapes.items()
        for p, b in zip(x.cpgs, HIPPOCAMPUS.betas(x.features), strict=True)
    }
    unmappable = read_bed(folder / "unmappable.bed")
    reads = {}
    with gzip.open(sample.file, "rt") as handle:
        for line in handle:
            cells = line.rstrip("\n").split("\t")
            assert len(cells) == 11
            chrom, start, end, strand = cells[0], int(cells[1]), int(cells[2]), cells[5]
            assert end == start + 1
            assert cells[6:8] == cells[1:3]
            cpg = start - (strand == "-")
            n, percent = int(cells[9]), int(cells[10])
            assert n > 0
            assert 0 <= percent <= 100
            reads.setdefault((chrom, cpg), {})[strand] = (n, percent)
    assert set(reads) <= set(expected)
    lost = [k for k in expected if k not in reads]
    for span in unmappable:
        assert not any(c == span.chrom and span.start <= p < span.end for c, p in reads)
    assert 0.02 < len(lost) / len(expected) < 0.12
    assert {"+", "-"} in [set(v) for v in reads.values()]
    coverage = np.array([sum(n for n, _ in v.values()) for v in reads.values()])
    assert coverage.mean() == pytest.approx(20, rel=0.05)
    deep = {k: v for k, v in reads.items() if sum(n for n, _ in v.values()) >= 20}
    share = [
        sum(n * p for n, p in v.values()) / 100 / sum(n for n, _ in v.values())
        for v in deep.values()
    ]
    assert np.corrcoef(share, [expected[k] for k in deep])[0, 1] > 0.96


def test_reads_have_their_distribution():
    rng = np.random.default_rng(0)
    readable = np.arange(40_000) % 10 > 0
    methylated, coverage = draw_reads(np.full(40_000, 0.25), readable, 0.5, rng)
    total = coverage.sum(axis=1)
    assert not total[~readable].any()
    assert 0.03 < (total[readable] == 0).mean() < 0.06
    seen = total[readable & (total > 0)]
    assert seen.mean() == pytest.approx(10, rel=0.03)
    assert seen.var() == pytest.approx(10 + 0.3 * 10**2, rel=0.08)
    assert methylated.sum() / coverage.sum() == pytest.approx(0.25, abs=0.005)
    assert coverage[:, 0].sum() == pytest.approx(coverage[:, 1].sum(), rel=0.02)
    line = bedmethyl_lines(
        "c", np.array([7, 30]), np.array([[1, 0], [2, 5]]), np.array([[3, 0], [2, 2000]])
    )
    assert line.splitlines() == [
        "c\t7\t8\t.\t3\t+\t7\t8\t0,0,0\t3\t33",
        "c\t30\t31\t.\t2\t+\t30\t31\t0,0,0\t2\t100",
        "c\t31\t32\t.\t1000\t-\t31\t32\t0,0,0\t2000\t0",
    ]


def test_regressions_are_those_of_one_variable():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (4, 30)).astype(float)
    y = 0.4 * x[1] + rng.standard_normal(30)
    slope, error, p = regressions(x, y)
    for k in range(4):
        wanted = linregress(x[k], y)
        assert slope[k] == pytest.approx(wanted.slope)
        assert error[k] == pytest.approx(wanted.stderr)
        assert p[k] == pytest.approx(wanted.pvalue)


def test_mqtls_have_causes_and_proxies(folder, landscapes):
    rows = table(folder / "mqtl.tsv")
    effect = {r["id"]: r for r in table(folder / "effects.tsv")}
    order = [(r["CHR"], int(r["POS"])) for r in rows]
    assert order == sorted(order)
    for r in rows:
        assert abs(int(r["CPG_POS"]) - int(r["POS"])) <= 20_000
        assert (r["A1"], r["A2"]) == (effect[r["SNP"]]["alt"], effect[r["SNP"]]["ref"])
        if r["CAUSAL"] == "1" and r["DESTROYED"] == "0":
            assert float(effect[r["SNP"]][f"{r['TISSUE']}_max"]) > 0.02
            assert abs(int(r["CPG_POS"]) - int(r["POS"])) <= REACH
        if r["DESTROYED"] == "1":
            assert int(effect[r["SNP"]]["destroyed"])
    for tissue in ("brain", "blood"):
        mine = [r for r in rows if r["TISSUE"] == tissue]
        hit = [r for r in mine if float(r["FDR"]) < 0.05]
        names = {r["SNP"] for r in hit}
        controls = [r["SNP"] for r in mine if r["SNP"] not in names]
        assert len(controls) == len(set(controls)) > 0.2 * len(effect)  # its best pair only
        assert len(names) > 20
        assert {r["CAUSAL"] for r in hit} == {"0", "1"}
    landscape = landscapes["chr1"]
    for r in [r for r in rows if r["CHR"] == "chr1" and r["CAUSAL"] == "1"][:8]:
        tissue = BRAIN if r["TISSUE"] == "brain" else BLOOD
        row = effect[r["SNP"]]
        found = [Variant(int(row["pos"]) - 1, row["ref"], row["alt"], "")]
        (one,) = effects(landscape, found)
        cpg = int(r["CPG_POS"]) - 1
        before = landscape.features_of(np.array([cpg]))
        change = -1.0
        if r["DESTROYED"] == "0":
            after = before + one.delta[one.cpgs == cpg]
            change = (tissue.betas(after) - tissue.betas(before)).item()
        assert abs(change) > 0.02
        if float(r["P"]) < 1e-6:
            assert np.sign(float(r["BETA"])) == np.sign(change)


def test_written_mqtls_are_the_significant_pairs_and_each_other_variants_best(landscapes):
    landscape = landscapes["chr2"]
    rngs = np.random.default_rng(1), np.random.default_rng(2)
    contig = make_contig("chr2", landscape, 250, 1000, rngs)
    probes = make_probes(contig, landscape.cpgs[::12], 0)
    carried = population.people(contig.pools[0], contig.genetic, 60, np.random.default_rng(3))
    found = associate(contig, probes, carried, BRAIN, np.random.default_rng(4))
    frequency = carried.mean(axis=(0, 1))
    wanted = {
        (v, k)
        for v, position in enumerate(contig.positions.tolist())
        for k, cpg in enumerate(probes.cpgs.tolist())
        if abs(cpg - position) <= 20_000 and 0.02 <= frequency[v] <= 0.98
    }
    assert set(zip(found.variant.tolist(), found.probe.tolist(), strict=True)) == wanted
    p, count = found.p, len(found.p)
    order = np.argsort(p)
    rate, least = np.empty(count), 1.0
    for rank in range(count, 0, -1):  # Benjamini and Hochberg, written down
        least = min(least, p[order[rank - 1]] * count / rank)
        rate[order[rank - 1]] = least
    best = {}
    for j in range(count):
        v = int(found.variant[j])
        best[v] = j if v not in best or p[j] < p[best[v]] else best[v]
    hit = {int(found.variant[j]) for j in np.flatnonzero(rate < 0.05)}
    rows = {j for j in range(count) if rate[j] < 0.05} | {
        j for v, j in best.items() if v not in hit
    }
    assert 0 < len(hit) < len(best)
    lines = [x.split("\t") for *_, x in mqtl_lines([contig], [probes], [found], BRAIN)]
    assert {(x[0], int(x[5])) for x in lines} == {
        (f"sim{1000 + found.variant[j]}", int(probes.cpgs[found.probe[j]]) + 1) for j in rows
    }
    assert len(lines) == len(rows)
    fdr = {(x[0], int(x[5])): float(x[10]) for x in lines}
    for j in rows:
        key = f"sim{1000 + found.variant[j]}", int(probes.cpgs[found.probe[j]]) + 1
        assert fdr[key] == pytest.approx(rate[j], rel=1e-5)


def test_cohorts_are_plink_files_of_their_ancestry(folder):
    rows = vcf(folder)
    sizes = {"discovery": SMALL.discovery, "target": SMALL.target, "other": SMALL.other}
    for name, count in sizes.items():
        with open_bed(folder / f"cohort/{name}.bed", num_threads=1) as bed:
            value = bed.read(dtype="int8")
            assert bed.sid.tolist() == [r[2] for r in rows]
            assert bed.chromosome.tolist() == [r[0] for r in rows]
            assert bed.bp_position.tolist() == [int(r[1]) for r in rows]
            assert bed.allele_1.tolist() == [r[4] for r in rows]
            assert bed.allele_2.tolist() == [r[3] for r in rows]
            ids = bed.iid.tolist()
        assert value.shape == (count, len(rows))
        assert set(np.unique(value)) == {0, 1, 2}
        people = table(folder / f"cohort/{name}.pheno")
        assert list(people[0]) == ["FID", "IID", "PHENO"]
        assert [r["IID"] for r in people] == ids == [f"{name}{n + 1}" for n in range(count)]
        own, foreign = ("AF_SECOND", "AF") if name == "other" else ("AF", "AF_SECOND")
        gap = [
            np.abs(value.mean(axis=0) / 2 - [float(info(r)[k]) for r in rows]).mean()
            for k in (own, foreign)
        ]
        assert gap[0] < 0.6 * gap[1]


def test_the_trait_acts_through_methylation_in_the_brain(folder):
    truth = json.loads((folder / "truth.json").read_text())["trait"]
    effect = {r["id"]: float(r["brain_diff"] or 0) for r in table(folder / "effects.tsv")}
    causal = truth["causal"]
    assert len(causal) == SMALL.causal == 2
    for name, size in causal.items():
        assert abs(size) == pytest.approx(truth["per_beta"] * abs(effect[name]), rel=1e-4)
    with open_bed(folder / "cohort/discovery.bed", num_threads=1) as bed:
        value, names = bed.read(dtype="float64"), bed.sid.tolist()
    trait = np.array([float(r["PHENO"]) for r in table(folder / "cohort/discovery.pheno")])
    genetic = sum(size * value[:, names.index(name)] for name, size in causal.items())
    assert genetic.var() == pytest.approx(SMALL.heritability, rel=1e-6)
    assert np.corrcoef(trait, genetic)[0, 1] ** 2 == pytest.approx(0.35, abs=0.06)
    assert truth["heritability"]["discovery"] == pytest.approx(genetic.var() / trait.var())
    rows = table(folder / "gwas.tsv.gz")
    assert list(rows[0]) == ["SNP", "CHR", "POS", "A1", "A2", "FRQ", "BETA", "SE", "P", "N"]
    z = {r["SNP"]: float(r["BETA"]) / float(r["SE"]) for r in rows}
    for name, size in causal.items():
        explained = size * value[:, names.index(name)].std()
        assert z[name] == pytest.approx(
            explained * np.sqrt(SMALL.discovery / (1 - explained**2)), abs=4
        )
    assert max(abs(z[name]) for name in causal) > 10
    assert np.median(np.abs(list(z.values()))) < 2.5
    for row in rows[::120]:
        column = value[:, names.index(row["SNP"])]
        wanted = linregress(column, trait)
        assert float(row["BETA"]) == pytest.approx(wanted.slope, rel=1e-4)
        assert float(row["SE"]) == pytest.approx(wanted.stderr, rel=1e-4)
        assert float(row["P"]) == pytest.approx(wanted.pvalue, rel=1e-3)
        assert float(row["FRQ"]) == pytest.approx(column.mean() / 2, rel=1e-4)
        assert row["N"] == str(SMALL.discovery)
    loci = table(folder / "loci.tsv")
    assert loci
    assert {c for r in loci for c in r["CAUSAL"].split(",")} <= set(causal)
    sets = table(folder / "credible.tsv")
    for locus in loci:
        (lead,) = [r for r in rows if r["SNP"] == locus["LEAD"]]
        assert float(lead["P"]) < 5e-8
        assert int(lead["POS"]) - int(locus["START"]) == 25_000 or locus["START"] == "1"
        members = [r for r in sets if r["LOCUS"] == locus["LOCUS"]]
        assert {r["CHR"] for r in members} == {locus["CHR"]}
        assert all(int(locus["START"]) <= int(r["POS"]) <= int(locus["END"]) for r in members)
        pip = [float(r["PIP"]) for r in members]
        assert pip == sorted(pip, reverse=True)
        assert 0.99 <= sum(pip) <= 1.000001
        assert sum(pip[:-1]) < 0.99
        causes = locus["CAUSAL"].split(",")
        assert [c for c in causes if c in {r["SNP"] for r in members}]


def test_posteriors_are_wakefields():
    beta, error = np.array([0.2, 0.1, 0.0]), np.array([0.04, 0.05, 0.03])
    factor = []
    for b, s in zip(beta, error, strict=True):
        shrink = 0.15**2 / (s**2 + 0.15**2)
        factor.append(np.sqrt(1 - shrink) * np.exp((b / s) ** 2 / 2 * shrink))
    np.testing.assert_allclose(posteriors(beta, error), np.array(factor) / sum(factor))
    assert posteriors(np.array([40.0, 0.0]), np.array([0.1, 0.1])).tolist() == [1.0, 0.0]


def test_credible_sets_are_the_fewest_that_suffice():
    members = np.arange(4)
    locus = Locus(0, 0, 10, 1, members, np.array([0.1, 0.7, 0.195, 0.005]))
    assert locus.credible().tolist() == [1, 2, 0]
    sure = replace(locus, pip=np.array([0.0, 0.995, 0.005, 0.0]))
    assert sure.credible().tolist() == [1]


def test_leads_are_apart_and_not_linked():
    positions = np.array([10_000, 40_000, 90_000, 200_000, 330_000, 10_000])
    chroms = np.array([0, 0, 0, 0, 0, 1])
    p = np.array([1e-40, 1e-20, 1e-12, 1e-10, 1e-9, 1e-3])
    gwas = Gwas(np.arange(6), np.full(6, 0.3), np.full(6, 0.1), np.full(6, 0.01), p)
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((6, 5_000))
    columns[3] = columns[0] + columns[3]  # r² of a half: a shadow of the first
    columns[4] = columns[0]  # so is this, but too far away to be suspected
    loci = find_loci(gwas, chroms, positions, [1_000_000, 50_000], lambda k: columns[k])
    assert [x.lead for x in loci] == [0, 2, 4]  # 1 lies within 50 kb of 0
    assert [(x.start, x.end) for x in loci] == [
        (0, 35_001),
        (65_000, 115_001),
        (305_000, 355_001),
    ]
    assert [x.members.tolist() for x in loci] == [[0], [2], [4]]
    none = find_loci(replace(gwas, p=np.ones(6)), chroms, positions, [1, 1], lambda k: columns[k])
    assert none == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"length": 40_000}, "want 10000 or more"),
        ({"depth": 0.0}, "depth is 0.0, want a positive number"),
        ({"subjects": 0}, "subjects is 0"),
        ({"other": -1}, "other is -1"),
        ({"mqtl_people": 9}, "mqtl_people is 9, want 10 people or more"),
        ({"discovery": 1}, "discovery is 1, want 10 people or more"),
        ({"heritability": 1.0}, "heritability is 1.0, want it between 0 and 1"),
        ({"variants": -3}, "variants is -3"),
    ],
)
def test_wrong_settings_are_refused(wrong, text):
    with pytest.raises(ConfigError, match=text):
        MethylationSimulation(**wrong)


def test_no_variants_at_all(tmp_path):
    simulate(tmp_path, replace(TINY, variants=0), quiet=True)
    assert not table(tmp_path / "effects.tsv")
    assert not table(tmp_path / "mqtl.tsv")
    assert not table(tmp_path / "gwas.tsv.gz")
    assert len((tmp_path / "cohort/target.bed").read_bytes()) == 3


def test_the_command_has_a_mode_for_methylation(run_script, tmp_path):
    small = ("-q", "--methylation", "--length", 60_000, "--chromosomes", 2, "--variants", 20)
    done = run_script("tfepi_simulate.py", "-o", tmp_path / "out", "--subjects", 3, *small)
    assert done.stdout.startswith("59999 bp, 3 tissues in ")
    (first, *_) = table(tmp_path / "out/array/betas_brain.tsv.gz")
    assert list(first) == ["IlmnID", "subject1", "subject2", "subject3"]
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["outcome"] == "finished"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--methylation", "--tracks", 5), "--tracks is 5, but this kind of simulation has no"),
        (("--subjects", 5), "--subjects is 5, but this kind of simulation has no subjects"),
        (("--methylation", "--subjects", 0), "subjects is 0, want a positive number"),
    ],
)
def test_options_of_another_mode_are_refused(run_script, tmp_path, options, text):
    done = run_script("tfepi_simulate.py", "-o", tmp_path / "out", *options, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert text in done.stderr
    assert not (tmp_path / "out").exists()
