"""Model files from elsewhere, good and bad, through the commands that take them."""

import json
import shutil

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

MODEL = {
    "seq_length": 256,
    "trunk": [
        {"name": "conv_dna", "filters": 4, "kernel_size": 5, "pool_size": 32},
        {"name": "Cropping1D", "cropping": 2},
    ],
    "head": {"name": "final", "units": 3, "activation": "softplus"},
}
COMMANDS = {
    "tfepi_predict.py": ("bed", "-s"),
    "tfepi_ism.py": ("bed", "-l", 2, "--no_plots"),
    "tfepi_variants.py": ("vcf",),
}


@pytest.fixture(scope="module")
def h5(tmp_path_factory):
    """A params.json and a Basenji .h5 of its model."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.models import make_model
    from tfepi.params import parse_params
    from tfepi.pretrained.basenji import write_h5

    folder = tmp_path_factory.mktemp("basenji")
    params = {"train": {"loss": "poisson"}, "model": MODEL}
    (folder / "params.json").write_text(json.dumps(params))
    write_h5(make_model(parse_params(params).model, None), folder / "model.h5")
    return folder / "params.json", folder / "model.h5"


@pytest.fixture
def regions(tmp_path, genome_folder):
    """A BED and a VCF of one line each, by kind."""
    with Genome(genome_folder / "genome.fa") as genome:
        bases = genome.indices("chr1", 20_000, 20_100)
    place = int(np.flatnonzero(bases < 4)[0])
    ref, alt = "ACGT"[bases[place]], "ACGT"[(bases[place] + 1) % 4]
    files = {"bed": tmp_path / "in.bed", "vcf": tmp_path / "in.vcf"}
    files["bed"].write_text("chr1\t20000\t20100\n")
    files["vcf"].write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t{20_001 + place}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    )
    return files


@pytest.fixture
def arguments(h5, regions, genome_folder, tmp_path):
    """Return a function: the good arguments of a command."""

    def make(script):
        kind, *more = COMMANDS[script]
        fasta = genome_folder / "genome.fa"
        return [*h5, regions[kind], "-f", fasta, *more, "-q", "-o", tmp_path / "out"]

    return make


def cut(source, path):
    content = source.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def with_nan(source, path):
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        file["conv1d/conv1d/kernel:0"][0, 0, 0] = np.nan
    return path


def of_keras_3(path):
    import keras

    inputs = keras.Input((256, 4))
    keras.Model(inputs, keras.layers.Conv1D(4, 5)(inputs)).save(path)
    return path


@pytest.mark.parametrize("script", COMMANDS)
def test_a_model_that_cannot_be_loaded_leaves_no_folder(here, arguments, h5, tmp_path, script):
    files = {
        cut(h5[1], tmp_path / "cut.h5"): "truncated",
        with_nan(h5[1], tmp_path / "nan.h5"): "layer conv1d has weights that are no finite numbers",
        of_keras_3(tmp_path / "new.h5"): "was saved by Keras 3.",
        tmp_path: "is no model: it has no model.json but cut.h5",
    }
    params = h5[0]
    run = tmp_path / "run"
    assert here("tfepi_convert.py", *h5, run / "model_best.keras", "-q")[0] == 0
    files[cut(run / "model_best.keras", run / "cut.keras")] = "no .keras archive, or truncated"
    for model, message in files.items():
        status, out, errors = here(script, params, model, *arguments(script)[2:])
        assert (status, out, len(errors)) == (2, "", 1)
        assert message in errors[0]
        assert not (tmp_path / "out").exists()
    assert here(script, *arguments(script))[0] == 0


@pytest.mark.parametrize("script", COMMANDS)
def test_a_folder_of_others_is_refused_before_tensorflow(refused, arguments, tmp_path, h5, script):
    """An .h5 needs TensorFlow for its contract; the folder, and options before it, do not."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    mine = [*arguments(script)[:-1], other]
    refused(script, list(mine), {"model": h5[1]}, "has files that tfepi did not make")
    refused(script, list(mine), {"--shifts": "x"}, "shifts 'x'")
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


def test_a_model_that_came_without_a_table(
    here, h5, arguments, small_data, genome_folder, tmp_path
):
    params, _ = h5
    run, saved, table = tmp_path / "run", tmp_path / "saved", genome_folder / "targets.txt"
    named = tmp_path / "named" / "model_best.keras"
    assert here("tfepi_convert.py", *h5, run / "model_best.keras")[0] == 0
    assert here("tfepi_convert.py", *h5, saved)[0] == 0
    assert here("tfepi_convert.py", *h5, named, "-t", table)[0] == 0
    found = []
    for number, model in enumerate((run, saved, named, h5[1])):  # named by the data
        out = tmp_path / f"test{number}"
        more = ("-q", "--no_figures", "--bootstrap", 0)
        status, _, errors = here("tfepi_test.py", params, model, small_data, "-o", out, *more)
        assert status == 0, errors
        found.append((out / "acc.txt").read_text())
    assert [line.split("\t")[-2] for line in found[0].splitlines()[1:]] == ["T0", "T1", "T2"]
    assert found == [found[0]] * 4
    for model, option, message in (
        (h5[1], ("--untransform", "current"), "give the targets table of its training data"),
        (run, ("--untransform", "current"), "give the targets table of its training data"),
        (run, ("-t", table), "convert it again with the table (tfepi_convert.py -t)"),
    ):
        rest = arguments("tfepi_predict.py")[2:]
        status, _, errors = here("tfepi_predict.py", params, model, *rest, *option)
        assert (status, len(errors)) == (2, 1)
        assert message in errors[0]
    for model in (h5[1], named):
        rest = arguments("tfepi_predict.py")[2:-1]
        options = ("-t", table, "--untransform", "current")
        out = tmp_path / f"of_{model.name}"
        assert here("tfepi_predict.py", params, model, *rest, out, *options)[0] == 0


def test_no_notes_of_tensorflow(run_script, h5, tmp_path):
    done = run_script("tfepi_convert.py", *h5, tmp_path / "saved")
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == [
        " largest difference after reloading"
    ]
