import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfepi.spec import Head, ModelSpec
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_ism.py"
ROOT = Path(__file__).parent.parent.parent
LENGTH = 256


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A run folder with an untrained Basset-like model of 256 bp and one bin."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(1)
    sequence = keras.Input((LENGTH, 4), name="sequence")
    x = keras.layers.Conv1D(8, 11, activation="relu", padding="same")(sequence)
    x = keras.layers.AveragePooling1D(LENGTH)(x)
    x = keras.layers.Dense(2, activation="softplus", name="main")(x)
    keras.Model({"sequence": sequence}, {"main": x}).save(folder / "model_best.keras")
    targets = (Target(0, "t0", description="first"), Target(1, "t1"))
    inputs = {"sequence": (LENGTH, 4)}
    ModelSpec("tiny", inputs, LENGTH, 0, (Head("main", targets),)).write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "tiny"}}))
    return folder


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


def test_help_is_quick_and_light():
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{SCRIPT}', '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'numpy', 'tensorflow', 'keras', 'pysam', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT / "scripts",
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 2  # 0.1 s on an idle machine
    assert "--plot_targets" in done.stdout


def test_regions_and_variants(run_script, arguments, model, genome_folder, tmp_path):
    options = ["-l", 6, "--stats", "SAD,sum", "--rc", "--plot_targets", "t1", "-q"]
    done = run_script(SCRIPT, *arguments, *options)
    assert done.stdout == f"wrote {tmp_path / 'out'}: scores.h5, 2 figures\n"
    assert (tmp_path / "out" / "figures" / "seq1_t1.png").stat().st_size > 1000
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        sad, total = file["SAD"][()], file["sum"][()]
        assert sad.shape == (2, 6, 4, 2)
        assert np.abs(sad[~file["seqs"][()]]).min() > 0
        assert not sad[file["seqs"][()]].any()
        np.testing.assert_allclose(total, sad - sad.mean(axis=2, keepdims=True), atol=1e-6)
        assert (file["start"][0], file["strand"][1]) == (1597, b"-")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"regions", "fasta", "model", "spec"} <= set(record["inputs"])

    genome = genome_folder / "genome.fa"
    with Genome(genome) as opened:
        bases = opened.indices("chr1", 3000, 3100)
    place = int(np.flatnonzero(bases < 4)[0])
    ref, alt = "ACGT"[bases[place]], "ACGT"[(bases[place] + 1) % 4]
    vcf = tmp_path / "in.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t{3001 + place}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    )
    main = runpy.run_path(str(ROOT / "scripts" / SCRIPT))["main"]  # TensorFlow is there already
    more = ["-f", genome, "-o", tmp_path / "vcf", "-u", 2, "--no_plots", "-q"]
    assert main([str(a) for a in (*arguments[:2], vcf, *more)]) == 0
    with h5py.File(tmp_path / "vcf" / "scores.h5") as file:
        assert file["label"][()].tolist() == [f"rs1_{ref}".encode(), f"rs1_{alt}".encode()]
        assert file["sum"].shape == (2, 2, 4, 2)
        assert file["seqs"][:, 1].argmax(-1).tolist() == ["ACGT".index(ref), "ACGT".index(alt)]
    assert not (tmp_path / "vcf" / "figures").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--stats": "SADD"}, "unknown statistic 'SADD': did you mean 'SAD'"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"-l": "257"}, "do not fit into the model's sequence of 256 bp"),
        ({"-l": "0"}, "are to be mutated: want neither below 0"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"--plot_targets": "t2"}, "unknown target 't2'"),
        ({"--ref_policy": "none"}, "unknown ref_policy 'none'"),
        ({"params": {"name": "tiny", "seq_length": 1344}}, "seq_length is 1344 in params.json"),
        ({"bed": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ({"bed": "##fileformat=VCFv4.2\nchr1\t5\n"}, "is no VCF or BCF"),
        ({"bed": "1\t5\t7\n"}, "differ by the 'chr' prefix"),
        ({"model": "none"}, "model none does not exist"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(arguments, tmp_path, bed, change, message):
    (key, value), extra = next(iter(change.items())), []
    if key == "bed":
        bed.write_text(value)
    elif key == "params":
        arguments[0] = tmp_path / "params.json"
        arguments[0].write_text(json.dumps({"model": value}))
    elif key == "model":
        arguments[1] = value
    else:
        extra = [key, value]
    code = (
        "import runpy, sys\n"
        "main = runpy.run_path(sys.argv[1])['main']\n"
        "status = main(sys.argv[2:])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "raise SystemExit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ROOT / "scripts" / SCRIPT, *map(str, arguments + extra)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()
