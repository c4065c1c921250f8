"""--query of the commands that choose targets: what is scored, predicted, tested and trained."""

import json
import shutil

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

PARAMS = {
    "train": {"batch_size": 16, "train_epochs_max": 1, "train_epochs_min": 1, "patience": 1},
    "model": {
        "seq_length": 256,
        "trunk": [
            {"name": "conv_block", "filters": 4, "kernel_size": 5, "pool_size": 32},
            {"name": "Cropping1D", "cropping": 2},
        ],
        "head_human": {"name": "final", "units": 2, "activation": "softplus"},
    },
}


@pytest.fixture
def vcf(tmp_path, genome_folder):
    path = tmp_path / "in.vcf"
    with Genome(genome_folder / "genome.fa") as genome:
        ref = "ACGT"[genome.indices("chr1", 1500, 1501)[0]]
    alt = "ACGT"["ACGT".index(ref) - 1]
    path.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t1501\trs\t{ref}\t{alt}\t.\t.\t.\n"
    )
    return path


@pytest.fixture
def named(model, genome_folder, tmp_path):
    """Arguments that commands share: params.json, the model; genome, output."""
    return (
        (model / "params.json", model),
        ("-f", genome_folder / "genome.fa", "-o", tmp_path / "out", "-q"),
    )


def test_variants_predictions_and_mutagenesis(here, named, vcf, tmp_path):
    (params, model), rest = named
    bed = tmp_path / "in.bed"
    bed.write_text("chr1\t1490\t1510\n")
    for script, place, more, file in (
        ("tfepi_variants.py", vcf, (), "scores.h5"),
        ("tfepi_predict.py", bed, (), "predict.h5"),
        ("tfepi_ism.py", bed, ("-l", 4, "--no_plots"), "scores.h5"),
    ):
        found = {}
        for query in (None, "first", "t1 & !first"):
            chosen = () if query is None else ("--query", query)
            args = (params, model, place, *rest, *more, *chosen, "--overwrite")
            assert here(script, *args)[0] == 0
            with h5py.File(tmp_path / "out" / file) as opened:
                values = opened[{"predict.h5": "preds"}.get(file, next(_scores(opened)))][()]
                found[query] = values, opened["target_ids"][()].tolist()
        whole, names = found[None]
        assert names == [b"t0", b"t1"]
        for column, query in enumerate(("first", "t1 & !first")):
            values, names = found[query]
            assert names == [f"t{column}".encode()]
            np.testing.assert_array_equal(values, whole[..., [column]])
        for query, said in (
            ("nosuch", "matches none of the 2 targets of the model's head 'main': descriptions"),
            ("a &", "lacks a term at its end"),
        ):
            status, _, lines = here(script, *args[:-2], query, "--overwrite")
            assert status == 2
            assert said in lines[-1]


def _scores(file):
    return (name for name in ("SAD", "sum", "preds") if name in file)


def test_a_query_chooses_among_the_rows_of_a_table(here, named, vcf, tmp_path):
    (params, model), rest = named
    table = tmp_path / "targets.txt"
    table.write_text("\tidentifier\tfile\tdescription\n0\tt1\tb.bw\tliver\n1\tt0\ta.bw\tbrain\n")
    args = (params, model, vcf, *rest, "-t", table, "--query")
    assert here("tfepi_variants.py", *args, "brain")[0] == 0
    with h5py.File(tmp_path / "out/scores.h5") as file:
        assert file["target_ids"][()].tolist() == [b"t0"]
        assert file["target_labels"][()].tolist() == [b"brain"]
    status, _, lines = here("tfepi_variants.py", *args, "first", "--overwrite")
    assert status == 2
    assert f"none of the 2 targets of targets table {table}: descriptions are like" in lines[-1]


def test_a_model_without_names_is_given_a_table(here, named, vcf, model, tmp_path):
    (params, _), rest = named
    bare = tmp_path / "bare"
    shutil.copytree(model, bare)
    contract = json.loads((bare / "model.json").read_text())
    rows = contract["heads"][0]["targets"]
    for number, row in enumerate(rows):
        row.update(identifier=f"t{number}", description="")
    rows[:] = [{k: row[k] for k in ("index", "identifier")} for row in rows]
    (bare / "model.json").write_text(json.dumps(contract))
    status, _, lines = here("tfepi_variants.py", params, bare, vcf, *rest, "--query", "brain")
    assert status == 2
    assert lines[-1].endswith("so they have no names; name the table with -t")


def test_training_and_test(here, small_data, tmp_path):
    params, run = tmp_path / "params.json", tmp_path / "run"
    params.write_text(json.dumps(PARAMS))
    train = ("tfepi_train.py", params, small_data, "-o", run, "-q", "--no_tensorboard")
    status, _, lines = here(*train, "--query", "first | third", "--targets", "T0,T2")
    assert status == 2
    assert "--targets T0,T2 and --query 'first | third' both choose targets" in lines[-1]
    status, _, lines = here(*train, "--query", "fifth")
    assert (status, run.exists()) == (2, False)
    assert f"none of the 3 targets of data folder {small_data}" in lines[-1]
    assert here(*train, "--query", "first | third")[0] == 0
    head = json.loads((run / "model.json").read_text())["heads"][0]
    assert [t["identifier"] for t in head["targets"]] == ["T0", "T2"]

    test = ("tfepi_test.py", params, run, small_data, "-q", "--no_figures", "--bootstrap", 0)
    for out, chosen in (("whole", ()), ("one", ("--query", "third"))):
        assert here(*test, "-o", tmp_path / out, *chosen)[0] == 0
    rows = [
        json.loads((tmp_path / out / "metrics.json").read_text())["across_positions"]["targets"]
        for out in ("whole", "one")
    ]
    assert [r["identifier"] for r in rows[0]] == ["T0", "T2"]
    assert rows[1] == rows[0][1:]
    for chosen, said in (
        (("--query", "second"), "none of the 2 targets of the model's head"),
        (("--query", "first", "-t", "T2"), "both choose targets: leave one out"),
    ):
        status, _, lines = here(*test, "-o", tmp_path / "no", *chosen)
        assert (status, (tmp_path / "no").exists()) == (2, False)
        assert said in lines[-1]


def test_a_model_without_names_is_asked_by_those_of_the_data():
    from types import SimpleNamespace

    from tfepi.evaluation.named_model import names_to_test
    from tfepi.spec import Head
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.targets import Target, numbered

    head = Head("main", numbered(2))
    data = SimpleNamespace(
        targets=(Target(5, "a", description="liver"), Target(7, "b", description="brain"))
    )
    assert names_to_test(head, data, (), "brain") == ("t1",)
    assert names_to_test(head, data, ("t0",), None) == ("t0",)
    assert names_to_test(head, data, (), None) is None
    with pytest.raises(ConfigError, match="none of the 2 targets of the data"):
        names_to_test(head, data, (), "lung")
    nameless = SimpleNamespace(targets=numbered(2))
    with pytest.raises(ConfigError, match=r"no names; add its targets\.txt to the data folder$"):
        names_to_test(head, nameless, (), "lung")
    with pytest.raises(ConfigError, match=r"no names; convert it again with the table \(tfepi_con"):
        names_to_test(Head("main", numbered(3)), data, (), "lung")
