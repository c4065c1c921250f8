"""tfepi_enhancers.py as a user runs it: its three sub-commands, and what they refuse."""

import json
import runpy
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

SCRIPT = "tfepi_enhancers.py"
SMALL = Path(__file__).parents[1] / "analysis" / "small_attention.py"
CHROMS = ("chr1", "chr2", "chr3")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A run folder with a model of 256 bp that has attention layers."""
    small = runpy.run_path(str(SMALL))
    folder = tmp_path_factory.mktemp("model")
    small["model"]().save(folder / "model_best.keras")
    small["spec"]().write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "small"}}))
    return folder


@pytest.fixture
def genes(tmp_path):
    path = tmp_path / "genes.bed"
    places = [(CHROMS[n % 3], 2000 + 700 * n, "+-"[n % 2]) for n in range(6)]
    rows = [f"{c}\t{s}\t{s + 300}\tG{n}\t0\t{d}\n" for n, (c, s, d) in enumerate(places)]
    path.write_text("".join(rows))
    return path


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    lines = ["gene\tchrom\tstart\tend\tlabel\n"]
    for n in range(5):
        tss = 2000 + 700 * n + (299 if n % 2 else 0)
        for number, away in enumerate((-100, -40, 30, 90)):
            start = tss + away
            lines.append(f"G{n}\t{CHROMS[n % 3]}\t{start}\t{start + 12}\t{(n + number) % 2}\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def arguments(model, genes, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, genes),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


def names(folder):
    return {p.name for p in folder.iterdir()} - {".tfepi"}


def test_contributions(run_script, arguments, pairs, tmp_path):
    out = tmp_path / "out"
    options = ["--query", "CAGE", "--sense", "--rc", "--shifts", "1,0,-1", "--pairs", pairs]
    options += ["--width", "40", "--groups", "50,80", "--figures", "2", "--tracks", "3", "-q"]
    options += ["--log"]
    done = run_script(SCRIPT, "contributions", *arguments, *options)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("AUPRC of contribution: 0.")
    assert lines[0].endswith(", 10 of 20 pairs")
    assert lines[-1] == f"wrote {out}: contributions.h5 of 5 start sites"  # G5 has no pair
    assert done.stderr == ""
    tables = {"contributions.h5", "pairs.tsv", "accuracy.tsv", "bigwig", "figures"}
    assert names(out) == tables | {"manifest.json", "run.json"}
    assert len(names(out / "bigwig")) == 3
    figures = {f"0000{n}_G{n}.{kind}" for n in range(2) for kind in ("png", "svg")}
    assert names(out / "figures") == figures | {"accuracy.png", "accuracy.svg"}
    assert "of log2, per 1 bp" in (out / "figures" / "00000_G0.svg").read_text()
    with h5py.File(out / "contributions.h5") as file:
        assert file["gene"].asstr()[()].tolist() == [f"G{n}" for n in range(5)]
        assert file["tss"][()].tolist() == [2000, 2999, 3400, 4399, 4800]
        assert file["target_ids"].asstr()[()].tolist() == ["cage+", "cage-"]
        values = np.abs(file["contributions"][()])
        assert values.max() > 0
    table = pd.read_csv(out / "pairs.tsv", sep="\t")
    assert table["distance"].iloc[:8].tolist() == [-94, -34, 36, 96, 94, 34, -36, -96]
    slow = values[0][128 - 94 - 20 : 128 - 94 + 20].sum()
    assert table["contribution"][0] == pytest.approx(slow, rel=1e-4)
    record = json.loads((out / "run.json").read_text())
    assert {"fasta", "model", "spec", "genes", "pairs"} == set(record["inputs"])


def test_attention(here, arguments, pairs, tmp_path):
    out = tmp_path / "out"
    options = ["--pairs", pairs, "--width", "40", "--background", "--figures", "1", "-q"]
    status, printed, _ = here(SCRIPT, "attention", *arguments, *options)
    assert status == 0
    assert f"wrote {out}: attention.h5 of 5 start sites" in printed
    assert "AUROC of from_tss_ratio" in printed
    assert len(pd.read_csv(out / "layers.tsv", sep="\t")) == 40
    assert {"00000_G0.png", "accuracy.png"} < names(out / "figures")
    drawn = (out / "figures" / "00000_G0.svg").read_text()
    assert "TSS → token" in drawn
    assert "token → TSS" in drawn
    # Without pairs all genes, and nothing but profiles.
    again = [*arguments[:-1], tmp_path / "all", "--figures", "0", "-q", "--genes", "G5,G1"]
    assert here(SCRIPT, "attention", *again)[0] == 0
    assert names(tmp_path / "all") == {"attention.h5", "manifest.json", "run.json"}
    with h5py.File(tmp_path / "all" / "attention.h5") as file:
        assert file["gene"].asstr()[()].tolist() == ["G1", "G5"]
        np.testing.assert_allclose(file["profiles/attention1"][:, 0].sum(axis=1), 1, rtol=1e-5)


def test_scrambles_and_tiles(here, arguments, pairs, tmp_path):
    out = tmp_path / "out"
    options = ["-q", "--scrambles", "2", "--query", "DNASE"]
    status, printed, _ = here(SCRIPT, "scramble", *arguments, *options, "--pairs", pairs)
    assert status == 0
    assert printed.splitlines()[-1] == f"wrote {out}: scrambles.h5 of 20 elements"
    assert "AUPRC of loss" in printed
    table = pd.read_csv(out / "pairs.tsv", sep="\t")
    assert (table["log2_ratio"].abs() > 0).sum() > 10
    figures = {"effects.png", "effects.svg", "accuracy.png", "accuracy.svg"}
    assert names(out / "figures") == figures
    tiled = [*arguments[:-1], tmp_path / "tiles", *options, "--tile", "32", "--step", "16"]
    status, printed, _ = here(SCRIPT, "scramble", *tiled)
    assert status == 0
    assert printed.splitlines()[0].startswith("50% of the effect: within ")
    assert printed.splitlines()[-1].startswith(f"wrote {tmp_path / 'tiles'}: scrambles.h5 of ")
    assert names(tmp_path / "tiles" / "figures") == {"distance.png", "distance.svg"}
    tables = {"scrambles.h5", "tiles.tsv", "distance.tsv", "distance.json", "figures"}
    assert names(tmp_path / "tiles") == tables | {"manifest.json", "run.json"}
    before = (tmp_path / "tiles" / "tiles.tsv").read_bytes()
    assert here(SCRIPT, "scramble", *tiled, "--resume")[0] == 0
    assert (tmp_path / "tiles" / "tiles.tsv").read_bytes() == before


BAD_PAIRS = "gene\tchrom\tstart\tend\n"


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("contributions", {"--query": "ATAC"}, "query 'ATAC' matches none of the 3 targets"),
        ("contributions", {"--bins": "2"}, "bins is 2: want an odd number"),
        ("contributions", {"genes": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ("contributions", {"pairs": BAD_PAIRS + "G9\tchr1\t5\t9\n"}, "1 of 1 pairs name a gene"),
        ("attention", {"--tss": "first"}, "unknown choice of start sites 'first'"),
        ("scramble", {"--replace": "zero"}, "unknown replacement 'zero'"),
        ("scramble", {"--tile": "50"}, "give one of --pairs and --tile"),
        ("scramble", {"--untransform": "new"}, "unknown untransform style 'new'"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(
    refused, arguments, genes, pairs, part, change, message
):
    given = [part, *arguments, "--pairs", pairs]
    refused(SCRIPT, given, change, message, {"genes": genes, "pairs": pairs})


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("contributions", ["--bins", 25], "25 bins around the TSS reach beyond the model's 24"),
        ("contributions", ["--shifts", "1,x"], "shifts '1,x'"),
        ("contributions", ["--shifts", "128"], "shifts reach 128 bp"),
        ("contributions", ["--head", "mouse"], "head 'mouse' is not one of the model's heads"),
        ("contributions", ["--tracks", -1], "tracks is -1"),
        ("contributions", ["--sigma", 0], "sigma is 0 bp"),
        ("contributions", ["--groups", "9,3"], "groups are '9,3'"),
        ("contributions", ["--width", -5], "width is -5 bp"),
        ("contributions", ["--pseudocount", -1], "pseudocount is -1"),
        ("contributions", ["--batch_size", 0], "batch_size is 0"),
        ("contributions", ["--genes", "G7"], "unknown gene 'G7'"),
        ("attention", ["--genes", "G1", "--background"], "--background compares genes: name at"),
        ("scramble", [], "give one of --pairs and --tile"),
        ("scramble", ["--pairs", "none", "--step", 50], "--step 50 is given without --tile"),
        ("scramble", ["--tile", 257], "tiles are 257 bp: want 1 to 256"),
        ("scramble", ["--tile", 50, "--step", 0], "step is 0 bp"),
        ("scramble", ["--tile", 50, "--scrambles", 0], "scrambles is 0"),
    ],
)
def test_bad_options(here, arguments, tmp_path, part, options, message):
    status, printed, errors = here(SCRIPT, part, *arguments, *options)
    assert (status, printed, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_model_without_attention(here, write_model, arguments, tmp_path):
    other = write_model(32, crop=2)
    given = [other / "params.json", other, *arguments[2:]]
    status, _, errors = here(SCRIPT, "attention", *given, "-q")
    assert (status, len(errors)) == (2, 1)
    assert "has no attention layers" in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_model_of_cell_types(refused, model, arguments, tmp_path):
    folder = tmp_path / "conditioned"
    folder.mkdir()
    spec = json.loads((model / "model.json").read_text())
    spec["inputs"]["tracks"] = [32, 1]
    (folder / "model.json").write_text(json.dumps(spec))
    given = ["attention", arguments[0], folder, *arguments[2:]]
    refused(SCRIPT, given, {"--seed": "1"}, "the model takes tracks besides the sequence")


def test_results_are_not_overwritten(here, arguments, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    status, _, errors = here(SCRIPT, "scramble", *arguments, "--tile", "50", "--overwrite")
    assert status == 2
    assert "has files that tfepi did not make" in errors[-1]
