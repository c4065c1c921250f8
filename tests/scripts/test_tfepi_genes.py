"""tfepi_genes.py as a user runs it: files, figures, resume, and what is refused."""

import json

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_genes.py"


@pytest.fixture(scope="module")
def model(write_model):
    """A run folder with an untrained model of 256 bp, four 32-bp bins in the middle."""
    return write_model(32, crop=2, normalise=True)


@pytest.fixture
def gtf(tmp_path):
    path = tmp_path / "genes.gtf"
    lines = []
    for number, start in enumerate(range(500, 23_000, 750)):
        chrom, strand = f"chr{number % 3 + 1}", "+-"[number % 2]
        of = f'gene_id "G{number}"; gene_name "name{number}"; gene_type "{"ab"[number % 5 > 0]}"'
        for kind, low, high in (
            ("gene", start, start + 900),
            ("transcript", start + 5, start + 890),
        ):
            more = "" if kind == "gene" else f'; transcript_id "T{number}"'
            lines.append(f"{chrom}\tx\t{kind}\t{low}\t{high}\t.\t{strand}\t.\t{of}{more};\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def arguments(model, gtf, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, gtf),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


def test_expression_accuracy_and_figures(run_script, here, arguments, model, tmp_path):
    done = run_script(SCRIPT, *arguments, "--tss", "each", "--apart", "0", "--rc", "-q")
    out = tmp_path / "out"
    assert done.stdout == f"wrote {out}\n"
    assert done.stderr == ""
    with h5py.File(out / "expression.h5") as file:
        genes = [g.decode() for g in file["gene"][()]]
        values = file["with_neighbours"][()]
        position = file["position"][()]
        assert file["tss_bin"].shape == (30, 2)
        assert "genes" not in file  # one site each, so there is nothing to sum
    assert genes == [f"G{i}" for i in range(30)]
    assert position[:3].tolist() == [504, 2139, 2004]
    assert {p.name for p in (out / "figures").iterdir()} == {"expression.png", "expression.svg"}

    from tfepi.predictors import load_predictor
    from tfepi.spec import AveragedPredictor

    predictor = AveragedPredictor(load_predictor(model), rc=True)
    with Genome(arguments[4]) as genome:
        sequence = genome.indices("chr2", 2139 - 128, 2139 + 128)[None]
    bins = predictor.predict({"sequence": sequence})["main"][0]
    np.testing.assert_allclose(values[1], bins[1:4].sum(axis=0), rtol=1e-5)

    table = tmp_path / "observed.tsv"
    rows = [f"name{i}\t{v:.6f}\n" for i, v in enumerate(values[:, 0].tolist())]
    table.write_text("gene\tfirst\n" + "".join(rows[:25]))
    written = (out / "expression.h5").stat().st_mtime_ns
    more = ("--tss", "each", "--apart", "0", "--rc", "-q", "--resume", "--observed", table)
    status, text, _ = here(SCRIPT, *arguments, *more)
    assert status == 0
    assert (out / "expression.h5").stat().st_mtime_ns == written
    assert text.startswith("25 genes\n")
    assert text.splitlines()[-1] == f"wrote {out}"
    found = json.loads((out / "accuracy.json").read_text())
    entry = found["tracks"][0]
    assert (entry["sample"], entry["track"]) == ("first", "t0")
    assert entry["with_neighbours"]["pearsonr_log1p"]["value"] == pytest.approx(1, abs=1e-4)
    assert entry["tss_bin"]["pearsonr_log1p"]["value"] < 0.999
    assert (out / "figures/accuracy.png").exists()


def test_some_genes_and_tracks(here, arguments, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("name3\nG10\nG11\n")
    chosen = ("--genes", f"@{listed}", "--gene_type", "b", "--query", "first", "--neighbours", "0")
    status, _, _ = here(SCRIPT, *arguments, *chosen, "-q", "--no_figures")
    assert status == 0
    with h5py.File(tmp_path / "out/expression.h5") as file:
        assert file["gene"][()].tolist() == [b"G3", b"G11"]
        assert file["track_ids"][()].tolist() == [b"t0"]
    assert "genes_listed" in json.loads((tmp_path / "out/run.json").read_text())["inputs"]
    assert not (tmp_path / "out/figures").exists()
    status, _, lines = here(SCRIPT, *arguments, *chosen, "-q")
    assert (status, len(lines)) == (2, 1)
    assert "has results: use --resume to go on" in lines[0]


def test_two_models_are_their_mean(here, arguments, write_model, tmp_path):
    from tfepi.predictors import load_keras

    other = write_model(32, crop=2, normalise=True)
    second = load_keras(other)
    for weight in second.weights:
        weight.assign(weight * 1.5)
    second.save(other / "model_best.keras")
    found = []
    for name in (arguments[1], other, f"{arguments[1]},{other}"):
        args = [arguments[0], name, *arguments[2:], "-q", "--no_figures", "--overwrite"]
        assert here(SCRIPT, *args, "--genes", "G1,G2")[0] == 0
        with h5py.File(tmp_path / "out/expression.h5") as file:
            found.append(file["tss_bin"][()])
    np.testing.assert_allclose(found[2], (found[0] + found[1]) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--genes": "G1,nosuch"}, "unknown gene 'nosuch'"),
        ({"--observed": "nosuch.tsv"}, "observed expression nosuch.tsv does not exist"),
        ({"--query": "CAGE:"}, "matches none of the 2 targets"),
        ({"gtf": "chr1\tx\n"}, "line 1 has 2 tab-separated columns"),
    ],
)
def test_refused_before_tensorflow(refused, arguments, gtf, change, message):
    refused(SCRIPT, arguments, change, message, {"gtf": gtf})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--gene_type", "protein_coding"), "unknown gene type 'protein_coding'"),
        (("--tss", "all"), "unknown choice of start sites 'all'"),
        (("--apart", "-1"), "distance between start sites is -1"),
        (("--neighbours", "2"), "the TSS is in bin 2 of the model's 4, want at most 1"),
        (("--shifts", "x"), "want whole numbers"),
        (("--bootstrap", "3"), "bootstrap has 3 resamples"),
        (("--cell", "x"), "the model 'tiny' is not conditioned"),
        (("-t", "nosuch"), "targets table nosuch does not exist"),
        (("--head", "other"), "head 'other' is not one of the model's heads"),
        (("--part_windows", "0"), "part_windows is 0"),
    ],
)
def test_refused(here, arguments, change, message, tmp_path):
    status, _, lines = here(SCRIPT, *arguments, *change, "-q")
    assert (status, len(lines)) == (2, 1)
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_overwriting_spares_what_is_read(here, arguments, gtf, tmp_path):
    out = tmp_path / "out"
    assert here(SCRIPT, *arguments, "-q", "--no_figures", "--genes", "G1")[0] == 0
    table, copy = out / "observed.tsv", out / "genes.gtf"
    table.write_text("gene\tt0\nname1\t3\nname2\t3\nname3\t4\n")
    copy.write_bytes(gtf.read_bytes())
    for args, label in (
        ((*arguments, "--observed", table), "observed table"),
        ((*arguments[:2], copy, *arguments[3:]), "genes"),
    ):
        status, _, lines = here(SCRIPT, *args, "-q", "--overwrite")
        assert status == 2
        assert f"holds an input ({label}), " in lines[-1]
    assert table.exists()
    assert copy.exists()
    assert (out / "expression.h5").exists()


def test_a_wrong_table_is_told_before_the_predictions(here, arguments, tmp_path):
    table = tmp_path / "observed.tsv"
    table.write_text("gene\tnosuch\nname1\t3\n")
    status, _, lines = here(SCRIPT, *arguments, "-q", "--observed", table)
    assert status == 2
    assert "is the identifier or description of a track (t0, t1; first, t1)" in lines[-1]
    assert not (tmp_path / "out").exists()
    table.write_text("gene\tt0\nname1\t3\n")
    status, _, lines = here(SCRIPT, *arguments, "-q", "--observed", table)
    assert status == 2
    assert "1 of the 1 genes of" in lines[-1]
    assert not (tmp_path / "out").exists()
