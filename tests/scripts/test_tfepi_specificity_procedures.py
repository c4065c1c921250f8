"""`tfepi_specificity.py procedures`: trained, compared, resumed, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfepi.specificity.cluster_file import peak_clusters, write_clusters
from tfrecords_tools.data import Data
from tfrecords_tools.genome import Genome, decode

SCRIPT = "tfepi_specificity.py"
SCRIPTS = Path(__file__).parents[2] / "scripts"
pytestmark = pytest.mark.filterwarnings("ignore:Even though the .*run_functions_eagerly")
PARAMS = {
    "train": {"batch_size": 32, "loss": "poisson", "steps_per_epoch": 2, "best_by": "loss"},
    "model": {
        "name": "basset",
        "input_length": 256,
        "bin_width": 32,
        "stem_filters": 3,
        "stem_kernel": 5,
        "stem_pool": 16,
        "tower_filters": [],
        "neck_filters": 2,
        "dense_units": 4,
        "augment_rc": True,
    },
}


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Run TensorFlow's functions as they are: two steps take less than tracing them does."""
    from tfepi.startup import import_tensorflow

    config = import_tensorflow(deterministic=True).config
    before = config.functions_run_eagerly()
    config.run_functions_eagerly(True)
    yield
    config.run_functions_eagerly(before)


@pytest.fixture(scope="module")
def built(tmp_path_factory, genome_folder):
    """Data of 256 bp with one bin of 32 bp and three targets, clusters of its bins, tiny params."""
    from tfrecords_tools.build import build
    from tfrecords_tools.build_options import BuildOptions
    from tfrecords_tools.plan import make_plan

    folder = tmp_path_factory.mktemp("procedures")
    sizes = {"seq_length": 256, "bin_width": 32, "crop": 112, "valid": "chr2", "test": "chr3"}
    options = BuildOptions(**sizes, stride_train=192, stride_test=192, records_per_shard=50)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, folder / "data", quiet=True)
    data = Data.open(folder / "data")
    chrom, start, cluster = [], [], []
    for number, label in enumerate(data.labels):
        rng = np.random.default_rng(number)
        for window in data.windows(label):
            kind = rng.integers(8)
            if kind < 3:
                chrom.append(window.chrom)
                start.append(window.start)
                cluster.append(("ubiquitous", "T0", "T1,T2")[kind])
    end = [s + 32 for s in start]
    write_clusters(folder / "clusters.tsv", peak_clusters(chrom, start, end, cluster))
    (folder / "params.json").write_text(json.dumps(PARAMS))
    donors = [f"T0\t{i}\t{genome_folder / name}\n" for i, name in enumerate(("t0.bw", "t2.bw"))]
    (folder / "donors.tsv").write_text("".join(("cell_type\tdonor\tfile\n", *donors)))
    _write_sites(folder / "sites.tsv", genome_folder / "genome.fa", chrom, start)
    return folder


def _write_sites(path, fasta, chrom, start):
    """Write reads of two alleles at the third base of each peak, where the genome has one."""
    rng = np.random.default_rng(2)
    lines = ["chrom\tpos0\tref\talt\tref_reads\talt_reads\n"]
    with Genome(fasta) as genome:
        for name, low in zip(chrom[::2], start[::2], strict=True):
            ref = decode(genome.indices(name, low + 2, low + 3))
            if ref != "N":
                reads = rng.binomial(60, rng.choice((0.2, 0.5, 0.8)))
                alt = "ACGT"["ACGT".index(ref) - 1]
                lines.append(f"{name}\t{low + 2}\t{ref}\t{alt}\t{reads}\t{60 - reads}\n")
    path.write_text("".join(lines))


@pytest.fixture(scope="module")
def command(built):
    """Return a function of a folder that returns the arguments of a short comparison."""

    def arguments(out, *more) -> list:
        fixed = (built / "data", built / "clusters.tsv", "-o", out, "--params")
        changes = ("--single", "T0", "--seeds", 1, "--bootstrap", 20, "--shifts", "1", "-q", *more)
        return ["procedures", *fixed, built / "params.json", "--epochs", 1, *changes]

    return arguments


@pytest.fixture(scope="module")
def compared(tmp_path_factory, command, built, genome_folder):
    """Folder and standard output of a comparison, with replicates and variants."""
    import contextlib
    import io
    import runpy

    out = tmp_path_factory.mktemp("compared") / "out"
    text = io.StringIO()
    more = ("--replicates", built / "donors.tsv", "--sites", built / "sites.tsv")
    arguments = command(out, *more, "-f", genome_folder / "genome.fa")
    with contextlib.redirect_stdout(text):
        status = runpy.run_path(str(SCRIPTS / SCRIPT))["main"]([*map(str, arguments)])
    assert status == 0
    return out, text.getvalue()


def test_tables(compared, built):
    out, text = compared
    value = json.loads((out / "procedures.json").read_text())
    assert (value["format"], value["format_version"]) == ("tfepi-procedures", 1)
    table = pd.read_csv(out / "procedures.tsv", sep="\t", keep_default_na=False)
    own = table[(table.statistic == "pearsonr_log2") & (table.group == "specific")]
    assert own.groupby(["procedure", "seed"]).size().to_dict() == {
        (name, seed): count
        for name, count in (
            ("single_task", 1),
            ("multitask", 3),
            ("multitask_peaks", 3),
            ("multitask_non_ubiquitous", 3),
        )
        for seed in (44,)
    }
    # the value of one model by the plain definition
    data = Data.open(built / "data")
    truth = np.stack([t for _, t in data.records("test")])[:, 0].astype(float)
    predicted = np.load(out / "predictions" / "multitask" / "seed44.npy")[:, 0]
    clusters = pd.read_csv(built / "clusters.tsv", sep="\t")
    specific = {(p.chrom, p.start) for p in clusters.itertuples() if p.cluster != "ubiquitous"}
    rows = [(w.chrom, w.start) in specific for w in data.windows("test")]
    wanted = np.corrcoef(*(np.log2(v[rows, 1] + 1) for v in (truth, predicted)))[0, 1]
    row = own[(own.procedure == "multitask") & (own.seed == 44) & (own.cell_type == "T1")]
    assert float(row.value.iloc[0]) == pytest.approx(wanted, abs=1e-6)
    assert int(row.n.iloc[0]) == sum(rows)
    assert f"tested: {data.counts['test']} bins, {sum(rows)} in specific peaks" in text
    assert "one seed: no interval over seeds" in text
    *_, last = text.splitlines()
    assert last.startswith(f"wrote {out}: plan.json, procedures.json, procedures.tsv, run.json, ")
    assert set(last.split(": ", 1)[1].split(", ")) == {
        p.name + "/" * p.is_dir() for p in out.iterdir() if not p.name.startswith(".")
    }
    assert ["there is no clusters.json" in n for n in value["notes"]] == [False, True]
    assert "1 single task (1 cell type)" in text
    assert "2 multitask (1 cell type)" in text
    assert "4 multitask, non-ubiquitous (3 cell types)" in text
    counts = {name: of["windows"] for name, of in value["training"].items()}
    assert counts["single_task"] == counts["multitask"] == data.counts["train"]
    assert counts["multitask"] > counts["multitask_peaks"] > counts["multitask_non_ubiquitous"]
    assert f"{counts['multitask_peaks']:,}" in text
    assert value["training"]["single_task"]["mean_steps"] == 2
    assert {d["verdict"] for d in value["directions"]} <= {
        *("as reported, one seed", "not as reported, one seed", "not measured")
    }


def test_replicates_and_variants(compared, built):
    out, text = compared
    value = json.loads((out / "procedures.json").read_text())
    of = {(m["procedure"], m["cells"], m["group"]): m for m in value["means"]}
    assert of["multitask", "all", "genome-wide"]["ceiling"] is None  # of peaks only
    row = of["multitask", "single", "specific"]
    table = pd.read_csv(out / "procedures.tsv", sep="\t", keep_default_na=False)
    own = table[(table.statistic == "pearsonr_log2") & (table.procedure == "multitask")]
    own = own[(own.group == "specific") & (own.cell_type == "T0")].value.astype(float).iloc[0]
    assert row["less_ceiling"]["value"] == pytest.approx(own - row["ceiling"])  # of T0 alone
    [sample] = value["variants"]["samples"]
    assert sample["predicted_by"] == "mean"
    counts = pd.read_csv(built / "sites.tsv", sep="\t")
    assert sample["sites"] == len(counts) == sample["specific"] + sample["ubiquitous"]
    trained = counts.chrom.isin(("chr1", "chr2"))  # chr2 is for validation
    assert sample["in_training_windows"] == trained.sum()
    found = {(r["procedure"], r["group"]): r["auroc"] for r in value["variants"]["auroc_direction"]}
    assert len(found) == 8
    assert all(0 <= a["value"] <= 1 for a in found.values())
    assert "peaks only: direction of allelic imbalance" in text
    ratios = np.load(out / "variants" / "multitask_peaks" / "seed44.npy")
    assert ratios.shape == (len(counts), 3)
    assert ((ratios > 0) & (ratios < 1)).all()
    # the ratio of one site by the plain definition: mean over strands of each allele, shifted
    from tfepi.predictors import load_predictor
    from tfepi.spec import AveragedPredictor

    predictor = load_predictor(out / "models" / "multitask_peaks" / "seed44")
    averaged = AveragedPredictor(predictor, True, (1,))
    site = counts.sort_values(["chrom", "pos0"]).iloc[0]
    with Genome(json.loads((out / "run.json").read_text())["inputs"]["fasta"]["path"]) as genome:
        low = int(site.pos0) - 127  # the site is the 16th base of the bin, which begins at 112
        pair = np.stack([genome.indices(site.chrom, low, low + 256)] * 2)
    pair[1, 127] = "ACGT".index(site.alt)
    ref, alt = averaged.predict({"sequence": pair})["output"][:, 0].astype(float)
    np.testing.assert_allclose(ratios[0], ref / (ref + alt), rtol=1e-5)


def test_models_and_sets_are_kept(compared):
    out, _ = compared
    for place in ("single_task/seed44/T0", "multitask_peaks/seed44"):
        assert (out / "models" / place / "model_best.keras").exists()
    kept = Data.open(out / "data" / "peaks")
    assert kept.labels == ["train", "valid"]


def test_figures(compared):
    out, _ = compared
    for name in (
        *("reference_accuracy", "procedures", "height_matched", "overcorrelation"),
        *("single_task", "peak_heights", "imbalance"),
        *("accuracy_by_cluster_multitask_peaks", "variant_accuracy", "variant_direction"),
    ):
        assert (out / "figures" / f"{name}.png").stat().st_size > 5000


def test_resumed_is_as_uninterrupted(compared, command, built, genome_folder, here, tmp_path):
    out, _ = compared
    again = tmp_path / "again"
    shutil.copytree(out, again)
    shutil.rmtree(again / "models" / "multitask_peaks" / "seed44")
    shutil.rmtree(again / "data" / "peaks")
    (again / "predictions" / "multitask_peaks" / "seed44.npy").unlink()
    (again / "predictions" / "single_task" / "seed44" / "T0.npy").unlink()
    (again / "procedures.tsv").unlink()
    more = ("--replicates", built / "donors.tsv", "--sites", built / "sites.tsv")
    more += ("-f", genome_folder / "genome.fa", "--resume", "--no_figures")
    status, text, _ = here(SCRIPT, *command(again, *more))
    assert status == 0
    for name in ("procedures.tsv", "procedures.json", "plan.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    assert text.splitlines()[:-1]
    status, _, error = here(SCRIPT, *command(again))
    assert status == 2
    assert "--resume to go on" in error[0]
    status, _, error = here(SCRIPT, *command(again, "--resume", "--seeds", 2))
    assert (status, len(error)) == (2, 1)
    assert "again holds an experiment with seeds [44], now [44, 45]: give what" in error[0]


@pytest.mark.slow
def test_killed_is_as_uninterrupted(command, tmp_path):
    """kill −9 while the first and the third model is trained, and once the first is predicted."""

    def start(out) -> subprocess.Popen:
        words = [sys.executable, SCRIPTS / SCRIPT, *command(out, "--resume", "--no_figures")]
        env = os.environ | {"PYTHONPATH": str(SCRIPTS.parent)}
        return subprocess.Popen([*map(str, words)], env=env, stdout=subprocess.DEVNULL)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    for place in ("models/single_task", "predictions/single_task", "models/multitask_peaks"):
        running = start(killed)
        while not (killed / place).exists():
            assert running.poll() is None
            time.sleep(0.05)
        running.kill()
        assert running.wait() == -signal.SIGKILL
        assert not (killed / "procedures.json").exists()
    assert start(killed).wait() == 0
    for name in ("procedures.tsv", "procedures.json", "plan.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_refused(command, built, here, tmp_path):
    lonely = tmp_path / "lonely.tsv"
    lonely.write_text("chrom\tstart\tend\tcluster\nchr1\t5000\t5032\tT0\n")
    alike = tmp_path / "alike.tsv"
    alike.write_text("chrom\tstart\tend\tcluster\nchr1\t5000\t5032\tubiquitous\n")
    tested = tmp_path / "tested.tsv"
    lines = (built / "clusters.tsv").read_text().splitlines(keepends=True)
    tested.write_text("".join(x for x in lines if not x.startswith(("chr1", "chr2"))))
    few = tmp_path / "few.json"
    few.write_text(json.dumps(PARAMS | {"train": {"batch_size": 200}}))
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps(PARAMS | {"model": PARAMS["model"] | {"input_length": 512}}))
    out = tmp_path / "out"
    for change, message in (
        (("--single", "T00"), "unknown cell type 'T00' in --single: did you mean 'T0'"),
        (("--single", "T0,T0"), "--single names 'T0' twice"),
        (("--seeds", 0), "no seeds"),
        (("--params", few), "a batch is 200: use a smaller batch_size"),
        (("--params", wide), "sequence length: the model of params.json has 512"),
        (("--params", "conditioned_state"), "have a conditioning section"),
        (("--shifts", "x"), "want whole numbers"),
        (("--shifts", "200"), "shift"),
        (("--test_label", "tests"), "unknown label 'tests'"),
        (("-p", 0), "want at least 1"),
        (("--sites", "counts.tsv"), "-f FASTA is not given"),
        (("-f", "genome.fa"), "--sites COUNTS is not given"),
        (("--reads", 30), "--reads 30 is given, and it is of sites, of which there are none"),
        (("--replicates", "no.tsv"), "no.tsv does not exist"),
    ):
        status, _, error = here(SCRIPT, *command(out, *change))
        assert (status, len(error)) == (2, 1), error
        assert message in error[0]
        assert not out.exists()
    for clusters, message in (
        (lonely, "none of which is named 'ubiquitous'"),
        (alike, "no other peaks than 1"),
        (tested, "training windows of"),
    ):
        arguments = command(out)
        arguments[2] = clusters
        status, _, error = here(SCRIPT, *arguments)
        assert (status, len(error)) == (2, 1), error
        assert message in error[0]
        assert not out.exists()


def test_one_cell_type_is_refused(built, command, here, tmp_path):
    from tfrecords_tools.select_records import SelectOptions, select_records

    select_records(Data.open(built / "data"), tmp_path / "one", SelectOptions((1,)), quiet=True)
    arguments = command(tmp_path / "out")
    arguments[1] = tmp_path / "one"
    status, _, error = here(SCRIPT, *arguments)
    assert status == 2
    assert "the data have 1 target" in error[0]
