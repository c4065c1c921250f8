"""A whole run on simulated counts with planted scores: tables, figures, what is told."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfepi.allelic import testing
from tfepi.allelic.counts import read_sites
from tfepi.allelic.report_text import lines
from tfepi.allelic.run import Options, Source, run
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.report.allelic_accuracy_figures import roc
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts
from tfepi.specificity.cluster_file import peak_clusters
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.intervals import Interval

OPTIONS = Options(bootstrap=Bootstrap(rank_resamples=20), draws=3)


@pytest.fixture(scope="module")
def counts():
    return simulate_counts(AllelicDesign(2100, 0.12, 1.4, noise=0.8), 3)


@pytest.fixture(scope="module")
def source(counts):
    """Predictions of two targets, looked up by place."""
    sites = counts.sites
    places = zip(sites.chrom.tolist(), sites.position.tolist(), strict=True)
    row = {place: i for i, place in enumerate(places)}
    ratios = np.stack([counts.predicted, 1 - counts.predicted**2], axis=1)
    ratios[5] = np.nan

    def look_up(sites):
        places = zip(sites.chrom.tolist(), sites.position.tolist(), strict=True)
        return ratios[[row[p] for p in places]], ["good", "bad"]

    return Source(scored=look_up, names=("good", "bad"))


@pytest.fixture(scope="module")
def clusters(counts):
    names = np.array(["ubiquitous", "liver"])[np.arange(len(counts.sites)) % 2]
    inside = np.arange(len(names)) % 5 > 0
    s = counts.sites.rows(inside)
    return peak_clusters(s.chrom, s.position - 1, s.position + 1, names[inside])


@pytest.fixture(scope="module")
def finished(counts, source, clusters, tmp_path_factory):
    """The folder of a run with everything, and what it returned."""
    out = tmp_path_factory.mktemp("allelic") / "out"
    windows = [Interval("chr1", 0, 1_000_000, "train"), Interval("chr2", 0, 10**7, "test")]
    options = replace(OPTIONS, proxy="good")
    keywords = {"inputs": {}, "source": source, "clusters": clusters, "windows": windows}
    return out, run(counts.sites, out, options, **keywords)[""]


def test_every_site_has_a_row(finished, counts):
    out, found = finished
    table = pd.read_csv(out / "sites.tsv", sep="\t", keep_default_na=False, na_values=[""])
    assert len(table) == len(counts.sites)
    few = table["reads"] <= 20
    assert few.any()
    assert set(table.loc[few, "label"]) == {"few reads"}
    assert table.loc[few, ["p", "q", "predicted_good"]].isna().all(axis=None)
    deep = table[~few]
    np.testing.assert_allclose(deep["p"], found.tested.p, rtol=1e-8)
    np.testing.assert_allclose(deep["predicted_good"], found.predicted.column("good"), rtol=1e-8)
    mean = (deep["predicted_good"] + deep["predicted_bad"]) / 2
    np.testing.assert_allclose(deep["predicted_mean"], mean, rtol=1e-7)
    assert set(deep["label"]) == {"imbalanced", "balanced", "unmatched", "neither"}
    assert set(deep["favoured"]) == {"REF", "ALT", "none"}
    assert set(table["cluster"].dropna()) == {"ubiquitous", "liver"}
    assert set(table["split"].dropna()) == {"train", "test"}
    assert set(table.loc[table["chrom"] == "chr1", "train_contig"]) == {1}
    again = read_sites(out / "sites.tsv")  # its own table is one of counts
    np.testing.assert_array_equal(again.ref_reads, counts.sites.ref_reads)


def test_accuracies_are_those_of_the_planted_scores(finished):
    out, found = finished
    table = pd.read_csv(out / "accuracy.tsv", sep="\t", keep_default_na=False, na_values=[""])
    told = table.set_index(["subset", "predicted", "task"])["auroc"]
    good, bad = (told["all", name, "direction"] for name in ("good", "bad"))
    assert good > 0.95
    assert bad == pytest.approx(1 - good, abs=1e-9)
    assert set(table["subset"]) == {"all", "held_out", "other_contigs"}
    assert set(table["predicted"]) == {"mean", "good", "bad"}
    by_cluster = table[table["task"] == "direction_by_cluster"]
    assert set(by_cluster["cluster"]) == {"ubiquitous", "specific", "liver"}
    matched = table[(table["task"] == "direction_matched") & (table["subset"] == "all")]
    assert set(matched["cluster"]) >= {"liver", "ubiquitous (as liver)"}
    assert (matched["delong_low"] < matched["auroc"]).all()
    sizes = {k: int(v.sum()) for k, v in found.subsets.items()}
    assert sizes["all"] > sizes["held_out"] > sizes["other_contigs"] > 0


def test_the_summary_has_all_numbers(finished):
    out, found = finished
    value = json.loads((out / "allelic.json").read_text())
    assert (value["format"], value["format_version"]) == ("tfepi-allelic", 1)
    assert value["predicted"]["proxy"] == "good"
    assert value["predicted"]["mean_of"] == ["good", "bad"]
    assert value["sets"]["all"]["positives"] == int(found.sets["all"].positive.sum())
    assert value["counts"]["tested"] == len(found.tested.sites)
    assert value["imbalanced_by_test"]["binomial"] == value["sets"]["all"]["positives"]
    assert value["overdispersion"]["interval"][0] == 0
    told = value["tasks"]["all"]["good"]["direction"]
    assert told["auroc"]["delong"][0] < told["auroc"]["value"]
    assert (out / "run.json").exists()
    balance = pd.read_csv(out / "balance.tsv", sep="\t")
    assert set(balance["when"]) == {"before", "after"}
    assert value["ref_compared_with_genome"] is False
    assert value["counts"]["dosages"] == {"1": len(found.tested.sites)}
    sets = value["sets"]["all"]
    assert sets["bins_of_reads"] == 10
    assert sum(sets["favoured"].values()) == sets["positives"]
    text = "\n".join(lines(found, OPTIONS.testing))
    assert "direction among the imbalanced by good: AUROC 0.9" in text
    ends = [told["auroc"][name] for name in ("interval", "delong")]
    blocks, delong = (f"[{low:.3f}, {high:.3f}]" for low, high in ends)
    assert blocks != delong
    assert f" {blocks}, by DeLong {delong}, of " in text
    assert "\nintervals: of resampled blocks of the genome; DeLong's takes sites for indep" in text
    assert "direction in cluster liver: AUROC" in text


def test_figures_are_drawn(finished):
    names = {p.stem for p in (finished[0] / "figures").glob("*.png")}
    assert names == {
        *("ratios", "p_values", "read_counts", "imbalance_by_cluster", "observed_predicted"),
        *("roc", "auroc", "auroc_by_cluster"),
    }


def test_roc_is_of_every_threshold():
    truth = np.array([True, False, True, False, True])
    score = np.array([0.9, 0.8, 0.8, 0.1, 0.1])
    false, true = roc(truth, score)
    np.testing.assert_allclose(false, [0, 0, 0.5, 1])
    np.testing.assert_allclose(true, [0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("seen", ["chr1", "chr99", None])
def test_sets_of_the_same_sites_are_told_once(counts, source, tmp_path, seen):
    """All of chr1 is seen; no site is; every site is."""
    chroms = np.unique(counts.sites.chrom).tolist() if seen is None else [seen]
    windows = [Interval(c, 0, 10**9, "train") for c in chroms]
    keywords = {"inputs": {}, "source": source, "windows": windows, "figures": False}
    found = run(counts.sites, tmp_path / "out", OPTIONS, **keywords)[""]
    table = pd.read_csv(tmp_path / "out" / "accuracy.tsv", sep="\t", keep_default_na=False)
    text = list(lines(found, OPTIONS.testing))
    of_sets = [line for line in text if line.startswith("imbalanced or not by mean, ")]
    if seen is None:
        assert set(table["subset"]) == {"all"}
        assert of_sets == []
        told = [line for line in text if line.startswith("no tested site")]
        assert told == [f"no tested site is of the set {n}" for n in ("held out", "other contigs")]
        return
    rows = [
        table[table["subset"] == n].drop(columns="subset") for n in ("held_out", "other_contigs")
    ]
    assert len(rows[0]) == 9
    np.testing.assert_array_equal(*rows)
    assert (found.same_as("other_contigs") == "all") == (seen == "chr99")
    [line] = of_sets
    assert line.startswith("imbalanced or not by mean, held out = other contigs: AUROC ")


def test_without_a_model_there_are_tests_and_sets(counts, tmp_path):
    found = run(counts.sites, tmp_path / "out", OPTIONS, inputs={}, figures=False)[""]
    assert found.tasks == {}
    names = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    assert names == {*("sites.tsv", "sites.vcf", "balance.tsv", "allelic.json", "run.json")}
    vcf = (tmp_path / "out" / "sites.vcf").read_text().splitlines()
    assert sum(not line.startswith("#") for line in vcf) == len(found.tested.sites)
    with pytest.raises(UnfinishedError, match="has results"):
        run(counts.sites, tmp_path / "out", OPTIONS, inputs={})
    (tmp_path / "out" / "old").touch()
    run(counts.sites, tmp_path / "out", OPTIONS, inputs={}, overwrite=True, figures=False)
    assert not (tmp_path / "out" / "old").exists()


def test_few_positives_draw_what_there_is(source, tmp_path, counts):
    sites = counts.sites.rows(np.arange(len(counts.sites)) < 45)
    found = run(sites, tmp_path / "out", OPTIONS, inputs={}, source=source)[""]
    assert 0 < found.sets["all"].positive.sum() < 10
    assert found.tasks["all"]["mean"]["imbalance"]["auroc"]["value"] is None
    told = list(lines(found, OPTIONS.testing))
    assert sum("AUROC" in line for line in told) == 1  # one line for all that has none
    assert told[-1].startswith("no AUROC of fewer than 10 positives or negatives: imbalanced or ")
    assert "; direction among the imbalanced " in told[-1]
    names = {p.stem for p in (tmp_path / "out" / "figures").glob("*.png")}
    assert names == {"ratios", "p_values", "read_counts", "observed_predicted"}


def test_samples_that_are_kept_have_folders(counts, source, tmp_path):
    half = np.where(np.arange(len(counts.sites)) % 2, "kidney", "liver")
    sites = replace(counts.sites, sample=half)
    found = run(sites, tmp_path / "out", OPTIONS, inputs={}, source=source, figures=False)
    assert list(found) == ["kidney", "liver"]
    for name in found:
        value = json.loads((tmp_path / "out" / "samples" / name / "allelic.json").read_text())
        assert value["sample"] == name
    alone = testing.sites_tested(sites.rows(half == "liver"), OPTIONS.testing)
    np.testing.assert_array_equal(found["liver"].tested.q, alone.q)
    odd = replace(counts.sites, sample=np.full(len(half), "../up"))
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        run(odd, tmp_path / "other", OPTIONS, inputs={})


def test_what_is_refused(counts, source, clusters, tmp_path):
    def go(options=OPTIONS, sites=counts.sites, **more):
        run(sites, tmp_path / "out", options, inputs={}, source=source, **more)

    with pytest.raises(ConfigError, match="unknown target as proxy 'god'"):
        go(replace(OPTIONS, proxy="god"))
    with pytest.raises(ConfigError, match="draws is 0"):
        replace(OPTIONS, draws=0)
    named = replace(source, names=("mean", "bad"))
    with pytest.raises(ConfigError, match="a target is called 'mean'"):
        run(counts.sites, tmp_path / "out", OPTIONS, inputs={}, source=named)

    def nothing(_sites):
        raise InputFileError("scored none")

    with pytest.raises(InputFileError, match="scored none"):
        run(
            counts.sites,
            tmp_path / "out",
            OPTIONS,
            inputs={},
            source=replace(source, scored=nothing),
        )
    far = replace(clusters, chrom=np.full(len(clusters), "chrU"))
    with pytest.raises(InputFileError, match="sites lies in a peak"):
        go(clusters=far)
    named = replace(counts.sites, sample=np.full(len(counts.sites), "liver"))
    deep = replace(OPTIONS, testing=testing.HowTested(reads=10**6))
    with pytest.raises(InputFileError, match="sample liver: no site"):
        go(deep, named)
    assert not (tmp_path / "out").exists()
