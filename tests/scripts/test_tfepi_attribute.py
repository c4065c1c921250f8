import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_attribute.py"


@pytest.fixture
def bed(tmp_path) -> Path:
    path = tmp_path / "in.bed"
    path.write_text("chr1\t1500\t1700\tone\t0\t+\nchr3\t20990\t21000\ttwo\t0\t-\n")
    return path


@pytest.fixture
def arguments(model, bed, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, bed),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


@pytest.fixture
def meme(tmp_path) -> Path:
    path = tmp_path / "m.meme"
    rows = "\n".join(" ".join("0.97" if i == j else "0.01" for i in range(4)) for j in (0, 1, 2, 3))
    path.write_text(
        "MEME version 4\n\nMOTIF ACGT\nletter-probability matrix: alength= 4 w= 4\n" + rows + "\n"
    )
    return path


def test_everything_through_a_subprocess(
    run_script, run_main, arguments, meme, genome_folder, tmp_path
):
    out = tmp_path / "out"
    options = ["--method", "expected", "--shuffles", 4, "--rc", "--shifts", "0,1", "-l", 60]
    options += ["--per_target", "--modisco", "--bigwig", "--motifs", meme, "--seqlet_size", 8, "-q"]
    done = run_script(SCRIPT, *arguments, *options)
    assert done.stdout.startswith(f"wrote {out}: attributions.h5, modisco/, 2 bigWig, ")
    assert done.stdout.endswith(", 2 figures\n")
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names >= {
        *("attributions.h5", "windows.tsv", "manifest.json", "run.json", "seqlets.tsv"),
        *(
            "seqlets.bed",
            "seqlets.json",
            "matches.tsv",
            "motifs.tsv",
            "bigwig/t0.bw",
            "bigwig/t1.bw",
        ),
        *("modisco/ohe.npz", "modisco/attributions_t0.npz", "modisco/windows.bed"),
    }
    with h5py.File(out / "attributions.h5") as file:
        assert file["hypothetical"].shape == (2, 60, 4, 2)
        assert (file["start"][0], file["strand"][1]) == (1570, b"-")
        options_kept = json.loads(file.attrs["options"])
        assert (options_kept["method"], options_kept["shuffles"]) == ("expected", 4)
        with Genome(genome_folder / "genome.fa") as genome:
            bases = genome.indices("chr1", 1570, 1630)
        known = bases < 4
        np.testing.assert_array_equal(file["seqs"][0].any(axis=1), known)
        np.testing.assert_array_equal(file["seqs"][0].argmax(axis=1)[known], bases[known])
    table = pd.read_csv(out / "windows.tsv", sep="\t")
    assert table["output"].tolist() == ["t0", "t1"] * 2
    assert table["baseline"].notna().all()
    record = json.loads((out / "run.json").read_text())
    assert {"regions", "fasta", "model", "spec"} <= set(record["inputs"])
    assert record["seed"] == 44
    before = (out / "attributions.h5").read_bytes()
    failed = run_main(SCRIPT, *arguments, check=False)
    assert (failed.returncode, "has results" in failed.stderr) == (2, True)
    again = run_main(SCRIPT, *arguments, *options[:-6], "--figures", 0, "--resume", "-q")
    assert again.stdout == f"wrote {out}: attributions.h5, modisco/\n"
    assert (out / "attributions.h5").read_bytes() == before


def test_sum_of_targets_and_a_query(here, arguments, tmp_path):
    assert here(SCRIPT, *arguments, "--method", "gradient", "-q", "--figures", 1)[0] == 0
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert names == {"window0_sum.png", "window0_sum.svg"}
    with h5py.File(tmp_path / "out" / "attributions.h5") as file:
        both = file["hypothetical"][()]
        assert both.shape == (2, 256, 4, 1)
    total = 0
    for number, name in enumerate(("t0", "t1")):
        arguments[-1] = tmp_path / name
        more = ["--method", "gradient", "--query", f"identifier={name}", "-q", "--figures", 0]
        assert here(SCRIPT, *arguments, *more)[0] == 0
        with h5py.File(tmp_path / name / "attributions.h5") as file:
            assert file["stems"][()].tolist() == [f"t{number}".encode()]
            total = total + file["hypothetical"][()]
    np.testing.assert_allclose(both, total, atol=1e-5 * np.abs(both).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--method": "integrate"}, "unknown method of attribution 'integrate': did you mean"),
        ({"--steps": "9"}, "--steps 9 means nothing to corrected"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"--bins": "2-1"}, "bins are '2-1' of a model with 1"),
        ({"-l": "257"}, "-l is 257 bp: want 1 to 256, the model's window"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"--query": "CAGE"}, "CAGE"),
        ({"--seqlet_size": "1"}, "seqlet_size is 1"),
        ({"--fdr": "2"}, "fdr is 2.0"),
        ({"--figures": "-1"}, "figures is -1"),
        ({"--motifs": "none.meme"}, "none.meme does not exist"),
        ({"--accessibility": "x"}, "--accessibility x: a model in front"),
        ({"--cell": "a"}, "is not conditioned on cell types"),
        ({"bed": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ({"bed": "1\t5\t7\n"}, "differ by the 'chr' prefix"),
        ({"model": "none"}, "model none does not exist"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(refused, arguments, bed, change, message):
    refused(SCRIPT, arguments, change, message, {"bed": bed})


def test_a_saved_model_has_no_gradients(here, run_main, arguments, model, tmp_path):
    run_main("tfepi_export.py", model, "-o", tmp_path / "saved", "-q")
    arguments[1] = tmp_path / "saved"
    status, _, err = here(SCRIPT, *arguments, "-q")
    assert status == 2
    assert "is no Keras model and has no gradients" in err[-1]
    assert not (tmp_path / "out").exists()
