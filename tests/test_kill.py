"""kill −9 at 20 random moments of a build, a training and a scoring, each time resumed.

Minutes long: `pytest -m slow tests/test_kill.py`. The numbers of kills are exact; how far a run
came before each depends on the machine, the results must not.
"""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome, decode

SCRIPTS = Path(__file__).parent.parent / "scripts"
KILLS = 20


def file_hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def weight_hashes(folder: Path) -> dict[str, str]:
    """Hashes of the best and last model's arrays; a .keras file also holds its time."""
    found = {}
    for path in folder.glob("model_*.keras"):
        data = zipfile.ZipFile(path).read("model.weights.h5")
        with h5py.File(io.BytesIO(data)) as weights:
            weights.visititems(
                lambda name, item, at=path.name: (
                    found.__setitem__(
                        f"{at}/{name}", hashlib.sha256(item[()].tobytes()).hexdigest()
                    )
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return found


def start(command) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, SCRIPTS / command[0], *map(str, command[1:])],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_and_resumed(command, compare, folder: Path) -> None:
    """Run `command -o OUT` undisturbed, then over and over with kills; compare each result."""
    began = time.monotonic()
    whole = start([*command, "-o", folder / "whole"])
    assert whole.wait() == 0, whole.stderr.read()
    took = time.monotonic() - began
    expected = compare(folder / "whole")
    assert expected
    rng = np.random.default_rng(5)
    kills = 0
    while kills < KILLS:
        out = folder / "killed"
        finished = False
        while not finished:
            process = start([*command, "-o", out, "--resume"])
            try:
                code = process.wait(rng.uniform(0.1, 1.0) * took if kills < KILLS else None)
                assert code == 0, process.stderr.read()
                finished = True
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        assert compare(out) == expected
        shutil.rmtree(out)


def build_inputs(folder: Path) -> list:
    """Splits, genome and table of a build."""
    return ["-v", "chr2", "-t", "chr3", folder / "genome.fa", folder / "targets.txt"]


@pytest.mark.slow
def test_build(genome_folder, tmp_path):
    windows = ["-l", 256, "-w", 32, "-c", 64, "--stride", 8, "--stride_test", 8, "-r", 200]
    inputs = build_inputs(genome_folder)
    killed_and_resumed(["tfepi_data.py", "-q", "-p", 2, *windows, *inputs], file_hashes, tmp_path)


@pytest.mark.slow
def test_build_of_methylation(genome_folder, tmp_path):
    with Genome(genome_folder / "genome.fa") as genome, open(tmp_path / "a.bedgraph", "w") as bed:
        for chrom, length in genome.chroms.items():
            bases = genome.indices(chrom, 0, length)
            for at in np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2)).tolist():
                bed.write(f"{chrom}\t{at}\t{at + 1}\t{at % 11 / 10}\n")
    (tmp_path / "samples.txt").write_text("\tidentifier\tfile\n0\ta\ta.bedgraph\n")
    options = ["-l", 401, "-v", "chr2", "-t", "chr3", "-r", 64, "--kind", "methylation", "-p", 2]
    inputs = [genome_folder / "genome.fa", tmp_path / "samples.txt"]
    killed_and_resumed(["tfepi_data.py", "-q", *options, *inputs], file_hashes, tmp_path)


@pytest.fixture(scope="module")
def training(small_data, tmp_path_factory):
    """Params of a small Basset with dropout, and data for it."""
    folder = tmp_path_factory.mktemp("training")
    value = {
        "train": {
            "batch_size": 16,
            "optimizer": "adam",
            "train_epochs_max": 4,
            "shuffle_buffer": 100,
            "learning_rate": 0.003,
        },
        "model": {
            "name": "basset",
            "input_length": 256,
            "bin_width": 32,
            "stem_filters": 8,
            "tower_filters": [8, 8],
            "neck_filters": 8,
            "dense_units": 16,
            "augment_rc": True,
            "augment_shift": 2,
        },
    }
    (folder / "params.json").write_text(json.dumps(value))
    return folder


@pytest.fixture(scope="module")
def one_bin(genome_folder, training):
    options = ["-l", 256, "-w", 32, "-c", 112, "--stride", 128, "--stride_test", 128, "-q"]
    inputs = build_inputs(genome_folder)
    build = start(["tfepi_data.py", *options, "-o", training / "data", *inputs])
    assert build.wait() == 0, build.stderr.read()
    return training / "data"


@pytest.mark.slow
def test_train(training, one_bin, tmp_path):
    command = ["tfepi_train.py", "-q", "--no_tensorboard", training / "params.json", one_bin]
    killed_and_resumed(command, weight_hashes, tmp_path)


@pytest.mark.slow
def test_variants(training, one_bin, genome_folder, tmp_path):
    command = ["tfepi_train.py", "-q", training / "params.json", one_bin, "--epochs", 1]
    train = start([*command, "-o", tmp_path / "run"])
    assert train.wait() == 0, train.stderr.read()
    genome = Genome(genome_folder / "genome.fa")
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={c}>" for c in genome.chroms)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    for chrom, length in genome.chroms.items():
        for position in range(200, length, 150):
            ref = decode(genome.indices(chrom, position, position + 1))
            if ref != "N":
                alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
                lines.append(f"{chrom}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.")
    (tmp_path / "v.vcf").write_text("\n".join(lines) + "\n")
    options = ["-q", "--rc", "--stats", "SAD,D2", "--chunk_records", 20]
    inputs = [training / "params.json", tmp_path / "run", tmp_path / "v.vcf"]
    command = ["tfepi_variants.py", *options, "-f", genome_folder / "genome.fa", *inputs]
    killed_and_resumed(command, file_hashes, tmp_path)
