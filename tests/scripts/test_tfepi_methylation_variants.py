import json

import numpy as np
import pandas as pd
import pytest

from tfepi.spec import Head, ModelSpec
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_methylation.py"
LENGTH = 41


@pytest.fixture(scope="module")
def brain_model(tmp_path_factory):
    """A run folder with a tiny untrained INTERACT of two heads, of one and of two tasks."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.models import interact

    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("cpg_model")
    heads = (
        Head("brain", (Target(0, "hippocampus"), Target(1, "cortex"))),
        Head("blood", (Target(2, "blood"),)),
    )
    sizes = {"kernels": 8, "pool": 8, "hidden": 8, "layers": 1, "attention_heads": 2}
    model = interact(
        input_length=LENGTH,
        targets={h.name: len(h.targets) for h in heads},
        feed_forward=8,
        head_hidden=8,
        **sizes,
    )
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(weight * 20)  # so that predictions differ
    model.save(folder / "model_best.keras")
    spec = ModelSpec("interact", {"sequence": (LENGTH, 4)}, 1, LENGTH // 2, heads)
    spec.extra["kind"] = "methylation"
    spec.write(folder / "model.json")
    return folder


@pytest.fixture
def arguments(brain_model, genome_folder, tmp_path):
    path = tmp_path / "in.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(genome_folder / "genome.fa") as genome:
        bases = genome.indices("chr1", 1500, 2500)
    for at in range(0, 1000, 25):
        if bases[at] < 4:
            ref, alt = "ACGT"[bases[at]], "ACGT"[(bases[at] + 1) % 4]
            lines.append(f"chr1\t{at + 1501}\trs{at}\t{ref}\t{alt}\t.\t.\t.")
    path.write_text("\n".join(lines) + "\n")
    files = (brain_model, path, "-f", genome_folder / "genome.fa", "-o", tmp_path / "out")
    return ["variants", *files]


def test_scores_shards_and_heads(here, arguments, tmp_path):
    options = ["--head", "brain", "--pairs", "--chunk_records", 8, "--batch_size", 16, "-q"]
    status, out, errors = here(SCRIPT, *arguments, *options, "--shard", "1/1")
    shard = tmp_path / "out" / "shards" / "1-of-1"
    assert (status, out, errors) == (0, f"wrote {shard}\n", [])
    record = json.loads((shard / "run.json").read_text())
    assert {"vcf", "fasta", "model", "spec"} <= set(record["inputs"])
    status, out, errors = here(SCRIPT, "variants", "--merge", "-o", tmp_path / "out")
    assert (status, out) == (0, f"merged {tmp_path / 'out'}\n")
    table = pd.read_parquet(tmp_path / "out" / "variants.parquet")
    assert {"hippocampus_score", "cortex_diff"} <= set(table)
    scored = table[table["cpgs"] > 0]
    assert len(scored) > 20
    assert scored["score"].gt(0).all()
    assert (tmp_path / "out" / "pairs.parquet").exists()
    arguments[-1] = tmp_path / "cortex"
    assert here(SCRIPT, *arguments, "--head", "0", "-t", "cortex", "--reach", 9, "-q")[0] == 0
    near = pd.read_parquet(tmp_path / "cortex" / "variants.parquet")
    assert (near["cpgs"] <= table["cpgs"]).all()
    assert near["cpgs"].sum() < table["cpgs"].sum()
    same = near["cpgs"] == table["cpgs"]
    np.testing.assert_allclose(near["cortex_score"][same], table["cortex_score"][same], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the model has the heads brain, blood: name one with --head"),
        (["--head", "brian"], "unknown head 'brian' of model"),
        (["--head", "brain", "-t", "cortx"], "of the model's head brain: did you mean 'cortex'?"),
        (["--head", "brain", "--reach", "99"], "reach is 99 bp, and the model sees 20 bp"),
        (["--head", "brain", "--shard", "3/2"], "shard is 3/2: want i/n"),
        (["--all_cpgs", "--original"], "not allowed with argument"),
    ],
)
def test_what_is_refused_in_one_line(here, arguments, options, message, tmp_path, capsys):
    try:
        status, out, errors = here(SCRIPT, *arguments, *options)
    except SystemExit as stopped:  # argparse
        status, (out, text) = stopped.code, capsys.readouterr()
        errors = text.splitlines()
    assert (status, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_models_that_do_not_predict_methylation(here, arguments, model, brain_model, tmp_path):
    arguments[1] = model
    status, _, errors = here(SCRIPT, *arguments)
    assert status == 2
    assert errors == [
        "error: the model tiny does not predict methylation: score variants with tfepi_variants.py"
    ]
    arguments[1] = tmp_path / "model.h5"
    arguments[1].touch()
    assert "score variants with tfepi_variants.py" in here(SCRIPT, *arguments)[2][0]
    (tmp_path / "params.json").write_text('{"model": {"name": "interact"}}')
    other = [tmp_path / "params.json", brain_model, *arguments[2:], "--head", "brain"]
    status, _, errors = here("tfepi_variants.py", *other)
    assert status == 2
    assert "score variants with tfepi_methylation.py variants" in errors[0]
    assert len(errors) == 1


def test_bad_input_before_tensorflow(refused, arguments, brain_model, tmp_path):
    arguments += ["--head", "brain"]
    refused(SCRIPT, arguments, {"--reach": "21"}, "reach is 21 bp")
