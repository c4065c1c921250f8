"""tfepi_records.py as a user runs it: status, streams, files."""

import csv
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tfrecords_tools.data import Data

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "tfepi_records.py"


@pytest.fixture
def records(here):
    """Return a function that gives status, stdout and lines of stderr."""
    return partial(here, "tfepi_records.py")


def test_info(records, write_records, tmp_path):
    data = write_records()
    status, out, err = records("info", data.folder, "--targets", "-q")
    assert (status, err) == (0, [])
    assert "train       9       9        9       3" in out
    assert "dnase" in out
    status, out, _ = records("info", data.folder, data.folder, "--json", "--label", "valid", "-q")
    value = json.loads(out)
    assert value["format"] == "tfepi-record-info"
    assert [d["labels"][0]["records"] for d in value["data"]] == [3, 3]
    table, report = tmp_path / "t.tsv", tmp_path / "t.json"
    for path in (table, report):
        assert records("info", data.folder, "--targets", "-o", path, "-q")[0] == 0
    rows = list(csv.DictReader(table.open(), delimiter="\t"))
    assert [r["identifier"] for r in rows] == ["plus", "minus", "dnase", "top"]
    assert json.loads(report.read_text())["data"][0]["targets"][2]["identifier"] == "dnase"
    status, _, err = records("info", data.folder, "-o", table, "-q")
    assert (status, len(err)) == (2, 1)
    assert "use --overwrite" in err[0]
    assert records("info", data.folder, "-o", table, "-q", "--overwrite")[0] == 0
    assert "records" in table.read_text()
    status, _, err = records("info", tmp_path / "no", "-q")
    assert (status, err) == (
        2,
        [f"error: data folder {tmp_path / 'no'} does not exist: check the path"],
    )


def test_validate(records, write_records, tmp_path):
    folder, report = write_records().folder, tmp_path / "report.json"
    status, out, err = records("validate", folder, "-q")
    assert (status, err) == (0, [])
    assert out == f"{folder}: 12 records (train 9, valid 3) in 4 shards; 0 errors, 0 notes\n"
    shard = folder / "tfrecords/train-1.tfr"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 16
    shard.write_bytes(data)
    status, out, err = records("validate", folder, "-o", report, "-q")
    assert status == 2
    assert "errors" in out
    assert any(line.startswith("error: framing: train-1.tfr, record ") for line in err)
    value = json.loads(report.read_text())
    assert value["errors"] == len([line for line in err if line.startswith("error")])
    assert records("validate", folder, "-o", report, "-q")[0] == 2
    (folder / "manifest.json").unlink()
    bed = folder / "sequences.bed"
    bed.unlink()
    for path in folder.glob("tfrecords/train*"):
        path.unlink()
    status, _, err = records("validate", folder, "-q")
    assert status == 0  # what is noted does no harm
    assert all(line.startswith("note: ") for line in err)


def test_rewindow(records, write_records, tmp_path):
    data, out = write_records(), tmp_path / "short"
    status, text, err = records(
        *("rewindow", data.folder, "-o", out, "-l", 128, "-w", 32, "--label", "train", "-q")
    )
    assert (status, err) == (0, [])
    assert text == f"wrote {out}: 128 bp, 4 bins of 32 bp, 4 targets, 27 train\n"
    assert Data.open(out).counts == {"train": 27}
    run = json.loads((out / "run.json").read_text())
    assert (run["outcome"], run["seed"]) == ("finished", 44)
    assert set(run["inputs"]) == {
        "data statistics.json",
        "data targets.txt",
        "data sequences.bed",
        "data manifest.json",
    }
    again = ("rewindow", data.folder, "-o", out, "-l", 128, "-w", 40, "-q", "--overwrite")
    status, _, err = records(*again)
    assert (status, len(err)) == (2, 1)
    assert "bin width 40 is not a multiple of the records' 16" in err[0]
    assert Data.open(out).counts == {"train": 27}  # nothing was removed


def test_select(records, write_records, tmp_path):
    data, out = write_records(), tmp_path / "some"
    status, text, err = records(
        *("select", data.folder, "-o", out, "--targets", "plus,minus", "--relabel", "valid=test"),
        *("--hold_out", "valid=2", "--from", "train", "--encoding", "packed", "-q"),
    )
    assert (status, err) == (0, [])
    assert text.startswith(f"wrote {out}: 512 bp, 24 bins of 16 bp, 2 targets, ")
    assert Data.open(out).counts == {"train": 7, "valid": 2, "test": 3}
    status, _, err = records("select", data.folder, "-o", tmp_path / "x", "--targets", "plus", "-q")
    assert (status, len(err)) == (2, 1)
    assert "without its other strand 'minus'" in err[0]


def test_to_bigwig(records, write_records, tmp_path):
    data, out = write_records(), tmp_path / "tracks"
    status, text, err = records(
        *("to-bigwig", data.folder, "-o", out, "--targets", "top", "--untransform", "-q")
    )
    assert (status, text, err) == (0, f"{out / 'top.bw'}\n", [])
    status, _, err = records("to-bigwig", data.folder, "-o", out, "-q")
    assert (status, len(err)) == (2, 1)
    assert "has results" in err[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("select d -o o --hold_out valid", "is not of the form label=9"),
        ("select d -o o --relabel a", "is not of the form old=new"),
        ("rewindow d -o o -w 3", "required: -l"),
        ("transmogrify d", "invalid choice"),
    ],
)
def test_wrong_lines(records, line, message):
    status, _, err = records(*line.split())
    assert (status, len(err)) == (2, 1)
    assert message in err[0]


def test_tensorflow_is_never_loaded(write_records, tmp_path):
    data = write_records()
    code = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras', 'tfepi'} & set(sys.modules)\n"
    )
    for arguments in (
        ["info", data.folder, "--targets"],
        ["validate", data.folder],
        ["rewindow", data.folder, "-o", tmp_path / "a", "-l", "128", "-w", "32"],
        ["select", data.folder, "-o", tmp_path / "b", "--hold_out", "test=2"],
        ["to-bigwig", data.folder, "-o", tmp_path / "c"],
    ):
        subprocess.run(
            [sys.executable, "-c", code, SCRIPT, *arguments],
            check=True,
            capture_output=True,
            env={"PYTHONPATH": str(ROOT)},
        )


def test_training_reads_what_is_written(records, write_records, tmp_path):
    """Records of every shard, by the reader that training uses."""
    from tfrecords_tools.dataset import eval_dataset

    data = write_records()
    for encoding in ("index", "packed"):
        out = tmp_path / encoding
        line = ("rewindow", data.folder, "-o", out, "-l", 128, "-w", 32, "--encoding", encoding)
        assert records(*line, "-q")[0] == 0
        made = Data.open(out)
        count = 0
        for inputs, targets in eval_dataset(made, "train", 4):
            assert inputs["sequence"].shape[1:] == (128, 4)
            assert targets.shape[1:] == (4, 4)
            count += len(targets)
        assert count == made.counts["train"] == 27


@pytest.mark.slow
def test_memory_does_not_depend_on_the_number_of_records():
    """Within 4 MiB, of ten times as many: 600 records are 94 MiB as they are read."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs/benchmarks/records_memory.py", "--records", "60"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    for name, (few, many) in json.loads(done.stdout)["peak_mib"].items():
        assert many < few + 4, name
