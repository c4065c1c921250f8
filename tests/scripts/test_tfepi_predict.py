import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from tfepi.spec import Head, ModelSpec
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_predict.py"
ROOT = Path(__file__).parent.parent.parent
LENGTH, WIDTH, BINS = 256, 32, 4


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A run folder with an untrained model of 256 bp, four 32-bp bins in the middle."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(1)
    sequence = keras.Input((LENGTH, 4), name="sequence")
    x = keras.layers.Conv1D(8, 11, activation="relu", padding="same")(sequence)
    x = keras.layers.AveragePooling1D(WIDTH)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Cropping1D(2)(x)
    x = keras.layers.Dense(2, activation="softplus", name="main")(x)
    keras.Model({"sequence": sequence}, {"main": x}).save(folder / "model_best.keras")
    targets = (Target(0, "t0", description="first"), Target(1, "t1"))
    inputs = {"sequence": (LENGTH, 4)}
    ModelSpec("tiny", inputs, WIDTH, 64, (Head("main", targets),)).write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "tiny"}}))
    return folder


@pytest.fixture
def bed(tmp_path) -> Path:
    path = tmp_path / "in.bed"
    path.write_text("chr1\t500\t700\tone\nchr3\t23990\t24000\nchr1\t590\t640\n")
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
    assert "--site_length" in done.stdout


def test_a_bed_a_stretch_and_a_layer(run_script, arguments, model, genome_folder, tmp_path):
    done = run_script(SCRIPT, *arguments, "--rc", "--shifts", "1,0", "-b", "all", "-s", "-q")
    assert done.stdout == f"wrote {tmp_path / 'out'}\n"
    with h5py.File(tmp_path / "out" / "predict.h5") as file:
        assert file["preds"].shape == (3, 2)
        assert file["start"][()].tolist() == [536, 23931, 551]
        assert np.isfinite(file["preds"][()]).all()
        assert file["target_labels"][()].tolist() == [b"first", b"t1"]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"bed", "fasta", "model", "spec"} <= set(record["inputs"])
    assert (record["outcome"], record["windows"]) == ("finished", 3)

    genome = genome_folder / "genome.fa"
    place = ("-f", genome, "--chroms", "chr3", "-b", "t1", "-g", tmp_path / "sizes")
    (tmp_path / "sizes").write_text("chr3\t24000\n")
    main = runpy.run_path(str(ROOT / "scripts" / SCRIPT))["main"]  # TensorFlow is there already
    more = [*arguments[:2], *place, "-o", tmp_path / "whole", "--no_h5", "-q"]
    assert main([str(a) for a in more]) == 0
    assert [p.name for p in (tmp_path / "whole" / "bigwig").iterdir()] == ["t1.bw"]
    from tfepi.predictors import load_predictor

    with Genome(genome) as opened:
        sequence = opened.indices("chr3", 1280 - 64, 1280 + 192)[None]
    wanted = load_predictor(model).predict({"sequence": sequence})["main"][0, :, 1]
    with pyBigWig.open(str(tmp_path / "whole" / "bigwig" / "t1.bw")) as file:
        assert file.chroms() == {"chr3": 24000}
        assert file.header()["nBasesCovered"] == 24000
        found = [v for *_, v in file.intervals("chr3", 1280, 1280 + 128)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)

    more = [*arguments[:-1], tmp_path / "layer", "-e", "0", "-q"]
    assert main([str(a) for a in more]) == 0
    with h5py.File(tmp_path / "layer" / "predict.h5") as file:
        assert file["preds"].shape == (3, 8, 8)
        assert file["start"][0] == 600 - 128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"-l": "100"}, "site length is 100 bp: want a multiple of the bin width of 32 bp"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"--chroms": "chr1"}, "are asked for at once"),
        ({"-b": "t2"}, "unknown target 't2'"),
        ({"--untransform": "new"}, "unknown untransform style 'new'"),
        ({"--batch_size": "0"}, "batch_size is 0"),
        ({"params": {"name": "tiny", "seq_length": 1344}}, "seq_length is 1344 in params.json"),
        ({"bed": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ({"bed": "chr1\t5\t60001\n"}, "ends past the end of chr1"),
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
