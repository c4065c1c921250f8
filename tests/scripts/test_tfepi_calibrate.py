"""tfepi_calibrate.py as a user runs it: random variants, scored, and what they say of others."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfepi.variants.vcf import read_variants

SCRIPT = "tfepi_calibrate.py"


@pytest.fixture
def score(here, model, genome_folder, tmp_path):
    def make(name, vcf, *options):
        args = (model / "params.json", model, vcf, "-f", genome_folder / "genome.fa", "-q")
        status, _, lines = here("tfepi_variants.py", *args, "-o", tmp_path / name, *options)
        assert (status, lines) == (0, [])
        return tmp_path / name

    return make


@pytest.fixture
def variants(here, genome_folder, tmp_path):
    """80 random variants, as what is calibrated."""
    path = tmp_path / "in.vcf"
    args = ("-f", genome_folder / "genome.fa", "-n", 80, "--seed", 3, "--chroms", "chr1")
    assert here(SCRIPT, "sample", *args, "-o", path, "-q")[0] == 0
    return path


def test_sample_score_calibrate(run_script, here, score, variants, genome_folder, tmp_path):
    fasta, null = genome_folder / "genome.fa", tmp_path / "null.vcf.gz"
    matched = ("--match", variants, "--context", "gc", "--bed", tmp_path / "x.bed")
    (tmp_path / "x.bed").write_text("chr1\t5000\t55000\nchr2\t0\t40000\n")
    done = run_script(SCRIPT, "sample", "-f", fasta, "-n", 150, "-o", null, *matched)
    assert (done.stdout, done.stderr) == (f"wrote {null}\n", "")
    drawn = list(read_variants(null))
    assert len(drawn) == 150
    assert {v.chrom for v in drawn} == {"chr1", "chr2"}
    scores, by = score("scores", variants), score("null", null)
    out = tmp_path / "out"
    args = (scores, "--background", by, "-o", out, "--null", "--subset", "one=first", "--over", 0.9)
    done = run_script(SCRIPT, "scores", *args)
    assert done.stdout == f"wrote {out}\n"
    assert "INFO: 150 variants of the background: steps of 0.00662" in done.stderr
    assert "WARNING: no p is below 0.00662: of 80 variants, 11 must share it" in done.stderr
    with h5py.File(scores / "scores.h5") as file:
        mine = file["SAD"][()]
    with h5py.File(by / "scores.h5") as file:
        theirs = file["SAD"][()]
    with h5py.File(out / "calibrated.h5") as file:
        p, q = file["p"][()], file["q"][()]
    table = pq.read_table(out / "calibrated.parquet")
    for t in range(2):
        wanted = [((abs(theirs[:, t]) >= abs(v)).sum() + 1) / 151 for v in mine[:, t]]
        np.testing.assert_allclose(p[:, t], wanted, rtol=1e-6)
    assert (q >= p).all()
    assert table["one_max_abs_p"].to_pylist() == p[:, 0].tolist()
    assert max(table["all_over"].to_pylist()) == 2

    status, text, lines = here(SCRIPT, "scores", *args, "-q")
    assert (status, text, len(lines)) == (2, "", 1)
    assert "has results: use --resume to go on, --overwrite" in lines[0]
    assert here(SCRIPT, "scores", *args, "-q", "--resume")[0] == 0
    again = (scores, "--background", out, "-o", tmp_path / "again", "--subset", "one=first", "-q")
    assert here(SCRIPT, "scores", *again)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "the following arguments are required: --background"),
        (("--background", "nosuch"), "scores nosuch do not exist"),
        (("--background", "RC"), "were scored in other ways (rc is True and False)"),
        (("--background", "SCORES", "--over", "2"), "over is 2.0: want a quantile"),
        (("--background", "SCORES", "--stat", "D2"), "has SAD, not D2"),
        (("--background", "SCORES", "--subset", "x"), "subset is 'x': want NAME=QUERY"),
        (("--background", "IN"), "is damaged, or no HDF5"),
    ],
)
def test_scores_refused(run_main, score, variants, tmp_path, options, message):
    scores = score("scores", variants)
    if "RC" in options:
        score("rc", variants, "--rc")
    names = {"RC": tmp_path / "rc", "SCORES": scores, "IN": variants}
    args = [names.get(o, o) for o in options]
    done = run_main(SCRIPT, "scores", scores, "-o", tmp_path / "out", *args, "-q", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-n", "0"), "count is 0: want at least 1"),
        (("-n", "x"), "invalid int value"),
        (("--context", "gc"), "--context gc is of other variants"),
        (("--match", "nosuch"), "VCF nosuch does not exist"),
        (("--chroms", "chr1,"), "has an empty name"),
        (("-n", "1000000"), "positions are there, 1000000 are wanted: draw fewer"),
    ],
)
def test_sample_refused(run_main, genome_folder, tmp_path, options, message):
    args = ("-f", genome_folder / "genome.fa", "-o", tmp_path / "x.vcf", *options)
    done = run_main(SCRIPT, "sample", *args, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_folder_of_the_scores_is_spared(here, score, variants, tmp_path):
    scores = score("scores", variants)
    before = {p.name: p.read_bytes() for p in scores.iterdir()}
    for option in ("-q", "--overwrite", "--resume"):
        status, _, lines = here(
            SCRIPT, "scores", scores, "--background", scores, "-o", scores, option
        )
        assert status == 2
        assert "error: " in lines[-1]
    for name, data in before.items():
        assert (scores / name).read_bytes() == data
