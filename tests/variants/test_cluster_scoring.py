"""Scoring by the workers of a real Dask scheduler, each a process on this machine."""

import importlib
import json
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tfepi.variants.options import Scoring
from tfepi.variants.part_jobs import check_inputs
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.cluster import open_cluster
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome, decode

HERE = str(Path(__file__).parent)
SCORING = Scoring(stats=("SAD", "REF", "D2"), batch_size=8)


def finals(folder):
    files = (p for p in folder.iterdir() if p.is_file() and p.name != "run.json")
    return {p.name: p.read_bytes() for p in files}


def not_called():
    raise AssertionError("the model is loaded by the workers alone")


def killed_at(process, folder, parts):
    """Kill a process when there are some parts; return the thread, and how many there were."""
    seen = []

    def work():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            seen.append(len(list((folder / "parts").glob("[0-9]*.h5"))))
            if seen[-1] >= parts:
                break
            time.sleep(0.002)
        process.kill()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, seen


def test_scores_with_a_worker_killed(start_dask, vcf, fasta, predictor, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(HERE)  # workers import the toy model by its name
    toy_model = importlib.import_module("toy_model")
    opened = tmp_path / "opened"
    opened.mkdir()
    open_model = partial(toy_model.open_slowly, 0.03, str(opened))

    def score(name, load=not_called, **options):
        options = {"quiet": True, "chunk_records": 4} | options
        spec = predictor.spec
        return score_vcf(load, spec, vcf, fasta, tmp_path / name, SCORING, **options)

    whole = finals(score("whole", lambda: predictor))
    dask = start_dask(PYTHONPATH=HERE)  # the scheduler reads the jobs too
    first, _ = dask.add_worker(), dask.add_worker()
    dask.await_workers(2)
    with open_cluster(dask.address, tmp_path / "out", predicts=True) as executor:
        how = {"executor": executor, "open_model": open_model}
        thread, seen = killed_at(first, tmp_path / "out", 3)
        folder = score("out", **how)
        thread.join()
        assert finals(folder) == whole
        assert 3 <= seen[-1] < len(list(range(0, 60, 4)))
        # Once by each worker that came to it, though there are many parts.
        assert 1 <= len(list(opened.iterdir())) <= 2
        with pytest.raises(UnfinishedError, match="has results"):
            score("out", **how)
        (tmp_path / "out" / "scores.h5").unlink()
        assert finals(score("out", resume=True, **how)) == whole
        with pytest.raises(InputFileError, match="cannot load model toy: it is damaged"):
            score("new", executor=executor, open_model=toy_model.open_damaged)
        assert not (tmp_path / "new").exists()
        with pytest.raises(InputFileError, match="it is damaged"):
            score("out", overwrite=True, executor=executor, open_model=toy_model.open_damaged)
        assert finals(tmp_path / "out") == whole
    sys.modules.pop("toy_model")


def test_inputs_that_are_other_files_on_a_worker(tmp_path):
    here, there = tmp_path / "a", tmp_path / "b"
    here.write_text("ACGT")
    there.write_text("ACGA")
    known = {"fasta": identity(here)}
    check_inputs({"fasta": str(here)}, known)
    with pytest.raises(InputFileError, match=r"b \(fasta\) is another file on a worker"):
        check_inputs({"fasta": str(there)}, known)


@pytest.mark.slow
def test_a_trained_model_with_a_worker_killed(
    dask_cluster, genome_folder, tmp_path, run_script, monkeypatch
):
    """By the commands: TensorFlow's bits are the same in workers as in one process."""
    params = {
        "train": {"batch_size": 16, "optimizer": "adam", "learning_rate": 0.003},
        "model": {
            "name": "basset",
            "input_length": 256,
            "bin_width": 32,
            "stem_filters": 16,
            "tower_filters": [16, 16],
            "neck_filters": 16,
            "dense_units": 16,
        },
    }
    (tmp_path / "params.json").write_text(json.dumps(params))
    windows = ["-l", 256, "-w", 32, "-c", 112, "--stride", 128, "--stride_test", 128, "-q"]
    inputs = [
        "-v",
        "chr2",
        "-t",
        "chr3",
        genome_folder / "genome.fa",
        genome_folder / "targets.txt",
    ]
    run_script("tfepi_data.py", *windows, "-o", tmp_path / "data", *inputs)
    trained = ["-q", "-o", tmp_path / "run", "--epochs", 1]
    run_script("tfepi_train.py", *trained, tmp_path / "params.json", tmp_path / "data")
    genome = Genome(genome_folder / "genome.fa")
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={c}>" for c in genome.chroms)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    for chrom, length in genome.chroms.items():
        for position in range(200, length, 40):
            ref = decode(genome.indices(chrom, position, position + 1))
            if ref != "N":
                alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
                lines.append(f"{chrom}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.")
    (tmp_path / "v.vcf").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)  # relative paths; the workers' folder is another
    command = ["tfepi_variants.py", "-q", "--rc", "--stats", "SAD,D2", "--chunk_records", 30]
    command += ["-f", genome_folder / "genome.fa", "params.json", "run", "v.vcf"]
    run_script(*command, "-o", "whole")
    first, _ = dask_cluster.add_worker(), dask_cluster.add_worker()
    dask_cluster.await_workers(2)
    thread, seen = killed_at(first, tmp_path / "out", 5)
    run_script(*command, "-o", "out", "--cluster", dask_cluster.address)
    thread.join()
    assert 5 <= seen[-1] < len(lines) / 30
    assert finals(tmp_path / "out") == finals(tmp_path / "whole")
