"""tfepi_convert.py and the commands after it, on published forms of Enformer."""

import json
import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfepi.params import read_params
from tfepi.predictors import load_predictor, read_spec
from tfrecords_tools.genome import Genome

SCRIPTS = Path(__file__).parents[2] / "scripts"
FORMS = ("checkpoint", "saved_model", "npz", "safetensors")


@pytest.fixture
def run(capsys):
    """Return a function that runs a script's main: status, stdout, lines of stderr."""

    def call(script, *args):
        status = runpy.run_path(str(SCRIPTS / script))["main"]([*map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


@pytest.fixture(scope="session")
def params_json(copies, tmp_path_factory):
    path = tmp_path_factory.mktemp("params") / "enformer.json"
    path.write_text(json.dumps({"model": {"name": "enformer"} | copies.SIZES}))
    return path


@pytest.fixture(scope="session")
def converted(published, params_json, tmp_path_factory):
    """A .keras file made of the checkpoint."""
    out = tmp_path_factory.mktemp("converted") / "model_best.keras"
    main = runpy.run_path(str(SCRIPTS / "tfepi_convert.py"))["main"]
    assert main([str(params_json), str(published.checkpoint), str(out), "-q"]) == 0
    return out


def check(found, wanted):
    assert list(found) == list(wanted)
    for head, values in wanted.items():
        np.testing.assert_allclose(found[head], values, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_becomes_a_keras_file(
    run, copies, published, params_json, wanted, tmp_path, form
):
    out = tmp_path / "x" / "model_best.keras"
    source = getattr(published, form)
    status, text, errors = run("tfepi_convert.py", params_json, source, out, "--compare", 2, "-q")
    assert (status, errors) == (0, [])
    wrote = [f"wrote {out.parent / name}" for name in (out.name, "model.json", "params.json")]
    lines = text.splitlines()
    assert lines[:3] == wrote
    if form == "saved_model":
        assert [line.partition(":")[0] for line in lines[3:]] == [
            f"{source} and {out}, 2 random sequences, head {head}" for head in copies.OUTPUTS
        ]
    else:
        count = len([k for k in copies.shapes() if not k.endswith(("_hidden", "_counter"))])
        assert lines[3].startswith(f"{source} and {out}: {count} arrays are equal bit by bit; wei")
        assert len(lines) == 4
    indices, outputs = wanted
    for path in (out, out.parent) if form == "npz" else (out,):
        check(load_predictor(path).predict({"sequence": indices}), outputs)
    model = json.loads((out.parent / "params.json").read_text())["model"]
    stated = {k: v for k, v in copies.FOUND.items() if k != "output_heads"}
    assert model == stated | copies.SIZES | {"name": "enformer", "heads": ["human", "mouse"]}
    assert read_params(out.parent / "params.json").model.heads == ("human", "mouse")


def test_a_checkpoint_is_compared_with_a_saved_model(run, published, params_json, tmp_path):
    out = tmp_path / "x" / "model.keras"
    reference = ("--compare", 1, "--reference", published.saved_model)
    status, text, _ = run("tfepi_convert.py", params_json, published.safetensors, out, *reference)
    assert status == 0
    assert f"{published.saved_model} and {out}, 1 random sequence, head mouse: largest" in text


@pytest.mark.slow
def test_weights_can_become_a_saved_model_at_once(run, published, params_json, wanted, tmp_path):
    out = tmp_path / "saved"
    status, text, _ = run("tfepi_convert.py", params_json, published.npz, out, "--compare", 1)
    assert status == 0
    assert f"{published.npz} and {out}, 1 random sequence, head human: largest diff" in text
    indices, outputs = wanted
    check(load_predictor(out).predict({"sequence": indices}), outputs)


def test_a_head_with_the_names_of_its_tracks(run, copies, published, params_json, wanted, tmp_path):
    table = tmp_path / "targets_mouse.txt"
    rows = ["\tgenome\tidentifier\tfile\tdescription\n"]
    rows += [f"{n}\t1\tENCFF{n}\t/x/{n}.h5\tDNASE:tissue {n}\n" for n in range(3)]
    table.write_text("".join(rows))
    out = tmp_path / "x" / "model.keras"
    status, _, errors = run("tfepi_convert.py", params_json, published.npz, out, "-t", table)
    assert (status, len(errors)) == (2, 1)
    assert "has the heads human, mouse: name one with --head" in errors[0]
    arguments = ("-t", table, "--head", "mouse", "--compare", 1)
    status, text, _ = run("tfepi_convert.py", params_json, published.npz, out, *arguments)
    assert status == 0
    count = sum(not k.endswith(("_hidden", "_counter")) for k in copies.shapes())
    assert f"{count - 2} arrays are equal bit by bit" in text  # but for the other head's
    indices, outputs = wanted
    spec = read_spec(out)
    assert [t.identifier for t in spec.head().targets] == ["ENCFF0", "ENCFF1", "ENCFF2"]
    check(load_predictor(out).predict({"sequence": indices}), {"mouse": outputs["mouse"]})


def test_models_that_differ_are_told(run, copies, published, params_json, tmp_path):
    other, reference = tmp_path / "other.npz", published.saved_model
    np.savez(other, **copies.random_arrays(4))
    out = tmp_path / "x" / "model.keras"
    arguments = (params_json, other, out, "--compare", 1, "--reference", reference, "-q")
    status, _, errors = run("tfepi_convert.py", *arguments)
    assert (status, len(errors)) == (2, 1)
    assert f"{reference} and {out}, 1 random sequence, head human: largest diff" in errors[0]
    assert "more than 0.0001 · max(1, standard deviation)" in errors[0]
    assert "; it was written and stays: remove it, or allow more with --tolerance" in errors[0]
    assert sorted(p.name for p in out.parent.iterdir()) == ["model.json", out.name, "params.json"]
    status, text, _ = run("tfepi_convert.py", *arguments, "--tolerance", 1e9, "--overwrite")
    assert status == 0
    assert "largest difference" in text


def test_arrays_that_differ_are_told(converted, published, tmp_path, run, params_json):
    from tfepi.predictors import load_keras
    from tfepi.serving.comparison import compared
    from tfrecords_tools.errors import TfepiError

    model = load_keras(converted)
    dense = model.get_layer("head_mouse_dense")
    dense.bias.assign(dense.bias + 1e-6)
    (tmp_path / "model.json").write_text((converted.parent / "model.json").read_text())
    model.save(tmp_path / "model.keras")
    params = read_params(params_json)
    told = (
        r"differs from .* in array _heads/mouse/_layers/0/b: .* was written and stays: remove it$"
    )
    with pytest.raises(TfepiError, match=told):
        compared(published.checkpoint, tmp_path / "model.keras", params, None, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--compare", 0), "--compare is 0: want at least 1 sequence"),
        (("--reference", "x"), "--reference x is of --compare: give --compare N"),
        (("--tolerance", "1"), "--tolerance 1.0 is of --compare: give --compare N"),
        (
            ("--compare", 1, "--reference", "none"),
            "model none does not exist: check the path; Enfo",
        ),
    ],
)
def test_comparisons_that_cannot_be(run, published, params_json, tmp_path, change, message):
    out = tmp_path / "x.keras"
    status, _, errors = run("tfepi_convert.py", params_json, published.npz, out, *change)
    assert (status, len(errors)) == (2, 1)
    assert message in errors[0]
    assert not out.exists()


def test_a_missing_model_says_where_it_is_published(run, tmp_path):
    status, _, errors = run("tfepi_convert.py", "enformer", tmp_path / "w", tmp_path / "x.keras")
    assert (status, len(errors)) == (2, 1)
    assert "kaggle.com/models/deepmind/enformer (Apache-2.0)" in errors[0]


def test_h5_is_not_for_enformer(run, published, params_json, tmp_path):
    status, _, errors = run("tfepi_convert.py", params_json, published.npz, tmp_path / "x.h5")
    assert (status, len(errors)) == (2, 1)
    assert "Basenji cannot load a 'enformer'" in errors[0]


@pytest.mark.parametrize("form", ["checkpoint", "saved_model"])
def test_regions_are_predicted(run, copies, published, params_json, genome_folder, tmp_path, form):
    bed, out = tmp_path / "in.bed", tmp_path / "out"
    bed.write_text("chr1\t20000\t20100\nchr2\t9000\t9001\n")
    fasta = genome_folder / "genome.fa"
    model = getattr(published, form)
    arguments = (params_json, model, bed, "-f", fasta, "-o", out, "--head", "human", "-q")
    status, _, errors = run("tfepi_predict.py", *arguments)
    assert (status, errors) == (0, [])
    with Genome(fasta) as genome:
        start = 20050 - copies.LENGTH // 2
        indices = genome.indices("chr1", start, start + copies.LENGTH)
    wanted = copies.predicted(published.arrays, np.eye(5, 4, dtype=np.float32)[indices][None])
    with h5py.File(out / "predict.h5") as file:
        np.testing.assert_allclose(file["preds"][0], wanted["human"][0], rtol=2e-3, atol=1e-4)
    inputs = json.loads((out / "run.json").read_text())["inputs"]
    names = {"checkpoint": "enformer-tiny-1.index", "saved_model": "saved_model.pb"}
    assert any(Path(entry["path"]).name == names.get(form, model.name) for entry in inputs.values())


def test_variants_are_scored(run, published, params_json, genome_folder, tmp_path):
    with Genome(genome_folder / "genome.fa") as genome:
        bases = genome.indices("chr1", 20_000, 20_100)
    place = int(np.flatnonzero(bases < 4)[0])
    ref, alt = "ACGT"[bases[place]], "ACGT"[(bases[place] + 1) % 4]
    vcf = tmp_path / "in.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t{20_001 + place}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    )
    found = []
    for form in ("checkpoint", "saved_model"):
        out = tmp_path / form
        arguments = (getattr(published, form), vcf, "-f", genome_folder / "genome.fa", "-o", out)
        status, _, errors = run(
            "tfepi_variants.py", params_json, *arguments, "--head", "mouse", "-q"
        )
        assert (status, errors) == (0, [])
        with h5py.File(out / "scores.h5") as file:
            found.append(file["SAD"][()])
    assert found[0].shape == (1, 3)
    assert np.abs(found[0]).max() > 0
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
