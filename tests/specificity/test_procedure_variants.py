"""Allelic imbalance by procedures, from ratios of alleles that are made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tfepi.params import parse_params
from tfepi.specificity.accuracy import SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS, peak_clusters
from tfepi.specificity.procedure_runs import jobs_of
from tfepi.specificity.procedure_tables import COLUMNS
from tfepi.specificity.procedure_variants import Variants
from tfepi.specificity.procedures import MULTITASK, SINGLE, Plan
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.targets import Target

CELLS = ("a", "b")
LABELS = ("train", "valid", "test")
COUNT = 240


@pytest.fixture
def experiment(write_records, tmp_path):
    """Variants of two samples, the jobs of a plan with cached ratios, clusters and the folder."""
    rng = np.random.default_rng(5)
    targets = tuple(Target(i, c) for i, c in enumerate(CELLS))
    starts = [64 + 1000 * i for i in range(COUNT)]
    data = write_records(dict.fromkeys(LABELS, COUNT // 3), starts=starts, targets=targets)
    letters = rng.choice(list("ACGT"), 1000 * COUNT + 1000)
    (tmp_path / "genome.fa").write_text(f">chr1\n{''.join(letters)}\n")
    position = 164 + 1000 * np.arange(COUNT)
    names = np.array([UBIQUITOUS, "a", "b", ""])[rng.integers(0, 4, COUNT)]
    low = position[names != ""] - 50
    clusters = peak_clusters(["chr1"] * len(low), low, low + 100, names[names != ""])
    lines = ["chrom\tpos0\tref\talt\tref_reads\talt_reads\tsample\n"]
    effect = rng.normal(0, 1, COUNT)
    for sample in CELLS:
        for at, strength in zip(position, effect, strict=True):
            ref = letters[at]
            reads = rng.binomial(80, 1 / (1 + np.exp(-strength)))
            alt = "ACGT"["ACGT".index(ref) - 1]
            lines.append(f"chr1\t{at}\t{ref}\t{alt}\t{reads}\t{80 - reads}\t{sample}\n")
    (tmp_path / "sites.tsv").write_text("".join(lines))
    plan = Plan(parse_params({"model": {"name": "basset"}}), (44, 45), CELLS, ("a",))
    jobs = jobs_of(plan, {}, data, tmp_path, quiet=True)
    for number, job in enumerate(jobs):
        path = job.model.path(tmp_path / "variants")
        path = path.with_name(f"{path.name}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = 1 if job.model.cell_type else 2
        own = rng.normal(0, 1 + number / 10, (2 * COUNT, columns)) + np.tile(effect, 2)[:, None]
        np.save(path, 1 / (1 + np.exp(-own)))
    variants = Variants.read(tmp_path / "sites.tsv", tmp_path / "genome.fa", data, LABELS)
    return variants, jobs, plan, clusters, names, tmp_path


def test_each_sample_is_its_cell_type(experiment):
    variants, jobs, plan, clusters, names, out = experiment
    found = variants.score(jobs, plan, clusters, out, quiet=True)
    assert set(variants.tested) == set(CELLS)
    assert {k for k in found.analyses if k[0] is SINGLE} == {(SINGLE, 44, "a"), (SINGLE, 45, "a")}
    table = pd.DataFrame(found.rows(), columns=COLUMNS)
    reads = pd.read_csv(out / "sites.tsv", sep="\t")
    for sample in CELLS:
        own = reads[reads["sample"] == sample].sort_values("pos0")
        ratios = np.load(out / "variants" / "multitask" / "seed45.npy")
        rows = slice(0, COUNT) if sample == "a" else slice(COUNT, None)
        ratio = ratios[rows, CELLS.index(sample)]
        for group, chosen in ((UBIQUITOUS, names == UBIQUITOUS), (SPECIFIC, np.isin(names, CELLS))):
            used = chosen & (own.ref_reads != own.alt_reads).to_numpy()
            truth = (own.ref_reads > own.alt_reads).to_numpy()[used]
            row = table[
                (table.statistic == "auroc_cluster_direction")
                & ((table.procedure == "multitask") & (table.seed == 45))
                & ((table.group == group) & (table.other == sample))
            ]
            assert row.n.iloc[0] == used.sum()
            assert row.cell_type.iloc[0] == sample
            assert row.value.iloc[0] == pytest.approx(roc_auc_score(truth, ratio[used]))
    aurocs = found.matched()
    assert set(aurocs[MULTITASK, SPECIFIC]) == {44, 45}
    both = table[(table.statistic == "auroc_direction") & (table.procedure == "multitask")]
    own = both[(both.group == SPECIFIC) & (both.seed == 44)]
    assert len(own) == 2
    assert aurocs[MULTITASK, SPECIFIC][44] == pytest.approx(own.value.mean())
    value = found.to_json()
    assert [s["predicted_by"] for s in value["samples"]] == list(CELLS)
    assert value["samples"][0]["specific"] == np.isin(names, CELLS).sum()
    assert value["samples"][0]["in_training_windows"] == 2 * COUNT // 3
    assert 0.5 < value["auroc_imbalance"][0]["auroc"]["value"] < 1
    held = table[(table.statistic == "auroc_imbalanced_direction") & (table.group == "held_out")]
    assert len(held)


def test_other_samples_are_added_up(experiment, tmp_path):
    variants, jobs, plan, clusters, _, out = experiment
    text = (out / "sites.tsv").read_text().replace("\tb\n", "\tK562\n")
    (tmp_path / "other.tsv").write_text(text)
    data = jobs[0].test
    summed = Variants.read(tmp_path / "other.tsv", variants.fasta, data, LABELS)
    assert list(summed.tested) == [""]
    np.testing.assert_array_equal(summed.tested[""].sites.reads, np.full(COUNT, 160))
    with pytest.raises(InputFileError, match=r"has 480 sites, .* 240: remove the folder"):
        summed.score(jobs, plan, clusters, out, quiet=True)
    for path in (out / "variants").rglob("*.npy"):
        np.save(path, np.load(path)[:COUNT])
    found = summed.score(jobs, plan, clusters, out, quiet=True)
    assert {a.predicted.proxy for a in found.analyses.values()} == {"mean", "a"}
    ratios = np.load(out / "variants" / "multitask" / "seed44.npy")
    own = found.analyses[MULTITASK, 44, ""].predicted.column("mean")
    np.testing.assert_allclose(own, ratios.mean(axis=1))


def test_damaged_ratios(experiment):
    variants, jobs, plan, clusters, _, out = experiment
    (out / "variants" / "multitask" / "seed44.npy").write_text("no array")
    with pytest.raises(InputFileError, match=r"cannot read .*seed44\.npy"):
        variants.score(jobs, plan, clusters, out, quiet=True)


def test_too_few_sites_give_no_auroc(experiment):
    variants, jobs, plan, clusters, _, out = experiment
    few = replace(clusters, cluster=np.where(np.arange(len(clusters)) < 6, 0, 1))
    found = variants.score(jobs, plan, few, out, quiet=True)
    assert found.matched() == {}
    assert "no AUROC of fewer than 10" in found.to_json()["samples"][0]["note"]
