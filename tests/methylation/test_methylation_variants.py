"""Scores against plain scoring, one window at a time, by operations on text."""

import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest

from tfepi.methylation import variant_tables

TASKS = ("brain", "blood", "saliva")


def best_of(effects):
    """Return the first of the largest |diff|: number, NaN if there are none."""
    sizes = [abs(e) for e in effects]
    return sizes.index(max(sizes)) if sizes else None


def expected(toy, letters, pairs, reach, compared="kept"):
    """Rows of the tables by plain scoring: summary per row, and every pair."""
    counts = {"kept": ("kept",), "all": ("kept", "destroyed", "created")}[compared]
    rows, long = [], []
    for chrom, pos, identifier, ref, alt in pairs:
        row = {"chrom": chrom, "pos": pos, "id": identifier, "ref": ref, "alt": alt}
        cpgs = toy.plain_cpgs(letters[chrom], pos, ref, alt, reach)
        for c in cpgs:
            c["pred"] = [toy.predicted(w) for w in c["windows"]]
            long.append(row | c)
        used = [c for c in cpgs if c["kind"] in counts]
        for kind, name in (("kept", "cpgs"), ("created", "created"), ("destroyed", "destroyed")):
            row[name] = sum(c["kind"] == kind for c in cpgs)
        for t, task in enumerate(TASKS):
            diffs = [c["pred"][1][t] - c["pred"][0][t] for c in used]
            best = best_of(diffs)
            row[f"{task}_score"] = math.nan if best is None else abs(diffs[best])
            row[f"{task}_diff"] = math.nan if best is None else diffs[best]
            row[f"{task}_cpg"] = math.nan if best is None else used[best]["cpg"]
        scores = [row[f"{task}_score"] for task in TASKS]
        row["score"] = max(scores) if used else math.nan
        top = TASKS[scores.index(row["score"])] if used else None
        row["score_task"] = top
        for name in ("cpg", "diff"):
            row[f"score_{name}"] = row[f"{top}_{name}"] if used else math.nan
        for kind, side in (("created", 1), ("destroyed", 0)):
            of = [c for c in cpgs if c["kind"] == kind]
            values = [c["pred"][side].max() for c in of]
            row[f"{kind}_max"] = max(values) if of else math.nan
            row[f"{kind}_cpg"] = of[values.index(max(values))]["cpg"] if of else math.nan
        rows.append(row)
    return rows, long


def compare(table: pd.DataFrame, rows: list[dict]):
    assert len(table) == len(rows)
    for name in rows[0]:
        found, wanted = table[name].tolist(), [r[name] for r in rows]
        if isinstance(wanted[0], str) or name == "score_task":
            assert [None if pd.isna(v) else v for v in found] == wanted, name
        else:
            np.testing.assert_allclose(
                np.array(found, float), np.array(wanted, float), atol=2e-7, err_msg=name
            )


@pytest.mark.parametrize(("compared", "reach"), [("kept", 20), ("all", 20), ("kept", 7)])
def test_scores_equal_plain_scoring(score, cpg_toy, cpg_letters, cpg_pairs, compared, reach):
    folder = score(compared=compared, reach=reach, pairs=True)
    rows, long = expected(cpg_toy, cpg_letters, cpg_pairs, reach, compared)
    table = pd.read_parquet(folder / "variants.parquet")
    compare(table, rows)
    for name, least in (("created", 20), ("destroyed", 20), ("cpgs", 90)):
        assert (table[name] > 0).sum() >= least, name
    same = table["score_alt"] - table["score_ref"]
    np.testing.assert_allclose(table["score_diff"], same, atol=1e-7)
    text = pd.read_csv(folder / "variants.tsv.gz", sep="\t")
    assert list(text.columns) == list(table.columns)
    for name in text:
        if text[name].dtype.kind == "f":
            found = text[name].to_numpy(np.float32)
            assert np.array_equal(found, table[name].to_numpy(np.float32), equal_nan=True), name
        elif name != "score_task":
            assert text[name].tolist() == table[name].tolist(), name
    pairs = pd.read_parquet(folder / "pairs.parquet")
    assert pairs["kind"].tolist() == [p["kind"] for p in long]
    assert pairs["cpg"].tolist() == [p["cpg"] for p in long]
    assert pairs["id"].tolist() == [p["id"] for p in long]
    assert pairs["alt"].tolist() == [p["alt"] for p in long]
    for t, task in enumerate(TASKS):
        for side, lacking in (("ref", "created"), ("alt", "destroyed")):
            wanted = [p["pred"][side == "alt"][t] for p in long]
            if compared == "kept":
                gone = [p["kind"] == lacking for p in long]
                wanted = np.where(gone, math.nan, wanted)
            np.testing.assert_allclose(pairs[f"{task}_{side}"], wanted, atol=2e-7)
        wanted = pairs[f"{task}_alt"] - pairs[f"{task}_ref"]
        np.testing.assert_allclose(pairs[f"{task}_diff"], wanted, atol=1e-7)


def test_original_equals_the_published_programs(score, cpg_toy, cpg_letters, cpg_pairs):
    records = [p for p in cpg_pairs if p[0] == "chrA"]
    snps = [(p, r, a) for _, p, _, r, a in records if len(r) == len(a) == 1]
    wanted = cpg_toy.published(cpg_letters["chrA"], list(dict.fromkeys(snps)))
    folder = score(records=records, compared="original")
    found = pd.read_csv(folder / "original.tsv.gz", sep="\t")
    assert list(found.columns) == [
        "task", "chr", "cpg_pos", "snp_pos", "ref", "ref_pred", "alt", "alt_pred", "abs_diff",
    ]  # fmt: skip
    assert any(snp < 21 for snp, *_ in snps)
    seen = set()
    for row in found.itertuples():
        if len([s for s in snps if s[0] == row.snp_pos]) > 1:
            continue  # the published programs keep one variant per name
        old = wanted[row.snp_pos, row.task]
        assert (row.cpg_pos, row.snp_pos, row.ref, row.alt) == (old[0], old[1], old[2], old[4])
        np.testing.assert_allclose(
            [row.ref_pred, row.alt_pred, row.abs_diff], [old[3], old[5], old[6]], atol=2e-7
        )
        seen.add((row.snp_pos, row.task))
    assert len(seen) > 100
    skipped = pd.read_csv(folder / "skipped.tsv", sep="\t")
    assert len(skipped) == sum(len(r) != 1 or len(a) != 1 for *_, r, a in records)
    assert skipped["reason"].str.contains("--original scores such variants alone").all()


def test_both_strands_are_averaged(score, cpg_toy, cpg_letters, cpg_pairs):
    """The other strand's window is moved right by one base, so that a C is in its middle too."""
    other = str.maketrans("ACGT", "TGCA")
    some = [p for p in cpg_pairs if p[0] == "chrB"]
    pairs = pd.read_parquet(score(records=some, rc=True, pairs=True) / "pairs.parquet")
    kept = pairs[pairs["kind"] == "kept"]
    plain = [
        c for _, p, _, r, a in some for c in cpg_toy.plain_cpgs(cpg_letters["chrB"], p, r, a, 20)
    ]
    plain = [c["windows"] for c in plain if c["kind"] == "kept"]
    assert len(plain) == len(kept) > 10
    for side, name in enumerate(("ref", "alt")):
        for found, windows in zip(kept[f"brain_{name}"], plain, strict=True):
            turned = "N" + windows[side].translate(other)[::-1][:-1]
            assert turned[20:22] == "CG"
            wanted = (cpg_toy.predicted(windows[side]) + cpg_toy.predicted(turned)) / 2
            assert found == pytest.approx(wanted[0], abs=2e-7)


def test_variants_without_cpg_are_listed_and_not_scored(score, cpg_letters, cpg_pairs):
    folder = score()
    table = pd.read_parquet(folder / "variants.parquet")
    lonely = table[table["cpgs"] == 0]
    assert "chrC" in set(lonely["chrom"])
    assert len(lonely) >= 3
    numbers = [c for c in table if c.startswith("score") or c.split("_")[0] in TASKS]
    assert lonely[numbers].isna().all(axis=None)
    assert table[table["cpgs"] > 0]["score"].notna().all()
    listed = pd.read_csv(folder / "no_cpg.tsv", sep="\t")
    assert listed["id"].tolist() == lonely["id"].tolist()
    assert listed["created"].tolist() == lonely["created"].tolist()
    assert pq.read_schema(folder / "variants.parquet").metadata[b"format_version"] == b"1"


def test_annotated_vcf(score, cpg_rows):
    folder = score()
    table = pd.read_parquet(folder / "variants.parquet")
    row = 0
    with pysam.VariantFile(str(folder / "variants.vcf.gz")) as file:
        assert file.header.info["MRV_SCORE"].number == "A"
        for record, (chrom, pos, identifier, ref, alts) in zip(file, cpg_rows, strict=True):
            assert (record.chrom, record.pos, record.id, record.ref) == (
                chrom,
                pos,
                identifier,
                ref,
            )
            assert record.alts == tuple(alts.split(","))
            assert record.info["DP"] == 7
            for i in range(len(record.alts)):
                wanted = table.iloc[row]
                assert record.info["MRV_CPGS"][i] == wanted["cpgs"]
                assert record.info["MRV_CREATED"][i] == wanted["created"]
                assert record.info["MRV_DESTROYED"][i] == wanted["destroyed"]
                if wanted["cpgs"]:
                    assert record.info["MRV_SCORE"][i] == pytest.approx(wanted["score"], rel=1e-5)
                    assert record.info["MRV_DIFF"][i] == pytest.approx(
                        wanted["score_diff"], rel=1e-5
                    )
                    assert record.info["MRV_TASK"][i] == wanted["score_task"]
                    assert record.info["MRV_CPG"][i] == wanted["score_cpg"]
                else:
                    assert record.info["MRV_SCORE"][i] is None
                row += 1
        assert row == len(table)
        assert [r.pos for r in file.fetch("chrB", 25, 31)] == [30, 31]


def test_bed_graph_has_the_largest_score_of_each_position(score, cpg_rows, monkeypatch):
    monkeypatch.setattr(variant_tables, "_ROWS_AT_ONCE", 2)
    records = [r for r in cpg_rows if r[0] != "chrA" or 290 < r[1] < 420]
    folder = score(records=records, chunk_records=1)  # one position's records in several parts
    table = pd.read_parquet(folder / "variants.parquet").dropna(subset="score")
    wanted = table.groupby(["chrom", "pos"], sort=False)["score"].max()
    names = ["chrom", "start", "end", "score"]
    found = pd.read_csv(folder / "variants.bedGraph.gz", sep="\t", names=names)
    assert list(zip(found["chrom"], found["end"], strict=True)) == wanted.index.tolist()
    assert (found["end"] - found["start"] == 1).all()
    assert np.array_equal(found["score"].to_numpy(np.float32), wanted.to_numpy())
    assert len(table) > len(found)


def test_tasks_by_name(score, cpg_toy, cpg_model):
    whole = pd.read_parquet(score("a") / "variants.parquet")
    targets = cpg_model.spec.heads[0].targets
    some = pd.read_parquet(score("b", targets=[targets[2], targets[0]]) / "variants.parquet")
    assert [c for c in some if c.endswith("_score")] == ["saliva_score", "brain_score"]
    for column in ("saliva_cpg", "brain_diff", "cpgs", "created"):
        pd.testing.assert_series_equal(some[column], whole[column])


def test_swapped_record_is_scored_as_named(score, cpg_letters):
    held = cpg_letters["chrA"][199]
    other = "A" if held != "A" else "T"
    named = pd.read_parquet(score("a", [("chrA", 200, "x", held, other)]) / "variants.parquet")
    swapped = [("chrA", 200, "x", other, held)]
    found = pd.read_parquet(score("b", swapped, ref_policy="swap") / "variants.parquet")
    assert found["score"][0] == named["score"][0]
    assert found["score_diff"][0] == -named["score_diff"][0]
    assert found["score_cpg"][0] == named["score_cpg"][0]


def test_swapped_insertion_keeps_the_genome_s_positions(score, cpg_letters, cpg_toy):
    """The genome holds the ALT, four bases longer than REF: CpGs behind it stay where they are."""
    held = cpg_letters["chrA"][399:404]
    short = pd.read_parquet(
        score("a", [("chrA", 400, "x", "ACGT"[("ACGT".index(held[0]) + 1) % 4], held)],
              ref_policy="swap", pairs=True) / "pairs.parquet"
    )  # fmt: skip
    positions = short[short["kind"] == "kept"]["cpg"].tolist()
    assert any(p > 404 for p in positions)
    assert all(cpg_letters["chrA"][p - 1 : p + 1] == "CG" for p in positions)
