import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

from tfepi.methylation import prs, prs_arguments, prs_cohorts, prs_prior, prs_run
from tfepi.methylation.genotypes import Genotypes
from tfepi.methylation.prs_accuracy import explained
from tfepi.methylation.prs_snps import read_snps
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

SNPS, CHROMS = 240, 2


def write_plink(prefix, dosages, table, name):
    people = [f"{name}{i}" for i in range(len(dosages))]
    properties = {
        "fid": people,
        "iid": people,
        "chromosome": table["chrom"].tolist(),
        "bp_position": table["pos"].tolist(),
        "sid": table["snp"].tolist(),
        "allele_1": table["a1"].tolist(),
        "allele_2": table["a2"].tolist(),
    }
    to_bed(f"{prefix}.bed", dosages, properties=properties, num_threads=1)


def haplotypes(rng, people, frequency):
    """Dosages of SNPs in LD with those before them."""
    total = 0
    for _ in range(2):
        z = rng.normal(size=(people, SNPS))
        for j in range(1, SNPS):
            if j != SNPS // CHROMS:
                z[:, j] = 0.8 * z[:, j - 1] + 0.6 * z[:, j]
        total = total + (z < np.sqrt(2) * frequency).astype("float32")
    return total


def write_pheno(path, name, values):
    lines = [f"{name}{i} {name}{i} {v}" for i, v in enumerate(values)]
    path.write_text("\n".join(["FID IID PHENO", *lines]) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """gwas.tsv, scores.tsv, and cohorts target and other with what differs between files.

    The GWAS has one SNP on the other strand and one with alleles swapped, `other` has all alleles
    swapped, lacks ten SNPs and has another order of people in its phenotypes.
    """
    out = tmp_path_factory.mktemp("prs")
    rng = np.random.default_rng(5)
    frequency = rng.uniform(-0.9, 0.9, SNPS)
    table = pd.DataFrame(
        {
            "chrom": np.repeat(["chr1", "chr2"], SNPS // CHROMS),
            "pos": np.tile(np.arange(SNPS // CHROMS) * 3000 + 500, CHROMS),
            "snp": [f"rs{i}" for i in range(SNPS)],
            "a1": rng.choice(list("AC"), SNPS),
        }
    )
    table["a2"] = table["a1"].map({"A": "G", "C": "T"})
    score = np.where(rng.random(SNPS) < 0.3, np.nan, rng.gamma(1, 0.03, SNPS))
    causal = rng.choice(np.argsort(-np.nan_to_num(score))[:30], 12, replace=False)
    effect = np.zeros(SNPS)
    effect[causal] = rng.normal(size=12)
    sets = {"disc": 900, "target": 160, "other": 90}
    dosages = {n: haplotypes(rng, k, frequency + 0.2 * (n == "other")) for n, k in sets.items()}
    scale = np.sqrt(0.5) / np.std(dosages["disc"] @ effect)
    trait = {
        n: d @ effect * scale + rng.normal(0, np.sqrt(0.5), len(d)) for n, d in dosages.items()
    }
    x, y = dosages["disc"] - dosages["disc"].mean(0), trait["disc"] - trait["disc"].mean()
    beta = x.T @ y / (x**2).sum(0)
    se = np.sqrt(((y[:, None] - x * beta) ** 2).sum(0) / (len(y) - 2) / (x**2).sum(0))
    from scipy.stats import norm

    gwas = table.assign(beta=beta, se=se, p=2 * norm.sf(np.abs(beta / se)), n=900)
    gwas = gwas.astype({"a1": object, "a2": object})
    gwas.loc[3, ["a1", "a2", "beta"]] = [gwas["a2"][3], gwas["a1"][3], -beta[3]]
    other = {"A": "T", "C": "G", "G": "C", "T": "A"}
    gwas.loc[7, ["a1", "a2"]] = [other[gwas["a1"][7]], other[gwas["a2"][7]]]
    gwas.columns = ["CHR", "BP", "SNP", "A1", "A2", "BETA", "SE", "P", "N"]
    gwas["CHR"] = gwas["CHR"].str[3:]
    gwas.sample(frac=1, random_state=1).to_csv(out / "gwas.tsv", sep="\t", index=False)
    scores = pd.DataFrame(
        {
            "chrom": table["chrom"],
            "pos": table["pos"],
            "id": table["snp"],
            "ref": table["a2"],
            "alt": table["a1"],
            "cpgs": np.where(np.isnan(score), 0, 2),
            "score": score,
            "brain_score": score,
        }
    )
    scores.to_csv(out / "scores.tsv", sep="\t", index=False)
    dosages["target"][:, 20] = 1  # does not vary
    missing = rng.random(dosages["target"].shape) < 0.02
    write_plink(out / "target", np.where(missing, np.nan, dosages["target"]), table, "t")
    write_plink(out / "disc", dosages["disc"], table, "d")
    kept = np.r_[0:50, 60:SNPS]
    swapped = table.iloc[kept].rename(columns={"a1": "a2", "a2": "a1"})
    write_plink(out / "other", 2 - dosages["other"][:, kept], swapped, "o")
    write_pheno(out / "target.pheno", "t", [*trait["target"][:-3], "NA", -9, "nan"])
    write_pheno(out / "other.pheno", "o", trait["other"])
    lines = (out / "other.pheno").read_text().splitlines()
    (out / "other.pheno").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    covariates = rng.normal(size=(160, 2)).round(4).tolist()
    lines = [f"t{i} t{i} {a} {b}" for i, (a, b) in enumerate(covariates)]
    (out / "target.covar").write_text("\n".join(lines) + "\n")
    return out


def arguments(folder, out, *more):
    texts = ["prs", "--gwas", folder / "gwas.tsv", "--scores", folder / "scores.tsv", "-o", out]
    texts += ["--genotypes", folder / "target", "--pheno", folder / "target.pheno"]
    texts += ["--genotypes", f"far={folder / 'other'}.bed", "--pheno", folder / "other.pheno", "-q"]
    texts += ["--p", "1e-6,0.01,1", "--h2", "0.1,0.5", "--r2", "0.2", "--resamples", "50"]
    parser = command.Parser()
    prs_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    return parser.parse_args([str(t) for t in [*texts, *more]])


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "out"
    args = arguments(folder, out, "--covar", f"target={folder / 'target.covar'}")
    args.work(args)
    return out


@pytest.fixture
def no_figures(monkeypatch):
    """Draw nothing: a second each."""
    monkeypatch.setattr("tfepi.report.prs_figures.draw_prs", lambda *_: [])


def read_pheno(path):
    table = pd.read_csv(path, sep=" ", index_col="IID", na_values=["NA", "nan", "-9"])
    return table["PHENO"]


def slow_r2(score, y, covariates):
    def fit(columns):
        columns = np.column_stack([np.ones(len(y)), *columns])
        rest = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
        return 1 - (rest**2).sum() / ((y - y.mean()) ** 2).sum()

    return fit([covariates, score]) - fit([covariates])


def test_accuracy_of_the_tested_people(done, folder):
    accuracy = pd.read_csv(done / "r2.tsv", sep="\t").set_index(["cohort", "method"])
    scores = pd.read_csv(done / "scores.tsv", sep="\t")
    assert scores["COHORT"].value_counts().to_dict() == {"target": 160, "far": 90}
    assert scores["TUNED"].sum() == 78  # half of the 157 with phenotype
    covariates = pd.read_csv(folder / "target.covar", sep=" ", header=None, index_col=1)
    for cohort, file in (("target", "target"), ("far", "other")):
        own = scores[(scores["COHORT"] == cohort) & (scores["TUNED"] == 0)].set_index("IID")
        y = read_pheno(folder / f"{file}.pheno").reindex(own.index).dropna()
        own = own.loc[y.index]
        fixed = np.zeros((len(y), 0))
        if cohort == "target":
            fixed = covariates.loc[y.index, [2, 3]].to_numpy()
        for method in prs.METHODS:
            row = accuracy.loc[cohort, method]
            slow = slow_r2(own[method].to_numpy(), y.to_numpy(), fixed)
            assert row["r2"] == pytest.approx(slow, abs=2e-5)
            assert row["r2_low"] < row["r2"] < row["r2_high"]
            assert row["people"] == len(y)
            if method.endswith("_mrv"):
                gain = row["r2"] - accuracy.loc[cohort, method[:-4]]["r2"]
                assert row["gain"] == pytest.approx(gain, abs=2e-5)
                assert row["gain_low"] <= row["gain"] <= row["gain_high"]
            else:
                assert np.isnan(row["gain"])
    assert accuracy.loc["far", "inf_mrv"]["r2"] > 0.05


@pytest.mark.parametrize("method", prs.METHODS)
def test_scores_are_the_weights_times_dosages(done, folder, method):
    """Of both cohorts, by SNP names and alleles, with none of our code."""
    betas = pd.read_csv(done / "weights" / f"{method}.betas", sep="\t").set_index("SNP")
    assert list(betas.columns) == ["CHR", "BP", "A1", "A2", "BETA"]
    assert betas["CHR"].isin([1, 2]).all()
    assert not betas.duplicated(["CHR", "BP"]).any()
    order = list(zip(betas["CHR"], betas["BP"], strict=True))
    assert order == sorted(order)
    scores = pd.read_csv(done / "scores.tsv", sep="\t")
    for cohort, prefix in (("target", "target"), ("far", "other")):
        genotypes = Genotypes(folder / prefix)
        dosages = genotypes.dosages(np.arange(len(genotypes.snps))).astype(float)
        dosages -= np.nanmean(dosages, axis=0)
        total = np.zeros(len(genotypes))
        for column, snp in genotypes.snps.iterrows():
            if snp["snp"] in betas.index:
                row = betas.loc[snp["snp"]]
                sign = 1 if row["A1"] == snp["a1"] else -1
                assert {row["A1"], row["A2"]} == {snp["a1"], snp["a2"]}
                total += sign * row["BETA"] * np.nan_to_num(dosages[:, column])
        own = scores[scores["COHORT"] == cohort]
        assert own["IID"].tolist() == genotypes.people["iid"].tolist()
        np.testing.assert_allclose(own[method], total, rtol=1e-4, atol=1e-4)


def test_counts_and_run(done, folder):
    result = json.loads((done / "prs.json").read_text())
    assert result["format"] == "tfepi-prs"
    counts = result["counts"]
    assert result["snps"] == SNPS - 1
    picked = ("matched", "swapped", "other_strand", "monomorphic")
    assert [counts["gwas"][k] for k in picked] == [SNPS, 1, 1, 1]
    # a strand that differs drops A/T and C/G SNPs, of which there are none here
    assert counts["gwas"]["ambiguous_dropped"] == 0
    far = counts["far"]
    assert (far["rows"], far["matched"], far["swapped"]) == (230, 229, 229)
    assert sum(row["snps"] for row in result["enrichment"]) == SNPS - 1
    assert (done / "figures" / "prs.png").stat().st_size > 1000
    inputs = json.loads((done / "run.json").read_text())["inputs"]
    assert {"gwas", "scores", "target bed", "far pheno", "target covar"} <= set(inputs)
    ma = pd.read_csv(done / "sbayesrc" / "gwas.ma", sep="\t")
    assert list(ma.columns) == ["SNP", "A1", "A2", "freq", "b", "se", "p", "N"]
    gwas = pd.read_csv(folder / "gwas.tsv", sep="\t").set_index("SNP")
    flipped = ma.set_index("SNP").loc["rs3"]
    assert (flipped["A1"], flipped["b"]) == (
        gwas.loc["rs3", "A2"],
        -gwas.loc["rs3", "BETA"].round(8),
    )
    annotations = pd.read_csv(done / "sbayesrc" / "mrv.annot.txt", sep="\t")
    assert list(annotations.columns[:2]) == ["SNP", "Intercept"]
    assert annotations["SNP"].tolist() == ma["SNP"].tolist()
    assert (annotations["Intercept"] == 1).all()
    bins = annotations[["mrv_bin2", "mrv_bin3", "mrv_bin4"]]
    assert bins.sum(axis=1).max() == 1
    assert bins["mrv_bin4"].sum() == result["enrichment"][4]["snps"]
    scores = pd.read_csv(folder / "scores.tsv", sep="\t").set_index("id")["score"]
    expected = scores.loc[annotations["SNP"]].fillna(0)
    np.testing.assert_allclose(annotations["mrv_score"], expected, rtol=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_resume_gives_the_same(done, folder, tmp_path, monkeypatch):
    covariates = ("--covar", f"target={folder / 'target.covar'}")
    args = arguments(folder, tmp_path / "out", *covariates)
    real, calls = prs_run.effects, []

    def stops(*given):
        calls.append(given[2])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(prs_run, "effects", stops)
    with pytest.raises(KeyboardInterrupt):
        args.work(args)
    assert not (tmp_path / "out" / "prs.json").exists()
    args = arguments(folder, tmp_path / "out", *covariates, "--resume")
    part = sorted((tmp_path / "out" / "parts").iterdir())[1]  # LD of the second chromosome
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError, match=rf"{part.name} is missing or damaged"):
        args.work(args)
    part.write_bytes(whole)
    args.work(args)
    assert len(calls) == 3  # the chromosome that was whole is not made again
    for name in ("prs.json", "r2.tsv", "scores.tsv", "weights/inf_mrv.betas", "tuning.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == (done / name).read_bytes()
    args.work(args)
    assert len(calls) == 3
    again = arguments(folder, tmp_path / "out", "--resume", *covariates, "--block_kb", "30")
    with pytest.raises(UnfinishedError, match="block_bp changed"):
        again.work(again)


@pytest.mark.usefixtures("no_figures")
def test_tuning_never_sees_the_tested(done, folder, tmp_path):
    """Other phenotypes of the tested people change no choice."""
    scores = pd.read_csv(done / "scores.tsv", sep="\t").set_index("IID")
    lines = (folder / "target.pheno").read_text().splitlines()
    changed = [lines[0]]
    for line in lines[1:]:
        fid, iid, value = line.split()
        if not scores.loc[iid, "TUNED"] and value not in ("NA", "-9", "nan"):
            value = str(-5 * float(value))
        changed.append(f"{fid} {iid} {value}")
    (tmp_path / "t.pheno").write_text("\n".join(changed) + "\n")
    args = arguments(folder, tmp_path / "out", "--covar", f"target={folder / 'target.covar'}")
    args.pheno[0] = str(tmp_path / "t.pheno")
    args.work(args)
    assert (tmp_path / "out/tuning.tsv").read_bytes() == (done / "tuning.tsv").read_bytes()
    assert (tmp_path / "out/scores.tsv").read_bytes() == (done / "scores.tsv").read_bytes()
    assert (tmp_path / "out/enrichment.tsv").read_bytes() == (done / "enrichment.tsv").read_bytes()
    assert (tmp_path / "out/r2.tsv").read_bytes() != (done / "r2.tsv").read_bytes()


def test_posterior_means_against_the_formula():
    rng = np.random.default_rng(0)
    correlation = np.corrcoef(rng.normal(size=(40, 12)), rowvar=False)
    marginal, prior = rng.normal(size=12), rng.uniform(0.2, 4, 12)
    found = prs.posterior_means(correlation, marginal, prior, [0.3, 5.0])
    for column, penalty in zip(found.T, (0.3, 5.0), strict=True):
        slow = np.linalg.inv(correlation + penalty * np.diag(1 / prior)) @ marginal
        np.testing.assert_allclose(column, slow, rtol=1e-9)
    # with independent SNPs each effect is shrunk by itself
    alone = prs.posterior_means(np.eye(3), np.ones(3), np.array([1, 2, 4.0]), [2.0])[:, 0]
    np.testing.assert_allclose(alone, [1 / 3, 1 / 2, 2 / 3])


def test_effects_against_slow(folder):
    """Posterior means of one block are per copy of A1, from z, N and correlations."""
    reference = Genotypes(folder / "disc")
    snps = read_snps(folder / "gwas.tsv", folder / "scores.tsv", reference)
    options = prs.PrsOptions(h2=(0.2,), r2=(0.5,), block_bp=60_000)
    rows = snps.chroms["chr2"]
    none = prs_run.Pairs(*(np.zeros(0, int) for _ in range(3)))
    prior = np.linspace(0.5, 1.5, len(snps.table))
    found = prs.effects(reference, snps, rows, none, prior, options)
    assert found.kept.all()
    table = snps.table.iloc[rows]
    assert table["pos"].is_monotonic_increasing
    dosages = reference.dosages(table["column"].to_numpy()[20:40]).astype(float)
    correlation = np.corrcoef(dosages, rowvar=False)
    standardised = (table["z"] / np.sqrt(table["n"])).to_numpy()[20:40]
    penalty = len(snps.table) / (900 * 0.2)
    for i, c in enumerate((np.ones(20), prior[rows][20:40])):
        slow = np.linalg.solve(correlation + np.diag(penalty / c), standardised)
        slow /= dosages.std(axis=0)
        np.testing.assert_allclose(found.means[20:40, i, 0], slow, rtol=1e-3, atol=1e-6)


def test_ld_blocks():
    position = np.array([5, 10, 104, 105, 300, 301])
    found = [(b.start, b.stop) for b in prs.ld_blocks(position, 100)]
    assert found == [(0, 3), (3, 4), (4, 6)]
    many = [(b.start, b.stop) for b in prs.ld_blocks(np.arange(2500), 10_000)]
    assert many == [(0, 1000), (1000, 2000), (2000, 2500)]


def test_weighted_p_values_and_thresholds(folder):
    reference = Genotypes(folder / "disc")
    snps = read_snps(folder / "gwas.tsv", folder / "scores.tsv", reference, task="brain")
    options = prs.PrsOptions(r2=(0.3,), p=(0.01, 1.0), h2=(0.1,))
    count = len(snps.table)
    rng = np.random.default_rng(1)
    kept = rng.random((count, 2, 1)) < 0.5
    prior = rng.uniform(0.1, 3, count)
    made = prs.Effects(kept, rng.random((count, 2, 1)).astype("float32"))
    tried = prs.settings(options)
    assert [s.method for s in tried] == ["ct"] * 2 + ["ct_mrv"] * 2 + ["inf", "inf_mrv"]
    rows = np.array([5, 3, 100])
    found = prs.weights(snps, made, prior, tried, options)(np.arange(count))
    beta, p = snps.table["beta"].to_numpy(), snps.table["p"].to_numpy()
    np.testing.assert_allclose(found[:, 0], np.where(kept[:, 0, 0] & (p <= 0.01), beta, 0), 1e-6)
    low = p / prior <= 0.01
    np.testing.assert_allclose(found[:, 2], np.where(kept[:, 1, 0] & low, beta, 0), 1e-6)
    np.testing.assert_allclose(found[:, 3], np.where(kept[:, 1, 0], beta, 0), 1e-6)
    np.testing.assert_array_equal(found[:, 4:], made.means[:, :, 0])
    some = prs.weights(snps, made, prior, tried, options)(rows)
    np.testing.assert_array_equal(some, found[rows])


def blocks_of_snps(rng, blocks=30, size=40):
    """Correlations of blocks of SNPs in LD, and rows of each."""
    place = np.arange(size)
    rough = rng.uniform(0.6, 0.95, blocks)
    correlation = [r ** np.abs(place[:, None] - place) for r in rough]
    return correlation, [slice(i * size, (i + 1) * size) for i in range(blocks)]


def test_variances_are_found():
    """β̂ drawn with ten times the variance in the highest bin, behind LD."""
    rng = np.random.default_rng(2)
    correlation, rows = blocks_of_snps(rng)
    count, people = 1200, 8000.0
    bins = prs_prior.score_bins(
        np.where(rng.random(count) < 0.4, np.nan, rng.random(count)), (0.5, 0.9)
    )
    assert bins.names == ("no score", "below 0.5123", "0.5123 to 0.8986", "0.8986 or more")
    true = np.array([0.5, 1, 1, 10.0])
    true /= (true * bins.counts).sum() / count
    effect = rng.normal(size=count) * np.sqrt(0.4 / count * true[bins.of])
    marginal = np.empty(count)
    for r, part in zip(correlation, rows, strict=True):
        noise = np.linalg.cholesky(r) @ rng.normal(size=40) / np.sqrt(people)
        marginal[part] = r @ effect[part] + noise
    calls = []
    found = prs_prior.learn_variances(
        rows, lambda i: correlation[i], marginal, people, bins, lambda: calls.append(1)
    )
    assert len(calls) % 30 == 0
    assert found.signal
    assert found.h2 == pytest.approx(0.4, rel=0.25)
    assert found.of == pytest.approx(true, rel=0.3)
    assert (np.abs(found.of - true) < 4 * found.error).all()
    prior = found.prior(bins)
    assert prior.mean() == pytest.approx(1)
    assert prior[bins.of == 3][0] / prior[bins.of == 1][0] == pytest.approx(
        found.of[3] / found.of[1]
    )
    # some blocks say nearly the same
    fewer = prs_prior.learn_variances(
        rows[::2], lambda i: correlation[2 * i], marginal, people, bins
    )
    assert fewer.of[3] == pytest.approx(true[3], rel=0.5)


def test_no_signal_no_prior():
    rng = np.random.default_rng(3)
    correlation, rows = blocks_of_snps(rng)
    bins = prs_prior.score_bins(rng.random(1200), (0.9,))
    noise = [np.linalg.cholesky(r) @ rng.normal(size=40) / 100 for r in correlation]
    found = prs_prior.learn_variances(
        rows, lambda i: correlation[i], np.concatenate(noise), 1e4, bins
    )
    assert not found.signal
    assert found.h2 < 0.03
    assert np.isnan(found.of[0])  # every SNP has a score
    assert (found.prior(bins) == 1).all()


def test_associations_that_are_none_at_all():
    bins = prs_prior.score_bins(np.linspace(0, 1, 60), (0.5,))
    rows = [np.arange(30), np.arange(30, 60)]
    found = prs_prior.learn_variances(rows, lambda i: np.eye(30), np.zeros(60), 1e4, bins)
    assert not found.signal
    np.testing.assert_array_equal(found.prior(bins), 1)


def test_steps_against_dense_formulas():
    """Moments and likelihood of a block, from matrices written out."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(5)
    correlation = np.corrcoef(rng.normal(size=(50, 8)), rowvar=False)
    marginal, variance, size = rng.normal(size=8) / 10, rng.uniform(0.001, 0.01, 8), 300.0
    own = np.array([0, 1, 1, 0, 2, 2, 2, 1])
    sums, support = prs_prior._moments(correlation, marginal, size, variance, own, 4)
    inverse = np.linalg.inv(correlation + np.diag(1 / (size * variance)))
    mean, spread = inverse @ marginal, np.diagonal(inverse) / size
    for b in range(4):
        assert sums[0, b] == pytest.approx((mean[own == b] ** 2).sum())
        assert sums[1, b] == pytest.approx((1 - spread / variance)[own == b].sum())
    noise = correlation / size
    full = noise + correlation @ np.diag(variance) @ correlation
    likelihoods = [multivariate_normal(cov=c).logpdf(marginal) for c in (full, noise)]
    assert support == pytest.approx(likelihoods[0] - likelihoods[1])


def test_r2_against_numpy():
    rng = np.random.default_rng(4)
    y, fixed = rng.normal(size=120), rng.normal(size=(120, 3))
    scores = np.column_stack([y + rng.normal(size=120), -y + fixed[:, 0], np.zeros(120)])
    found = explained(scores, y, fixed, resamples=30, seed=1)
    for i in range(2):
        assert found.r2[i] == pytest.approx(slow_r2(scores[:, i], y, fixed), abs=1e-10)
    assert found.r[0] > 0 > found.r[1]
    assert found.r2[2] == 0
    base = slow_r2(fixed, y, np.zeros((120, 0)))
    assert found.covariates == pytest.approx(base, abs=1e-10)
    rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(5,)))
    times = rng.multinomial(120, np.full(120, 1 / 120), size=30)
    rows = np.repeat(np.arange(120), times[17])
    slow = [slow_r2(scores[rows, i], y[rows], fixed[rows]) for i in range(2)]
    np.testing.assert_allclose(found.resamples[17, :2], slow, atol=1e-10)
    value, ends = found.difference(0, 1)
    assert value == pytest.approx(found.r2[0] - found.r2[1])
    assert ends[0] < value < ends[1]
    plain = explained(scores, y, np.zeros((120, 0)), resamples=0)
    assert plain.r2[0] == pytest.approx(np.corrcoef(scores[:, 0], y)[0, 1] ** 2)
    assert plain.interval(0) is None


def test_r2_of_too_few_or_constant():
    with pytest.raises(ConfigError, match="5 people have a phenotype, fewer than 6"):
        explained(np.zeros((5, 1)), np.arange(5.0), np.zeros((5, 2)))
    with pytest.raises(ConfigError, match="the phenotype is 2 in all 9 people"):
        explained(np.zeros((9, 1)), np.full(9, 2.0), np.zeros((9, 0)))


def run_with(folder, tmp_path, change):
    """Run a command whose files or arguments were changed."""
    copied = tmp_path / "in"
    copied.mkdir()
    for path in folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    args = arguments(copied, tmp_path / "out")
    change(copied, args)
    args.work(args)


def edit(name, old, new, count=1):
    def change(folder: Path, _: Namespace):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, count))

    return change


def keep(name, *lines):
    def change(folder: Path, _: Namespace):
        every = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(every[i] for i in lines) + "\n")

    return change


def constant(folder, _):
    write_pheno(folder / "other.pheno", "o", [1.5] * 90)


def no_position(folder, _):
    table = pd.read_csv(folder / "gwas.tsv", sep="\t")
    table.assign(BP=table["BP"] + 7).to_csv(folder / "gwas.tsv", sep="\t", index=False)


def other_alleles(folder, _):
    table = pd.read_csv(folder / "gwas.tsv", sep="\t")
    table.assign(A1="AC", A2="A").to_csv(folder / "gwas.tsv", sep="\t", index=False)


def few_positions(folder, _):
    table = pd.read_csv(folder / "gwas.tsv", sep="\t")
    table.loc[12:, "BP"] += 7
    table.to_csv(folder / "gwas.tsv", sep="\t", index=False)


def no_common_score(folder, _):
    table = pd.read_csv(folder / "scores.tsv", sep="\t")
    table.assign(pos=table["pos"] + 7).to_csv(folder / "scores.tsv", sep="\t", index=False)


def no_n(folder, _):
    table = pd.read_csv(folder / "gwas.tsv", sep="\t")
    table.drop(columns="N").to_csv(folder / "gwas.tsv", sep="\t", index=False)


def zero_p(folder, _):
    table = pd.read_csv(folder / "gwas.tsv", sep="\t").drop(columns="SE")
    table.loc[2, "P"] = 0
    table.to_csv(folder / "gwas.tsv", sep="\t", index=False)


def gwas_value(column, value):
    def change(folder, _):
        table = pd.read_csv(folder / "gwas.tsv", sep="\t")
        table[column] = table[column].astype(object)
        table.loc[2, column] = value
        table.to_csv(folder / "gwas.tsv", sep="\t", index=False)

    return change


def arg(**values):
    return lambda _, args: vars(args).update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, a: a.pheno.pop(), "cohort far has no phenotype: add --pheno far=FILE"),
        (lambda _, a: a.pheno.append("x"), "--pheno x is number 3 of 2 cohorts"),
        (lambda _, a: a.genotypes.append("q/target"), "names the cohort 'target' twice"),
        (arg(covar=["fra=x"]), "unknown cohort 'fra' of --covar: did you mean 'far'"),
        (constant, "other.pheno: the phenotype is 1.5 in all 90 people of cohort far"),
        (keep("other.pheno", 0, *range(1, 12)), "cohort far has 11 people with a phenotype in"),
        (
            edit("other.pheno", "o", "x", -1),
            "has nobody of the genotypes .* begins with o0 o0, its",
        ),
        (keep("other.pheno", 0), "has nobody of the genotypes .* it has none"),
        (edit("other.pheno", "o5 o5", "o5"), "other.pheno line 86 has 2 columns, want FID IID and"),
        (edit("other.pheno", "o5 o5", "o5 o5 1"), "line 86 has 4 columns, want 3, as in the lines"),
        (edit("other.pheno", "o5 o5 ", "o5 o5 x"), "line 86 has the value 'x.*': want a number"),
        (edit("other.pheno", "o5 o5", "o6 o6"), "line 86 names o6 o6 again"),
        (no_position, "gwas.tsv and the genotypes .* no SNP in common: no chromosome and position"),
        (other_alleles, "have no SNP in common: 240 have other alleles"),
        (no_common_score, "have only 0 of the 240 SNPs of the GWAS: .* score the variants of this"),
        (few_positions, "only 12 of 240 SNPs agree in position and alleles: .* another assembly"),
        (no_n, "has no column N: .* or give the number of people with --sample_size"),
        (gwas_value("N", 0), "gwas.tsv line 4 has N 0: want the number of people"),
        (gwas_value("BETA", "inf"), "gwas.tsv line 4 has BETA inf: want a finite number"),
        (arg(sample_size=-3.0), "sample_size is -3.0: want the number of people"),
        (zero_p, "gwas.tsv line 4 has P 0 and no SE"),
        (arg(task="brian"), "unknown task 'brian' of .*: did you mean 'brain'"),
        (arg(tune_share=0.05), "leaves 8 people of cohort target to tune and 149 to test"),
        (arg(tune_share=1.5), "tune_share is 1.5: want a number between 0 and 1"),
        (arg(r2=(0.1, 2.0)), "r2 is 0.1, 2.0: want numbers above 0 and up to 1"),
        (arg(window_kb=0), "window_bp is 0: want at least 1"),
        (arg(resamples=5), "resamples is 5: want 0 for no intervals, or at least 20"),
        (arg(quantiles=(0.9, 0.5)), "score quantiles are 0.9, 0.5: want rising numbers"),
    ],
)
def test_bad_input(folder, tmp_path, change, message):
    with pytest.raises((ConfigError, InputFileError), match=message) as caught:
        run_with(folder, tmp_path, change)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_number_lists(capsys):
    parser = command.Parser()
    prs_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    with pytest.raises(SystemExit):
        parser.parse_args(["prs", "--r2", "0.1;0.5"])
    assert "'0.1;0.5' is no list of numbers" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_sample_size_and_reference(folder, tmp_path):
    """N may be given, and LD be of a subset of another cohort."""

    def change(where, args):
        no_n(where, args)
        args.sample_size, args.reference, args.reference_people = 900.0, str(where / "disc"), 200
        args.resamples = 0

    run_with(folder, tmp_path, change)
    result = json.loads((tmp_path / "out" / "prs.json").read_text())
    assert result["snps"] == SNPS
    assert result["counts"]["target"]["monomorphic"] == 1
    assert {row["r2_low"] for row in result["accuracy"]} == {None}


def test_chromosome_codes(tmp_path, caplog):
    from tfepi.methylation import prs_formats

    table = pd.DataFrame(
        {
            "chrom": ["chrX", "chr2", "scaffold_1", "chr10", "chr2"],
            "snp": list("abcde"),
            "pos": [5, 9, 1, 3, 4],
            "a1": "A",
            "a2": "G",
        }
    )
    count = prs_formats.write_betas(tmp_path / "w", table, np.array([1, 0.5, 2, 0, -1e-9]))
    assert count == 4
    lines = [line.split("\t") for line in (tmp_path / "w").read_text().splitlines()[1:]]
    assert [(r[0], r[1], r[5]) for r in lines] == [
        ("e", "2", "-1.000000e-09"),
        ("b", "2", "5.000000e-01"),
        ("a", "23", "1.000000e+00"),
        ("c", "scaffold_1", "2.000000e+00"),
    ]
    assert "chromosomes scaffold_1 have no number" in caplog.text


def test_named_paths():
    found = prs_cohorts.named_paths(["eur=a/x", "b/y.bed", "c=/d=e/z"], "--genotypes")
    assert found == {"eur": Path("a/x"), "y": Path("b/y.bed"), "c": Path("/d=e/z")}
    assert prs_cohorts.named_paths(["d=e/p", "y=q"], "--pheno", ["d", "y"]) == {
        "d": Path("e/p"),
        "y": Path("q"),
    }
