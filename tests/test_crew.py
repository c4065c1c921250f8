"""Processes that share the parts of a run: who makes what, who waits, who is missed."""

import contextlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tfepi import crew as crews
from tfepi.crew import ALONE, Crew, make_crew, visible_gpus
from tfrecords_tools.errors import ConfigError, Terminated, TfepiError, WorkerLostError

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def quick(monkeypatch):
    """Beats, and waits, of a moment."""
    monkeypatch.setattr(crews, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(crews, "GONE_SECONDS", 0.6)
    monkeypatch.setattr(crews, "START_SECONDS", 1.0)


def test_every_part_is_of_one_process():
    numbers = [0, 2, 3, 5, 8, 9, 10]
    shares = [Crew(i, 3).own(numbers) for i in range(3)]
    assert sorted(n for share in shares for n in share) == numbers
    assert ALONE.own(numbers) == numbers
    assert (ALONE.leads, Crew(1, 2).leads) == (True, False)


def make(crew, parts, seconds=0.0):
    """Make a process's parts of six, slowly."""
    assert crew.await_lead(parts, range(6), [parts / "final"])
    with crew.at_work(parts) as duty:
        for number in crew.own(range(6)):
            time.sleep(seconds)
            (parts / str(number)).touch()
        if crew.leads:
            duty.await_others(lambda: [n for n in range(6) if not (parts / str(n)).exists()])


@pytest.mark.usefixtures("quick")
def test_the_lead_waits_for_the_others(tmp_path):
    other = threading.Thread(target=make, args=(Crew(1, 2), tmp_path, 0.2))
    other.start()
    make(Crew(0, 2), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} - {".crew-1"} == set(map(str, range(6)))
    other.join()
    assert not list(tmp_path.glob(".crew-*"))


@pytest.mark.usefixtures("quick")
def test_a_lead_of_an_earlier_run_is_not_taken_for_one_at_work(tmp_path):
    (tmp_path / ".crew-0").write_text("1-2")
    with pytest.raises(TfepiError, match="the first process did not begin in"):
        Crew(1, 2).await_lead(tmp_path, range(6), [tmp_path / "final"])
    assert ALONE.await_lead(tmp_path, range(6), [tmp_path / "final"])  # waits for no one


@pytest.mark.usefixtures("quick")
def test_nothing_to_do_is_not_waited_for(tmp_path):
    final = tmp_path / "final"
    assert not Crew(2, 3).await_lead(tmp_path, range(2), [final])  # two parts for three processes
    final.touch()
    assert not Crew(1, 3).await_lead(tmp_path, range(2), [final])
    with pytest.raises(TfepiError, match="did not begin"):  # these are to be removed
        Crew(1, 3).await_lead(tmp_path, range(2), [final], overwrite=True)


@pytest.mark.usefixtures("quick")
def test_a_process_that_is_gone_is_missed(tmp_path):
    (tmp_path / ".crew-1").write_text("1-2")  # of a run before
    began = time.monotonic()
    with pytest.raises(TfepiError, match=r"process 1 of 2 is gone, 3 parts missing: start"):
        make(Crew(0, 2), tmp_path)
    assert 0.9 < time.monotonic() - began < 5
    assert not (tmp_path / ".crew-1").exists()


@pytest.mark.usefixtures("quick")
def test_a_process_that_stopped_beating_is_missed(tmp_path):
    def begin_and_stop():
        crew = Crew(1, 2)
        assert crew.await_lead(tmp_path, range(6), [tmp_path / "final"])
        (tmp_path / ".crew-1").write_text("5-1")

    threading.Thread(target=begin_and_stop).start()
    with pytest.raises(TfepiError, match="process 1 of 2 is gone"):
        make(Crew(0, 2), tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_process_that_fails_is_missed_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(crews, "GONE_SECONDS", 60.0)
    monkeypatch.setattr(crews, "START_SECONDS", 60.0)

    def fail():
        crew = Crew(1, 2)
        assert crew.await_lead(tmp_path, range(6), [tmp_path / "final"])
        with contextlib.suppress(OSError), crew.at_work(tmp_path):
            raise OSError("no space")

    other = threading.Thread(target=fail)
    other.start()
    began = time.monotonic()
    with pytest.raises(WorkerLostError, match="process 1 of 2 is gone, 3 parts missing") as caught:
        make(Crew(0, 2), tmp_path)
    assert caught.value.status == 75
    assert time.monotonic() - began < 10
    other.join()


@pytest.mark.usefixtures("quick")
def test_a_part_of_its_own_that_is_missing_is_not_waited_for(tmp_path):
    with (
        pytest.raises(TfepiError, match="process 0 of 2 is gone, 1 part missing"),
        Crew(0, 2).at_work(tmp_path) as duty,
    ):
        duty.await_others(lambda: [4])


@pytest.mark.usefixtures("quick")
def test_sigterm_leaves_as_an_error_does(tmp_path):
    with pytest.raises(Terminated, match="told to end") as told, Crew(0, 2).at_work(tmp_path):
        signal.raise_signal(signal.SIGTERM)
    assert told.value.status == 143
    assert not list(tmp_path.glob(".crew-*"))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_processes_of_the_environment():
    cluster = {"worker": ["a:1", "b:1", "c:1"]}
    text = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 2}})
    assert make_crew("auto", None, {"TF_CONFIG": text, "CUDA_VISIBLE_DEVICES": ""}) == Crew(2, 3)
    step = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "n"}
    assert make_crew("multiworker", None, step) == Crew(1, 2)
    environment = {"TFEPI_CREW": f"1/4/{os.getppid()}", "CUDA_VISIBLE_DEVICES": "3"}
    assert make_crew("mirrored", 4, environment) == Crew(1, 4)
    assert "TF_NUM_INTRAOP_THREADS" not in environment


def test_devices_of_the_environment():
    environment = {"CUDA_VISIBLE_DEVICES": "2, 5"}
    assert visible_gpus(environment) == ["2", "5"]
    assert make_crew("auto", None, environment) == Crew(0, 2, ("2", "5"))
    assert environment["CUDA_VISIBLE_DEVICES"] == "2"
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert make_crew("auto", None, {"CUDA_VISIBLE_DEVICES": "7"}) == ALONE
    assert make_crew("one", None, {"CUDA_VISIBLE_DEVICES": "2,5"}) == ALONE
    environment = {}
    assert make_crew("mirrored", 2, environment) == Crew(0, 2, ("", ""))
    assert environment == {"TF_NUM_INTRAOP_THREADS": str(max(1, os.cpu_count() // 2))}
    with pytest.raises(ConfigError, match="mirrored wants several GPUs, there are 1"):
        make_crew("mirrored", None, {"CUDA_VISIBLE_DEVICES": "0"})


@pytest.fixture(scope="module")
def model(tmp_path_factory, small_data):
    """A run folder of a model with random weights, and its params."""
    folder = tmp_path_factory.mktemp("crew")
    trunk = [
        {"name": "conv_dna", "filters": 4, "kernel_size": 5, "pool_size": 32},
        {"name": "Cropping1D", "cropping": 2},
    ]
    value = {
        "train": {"batch_size": 16, "steps_per_epoch": 1, "train_epochs_max": 1},
        "model": {
            "seq_length": 256,
            "trunk": trunk,
            "head": {"name": "final", "units": 3, "activation": "softplus"},
        },
    }
    (folder / "params.json").write_text(json.dumps(value))
    main = runpy.run_path(str(SCRIPTS / "tfepi_train.py"))["main"]
    options = ("-q", "--no_tensorboard", "-o", folder / "run")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*map(str, (*options, folder / "params.json", small_data))]) == 0
    return folder


def start(command, **environment) -> subprocess.Popen:
    name, *args = map(str, command)
    environment = {"PYTHONPATH": str(SCRIPTS.parent), "TF_NUM_INTRAOP_THREADS": "1"} | environment
    return subprocess.Popen(
        [sys.executable, SCRIPTS / name, *args],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(folder) -> dict[str, bytes]:
    paths = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


TWO = ("--strategy", "mirrored", "--logical_devices", 2)


def predict(model, genome_folder) -> list:
    genome = genome_folder / "genome.fa"
    where = ["-f", genome, "--genome", "--part_windows", 20, "-b", "all", "-q"]
    return ["tfepi_predict.py", *where, model / "params.json", model / "run"]


def test_predictions_are_the_same_bytes(model, genome_folder, tmp_path):
    command = predict(model, genome_folder)
    for name, options in (("one", ()), ("two", TWO)):
        process = start([*command, *options, "-o", tmp_path / name])
        assert process.wait() == 0, process.stderr.read()
    found = contents(tmp_path / "one")
    assert len(found) > 4
    assert contents(tmp_path / "two") == found


def test_a_test_is_the_same_bytes_in_two_processes_of_tf_config(model, small_data, tmp_path):
    inputs = (model / "params.json", model / "run", small_data)
    command = ["tfepi_test.py", "-q", "--save", "--no_figures", "--bootstrap", 0, *inputs]
    one = start([*command, "-o", tmp_path / "one"])
    assert one.wait() == 0, one.stderr.read()
    cluster = {"worker": ["localhost:1", "localhost:2"]}  # no port is used
    tasks = ({"type": "worker", "index": i} for i in range(2))
    two = [
        start(
            [*command, "-o", tmp_path / "two"],
            TF_CONFIG=json.dumps({"cluster": cluster, "task": task}),
        )
        for task in tasks
    ]
    for process in two:
        assert process.wait() == 0, process.stderr.read()
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_scores_are_the_same_bytes(model, genome_folder, write_snvs, tmp_path):
    write_snvs(tmp_path / "v.vcf", 500)
    options = ["-q", "--chunk_records", 20, "-f", genome_folder / "genome.fa"]
    inputs = [model / "params.json", model / "run", tmp_path / "v.vcf"]
    for name, more in (("one", ()), ("two", TWO)):
        process = start(["tfepi_variants.py", *options, *more, *inputs, "-o", tmp_path / name])
        assert process.wait() == 0, process.stderr.read()
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.slow
def test_a_lost_process_is_told_and_resumed(model, genome_folder, tmp_path):
    """The one that the lead started is killed before it has made a part."""
    command = [*predict(model, genome_folder), *TWO, "-o", tmp_path / "two"]
    lead = start(command)
    beat = tmp_path / "two" / "parts" / ".crew-1"
    while not beat.exists():
        assert lead.poll() is None, lead.stderr.read()
        time.sleep(0.01)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(lead.pid)], capture_output=True, text=True, check=True
    )
    for pid in children.stdout.split():
        os.kill(int(pid), 9)
    status = lead.wait(60)
    said = lead.stderr.read()
    if status:  # it had not made all its parts
        assert status == 75
        assert "process 1 of 2 is gone" in said
        again = start([*command, "--resume"])
        assert again.wait() == 0, again.stderr.read()
    one = start([*predict(model, genome_folder), "-o", tmp_path / "one"])
    assert one.wait() == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
