"""Conditioned models by the commands: compared, tested, and asked for variants in one cell type."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome, decode

ROOT = Path(__file__).parents[2]
TINY = ("model.filters=2", "model.depth=1", "model.kernel=3", "train.batch_size=16")
SHORT = ("train.train_epochs_max=2", "train.steps_per_epoch=3")


@pytest.fixture(scope="module")
def variants(tmp_path_factory, genome_folder):
    """A VCF of six SNVs on chr3, and a table of made-up true effects."""
    folder = tmp_path_factory.mktemp("variants")
    rows = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    names = [f"diff_{c}_{m}" for c in "abc" for m in "KM"]
    table = ["\t".join(("id", "place", *names))]
    rng = np.random.default_rng(3)
    with Genome(genome_folder / "genome.fa") as genome:
        for number in range(6):
            at = 6000 + 1500 * number
            ref = decode(genome.indices("chr3", at, at + 1))
            while ref == "N":
                at += 1
                ref = decode(genome.indices("chr3", at, at + 1))
            alt = "ACGT"["ACGT".index(ref) - 1]
            rows.append(f"chr3\t{at + 1}\tv{number}\t{ref}\t{alt}\t.\t.\t.")
            effects = rng.normal(size=6) * (number % 3 > 0)
            table.append("\t".join((f"v{number}", "here", *(f"{e:.3f}" for e in effects))))
    vcf, effects = folder / "variants.vcf", folder / "effects.tsv"
    vcf.write_text("\n".join(rows) + "\n")
    effects.write_text("\n".join(table) + "\n")
    return vcf, effects


@pytest.fixture(scope="module")
def command(cell_data, genome_folder, cell_tables, variants):
    def made(out, *more):
        changes = [part for change in (*TINY, *SHORT) for part in ("--set", change)]
        return (
            "tfepi_conditioning.py",
            cell_data.folder,
            *("-o", out, "--hold_out", "c", "--seeds", 1, "-q", "--bootstrap", 20, "-p", 2),
            *("--models", "dsg_model_a,dsg_model_b,conditioned_state"),
            *("--set", '1c:conditioning.cell_state={"regions": 4, "region_bp": 64}'),
            *("--variants", variants[0], "--effects", variants[1]),
            *("-f", genome_folder / "genome.fa", "--tracks", cell_tables[1]),
            *changes,
            *more,
        )

    return made


def test_compare_test_and_score(
    command, run_script, here, cell_data, genome_folder, cell_tables, variants, tmp_path
):
    out = tmp_path / "out"
    done = run_script(*command(out), timeout=900)
    assert "unseen cell, K" in done.stdout
    scores = json.loads((out / "scores.json").read_text())
    assert scores["models"] == ["A", "B", "1c", "other cells", "accessibility"]
    rows = {(r["model"], r["group"], r["mark"], r["set"]): r for r in scores["scores"]}
    row = rows["B", "unseen cell", "K", "all"]
    labels = np.load(out / "predictions" / "labels-c.npy")[:, :, 0]
    seen = ~np.isnan(labels)
    assert row["count"] == seen.sum()
    assert row["positive_rate"]["value"] == pytest.approx(labels[seen].mean())
    metrics = pytest.importorskip("sklearn.metrics")
    predicted = np.load(out / "predictions" / "B-seed44-c.npy")[:, :, 0]
    wanted = metrics.average_precision_score(labels[seen], predicted[seen])
    assert row["auprc"]["value"] == pytest.approx(wanted)
    # The mean of A's heads in the cell that it never saw.
    heads = [np.load(out / "predictions" / f"A-seed44-{c}.npy") for c in "abc"]
    np.testing.assert_allclose(heads[2], (heads[0] + heads[1]) / 2, rtol=1e-5)
    contrasts = {(r["first"], r["second"]) for r in scores["contrasts"]}
    assert {("B", "A"), ("1c", "B"), ("B", "accessibility")} <= contrasts
    effects = json.loads((out / "effects.json").read_text())
    assert {r["model"] for r in effects["scores"]} == {"A", "B", "1c"}
    assert {r["model"] for r in json.loads((out / "gradients.json").read_text())["runs"]} == {
        "B",
        "1c",
    }
    for name in ("training_curves", "auprc", "contrasts", "variant_effects"):
        assert (out / "figures" / f"{name}.png").stat().st_size > 5000

    tables = subprocess.run(
        [sys.executable, ROOT / "docs" / "benchmarks" / "conditioning_tables.py", out],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = next(x for x in tables.splitlines() if x.startswith("| auprc |"))
    column = [x.strip() for x in line.split("|")].index("unseen cell, K")
    line = next(x for x in tables.splitlines() if x.startswith("| accessibility | "))
    value = rows["accessibility", "unseen cell", "K", "all"]["auprc"]["value"]
    assert line.split("|")[column].startswith(f" {value:.3f} [")

    run = out / "models" / "B" / "seed44"
    params = run / "params.json"
    test = tmp_path / "test"
    status, *_ = here(
        *("tfepi_test.py", params, run, cell_data.folder, "-o", test, "--cell", "c"),
        *("--bootstrap", 0, "--bootstrap_ranks", 0, "-q"),
    )
    assert status == 0
    found = json.loads((test / "metrics.json").read_text())["across_positions"]["targets"]
    assert [t["identifier"] for t in found] == ["c_K", "c_M"]
    assert "auprc" not in found[1]  # there is no M of c
    assert found[0]["auprc"]["value"] == pytest.approx(wanted, abs=1e-3)  # of the same numbers

    fasta = genome_folder / "genome.fa"
    for cell in ("a", "c"):
        folder = tmp_path / f"scores_{cell}"
        status, *_ = here(
            *("tfepi_variants.py", params, run, variants[0], "-f", fasta, "-o", folder, "-q"),
            *("--cell", cell, "--tracks", cell_tables[1]),
        )
        assert status == 0
        with h5py.File(folder / "scores.h5") as file:
            assert [i.decode() for i in file["target_ids"][:]] == [f"{cell}_K", f"{cell}_M"]
            values = file["SAD"][:]
        with h5py.File(out / "variants" / f"B-seed44-{cell}" / "scores.h5") as file:
            np.testing.assert_allclose(values, file["SAD"][:], atol=2e-5)
        assert np.abs(values).max() > 0

    ism = tmp_path / "ism"
    bed = tmp_path / "sites.bed"
    bed.write_text("chr3\t9000\t9010\nchr3\t9000\t9010\trev\t0\t-\n")
    status, *_ = here(
        *("tfepi_ism.py", params, run, bed, "-f", fasta, "-o", ism, "-q", "-l", 6),
        *("--cell", "c", "--tracks", cell_tables[1], "--no_plots", "--rc"),
    )
    assert status == 0
    with h5py.File(ism / "scores.h5") as file:
        scores = file["sum"][:]
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[1][::-1, ::-1], atol=1e-5)  # the other strand

    assert "--resume" in one_line(here(*command(out)))
    line = one_line(here(*command(out, "--resume", "--set", "model.filters=3")))
    assert "experiment of other models" in line


def one_line(done):
    status, _, lines = done
    assert status == 2
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


def test_what_is_refused(command, here, cell_data, tmp_path):
    data = cell_data.folder
    for more, message in (
        (("--models", "basset"), "has no conditioning section"),
        (("--hold_out", "z"), "unknown cell type 'z'"),
        (("--hold_out", "a,b,c"), "leaves no cell type"),
        (("--seeds", 0), "no seeds"),
        (("--variants", "x.vcf"), "effects of variants need all of"),
        (("--test_label", "tests"), "unknown label 'tests'"),
        (("--set", "B:model.input_length=100"), "want a multiple of 32"),
        (("--set", "train.batch_size=100000"), "a batch is 100000: use a smaller batch_size"),
        (("--bootstrap", 10), "10 resamples: want 0 for no intervals"),
    ):
        out = tmp_path / "out"
        line = one_line(here("tfepi_conditioning.py", data, "-o", out, *more))
        assert message in line
        assert not out.exists()
    line = one_line(here("tfepi_conditioning.py", data, "-o", data, "--overwrite"))
    assert "holds an input (data), " in line
    assert (data / "statistics.json").exists()


def test_signal_is_no_label(build_cells, cell_tables, here, tmp_path):
    table = cell_tables[0].with_name("signal_targets.txt")
    table.write_text(cell_tables[0].read_text().replace("\t2\tkeep", "\t\tkeep"))
    data = build_cells(tmp_path / "data", targets=table)
    done = here("tfepi_conditioning.py", data.folder, "-o", tmp_path / "out")
    assert "models are compared by AUPRC, which wants labels of 0 and 1" in one_line(done)


def test_a_target_without_positives_is_said_before_training(
    build_cells, cell_tables, here, tmp_path
):
    table = cell_tables[0].with_name("high_targets.txt")
    table.write_text(cell_tables[0].read_text().replace("b\tM\t2\t", "b\tM\t1e6\t"))
    data = build_cells(tmp_path / "data", targets=table)
    done = here("tfepi_conditioning.py", data.folder, "-o", tmp_path / "out")
    assert "target 'b_M' has 0 positive and" in one_line(done)
    assert not (tmp_path / "out").exists()
