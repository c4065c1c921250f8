"""tfepi_qtl.py exam as a user runs it: scores of a model against QTLs, and what it refuses."""

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf

TOY = runpy.run_path(str(Path(__file__).parents[1] / "variants" / "toy_model.py"))
SCRIPT = "tfepi_qtl.py"
LENGTH = 40_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scores of 400 variants by a model that is a sum, and QTLs with the effects it predicts."""
    path = tmp_path_factory.mktemp("qtl")
    rng = np.random.default_rng(8)
    bases = rng.choice(list("ACGT"), LENGTH)
    (path / "genome.fa").write_text(f">chr1\n{''.join(bases)}\n")
    place = np.sort(rng.choice(np.arange(100, LENGTH - 100), 400, replace=False))
    other = [
        TOY["other_base"](b, int(n))
        for b, n in zip(bases[place], rng.integers(1, 4, 400), strict=True)
    ]
    lines = [
        f"chr1\t{p + 1}\trs{i}\t{bases[p]}\t{a}\t.\t.\t.\n"
        for i, (p, a) in enumerate(zip(place, other, strict=True))
    ]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (path / "in.vcf").write_text(header + "".join(lines))
    predictor = TOY["CountingPredictor"]()
    inputs = (predictor.spec, path / "in.vcf", path / "genome.fa", path / "scores")
    score_vcf(lambda: predictor, *inputs, Scoring(stats=("SAD",)), quiet=True)
    sad = pd.read_parquet(path / "scores" / "scores.parquet")["SAD_T0"].to_numpy()
    causal = np.abs(sad) > np.quantile(np.abs(sad), 0.85)
    table = pd.DataFrame(
        {
            "molecular_trait_id": "G1",
            "variant": [f"chr1_{p + 1}_{bases[p]}_{a}" for p, a in zip(place, other, strict=True)],
            "pip": np.where(causal, 0.97, 0.002),
            "beta": sad + rng.normal(0, 0.01, 400),
            "maf": rng.uniform(0.05, 0.5, 400),
        }
    )
    table.to_csv(path / "qtls.tsv", sep="\t", index=False)
    (path / "genes.bed").write_text(
        "".join(f"chr1\t{p}\t{p + 1}\n" for p in range(500, LENGTH, 900))
    )
    return path


@pytest.fixture
def good(folder, tmp_path):
    return [folder / "qtls.tsv", f"toy={folder / 'scores'},target=T0", "-o", tmp_path / "out", "-q"]


def test_scores_of_a_model_sit_the_exam(here, good, folder, tmp_path):
    more = ["--tss", folder / "genes.bed", "--groups", "200", "--bootstrap", 40]
    status, out, errors = here(SCRIPT, "exam", *good, *more)
    assert (status, errors) == (0, [])
    assert "toy" in out.splitlines()[1]
    assert f"wrote {tmp_path / 'out'}" in out
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {
        "exam.json",
        "exam.tsv",
        "balance.tsv",
        "variants.tsv.gz",
        "run.json",
        "figures",
    } <= names
    result = json.loads((tmp_path / "out" / "exam.json").read_text())
    assert (result["format"], result["format_version"]) == ("tfepi-qtl-exam", 1)
    marks = result["accuracy"][0]
    assert marks["auroc"]["value"] > 0.99
    assert marks["sign_accuracy"]["value"] == 1
    assert marks["spearman"]["value"] > 0.8
    causal = (pd.read_csv(folder / "qtls.tsv", sep="\t")["pip"] > 0.9).sum()
    assert marks["positives"] <= result["counts"]["positives"] == causal
    status, again, _ = here(SCRIPT, "exam", *good, *more, "--resume")
    assert (status, again) == (0, out)


def test_two_scores_of_several_targets_and_raw_ranks(here, good, folder, tmp_path):
    second = f"all={folder / 'scores'}"
    more = ["--match", "", "--bootstrap", 0, "--no_figures", "--over", "mean", "--raw"]
    status, out, _ = here(SCRIPT, "exam", *good[:2], second, *good[2:], *more)
    assert status == 0
    assert "all less toy" in out
    assert "negatives are not matched on anything" in out
    assert (tmp_path / "out" / "targets.tsv").exists()
    assert not (tmp_path / "out" / "figures").exists()
    result = json.loads((tmp_path / "out" / "exam.json").read_text())
    assert result["scores"]["all"] == {
        "path": str(folder / "scores" / "scores.h5"),
        "stat": "SAD",
        "targets": ["T0", "T1", "T2"],
        "over": "mean",
        "size": "score",
    }


def test_few_positives_are_counted_and_no_error(here, good, folder, tmp_path):
    table = pd.read_csv(folder / "qtls.tsv", sep="\t")
    few = tmp_path / "few.tsv"
    pd.concat([table.query("pip > 0.5")[:7], table.query("pip < 0.5")]).to_csv(
        few, sep="\t", index=False
    )
    status, out, _ = here(SCRIPT, "exam", few, *good[1:], "--no_figures")
    assert status == 0
    assert "7 positives: no AUROC of fewer than 10" in out
    assert (tmp_path / "out" / "exam.json").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--stat", "D2"], "has SAD, not D2"),
        (["--positive", "2"], "--positive is 2 and --negative 0.01: want 0 <= n"),
        (["--groups", "9,1"], "groups are '9,1'"),
        (["--match", "distance"], "unknown feature 'distance'"),
        (["--only", "tissue=Liver"], "unknown column 'tissue'"),
        (["--columns", "pip=beta,"], "unknown column 'beta,'"),
        (["--columns", "pip=beta"], "want a probability, 0 to 1"),
        (["--base", "0"], "with positions moved by -1"),
        (["--tss", "none.gtf"], "tss none.gtf does not exist"),
        (["--over", "sum"], "unknown summary over targets 'sum' in --over"),
        (["--query", "x", "--target", "T0"], "both choose targets"),
        (["--bootstrap", "3"], "--bootstrap is 3: want 0 for no intervals, or at least 20"),
        (["--block_bp", "0"], "--block_bp is 0: want 1 or more"),
        (["--effect_floor", "-1"], "--effect_floor is -1: want 0 or more"),
        (["--bins", "0"], "--bins is 0: want 1 or more"),
        (["--controls", "0"], "--controls is 0: want 1 or more"),
    ],
)
def test_one_line_for_what_cannot_be(here, good, tmp_path, more, message):
    status, out, errors = here(SCRIPT, "exam", *good, *more)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_p_values_and_strange_chromosomes(here, good, folder, tmp_path):
    table = pd.read_csv(folder / "qtls.tsv", sep="\t")
    for change, message in (
        (table.rename(columns={"pip": "pvalue"}), "no PIP: pvalue says what is associated"),
        (table.assign(variant=table["variant"].str.replace("chr1", "chr7")), "are on chr7 …"),
    ):
        change.to_csv(tmp_path / "q.tsv", sep="\t", index=False)
        status, _, errors = here(SCRIPT, "exam", tmp_path / "q.tsv", *good[1:])
        assert status == 2
        assert message in errors[-1]


def test_a_vcf_in_the_place_of_a_table_or_of_scores(here, good, folder):
    for arguments, message in (
        ([folder / "in.vcf", *good[1:]], "in.vcf is a VCF, which has no PIPs"),
        (
            [good[0], folder / "in.vcf", *good[2:]],
            "in.vcf is a VCF: want the folder that",
        ),
    ):
        status, _, errors = here(SCRIPT, "exam", *arguments)
        assert (status, len(errors)) == (2, 1)
        assert message in errors[0]


def test_help_answers_without_anything_heavy(run_script):
    done = run_script(SCRIPT, "exam", "--help")
    assert "fine-mapped QTLs" in done.stdout
