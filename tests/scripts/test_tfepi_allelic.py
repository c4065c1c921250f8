"""The command: with a model, with scores that are there, with counts alone, and bad input."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from tfrecords_tools.genome import Genome, decode

SCRIPT = "tfepi_allelic.py"


@pytest.fixture(scope="module")
def counts_text(genome_folder):
    """Counts at 60 sites of the shared genome, every fourth of them imbalanced."""
    rng = np.random.default_rng(2)
    lines = ["chrom\tpos0\tref\talt\tref_reads\talt_reads"]
    with Genome(genome_folder / "genome.fa") as genome:
        for number in range(60):
            start = 2000 + 610 * number
            letters = decode(genome.indices("chr1", start, start + 9))
            at = next(i for i, x in enumerate(letters) if x in "ACGT")
            ref = letters[at]
            share = 0.5 if number % 4 else rng.choice([0.15, 0.85])
            k = rng.binomial(80, share)
            alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
            lines.append(f"chr1\t{start + at}\t{ref}\t{alt}\t{k}\t{80 - k}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def counts(counts_text, tmp_path):
    path = tmp_path / "counts.tsv"
    path.write_text(counts_text)
    return path


def test_a_model_is_asked(here, model, counts, genome_folder, small_data, tmp_path):
    arguments = [counts, "-f", genome_folder / "genome.fa", "-o", tmp_path / "out", "-q"]
    arguments += ["--model", model / "params.json", model, "--rc", "--shifts", "1,0,-1"]
    status, out, err = here(SCRIPT, *arguments, "--data", small_data, "--no_figures")
    assert status == 0, err
    names = "accuracy.tsv, allelic.json, balance.tsv, run.json, sites.tsv, sites.vcf"
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'out'}: {names}"
    assert "60 sites with more than 20 reads" in out
    assert "imbalanced or not by mean: AUROC" in out
    table = pd.read_csv(tmp_path / "out" / "sites.tsv", sep="\t")
    assert table["predicted_mean"].between(0.3, 0.7).all()
    assert not (table["predicted_t0"] == 0.5).all()
    assert set(table["train_contig"]) == {1}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"counts 0", "fasta", "model", "spec"} <= set(record["inputs"])
    assert record["seed"] == 44
    assert record["undefined_ratios"] == 0
    status, _, err = here(SCRIPT, *arguments)
    assert status == 2
    assert "has results" in err[-1]


def test_scores_that_are_there_give_the_same(here, model, counts, genome_folder, tmp_path):
    fasta = genome_folder / "genome.fa"
    assert here(SCRIPT, counts, "-o", tmp_path / "first", "-q", "--no_figures")[0] == 0
    options = ("-f", fasta, "--rc", "-q")
    asked = ("--model", model / "params.json", model)
    status = here(SCRIPT, counts, *asked, *options, "-o", tmp_path / "asked", "--no_figures")[0]
    assert status == 0
    scored = (model / "params.json", model, tmp_path / "first" / "sites.vcf")
    stats = ("--stats", "REF_RATIO", "-o", tmp_path / "scores")
    assert here("tfepi_variants.py", *scored, *options, *stats)[0] == 0
    again = (counts, "--scores", tmp_path / "scores", "-o", tmp_path / "out", "-q", "--no_figures")
    status, _, err = here(SCRIPT, *again)
    assert (status, err) == (0, [])
    columns = [
        pd.read_csv(tmp_path / k / "sites.tsv", sep="\t")["predicted_t0"] for k in ("asked", "out")
    ]
    np.testing.assert_allclose(*columns, atol=1e-6)
    here(SCRIPT, *again, "--overwrite", "--query", "second | t1", "--seed", "7")
    names = pd.read_csv(tmp_path / "out" / "sites.tsv", sep="\t").columns
    assert [n for n in names if n.startswith("predicted")] == ["predicted_t1"]
    other = counts.read_text().splitlines()
    moved = [other[0], *("chr2" + line[4:] for line in other[1:])]
    counts.write_text("\n".join(moved) + "\n")
    status, _, err = here(SCRIPT, *again, "--overwrite")
    assert status == 2
    assert "scored none of the 60 sites" in err[-1]
    (tmp_path / "bare").mkdir()
    stats = ("--stats", "SAD", "-o", tmp_path / "sad")
    assert here("tfepi_variants.py", *scored, *options, *stats)[0] == 0
    status, _, err = here(SCRIPT, counts, "--scores", tmp_path / "sad", "-o", tmp_path / "o")
    assert status == 2
    assert "not REF_RATIO" in err[-1]


def test_scores_that_are_not_quite_what_is_asked_for(
    here, write_model, counts, genome_folder, tmp_path, caplog
):
    from tfepi.allelic.counts import read_sites
    from tfepi.allelic.scored import scored_ratios

    even = write_model(width=32)
    assert here(SCRIPT, counts, "-o", tmp_path / "first", "-q", "--no_figures")[0] == 0
    scored = (even / "params.json", even, tmp_path / "first" / "sites.vcf")
    options = ("-f", genome_folder / "genome.fa", "-q", "--stats", "REF_RATIO")
    assert here("tfepi_variants.py", *scored, *options, "-o", tmp_path / "scores")[0] == 0
    counts.write_text(counts.read_text() + "chr3\t5\tA\tC\t30\t30\n")
    with caplog.at_level(logging.WARNING):
        ratios, targets = scored_ratios(tmp_path / "scores", read_sites(counts))
    assert [t.identifier for t in targets] == ["t0", "t1"]
    assert np.isnan(ratios).any(axis=1).tolist() == [False] * 60 + [True]
    assert "1 of 61 sites were not scored" in caplog.text
    assert "of an even number of bins the middle lies between two" in caplog.text


@pytest.fixture
def arguments(model, counts, genome_folder, tmp_path):
    asked = ("--model", model / "params.json", model)
    return [*asked, counts, "-f", genome_folder / "genome.fa", "-o", tmp_path / "out"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--shifts": "900"}, "want less than half"),
        (
            {"counts": "chrom\tpos0\tref\talt\tref_reads\talt_reads\nchr1\t9\tC\tT\t1.5\t3\n"},
            "line 2 has ref_reads '1.5': want a whole number",
        ),
    ],
)
def test_bad_input_is_refused_before_tensorflow(refused, arguments, counts, change, message):
    refused(SCRIPT, arguments, change, message, {"counts": counts})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--scores x", "--model and --scores both give predictions"),
        ("--base 3", "base is 3"),
        ("--columns ref", "--columns has 'ref'"),
        ("--test poisson", "unknown test 'poisson'"),
        ("--centre seen", "centre is 'seen'"),
        ("--fdr 2", "fdr is 2.0"),
        ("--clusters none.tsv", "table of clusters none.tsv does not exist"),
        ("--train_regions none.bed", "BED file none.bed does not exist"),
        ("--resamples 3", "has 3 resamples"),
        ("--samples liver", "unknown sample 'liver'"),
        ("--reads 100", "has more than 100 reads"),
        ("--proxy t9", "unknown target as proxy 't9'"),
    ],
)
def test_bad_options(here, arguments, tmp_path, options, message):
    status, out, err = here(SCRIPT, *arguments, *options.split())
    assert (status, out) == (2, "")
    assert err[-1].startswith("error: ")
    assert message in err[-1]
    assert not (tmp_path / "out").exists()


def test_options_of_a_model_without_one(here, counts, model, tmp_path):
    for option, value in (
        *(("--head", "main"), ("--untransform", "old"), ("--proxy", "t1"), ("--batch_size", "4")),
        *(("--incremental", "on"), ("--tracks", "x"), ("--resamples", "50"), ("--block_bp", "9")),
    ):
        status, _, err = here(SCRIPT, counts, "-o", tmp_path / "out", option, value)
        assert (status, len(err)) == (2, 1)
        assert f"{option} is for predictions by a model" in err[0]
    status, _, err = here(SCRIPT, counts, "-o", tmp_path / "out", "--draws", "3")
    assert (status, len(err)) == (2, 1)
    assert "--draws is how often clusters are matched: give it with --clusters" in err[0]
    asked = ("--model", model / "params.json", model)
    status, _, err = here(SCRIPT, counts, "-o", tmp_path / "out", *asked)
    assert status == 2
    assert "give it with -f" in err[-1]


def test_a_genome_that_is_not_given_is_told(here, counts, genome_folder, tmp_path, caplog):
    def compared(*more):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert here(SCRIPT, counts, "-o", tmp_path / "o", "--no_figures", *more)[0] == 0
        value = json.loads((tmp_path / "o" / "allelic.json").read_text())
        return value["ref_compared_with_genome"], "REF was not compared" in caplog.text

    assert compared() == (False, True)
    assert compared("-f", genome_folder / "genome.fa", "--overwrite") == (True, False)


def test_the_folder_of_clusters(here, counts, tmp_path):
    folder = tmp_path / "clusters"
    folder.mkdir()
    (folder / "clusters.tsv").write_text(
        "chrom\tstart\tend\tcluster\nchr1\t0\t20000\tliver\nchr1\t20000\t60000\tubiquitous\n"
    )
    arguments = (counts, "-q", "--no_figures", "--clusters", folder, "-o", tmp_path / "out")
    status, _, err = here(SCRIPT, *arguments)
    assert status == 0, err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["inputs"]["clusters"]["path"] == str(folder / "clusters.tsv")
    table = pd.read_csv(tmp_path / "out" / "sites.tsv", sep="\t")
    assert set(table["cluster"]) == {"liver", "ubiquitous"}
    (folder / "clusters.tsv").unlink()
    status, _, err = here(SCRIPT, *arguments, "--overwrite")
    assert status == 2
    assert "has no clusters.tsv" in err[-1]


def test_k562(here, test_data, tmp_path):
    folder = test_data / "data" / "human"
    table = folder / "k562_dnase_allele_counts.tsv"
    if not table.exists():
        pytest.skip(f"{table} is not there")
    arguments = (table, "-f", folder / "windows.fa.gz", "-q", "--no_figures")
    status, out, err = here(SCRIPT, *arguments, "-o", tmp_path / "out")
    assert status == 0, err
    assert "80 sites with more than 20 reads (42 with fewer)" in out
    assert "8 imbalanced, 59 balanced, not matched in reads: 8 imbalanced sites in one bin" in out
    assert "the imbalanced favour REF at 3 sites, ALT at 0, neither at 5" in out
    value = json.loads((tmp_path / "out" / "allelic.json").read_text())
    assert value["counts"]["left_out"] == {}
    assert "vary more than a binomial" in value["warnings"][0]
    assert "there is one bin for 8 imbalanced sites" in value["warnings"][1]
    assert "5 of 8 imbalanced sites favour neither allele" in value["warnings"][2]
    assert len(value["warnings"]) == 3  # none of a bias, which is the dosage's
    assert value["imbalanced_by_test"]["binomial"] == 34
    low, high = value["reference_bias"]["interval"]
    assert low < 0.5 < high
    # By chromosome and position on it, which the FASTA of windows has not:
    names = "chrom=chrom,pos0=chrom_pos0"
    status, _, err = here(SCRIPT, *arguments, "--columns", names, "-o", tmp_path / "other")
    assert status == 2
    assert "disagree with the genome" in err[-1]
    again = (table, "--columns", names, "-q", "--no_figures")
    status, out, _ = here(SCRIPT, *again, "-o", tmp_path / "other")
    assert (status, "80 sites" in out) == (0, True)


def test_a_conditioned_model_predicts_in_a_cell(here, counts, genome_folder, cell_tables, tmp_path):
    """Ratios are those that its variant scores in that cell have, and another cell's differ."""
    import keras

    from tfepi.spec import Head, ModelSpec
    from tfrecords_tools.conditioning import Conditioning
    from tfrecords_tools.targets import Target

    shapes = {"sequence": (256, 4), "tracks": (32, 2)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    keras.utils.set_random_seed(5)
    x = keras.layers.Conv1D(8, 9, padding="same", activation="relu")(inputs["sequence"])
    x = keras.layers.AveragePooling1D(8)(x)
    x = keras.layers.Concatenate()([x, inputs["tracks"]])
    x = keras.layers.Conv1D(8, 3, padding="same", activation="tanh")(x)
    x = keras.layers.AveragePooling1D(32)(x)
    x = keras.layers.Dense(1, activation="softplus", name="main")(x)
    run = tmp_path / "run"
    run.mkdir()
    keras.Model(inputs, {"main": x}).save(run / "model_best.keras")
    conditioning = Conditioning(
        ("a", "b"), ("K",), reference_mode="delta", track_width=8, track_length=32
    )
    heads = (Head("main", (Target(0, "K", mark="K"),)),)
    ModelSpec("tiny", shapes, 256, 0, heads, conditioning=conditioning).write(run / "model.json")
    (run / "params.json").write_text(json.dumps({"model": {"name": "tiny"}}))
    options = ["-f", genome_folder / "genome.fa", "-q", "--tracks", cell_tables[1]]
    model = [run / "params.json", run]
    found = {}
    for cell in "ac":
        out = tmp_path / cell
        asked = ["--model", *model, *options, "--cell", cell, "-o", out, "--no_figures"]
        status, _, err = here(SCRIPT, counts, *asked)
        assert status == 0, err
        found[cell] = pd.read_csv(out / "sites.tsv", sep="\t")[f"predicted_{cell}_K"]
    assert (found["a"] - found["c"]).abs().max() > 1e-4
    stats = ["--stats", "REF_RATIO", "--cell", "c", "-o", tmp_path / "scores"]
    assert here("tfepi_variants.py", *model, tmp_path / "c" / "sites.vcf", *options, *stats)[0] == 0
    again = ["--scores", tmp_path / "scores", "-o", tmp_path / "again", "-q", "--no_figures"]
    assert here(SCRIPT, counts, *again)[0] == 0
    scored = pd.read_csv(tmp_path / "again" / "sites.tsv", sep="\t")["predicted_c_K"]
    np.testing.assert_allclose(found["c"], scored, atol=1e-6)
    status, _, err = here(SCRIPT, counts, "--model", *model, *options[:3], "-o", tmp_path / "out")
    assert (status, len(err)) == (2, 1)
    assert "name one with --cell" in err[0]
