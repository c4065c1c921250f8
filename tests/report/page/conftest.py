"""The folders of a whole small job, made once by the commands themselves."""

import json
import os
import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
PARAMS = {
    "train": {"batch_size": 32, "optimizer": "adam", "learning_rate": 0.002},
    "model": {
        "name": "basset",
        "input_length": 256,
        "bin_width": 64,
        "stem_filters": 8,
        "stem_pool": 4,
        "tower_filters": [8],
        "neck_filters": 8,
        "dense_units": 8,
        "augment_rc": True,
    },
}


def run_main(script: str, *words) -> None:
    """Run a command in this process."""
    with mock.patch.object(sys, "argv", [script, *map(str, words)]):
        assert runpy.run_path(str(SCRIPTS / script))["main"]() == 0


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """Folder with genome, check, data, run, test, ridge, saved and scores; only read it."""
    folder, before = tmp_path_factory.mktemp("job"), Path.cwd()
    (folder / "params.json").write_text(json.dumps(PARAMS))
    windows = ["-l", 256, "-w", 64, "-c", 96, "--stride", 256, "--stride_test", 256]
    windows += ["-v", "chr4", "-t", "chr5"]
    inputs = ["genome/genome.fa", "genome/targets.txt"]
    vcf, genome = "genome/variants.vcf", ("-f", "genome/genome.fa")
    try:
        os.chdir(folder)
        of = ("--length", 200000, "--variants", 20)
        run_main("tfepi_simulate.py", "-q", "-o", "genome", *of)
        run_main("tfepi_check.py", "-q", *inputs, "--vcf", vcf, *windows, "-o", "check")
        black = ("-b", "genome/blacklist.bed")
        run_main("tfepi_data.py", "-q", *windows, *black, "-o", "data", *inputs)
        run_main("tfepi_train.py", "-q", "-o", "run", "--epochs", 2, "params.json", "data")
        run_main("tfepi_test.py", "-q", "-o", "test", "--save", "params.json", "run", "data")
        ridge = ("-k", 3, "--bootstrap_ranks", 0, "--compare", "test")
        run_main("tfepi_baseline.py", "-q", *ridge, "-o", "ridge", "data")
        run_main("tfepi_export.py", "-q", "run", "-o", "saved")
        stats = ("--stats", "SAD,logSED")
        run_main(
            "tfepi_variants.py", "-q", *genome, *stats, "-o", "scores", "params.json", "saved", vcf
        )
    finally:
        os.chdir(before)
    return folder
