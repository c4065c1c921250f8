"""The exam against simulated truth: every estimate within its interval, confounding removed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.qtl import exam as exam_module
from tfepi.qtl.exam import Options, exam
from tfepi.qtl.exam_features import TSS, FeatureFiles
from tfepi.qtl.exam_output import group_name, summary
from tfepi.qtl.exam_scores import Choice
from tfepi.qtl.exam_simulation import QtlSimulation, simulate_qtls
from tfepi.qtl.exam_variants import Limits
from tfepi.simulate.effects import make_variants
from tfepi.simulate.grammar import grammars
from tfepi.simulate.motifs import find_sites
from tfepi.simulate.sequence import make_chromosome, make_repeat
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

SETTINGS = QtlSimulation(variants=7_000, causal=250, seed=5)
OPTIONS = Options(bootstrap=Bootstrap(rank_resamples=200, seed=1))
QUICK = replace(OPTIONS, edges=(), bootstrap=Bootstrap(rank_resamples=0))
TABLES = ("exam.json", "exam.tsv", "balance.tsv", "variants.tsv.gz")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return simulate_qtls(SETTINGS).write(tmp_path_factory.mktemp("qtls"))


@pytest.fixture(scope="module")
def hold(paths, tmp_path_factory):
    def run(out=None, options=OPTIONS, names=("score", "place"), table="qtls.tsv", **more):
        folder = tmp_path_factory.mktemp("out") / "exam" if out is None else out
        scores = {n: (paths["scores.tsv"], Choice(targets=(n,))) for n in names}
        files = FeatureFiles(tss=str(paths["tss.bed"]))
        place = paths.get(table, table)
        return exam(place, scores, folder, options, files, quiet=True, **more), folder

    return run


@pytest.fixture(scope="module")
def done(hold):
    return hold()


def whole(result, score="score", part="accuracy"):
    return next(m for m in result[part] if m["score"] == score and m["from"] is m["to"] is None)


def test_every_estimate_is_within_its_interval_of_the_truth(done):
    result, _ = done
    marks = whole(result)
    for name, truth in SETTINGS.truth.items():
        low, high = marks[name]["interval"]
        assert low < truth < high, name
        assert high - low < 0.25
    assert marks["auroc"]["delong"][0] < SETTINGS.auroc < marks["auroc"]["delong"][1]
    assert marks["sign_accuracy"]["exact"][0] < SETTINGS.sign < marks["sign_accuracy"]["exact"][1]
    assert marks["sign_accuracy"]["p"] < 1e-9
    assert marks["prevalence"] == pytest.approx(1 / (1 + result["matching"]["negatives_of_each"]))


def test_the_truth_itself_by_many_draws():
    settings = replace(SETTINGS, variants=40_000, causal=20_000)
    made = simulate_qtls(settings)
    best = made.qtls[made.qtls["pip"] >= 0.9]
    effect = best["slope"] * np.where(best["effect_allele"] == best["ref"], -1, 1)
    own = made.scores.merge(best.assign(effect=effect), on=["chrom", "pos"])
    assert len(own) == 20_000
    others = made.scores.loc[~made.scores["causal"], "score"].abs().to_numpy()
    sizes = own["score"].abs().to_numpy()
    above = np.searchsorted(np.sort(others), sizes).mean() / len(others)
    magnitudes = own[["score", "effect"]].abs().corr("spearman").iloc[0, 1]
    found = {"auroc": above, "spearman_abs": magnitudes}
    found["sign_accuracy"] = (np.sign(own["score"]) == np.sign(own["effect"])).mean()
    found["spearman"] = own[["score", "effect"]].corr("spearman").iloc[0, 1]
    for name, truth in settings.truth.items():
        assert found[name] == pytest.approx(truth, abs=0.012)


def test_matching_takes_away_planted_confounding(done):
    result, _ = done
    before = result["unmatched"]["place"]["auroc"]["value"]
    found = whole(result, "place")["auroc"]
    assert before > 0.8
    assert found["interval"][0] < 0.5 < found["interval"][1]
    assert abs(found["value"] - 0.5) < 0.03
    alone = whole(result, "1/TSS distance", "baselines")["auroc"]
    assert alone == found  # the same order of variants
    for row in result["balance"]:
        assert row["matched"]
        assert abs(row["difference_before"]) > 0.3
        assert abs(row["difference_after"]) < 0.1
    for low, high in ((None, 1000), (1000, 10_000)):
        marks = next(m for m in result["baselines"] if (m["from"], m["to"]) == (low, high))
        assert marks["auroc"]["interval"][0] < 0.5 < marks["auroc"]["interval"][1]


def test_the_better_score_is_told_from_the_other(done):
    result, _ = done
    rows = {r["statistic"]: r for r in result["differences"]}
    assert rows["auroc"]["p"] < 1e-6
    for name in ("auroc", "auprc", "sign_accuracy", "spearman", "spearman_abs"):
        assert (rows[name]["score"], rows[name]["less"]) == ("place", "score")
        assert rows[name]["interval"][1] < 0
    low, high = rows["auroc"]["interval"]
    assert low < 0.5 - SETTINGS.auroc < high


def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path):
    held = dict.fromkeys(SETTINGS.truth, 0)
    runs = 10
    for seed in range(runs):
        settings = QtlSimulation(variants=1500, causal=70, seed=100 + seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths = simulate_qtls(settings).write(folder)
        result = exam(
            paths["qtls.tsv"],
            {"s": (paths["scores.tsv"], Choice(targets=("score",)))},
            folder / "out",
            Options(edges=(), match_on=(), bootstrap=Bootstrap(rank_resamples=100, seed=seed)),
            quiet=True,
        )
        for name, truth in settings.truth.items():
            low, high = result["accuracy"][0][name]["interval"]
            held[name] += low <= truth <= high
    assert min(held.values()) >= runs - 3  # of 95%: fewer in one of 400 cases


def test_tables_say_what_the_result_says(done):
    result, folder = done
    table = pd.read_csv(folder / "exam.tsv", sep="\t")
    marks = whole(result)
    row = table[(table["score"] == "score") & (table["statistic"] == "auroc")].iloc[0]
    assert row["value"] == pytest.approx(marks["auroc"]["value"], rel=1e-5)
    assert row["low"] == pytest.approx(marks["auroc"]["interval"][0], rel=1e-5)
    assert row["formula_high"] == pytest.approx(marks["auroc"]["delong"][1], rel=1e-5)
    assert row["variants"] == marks["positives"] + marks["negatives"]
    assert set(table["score"]) == {
        "score",
        "place",
        "1/TSS distance",
        "allele frequency",
        "LD score",
    }
    assert (table["less"] == "score").sum() == 5
    balance = pd.read_csv(folder / "balance.tsv", sep="\t").set_index("feature")
    assert balance.loc[TSS, "auroc_after"] == pytest.approx(
        result["balance"][0]["auroc_after"], 1e-5
    )
    variants = pd.read_csv(folder / "variants.tsv.gz", sep="\t")
    counts = result["counts"]
    assert variants["positive"].sum() == counts["positives"] == SETTINGS.causal
    assert (variants["positive"] == 0).sum() == result["matching"]["negatives"]
    sets = variants.dropna(subset="set").groupby("set")["positive"].agg(["sum", "size"])
    assert (sets["sum"] == 1).all()
    assert (sets["size"] == 1 + result["matching"]["negatives_of_each"]).all()
    assert json.loads((folder / "exam.json").read_text()) == json.loads(json.dumps(result))
    assert result["qtls"]["columns"]["effect"] == "slope"
    assert json.loads((folder / "run.json").read_text())["outcome"] == "finished"
    assert row["blocks"] == marks["blocks"] <= result["blocks"]["count"]
    text = summary(result)
    low, high = marks["auroc"]["delong"]
    assert f"  [{low:.3f}, {high:.3f}]  " in text
    matched = f"AUROC and AUPRC of the {marks['positives']} that have matched negatives"
    assert f"{counts['positives']} positives; {matched} (" in text
    assert f"Spearman of the {marks['effects']} with an effect" in text
    blocks = f"bootstrap of {result['blocks']['count']} blocks of {result['blocks']['bp']:,} bp"
    assert f"intervals: {blocks}, of which {marks['blocks']} have positives" in text
    assert f"{marks['auroc']['value']:.3f} [" in text
    assert "AUROC without matching: score" in text
    assert "place less score" in text


def test_effects_are_turned_to_alt(done, paths):
    _, folder = done
    variants = pd.read_csv(folder / "variants.tsv.gz", sep="\t")
    own = variants[variants["positive"] == 1].merge(
        pd.read_csv(paths["qtls.tsv"], sep="\t").query("pip >= 0.9"), on=["chrom", "pos"]
    )
    turned = own["effect_allele"] == own["ref_x"]
    assert (own["swapped"] == turned).all()
    assert 0.3 < turned.mean() < 0.7
    np.testing.assert_allclose(own["effect"], own["slope"] * np.where(turned, -1, 1), rtol=1e-5)


def test_same_inputs_give_the_same_bytes_and_resume_keeps_them(hold, done):
    first, folder = done
    _, again = hold()
    for name in TABLES:
        assert (folder / name).read_bytes() == (again / name).read_bytes()
    stamp = (again / "exam.json").stat().st_mtime_ns
    kept, _ = hold(again, resume=True)
    assert kept == json.loads(json.dumps(first))
    assert (again / "exam.json").stat().st_mtime_ns == stamp
    with pytest.raises(UnfinishedError, match="controls"):
        hold(again, replace(OPTIONS, controls=2), resume=True)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        hold(again)
    changed, _ = hold(again, replace(QUICK, controls=1), ("score",), overwrite=True)
    assert changed["matching"]["negatives_of_each"] == 1
    assert whole(changed)["auroc"]["interval"] is None


def test_several_targets_have_a_table_of_their_own(hold, paths, tmp_path):
    both = {"both": (paths["scores.tsv"], Choice(targets=("score", "place")))}
    result = exam(paths["qtls.tsv"], both, tmp_path / "out", QUICK, quiet=True)
    table = pd.read_csv(tmp_path / "out" / "targets.tsv", sep="\t").set_index("target")
    assert table.index.tolist() == ["place", "score"]  # by AUROC: place is not matched on here
    assert table.loc["score", "sign_accuracy"] == pytest.approx(SETTINGS.sign, abs=0.08)
    assert result["scores"]["both"]["over"] == "max"
    variants = pd.read_csv(tmp_path / "out" / "variants.tsv.gz", sep="\t")
    scores = pd.read_csv(paths["scores.tsv"], sep="\t")
    own = variants.merge(scores, on=["chrom", "pos"])
    np.testing.assert_allclose(
        own["both_size"], own[["score", "place"]].abs().max(axis=1), rtol=1e-5
    )


def test_few_positives_give_counts_and_a_note(hold):
    result, folder = hold(options=replace(QUICK, limits=Limits(0.997, 0.01)))
    assert 0 < result["counts"]["positives"] < 10
    assert whole(result)["auroc"]["value"] is None
    assert "no AUROC of fewer than 10" in result["notes"][0]
    assert "no statistics of fewer than 10" in result["notes"][1]
    assert (folder / "exam.tsv").exists()
    assert "-" in summary(result)


def test_without_negatives_effects_are_still_examined(hold, paths, tmp_path):
    table = pd.read_csv(paths["qtls.tsv"], sep="\t").query("pip >= 0.1")
    table.to_csv(tmp_path / "q.tsv", sep="\t", index=False)
    result, _ = hold(options=QUICK, table=tmp_path / "q.tsv")
    assert whole(result)["sign_accuracy"]["value"] == pytest.approx(SETTINGS.sign, abs=0.06)
    assert whole(result)["auroc"]["value"] is None
    assert any("candidate negative" in note for note in result["notes"])
    more, _ = hold(options=QUICK, table=tmp_path / "q.tsv", background="scores")
    assert more["counts"]["of_background"] > 6_000
    low, high = whole(more)["auroc"]["delong"]
    assert low < SETTINGS.auroc < high


def test_an_effect_floor_leaves_out_small_effects(hold):
    found, _ = hold(options=replace(QUICK, effect_floor=1.0), names=("score",))
    signs = whole(found)["sign_accuracy"]
    assert 0 < signs["variants"] < 0.7 * SETTINGS.causal
    assert whole(found)["effects"] == SETTINGS.causal


def test_a_note_says_what_matching_left(hold):
    found, _ = hold(options=replace(QUICK, bins=1, controls=60), names=("place",))
    assert any("still differ in TSS distance" in note for note in found["notes"])


def test_variants_of_a_simulated_genome(tmp_path):
    rng = np.random.default_rng(4)
    chromosome = make_chromosome("chr1", 400_000, rng, make_repeat(rng))
    cells = grammars(2)
    made = make_variants(chromosome, find_sites(chromosome.indices), cells, 600, 192, rng)
    effects = np.array(
        [np.log2((np.array(v.alt_signal) + 1) / (np.array(v.ref_signal) + 1)) for v in made]
    )
    table = pd.DataFrame([("chr1", v.pos + 1, v.ref, v.alt) for v in made])
    table.columns = ["chrom", "pos", "ref", "alt"]
    causal = np.abs(effects[:, 0]) > 0.5
    known = table.assign(pip=np.where(causal, 0.95, 0.001), beta=effects[:, 0])
    known.to_csv(tmp_path / "q.tsv", sep="\t", index=False)
    noise = rng.normal(0, 0.3, len(made))
    table.assign(own=effects[:, 0] + noise, other=effects[:, 1] + noise).to_csv(
        tmp_path / "s.tsv", sep="\t", index=False
    )
    scores = {n: (tmp_path / "s.tsv", Choice(targets=(n,))) for n in ("own", "other")}
    result = exam(tmp_path / "q.tsv", scores, tmp_path / "out", QUICK, quiet=True)
    assert result["counts"]["positives"] == causal.sum()
    own, other = whole(result, "own"), whole(result, "other")
    assert own["auroc"]["value"] > 0.95
    assert own["sign_accuracy"]["value"] > 0.95
    assert own["spearman"]["value"] > 0.9
    assert other["spearman"]["value"] < own["spearman"]["value"]
    assert result["distance"] is None
    assert any("not matched on anything" in note for note in result["notes"])


def test_what_is_refused(hold, paths, tmp_path):
    with pytest.raises(ConfigError, match="--controls is 0"):
        Options(controls=0)
    with pytest.raises(ConfigError, match="--bins is 0"):
        Options(bins=0)
    with pytest.raises(ConfigError, match="--effect_floor is -1"):
        Options(effect_floor=-1)
    with pytest.raises(InputFileError, match=r"QTL table .* does not exist"):
        hold(tmp_path / "o", table=tmp_path / "none.tsv")
    with pytest.raises(InputFileError, match=r"background .* does not exist"):
        hold(tmp_path / "o", background=tmp_path / "none.vcf")
    with pytest.raises(ConfigError, match="lower --positive"):
        hold(tmp_path / "o", replace(OPTIONS, limits=Limits(1.0)))
    with pytest.raises(ConfigError, match="leaves 4 blocks"):
        hold(tmp_path / "o", replace(OPTIONS, bootstrap=Bootstrap(block_bp=10**9)))
    assert not (tmp_path / "o").exists()


def test_names_of_groups():
    names = [group_name(*g) for g in ((None, None), (None, 500), (500, 2000), (1000, 30_000))]
    assert names == ["all", "< 500 bp", "500 bp–2 kb", "1–30 kb"]
    assert group_name(2000, None) == "≥ 2 kb"
    assert exam_module.EDGES == (1_000, 10_000, 100_000)
