"""Laying scores over a study: ranks, loci and enrichment against plain versions and scipy."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats.contingency import odds_ratio
from sklearn.metrics import roc_auc_score

from tfepi.association.joining import positions
from tfepi.evaluation.controls import cells, draw_controls
from tfepi.methylation import candidates, overlay_arguments
from tfepi.methylation.candidates import posterior
from tfepi.methylation.enrichment import (
    Comparison,
    enrichment,
    odds,
    significant,
    strongest,
)
from tfepi.methylation.loci import bed_loci, credible_loci, lead_loci, minus_log10_p
from tfepi.methylation.overlay import Settings, Study, overlay
from tfepi.methylation.score_prior import prior_weight
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.intervals import Interval

LENGTH = 150_000
LEADS = (("1", 30_000), ("1", 110_000), ("2", 60_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of 3,000 variants on two chromosomes with three loci; scores follow mQTLs."""
    path = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(5)
    genome = {f"chr{c}": rng.choice(list("ACGT"), LENGTH) for c in (1, 2)}
    with open(path / "genome.fa", "w") as handle:
        for name, bases in genome.items():
            handle.write(f">{name}\n{''.join(bases)}\n")
    place = np.sort(rng.choice(LENGTH - 400, (2, 1500), axis=1, replace=False) + 200, axis=1)
    table = pd.DataFrame({"chrom": np.repeat(["chr1", "chr2"], 1500), "pos": place.ravel() + 1})
    ref = [genome[c][p - 1] for c, p in zip(table["chrom"], table["pos"], strict=True)]
    table = table.assign(id=[f"rs{i}" for i in range(3000)], ref=ref)
    table["alt"] = ["ACGT"[("ACGT".index(r) + 1) % 4] for r in ref]
    table["cpgs"] = rng.poisson(6, 3000)
    table["brain_score"] = rng.gamma(0.5, 0.05, 3000)
    table["blood_score"] = rng.gamma(0.5, 0.05, 3000)
    table["score"] = table[["brain_score", "blood_score"]].max(axis=1)
    table["score_task"] = np.where(table["brain_score"] > table["blood_score"], "brain", "blood")
    table["score_cpg"], table["score_diff"] = table["pos"] + 7, -table["score"]
    table.loc[table["cpgs"] == 0, table.columns.str.startswith(("score", "brain", "blood"))] = None
    table.to_parquet(path / "variants.parquet")

    swap = rng.random(3000) < 0.5
    gwas = pd.DataFrame({"SNP": table["id"], "CHR": table["chrom"].str[3:], "POS": table["pos"]})
    gwas["A1"] = np.where(swap, table["ref"], table["alt"])
    gwas["A2"] = np.where(swap, table["alt"], table["ref"])
    effect = rng.normal(0, 0.01, 3000)
    leads = []
    for chrom, at in LEADS:
        distance = np.where(gwas["CHR"] == chrom, abs(gwas["POS"] - at), 10**9)
        effect += 0.08 * np.exp(-distance / 1500) * (distance < 8000)
        leads.append(int(np.argmin(distance)))
    gwas["FRQ"] = np.where(swap, 0.8, 0.2)
    gwas["BETA"], gwas["SE"] = np.where(swap, -effect, effect), 0.01
    gwas["P"] = 2 * norm.sf(np.abs(effect) / 0.01)
    gwas.to_csv(path / "gwas.tsv.gz", sep="\t", index=False)

    rows = []
    for name, lead in zip("abc", leads, strict=True):
        near = np.arange(lead - 5, lead + 5)
        pip = rng.dirichlet(np.ones(10))
        rows += [
            ("L" + name, *gwas.loc[i, ["SNP", "CHR", "POS"]], p)
            for i, p in zip(near, pip, strict=True)
        ]
    rows.append(("La", "rsNew", "1", LEADS[0][1] + 1, 0.01))
    names = ["LOCUS", "SNP", "CHR", "POS", "PIP"]
    pd.DataFrame(rows, columns=names).to_csv(path / "credible.tsv", sep="\t", index=False)

    mqtls = []
    for tissue in ("brain", "blood"):
        score = table[f"{tissue}_score"].fillna(0).to_numpy()
        chosen = rng.choice(3000, 150, replace=False, p=(score + 0.01) / (score + 0.01).sum())
        mqtls += [(*gwas.loc[i, ["SNP", "CHR", "POS", "A1", "A2"]], 0.01, tissue) for i in chosen]
        mqtls += [(*gwas.loc[i, ["SNP", "CHR", "POS", "A1", "A2"]], 0.4, tissue) for i in range(40)]
    names = ["SNP", "CHR", "POS", "A1", "A2", "FDR", "TISSUE"]
    pd.DataFrame(mqtls, columns=names).to_csv(path / "mqtl.tsv", sep="\t", index=False)
    return path


def study(folder, **changes):
    names = {"gwas": "gwas.tsv.gz", "credible": "credible.tsv", "mqtl": "mqtl.tsv"}
    names |= {"fasta": "genome.fa"} | changes
    given = {k: None if v is None else str(folder / v) for k, v in names.items()}
    return Study(str(folder), **given)


SMALL = Settings(window=5000, comparison=Comparison(5, resamples=40, seed=1))


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "overlay"
    return overlay(study(folder), out, SMALL, quiet=True), out


def read(path):
    return pd.read_csv(path, sep="\t")


def test_candidates_of_credible_sets(folder, done):
    summary, out = done
    found = read(out / "candidates.tsv")
    assert list(found) == list(candidates.COLUMNS)
    credible, gwas = read(folder / "credible.tsv"), read(folder / "gwas.tsv.gz").set_index("SNP")
    scores = pd.read_parquet(folder / "variants.parquet").set_index("id")
    assert len(found) == len(credible) == summary["candidates"] == 31
    for locus, rows in found.groupby("locus"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["posterior"].is_monotonic_decreasing
        given = credible[credible["LOCUS"] == locus].set_index("SNP")["PIP"]
        np.testing.assert_allclose(given[rows["variant"]], rows["pip"], rtol=1e-5)
        weight = prior_weight(rows["quantile"].to_numpy())
        expected = rows["pip"] * weight
        expected *= rows["pip"].sum() / expected.sum()
        np.testing.assert_allclose(rows["posterior"], expected, rtol=1e-4)
        best = rows["score"].rank(ascending=False, method="min")
        np.testing.assert_array_equal(rows["rank_score"], best)
    known = found[found["variant"] != "rsNew"].set_index("variant")
    np.testing.assert_allclose(known["p"], gwas.loc[known.index, "P"], rtol=1e-5)
    flipped = gwas.loc[known.index, "A1"] == scores.loc[known.index, "ref"]
    beta = gwas.loc[known.index, "BETA"] * np.where(flipped, -1, 1)
    np.testing.assert_allclose(known["beta"], beta, rtol=1e-4)
    np.testing.assert_allclose(known["frq"], 0.2, rtol=1e-5)
    for name in ("score", "score_cpg", "score_diff", "cpgs"):
        np.testing.assert_allclose(known[name], scores.loc[known.index, name], rtol=1e-4)
    new = found[found["variant"] == "rsNew"].iloc[0]
    assert np.isnan(new["score"])
    assert np.isnan(new["p"])
    assert new["pip"] == 0.01


def test_quantiles_are_among_matched_variants(folder, done):
    summary, out = done
    assert summary["matched_on"] == {
        "distance to the nearest CpG": 2,
        "CpGs in reach": 2,
        "minor allele frequency": 1,
    }
    found = read(out / "candidates.tsv").dropna(subset="quantile")
    assert found["matched"].between(50, 1600).all()
    all_scores = pd.read_parquet(folder / "variants.parquet")["score"].dropna().to_numpy()
    plain = (all_scores[None] < found["score"].to_numpy()[:, None]).mean(axis=1)
    assert np.abs(plain - found["quantile"]).max() < 0.1  # scores do not depend on the place here


def test_loci_table(folder, done):
    _, out = done
    found = read(out / "loci.tsv").set_index("locus")
    assert found["members"].tolist() == [11, 10, 10]
    assert found["members_scored"].tolist() == [10, 10, 10]
    assert found["members_in_gwas"].tolist() == [10, 10, 10]
    credible = read(folder / "credible.tsv")
    span = credible[credible["LOCUS"] == "La"]["POS"]
    assert found.loc["La", "start"] == span.min() - 5000
    assert found.loc["La", "end"] == span.max() + 5000
    gwas = read(folder / "gwas.tsv.gz")
    inside = gwas[(gwas["CHR"] == 1) & gwas["POS"].between(*found.loc["La", ["start", "end"]])]
    assert found.loc["La", "gwas"] == len(inside)
    assert found.loc["La", "lead"] == inside["SNP"][inside["P"].idxmin()]
    best = read(out / "candidates.tsv")
    assert found["top"].tolist() == best[best["rank"] == 1]["variant"].tolist()


def test_enrichment_finds_the_tissue(done):
    summary, out = done
    rows = pd.DataFrame(summary["enrichment"])
    auroc = rows[rows["statistic"] == "auroc"].set_index(["tissue", "score"])
    assert (auroc["value"] > 0.55).all()
    for tissue in ("brain", "blood"):
        own = auroc.loc[(tissue, f"{tissue}_score")]
        assert own["low"] > 0.5
        assert own["value"] > auroc.loc[(tissue, "score"), "value"]
    assert len(rows) == 2 * 2 * 4
    assert (rows["cases"] + rows["unmatched"] == 150).all()
    assert summary["mqtls"] == "FDR up to 0.05, all variants, as the table lacks CPG_POS or P"
    assert len(read(out / "enrichment.tsv")) == 16
    again = json.loads((out / "overlay.json").read_text())
    assert again["format"] == "tfepi-overlay"
    assert again["joined"]["mqtl"]["matched"] == 300


def test_same_seed_same_bytes_and_resume(folder, done, tmp_path):
    _, out = done
    overlay(study(folder), tmp_path / "o", SMALL, quiet=True)
    for name in ("candidates.tsv", "loci.tsv", "enrichment.tsv", "overlay.json"):
        assert (tmp_path / "o" / name).read_bytes() == (out / name).read_bytes()
    assert overlay(study(folder), out, SMALL, resume=True) == json.loads(
        (out / "overlay.json").read_text()
    )
    with pytest.raises(UnfinishedError, match="has results"):
        overlay(study(folder), out, SMALL)
    with pytest.raises(UnfinishedError, match="window, comparison changed"):
        overlay(study(folder), out, Settings(window=7), resume=True)


def test_loci_around_leads(folder, tmp_path):
    drawn = []
    summary = overlay(
        study(folder, credible=None, mqtl=None, fasta=None),
        tmp_path / "o",
        Settings(window=20_000),
        quiet=True,
        draw=lambda found, out: drawn.append(found),
    )
    found = read(tmp_path / "o" / "loci.tsv")
    assert summary["loci"] == 3
    assert set(zip(found["chrom"], np.round(found["lead_pos"], -3), strict=True)) == {
        (f"chr{c}", p) for c, p in LEADS
    }
    assert found["lead_p"].is_monotonic_increasing
    assert found["members"].isna().all()
    rows = read(tmp_path / "o" / "candidates.tsv")
    gwas = read(folder / "gwas.tsv.gz").set_index("SNP")
    for _, locus in rows.groupby("locus"):
        pip = candidates.single_causal_pip(*gwas.loc[locus["variant"], ["BETA", "SE"]].to_numpy().T)
        np.testing.assert_allclose(locus["pip"], pip, rtol=1e-4, atol=1e-12)
        assert locus["pip"].sum() == pytest.approx(1, abs=1e-4)
    assert [locus.name for locus in drawn[0].loci] == found["locus"].tolist()
    assert summary["matched_on"] == {"CpGs in reach": 3, "minor allele frequency": 1}


def test_loci_of_a_bed_take_the_credible_variants_in_them(folder, tmp_path):
    (tmp_path / "l.bed").write_text(
        f"chr1\t25000\t35000\thit\n2\t0\t{LENGTH}\tall\n2\t5\t6\tempty\n"
    )
    given = study(folder, mqtl=None, loci=tmp_path / "l.bed")
    overlay(given, tmp_path / "o", SMALL, quiet=True)
    found = read(tmp_path / "o" / "loci.tsv").set_index("locus")
    assert found["members"].tolist()[:2] == [11, 10]
    assert found.loc["empty", ["gwas", "candidates"]].tolist() == [0, 0]
    assert found["chrom"].tolist() == ["chr1", "chr2", "chr2"]


def test_no_prior(folder, tmp_path):
    given = study(folder, mqtl=None)
    overlay(given, tmp_path / "o", Settings(window=10, ratio=1), quiet=True)
    rows = read(tmp_path / "o" / "candidates.tsv")
    np.testing.assert_allclose(rows["posterior"], rows["pip"], rtol=1e-5)


def changed(folder, tmp_path, name, change):
    frame = read(folder / name)
    path = tmp_path / name.removesuffix(".gz")
    change(frame).to_csv(path, sep="\t", index=False)
    return path


def test_other_assemblies(folder, tmp_path):
    shifted = changed(folder, tmp_path, "gwas.tsv.gz", lambda g: g.assign(POS=g["POS"] - 1))
    with pytest.raises(InputFileError, match=r"gwas.tsv: .* 100.0% would be .* is 0-based, add 1"):
        overlay(study(folder, gwas=shifted), tmp_path / "o", SMALL, quiet=True)
    far = changed(folder, tmp_path, "credible.tsv", lambda c: c.assign(POS=c["POS"] + 5_000_003))
    with pytest.raises(InputFileError, match=r"credible.tsv: 0.0% of positions \(0 of 31\)"):
        overlay(study(folder, credible=far), tmp_path / "p", SMALL, quiet=True)
    far = changed(folder, tmp_path, "mqtl.tsv", lambda c: c.assign(POS=c["POS"] + 5_000_003))
    with pytest.raises(InputFileError, match=r"mQTL table .*mqtl.tsv: 0.0% of positions"):
        overlay(study(folder, mqtl=far), tmp_path / "q", SMALL, quiet=True)


def test_duplicates(folder, tmp_path, caplog):
    same = changed(folder, tmp_path, "gwas.tsv.gz", lambda g: pd.concat([g, g[:700]]))
    summary = overlay(study(folder, gwas=same, mqtl=None), tmp_path / "o", SMALL, quiet=True)
    assert summary["joined"]["gwas"]["duplicates"] == 700
    assert summary["candidates"] == 31
    assert read(tmp_path / "o" / "loci.tsv")["gwas"].sum() < 500
    other = changed(folder, tmp_path, "gwas.tsv.gz", lambda g: pd.concat([g, g[5:7].assign(P=0.9)]))
    with pytest.raises(
        InputFileError, match=r"lists 2 variants more than once .* lines 7 and 3002"
    ):
        overlay(study(folder, gwas=other), tmp_path / "p", SMALL, quiet=True)


def test_missing_members_are_counted(folder, done, tmp_path, caplog):
    overlay(study(folder, mqtl=None), tmp_path / "o", SMALL, quiet=True)
    assert "1 of 31 variants are not among the scored variants" in caplog.text
    assert "1 of 31 variants are not among the GWAS" in caplog.text
    assert "the first is rsNew" in caplog.text


def test_bad_options(folder, tmp_path):
    with pytest.raises(ConfigError, match="window is -1 bp"):
        Settings(window=-1)
    with pytest.raises(ConfigError, match="want 1 or more"):
        Settings(ratio=0)
    for wrong in ({"per_case": 0}, {"tops": (0.5, 1)}, {"resamples": 3}):
        with pytest.raises(ConfigError):
            Comparison(**wrong)
    plain = study(folder, credible=None, mqtl=None)
    with pytest.raises(ConfigError, match=r"no variant has p up to 1e-300 .* raise --p_lead"):
        overlay(plain, tmp_path / "a", Settings(p_lead=1e-300), quiet=True)
    with pytest.raises(ConfigError, match="p_lead is 2"):
        overlay(plain, tmp_path / "b", Settings(p_lead=2), quiet=True)
    with pytest.raises(ConfigError, match=r"no mQTL has an FDR up to 0.001"):
        overlay(study(folder), tmp_path / "c", Settings(fdr=0.001), quiet=True)
    with pytest.raises(ConfigError, match=r"unknown task 'brian'.*did you mean 'brain'"):
        overlay(study(folder), tmp_path / "d", Settings(tasks=("brian",)), quiet=True)
    with pytest.raises(InputFileError, match=r"credible file .* does not exist"):
        overlay(study(folder, credible="none.tsv"), tmp_path / "e", SMALL, quiet=True)


def test_no_lead_with_mqtls_is_a_warning(folder, tmp_path, caplog):
    given = study(folder, credible=None)
    settings = Settings(p_lead=1e-300, comparison=SMALL.comparison)
    assert overlay(given, tmp_path / "o", settings, quiet=True)["loci"] == 0
    assert "no variant has p up to 1e-300" in caplog.text
    assert len(read(tmp_path / "o" / "candidates.tsv")) == 0


def plain_leads(table, p_lead, window):
    """Return lead rows by repeated search for the smallest p."""
    left, leads = table[table["p"] <= p_lead], []
    while len(left):
        lead = left.sort_values(["p", "chrom", "pos"]).iloc[0]
        leads.append((lead["chrom"], lead["pos"]))
        near = (left["chrom"] == lead["chrom"]) & (abs(left["pos"] - lead["pos"]) <= window)
        left = left[~near]
    return leads


def test_leads_equal_a_loop():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"chrom": rng.choice(["1", "2"], 400), "pos": rng.integers(1, 9000, 400)})
    table["p"], table["beta"], table["se"] = rng.choice([1e-3, 1e-4, 0.5], 400), np.nan, np.nan
    table["chrom"] = table["chrom"].astype("category")
    place = positions(table, table)[0]
    found = lead_loci(table, place, minus_log10_p(table), 0.01, 500)
    expected = plain_leads(table, 0.01, 500)
    assert [locus.name for locus in found] == [f"{c}:{p}" for c, p in expected]
    assert [(x.start, x.end) for x in found] == [(max(0, p - 501), p + 500) for _, p in expected]


def test_minus_log10_p():
    table = pd.DataFrame({"p": [0.01, 0, 0, 1], "beta": [1, 4, np.nan, 0], "se": [1, 0.1, 1, 1]})
    found = minus_log10_p(table)
    np.testing.assert_allclose(found, [2, 349.136, 323.306, 0], atol=6e-4)


def test_names_of_loci():
    assert bed_loci([Interval("1", 4, 9)], "b")[0].name == "1:5-9"
    for intervals, said in (
        ([], "has no interval"),
        ([Interval("1", 4, 4, "x")], "locus x is empty"),
        ([Interval("1", 4, 5, "x")] * 2, "locus x is there twice"),
    ):
        with pytest.raises(InputFileError, match=said):
            bed_loci(intervals, "b")
    table = pd.DataFrame({"locus": ["a", "a"], "chrom": ["1", "2"], "pos": [1, 2]})
    with pytest.raises(InputFileError, match="locus a has variants on 1 and 2"):
        credible_loci(table, 5, "c")


def test_bayes_factors_equal_their_law():
    beta, se = np.array([0.1, 0.02, -0.3, np.nan]), np.array([0.02, 0.02, 0.1, 0.1])
    prior = 0.2**2
    factor = norm.pdf(beta, 0, np.sqrt(se**2 + prior)) / norm.pdf(beta, 0, se)
    expected = np.nan_to_num(factor) / np.nansum(factor)
    np.testing.assert_allclose(candidates.single_causal_pip(beta, se), expected, rtol=1e-10)
    assert np.isnan(candidates.single_causal_pip(beta * np.nan, se)).all()
    assert candidates.single_causal_pip(np.array([5.0, 0]), np.array([1e-3, 1e-3]))[0] == 1


def test_ranks_without_pip():
    rows = pd.DataFrame({"pos": [1, 2, 3], "log10p": [1, 9, 2], "score": [0.1, np.nan, 0.3]})
    rows = rows.assign(pip=np.nan, posterior=np.nan)
    found = candidates.ranked(rows)
    assert found["pos"].tolist() == [3, 1, 2]
    assert found["rank_p"].tolist() == [2, 3, 1]
    assert found["rank_score"].tolist()[:2] == [1, 2]
    assert found["rank_pip"].isna().all()


@pytest.mark.parametrize(
    ("counts", "kind"), [([[30, 70], [40, 360]], "sample"), ([[3, 20], [10, 50]], "conditional")]
)
def test_odds_equal_scipy(counts, kind):
    found = odds(np.array(counts))
    expected = odds_ratio(np.array(counts), kind=kind)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(
        [found["value"], found["low"], found["high"]], [expected.statistic, *interval]
    )
    assert odds(np.array([[3, 0], [10, 50]]))["value"] is None


def test_enrichment_equals_scikit_learn():
    rng = np.random.default_rng(9)
    table = pd.DataFrame({"chrom": "1", "pos": np.arange(4000) * 50 + 1, "score": rng.random(4000)})
    cases = rng.random(4000) < table["score"] ** 2 * 0.1
    table.loc[::100, "score"] = np.nan
    table["other_score"] = rng.random(4000)
    found = cells({"x": np.where(table["score"].isna(), np.nan, rng.random(4000))}, 4)
    how = Comparison(3, True, (0.1,), 100, seed=2)
    columns = {"t": ["score", "other_score"]}
    rows = enrichment(table, {"t": cases}, ~cases, columns, found, how)
    assert [(r["score"], r["statistic"]) for r in rows] == [
        (c, s) for c in columns["t"] for s in ("auroc", "odds_ratio")
    ]
    auroc, ratio, other, _ = rows
    # with every control that there is, drawn or not, it comes out about the same
    pool = table["score"].notna()
    whole = roc_auc_score(cases[pool], table["score"][pool])
    assert auroc["value"] == pytest.approx(whole, abs=0.05)
    assert auroc["low"] < auroc["value"] < auroc["high"]
    drawn = draw_controls(cases, ~cases, found.of, 3, seed=2)
    truth = np.repeat([1, 0], [len(drawn.cases), drawn.controls.size])
    used = np.concatenate([drawn.cases, drawn.controls.ravel()])
    for row in (auroc, other):
        expected = roc_auc_score(truth, table[row["score"]][used])
        assert row["value"] == pytest.approx(expected, abs=1e-12)
    assert other["low"] < 0.5 < other["high"]
    assert ratio["threshold"] == pytest.approx(np.nanquantile(table["score"], 0.9))
    above = int((cases & pool & (table["score"] >= ratio["threshold"])).sum())
    assert ratio["cases_above"] == above
    table4 = [[above, ratio["cases"] - above]]
    table4.append([ratio["controls_above"], ratio["controls"] - ratio["controls_above"]])
    assert ratio["value"] == pytest.approx(odds_ratio(np.array(table4), kind="sample").statistic)
    assert ratio["block_low"] < ratio["value"] < ratio["block_high"]
    assert ratio["controls"] == 3 * ratio["cases"]
    nothing = enrichment(table, {"t": cases & False}, ~cases, columns, found, how)
    assert [r["value"] for r in nothing] == [None, None]
    none = enrichment(
        table, {"t": cases}, ~cases, columns, found, Comparison(3, True, (0.1,), 0, seed=2)
    )
    assert (none[0]["value"], none[0]["low"]) == (auroc["value"], None)


def test_choice_of_mqtls():
    table = pd.DataFrame({"fdr": [np.nan, np.nan]})
    chosen, how = significant(table, 0.05)
    assert (chosen.tolist(), how) == ([True, True], "every line of a table without FDR")
    table = pd.DataFrame({"fdr": [0.05, 0.06, np.nan]})
    assert significant(table, 0.05)[0].tolist() == [True, False, False]
    table = pd.DataFrame({"chrom": list("111121"), "cpg_pos": [5, 5, 5, 9, 5, 5]})
    table = table.assign(tissue=["a"] * 5 + [None], p=[0.2, 0.1, 0.1, 0.5, 0.9, 0.6])
    chosen, how = strongest(table)
    assert (chosen.tolist(), how) == ([False, *[True] * 5], "the smallest p of each CpG")
    assert strongest(table.assign(p=np.nan))[0].all()
    with pytest.raises(ConfigError, match="FDR limit is 0"):
        significant(table, 0)


def test_command(folder, tmp_path, capsys):
    parser = command.Parser(prog="x")
    overlay_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    (tmp_path / "genes.bed").write_text("1\t20000\t28000\tGENE1\n")
    files = study(folder)
    text = f"overlay --scores {files.scores} --gwas {files.gwas} --credible {files.credible}"
    text += f" --mqtl {files.mqtl} -f {files.fasta} --genes {tmp_path / 'genes.bed'} --figures 1"
    text += f" --window 5000 --bootstrap 20 -o {tmp_path / 'o'} -q"
    args = parser.parse_args(text.split())
    assert command.run(lambda: args.work(args), args.quiet) == 0
    shown = capsys.readouterr().out
    assert "odds ratio, top 5%" in shown
    assert "3 loci, 31 candidates" in shown
    names = sorted(p.name for p in (tmp_path / "o" / "figures").iterdir())
    assert names[:2] == ["enrichment.png", "enrichment.svg"]
    assert [n[:9] for n in names[2:]] == ["locus_01_", "locus_01_"]
    assert (tmp_path / "o" / "run.json").exists()
    args = parser.parse_args([*text.split(), "--fdr", "7"])
    args.out = str(tmp_path / "p")
    assert command.run(lambda: args.work(args), args.quiet) == 2
    assert "FDR limit is 7" in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError, match="is no list of numbers"):
        overlay_arguments.shares("a")


def test_a_posterior_is_no_more_than_one():
    pip, prior = np.array([0.9, 0.9, 0.2, np.nan]), np.array([30.0, 0.3, 0.3, 1.0])
    found = posterior(pip, prior)
    assert found[0] == 1
    np.testing.assert_allclose(found[1:3], (pip * prior * 2 / (27 + 0.27 + 0.06))[1:3])
    assert np.isnan(found[3])
