"""Whole genomes in overlapping windows: killed at random moments, and how much memory they take.

Minutes long: `pytest -m slow tests/scripts/test_predict_whole_genome.py`.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PHASES = ["--phases", 2, "-b", "all", "--no_h5", "-q"]


@pytest.mark.slow
def test_kills_change_nothing(write_model, genome_folder, tmp_path):
    kill = runpy.run_path(str(ROOT / "tests" / "test_kill.py"))
    model = write_model(1)
    place = ["-f", genome_folder / "genome.fa", "--edge", 20, "--part_windows", 30]
    command = ["tfepi_predict.py", model / "params.json", model, *place, *PHASES]
    kill["killed_and_resumed"](command, kill["file_hashes"], tmp_path)


@pytest.fixture(scope="module")
def leopard(tmp_path_factory) -> Path:
    """A run folder with an untrained U-Net of full size: 10,240 bp, six targets, 1 bp."""
    from tfepi.models import leopard_unet
    from tfepi.spec import Head, ModelSpec
    from tfrecords_tools.targets import Target

    folder = tmp_path_factory.mktemp("leopard")
    leopard_unet(outputs=6).save(folder / "model_best.keras")
    head = Head("main", tuple(Target(i, f"t{i}") for i in range(6)), "probability")
    spec = ModelSpec("leopard_unet", {"sequence": (10_240, 4)}, 1, 0, (head,))
    spec.write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "leopard_unet"}}))
    return folder


def peak_memory(arguments: list) -> int:
    """Return the peak resident memory of a command in bytes."""
    with subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "tfepi_predict.py", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_memory_is_that_of_one_part(leopard, test_data, tmp_path):
    """Of yeast, 2.6 Mb that fill one part of 255 tiles, and 5.7 Mb of the same and more."""
    yeast = test_data / "data" / "yeast" / "sacCer3.fa.gz"
    peaks = []
    for chroms in ("chrIV,chrXII", "chrIV,chrXII,chrVII,chrXV,chrXIII"):
        place = ["-f", yeast, "--chroms", chroms, "--edge", 100, "-o", tmp_path / f"{len(chroms)}"]
        peaks.append(peak_memory([leopard / "params.json", leopard, *place, *PHASES]))
    assert peaks[1] < 1.5 * 2**30
    assert peaks[1] - peaks[0] < 64 * 2**20
