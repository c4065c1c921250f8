"""tfepi_summaries.py as a user runs it, on what tfepi_variants.py wrote."""

import json

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_summaries.py"


@pytest.fixture
def scores(here, model, genome_folder, tmp_path):
    vcf = tmp_path / "in.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(genome_folder / "genome.fa") as genome:
        for start in range(1500, 20_000, 97):
            base = genome.indices("chr1", start, start + 1)[0]
            if base < 4:
                alt = "ACGT"[(base + 1) % 4]
                lines.append(f"chr1\t{start + 1}\trs{start}\t{'ACGT'[base]}\t{alt}\t.\t.\t.")
    vcf.write_text("\n".join(lines) + "\n")
    args = (model / "params.json", model, vcf, "-f", genome_folder / "genome.fa", "-q")
    assert here("tfepi_variants.py", *args, "-o", tmp_path / "scores", "--stats", "SAD,D1")[0] == 0
    return tmp_path / "scores"


def test_summaries_components_and_figures(run_script, here, scores, tmp_path):
    out = tmp_path / "out"
    options = ("--stat", "D1", "--subset", "one=first", "--subset", "other=!first")
    done = run_script(SCRIPT, scores, "-o", out, *options, "-q")
    assert (done.stdout, done.stderr) == (f"wrote {out}\n", "")
    table = pq.read_table(out / "summaries.parquet")
    with h5py.File(scores / "scores.h5") as file:
        values = file["D1"][()]
    assert len(table) == len(values) > 100
    np.testing.assert_allclose(table["one_mean"], values[:, 0], rtol=1e-6)
    np.testing.assert_allclose(table["other_mean"], values[:, 1], rtol=1e-6)
    np.testing.assert_allclose(table["all_max_abs"], values.max(axis=1), rtol=1e-6)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    # Of two tracks, the components are their sum and difference.
    np.testing.assert_allclose(abs(table["PC1"].to_numpy()), abs(z.sum(axis=1)) / 2**0.5, atol=1e-3)
    assert {p.name for p in (out / "figures").iterdir()} == {
        f"{name}.{end}" for name in ("components", "variants") for end in ("png", "svg")
    }
    assert json.loads((out / "run.json").read_text())["components"] == 2
    status, text, lines = here(SCRIPT, scores, "-o", out, *options, "-q")
    assert (status, text, len(lines)) == (2, "", 1)
    assert "has results: use --resume to go on, --overwrite" in lines[0]
    assert here(SCRIPT, scores, "-o", out, *options, "-q", "--resume")[0] == 0

    placed = tmp_path / "placed"
    more = ("--stat", "D1", "--loadings", out / "components.npz", "--no_figures", "-q")
    assert here(SCRIPT, scores / "scores.h5", "-o", placed, *more)[0] == 0
    again = pq.read_table(placed / "summaries.parquet")
    assert again["PC2"].equals(table["PC2"])
    assert not (placed / "figures").exists()
    status, _, _ = here(SCRIPT, scores, "-o", tmp_path / "none", "--components", "0", "-q")
    assert status == 0
    assert not (tmp_path / "none/figures").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stat", "JS"), "has SAD, D1, not JS: name one with --stat"),
        (("--subset", "liver"), "subset is 'liver': want NAME=QUERY"),
        (("--subset", "x=liver"), "matches none of the 2 targets of the scores"),
        (("--subset", "x=tisue=a"), "unknown column 'tisue'"),
        (("--components", "3"), "components is 3:"),
        (("--components", "x"), "invalid int value"),
        (("--loadings", "nosuch"), "components nosuch does not exist"),
        (("--loadings", __file__), "or no components (it holds no plain arrays): name components"),
        (("--part_rows", "0"), "part_rows is 0"),
    ],
)
def test_refused(run_main, scores, tmp_path, options, message):
    done = run_main(SCRIPT, scores, "-o", tmp_path / "out", *options, "-q", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_the_folder_of_the_scores_is_spared(here, scores, tmp_path):
    before = {p.name: p.read_bytes() for p in scores.iterdir()}
    for option, message in (
        ("-q", "has results: use --resume"),
        ("--overwrite", "holds an input (scores), "),
        ("--resume", "has format 'tfepi-variants' version 1, want 'tfepi-summaries'"),
    ):
        status, _, lines = here(SCRIPT, scores, "-o", scores, option)
        assert status == 2
        assert message in lines[-1]
    for name, data in before.items():
        assert (scores / name).read_bytes() == data


def test_results_of_another_command(here, model, genome_folder, tmp_path):
    bed, genes = tmp_path / "genes.bed", tmp_path / "genes"
    bed.write_text("chr1\t5000\t6000\tG\t0\t+\n")
    args = (model / "params.json", model, bed, "-f", genome_folder / "genome.fa", "-o", genes)
    assert here("tfepi_genes.py", *args, "--neighbours", 0, "--no_figures", "-q")[0] == 0
    record = json.loads((genes / "run.json").read_text())
    (genes / "run.json").write_text(json.dumps(record | {"command": ["tfepi_genes.py", "a"]}))
    what = f"{genes} holds no scores of variants (its format is 'tfepi-genes'"
    for made in (", made by tfepi_genes.py", ""):
        status, printed, lines = here(SCRIPT, genes, "-o", tmp_path / "out", "-q")
        assert (status, printed, len(lines)) == (2, "", 1)
        assert f"{what}{made}): name a folder of tfepi_variants.py" in lines[0]
        (genes / "run.json").unlink(missing_ok=True)
    status, _, lines = here(SCRIPT, genes / "expression.h5", "-o", tmp_path / "out", "-q")
    assert status == 2
    assert "has format 'tfepi-gene-expression' version 1, want 'tfepi-variant-scores'" in lines[0]
    assert not (tmp_path / "out").exists()


def test_what_are_no_scores(here, tmp_path):
    status, _, lines = here(SCRIPT, tmp_path / "nosuch", "-o", tmp_path / "out", "-q")
    assert status == 2
    assert "do not exist: check the path" in lines[-1]
    status, _, lines = here(SCRIPT, tmp_path, "-o", tmp_path / "out", "-q")
    assert status == 2
    assert "has no scores.h5" in lines[-1]
