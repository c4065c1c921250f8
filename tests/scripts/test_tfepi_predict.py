import json
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_predict.py"


@pytest.fixture(scope="module")
def model(write_model) -> Path:
    """A run folder with an untrained model of 256 bp, four 32-bp bins in the middle."""
    return write_model(32, crop=2, normalise=True)


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


def test_a_bed_a_stretch_and_a_layer(run_script, here, arguments, model, genome_folder, tmp_path):
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
    more = [*arguments[:2], *place, "-o", tmp_path / "whole", "--no_h5", "-q"]
    assert here(SCRIPT, *more)[0] == 0
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
    assert here(SCRIPT, *more)[0] == 0
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
def test_bad_input_is_one_line_before_tensorflow(refused, arguments, bed, change, message):
    refused(SCRIPT, arguments, change, message, {"bed": bed})
