"""The same training on one device, on several, in several processes; and what stops these.

A run on several devices is a process, or several, of tfepi_train.py: TensorFlow takes its devices
at the start.
"""

import contextlib
import io
import json
import re
import runpy
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

processes = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("processes.py"))))
# Float32 sums in another order, through 12 steps.
TOLERANCE = 2e-5


def params(**changes) -> dict:
    """SGD without clipping, which no factor on the gradient escapes, and a penalty.

    Of validation, the last batch of 31 has 2 rows, fewer than four devices.
    """
    block = {"name": "conv_dna", "filters": 6, "kernel_size": 7, "pool_size": 32, "l2_scale": 0.01}
    block |= {"norm_type": "batch"} | {k: v for k, v in changes.items() if k == "dropout"}
    train = {
        "batch_size": 31,
        "shuffle_buffer": 100,
        "learning_rate": 0.02,
        "momentum": 0.9,
        "train_epochs_max": 2,
        "steps_per_epoch": 6,
    }
    return {
        "train": train | changes.get("train", {}),
        "model": {
            "seq_length": 256,
            "augment_rc": True,
            "augment_shift": 3,
            "trunk": [block, {"name": "Cropping1D", "cropping": 2}],
            "head": {"name": "final", "units": 3, "activation": "softplus"},
        },
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Params without dropout, and with it and longer."""
    found = tmp_path_factory.mktemp("strategies")
    (found / "plain.json").write_text(json.dumps(params()))
    longer = {"steps_per_epoch": 12, "train_epochs_max": 3, "optimizer": "adam"}
    longer |= {"learning_rate": 0.002}
    clipped = {"optimizer": "adam", "learning_rate": 0.002, "global_clipnorm": 0.02}
    (found / "clipped.json").write_text(json.dumps(params(train=clipped)))
    (found / "dropout.json").write_text(json.dumps(params(dropout=0.3, train=longer)))
    return found


ALIKE = ("-q", "--no_tensorboard", "--sync_batch_norm")


@pytest.fixture(scope="module")
def one(folder, small_data):
    """The run on one device, in this process: others are the subprocesses of these tests."""
    out = folder / "one"
    args = (*ALIKE, folder / "plain.json", small_data, "-o", out)
    main = runpy.run_path(str(processes.TRAIN))["main"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*map(str, ("--strategy", "one", *args))]) == 0
    return out


@pytest.fixture(scope="module")
def mirrored(folder, small_data):
    """The run on two pieces of the CPU."""
    out = folder / "two"
    args = (*ALIKE, folder / "plain.json", small_data, "-o", out)
    two = ("--strategy", "mirrored", "--logical_devices", 2)
    processes.finished([processes.start(*two, *args)])
    return out


def lines(out) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def alike(one, two) -> None:
    """Check that two runs have the same weights and metrics, but for rounding."""
    name = "model_check-2.keras"
    assert processes.largest_difference(one / name, two / name) < TOLERANCE
    for a, b in zip(lines(one), lines(two), strict=True):
        for key in ("loss", "valid_loss", "pearsonr", "valid_pearsonr", "valid_r2"):
            assert a[key] == pytest.approx(b[key], rel=1e-4, abs=1e-4)
        each = [key for key in a if key.endswith("pearsonr_per_target")]
        assert each
        for key in each:
            np.testing.assert_allclose(a[key], b[key], atol=1e-4)


def test_two_devices_train_what_one_does(one, mirrored):
    alike(one, mirrored)
    record = json.loads((mirrored / "run.json").read_text())
    assert (record["replicas"], record["workers"]) == (2, 1)


@pytest.mark.slow
def test_four_devices_with_uneven_slices_train_what_one_does(one, folder, small_data):
    """Batches of 31 in slices of 7 and 8; the last of validation has no row for two devices."""
    out = folder / "four"
    four = ("--strategy", "mirrored", "--logical_devices", 4, "--steps_per_execution", 4)
    args = (*ALIKE, folder / "plain.json", small_data, "-o", out)
    processes.finished([processes.start(*four, *args)])
    alike(one, out)


def test_two_processes_train_what_two_devices_do_bit_for_bit(mirrored, folder, small_data):
    out = folder / "processes"
    args = (*ALIKE, folder / "plain.json", small_data, "-o", out)
    told = processes.finished(processes.start_workers(2, *args))
    assert told == [f"best model: {out}/model_best.keras\n", ""]
    for name in ("model_best.keras", "model_check-2.keras"):
        assert processes.same(mirrored / name, out / name)
    kept = [{k: v for k, v in x.items() if "second" not in k} for x in lines(out)]
    assert kept == [{k: v for k, v in x.items() if "second" not in k} for x in lines(mirrored)]
    assert not list(folder.rglob("*.part*"))


def one_and_two(folder, name, *args) -> list[Path]:
    """Train on one device and on two pieces of the CPU; return the runs' folders."""
    outs = [folder / f"{name}_one", folder / f"{name}_two"]
    two = ("--strategy", "mirrored", "--logical_devices", 2)
    for out, how in zip(outs, (("--strategy", "one"), two), strict=True):
        processes.finished([processes.start(*how, *ALIKE, *args, "-o", out)])
    return outs


@pytest.mark.slow
def test_two_devices_train_heads_in_turn(folder, small_data):
    value = params()
    head = value["model"].pop("head")
    value["model"] |= {"head_a": head, "head_b": head}
    path = folder / "heads.json"
    path.write_text(json.dumps(value))
    alike(*one_and_two(folder, "heads", path, small_data, small_data))


@pytest.mark.slow
def test_two_devices_train_in_bfloat16_no_farther_from_one_than_that_is_from_float32(
    one, folder, small_data
):
    args = ("--precision", "mixed_bfloat16", folder / "plain.json", small_data)
    first, second = one_and_two(folder, "bfloat16", *args)
    name = "model_check-2.keras"
    rounding = processes.largest_difference(one / name, first / name)
    assert 0 < processes.largest_difference(first / name, second / name) < rounding < 0.1
    for a, b in zip(lines(first), lines(second), strict=True):
        assert a["valid_loss"] == pytest.approx(b["valid_loss"], rel=0.01)


@pytest.mark.slow
def test_processes_stop_after_the_same_epoch_as_two_devices(folder, small_data):
    path = folder / "impatient.json"
    path.write_text(json.dumps(params(train={"train_epochs_max": 30, "patience": 0})))
    outs = [folder / "impatient_two", folder / "impatient_processes"]
    args = (*ALIKE, path, small_data, "-o")
    two = ("--strategy", "mirrored", "--logical_devices", 2)
    processes.finished([processes.start(*two, *args, outs[0])])
    processes.finished(processes.start_workers(2, *args, outs[1]))
    ran = len(lines(outs[0]))
    assert 1 < ran < 30
    assert len(lines(outs[1])) == ran
    assert processes.same(*(out / "model_best.keras" for out in outs))


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--accumulate", 3)])
def test_clipping_comes_after_the_sum_over_devices(folder, small_data, more):
    """Also of batches in pieces, whose statistics are over devices."""
    name, found = "model_check-2.keras", []
    for devices in (1, 2):
        out = folder / f"clipped{devices}{len(more)}"
        own = ("--strategy", "mirrored", "--logical_devices", devices)
        args = (*ALIKE, *more, folder / "clipped.json", small_data, "-o", out)
        processes.finished([processes.start(*own, *args)])
        found.append(out / name)
    # Statistics of a piece are over other examples on two devices.
    assert processes.largest_difference(*found) < (0.1 if more else TOLERANCE)


@pytest.mark.slow
def test_three_processes_of_a_slurm_step_train_what_one_device_does(one, folder, small_data):
    """SLURM's variables as srun sets them; there is no SLURM here."""
    out = folder / "slurm"
    step = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NODELIST": "localhost"}
    step |= {"SLURM_STEP_TASKS_PER_NODE": "3", "SLURM_JOB_ID": str(time.time_ns())}
    args = (*ALIKE, folder / "plain.json", small_data, "-o", out)
    workers = [processes.start(*args, **step, SLURM_PROCID=str(i)) for i in range(3)]
    processes.finished(workers)
    alike(one, out)


@pytest.mark.slow
def test_batch_statistics_of_each_device_are_averaged(folder, small_data):
    """Without --sync_batch_norm; the moving statistics are the means over the replicas."""
    args = ("-q", "--no_tensorboard", folder / "plain.json", small_data)
    two = ("--strategy", "mirrored", "--logical_devices", 2)
    processes.finished([processes.start(*two, *args, "-o", folder / "own")])
    processes.finished(processes.start_workers(2, *args, "-o", folder / "own_processes"))
    name = "model_check-2.keras"
    own = (folder / "own" / name, folder / "own_processes" / name)
    assert processes.largest_difference(*own) < TOLERANCE


def wait_for(out, step, process) -> None:
    """Wait until a run has kept a state at a step of its second epoch, or later."""
    for _ in range(2400):
        if (out / "state.json").exists():
            state = json.loads((out / "state.json").read_text())
            if (state["epoch"], state["step"]) >= (1, step):
                return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise AssertionError("no state was kept")


@pytest.fixture(scope="module")
def whole(folder, small_data):
    """The longer run, with dropout, that is not stopped: of two devices, one process starts."""
    out = folder / "whole"
    args = (*ALIKE, folder / "dropout.json", small_data, "-o", out)
    two = ("--strategy", "mirrored", "--logical_devices", 2)
    processes.finished([processes.start(*two, *args)])
    return out


def stopped_and_resumed(out, folder, data, victim, number, stopped) -> None:
    """Stop one of two workers within the second epoch; start both again by the same command.

    Args:
        out: the run folder.
        folder, data: of params.json and records.
        victim: worker that gets a signal.
        number: of the signal.
        stopped: status and last line of every worker that can still tell.
    """
    args = (*ALIKE, "--save_minutes", 1e-9, "--resume", folder / "dropout.json", data, "-o", out)
    workers = processes.start_workers(2, *args)
    wait_for(out, 2, workers[0])
    workers[victim].send_signal(number)
    began = time.monotonic()
    told = processes.ended(workers)
    assert time.monotonic() - began < 60
    for status, _, said in told if number == signal.SIGTERM else told[:victim]:
        assert status == stopped[0]
        assert re.search(stopped[1], said.splitlines()[-1])
    processes.finished(processes.start_workers(2, *args))


def test_a_lost_worker_ends_the_run_and_the_same_command_goes_on(whole, folder, small_data):
    """With dropout: the same weights, bit for bit, as of a run that was not stopped."""
    told = (75, r"worker 0 of 2 .* lost another worker.*same command and --resume")
    stopped_and_resumed(folder / "lost", folder, small_data, 1, signal.SIGKILL, told)
    for name in ("model_best.keras", "model_check-3.keras"):
        assert processes.same(whole / name, folder / "lost" / name)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_sigterm_to_any_worker_keeps_the_step(whole, folder, small_data, victim):
    out = folder / f"told{victim}"
    told = (143, r"told to end \(SIGTERM\): .* keeps epoch [12].*--resume")
    stopped_and_resumed(out, folder, small_data, victim, signal.SIGTERM, told)
    for name in ("model_best.keras", "model_check-3.keras"):
        assert processes.same(whole / name, out / name)


@pytest.mark.slow
def test_workers_of_different_commands_are_refused(folder, small_data):
    args = (*ALIKE, small_data, "-o", folder / "mixed")
    addresses = [f"127.0.0.1:{port}" for port in processes.free_ports(2)]
    workers = [
        processes.start(
            folder / name,
            *args,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index, name in enumerate(("plain.json", "dropout.json"))
    ]
    for status, _, said in processes.ended(workers):
        assert status == 2
        assert (
            "worker 1 was started with other params, data or options than worker 0 (params)" in said
        )


@pytest.mark.slow
def test_devices_that_cannot_be_had_are_refused(folder, small_data):
    args = (*ALIKE, folder / "plain.json", small_data, "-o", folder / "alone")
    (found,) = processes.ended([processes.start("--strategy", "multiworker", *args)])
    assert found[0] == 2
    assert "--strategy multiworker found no other process: set TF_CONFIG" in found[2]
    (found,) = processes.ended([processes.start("--strategy", "mirrored", *args)])
    assert found[0] == 2
    assert "mirrored wants several GPUs, TensorFlow finds 0: use --strategy one" in found[2]
    two = ("--strategy", "mirrored", "--logical_devices", 2, "--xla")
    (found,) = processes.ended([processes.start(*two, *args)])
    assert found[0] == 2
    assert re.search(r"--xla cannot compile layer '.*', which takes .* over 2 replicas", found[2])
    assert not (folder / "alone").exists()


def started(args, out):
    """Start two workers; return them when they have found each other, and that time.

    The chief writes params.json then, in every run again.
    """
    path = out / "params.json"
    before = path.stat().st_mtime_ns if path.exists() else None
    workers = processes.start_workers(2, *args, out)
    while not path.exists() or path.stat().st_mtime_ns == before:
        assert all(w.poll() is None for w in workers)
        time.sleep(0.05)
    return workers, time.monotonic()


@pytest.mark.slow
def test_workers_killed_at_twenty_random_moments(folder, small_data):
    """kill −9 of either worker: one clear line within a minute; the weights at last are the same.

    The moments are of the time after the workers have found each other.
    """
    args = (*ALIKE, "--save_minutes", 0.01, "--resume", folder / "dropout.json", small_data, "-o")
    whole, rng, kills = folder / "whole20", np.random.default_rng(3), 0
    workers, began = started(args, whole)
    processes.finished(workers)
    took = time.monotonic() - began
    while kills < 20:
        out = folder / f"killed{kills}"
        finished = False
        while not finished:
            workers, began = started(args, out)
            victim = int(rng.integers(2))
            if kills < 20:
                time.sleep(rng.uniform(0, 0.8) * took)
                workers[victim].kill()
                kills += 1
                began = time.monotonic()
            told = processes.ended(workers, 600)
            finished = [status for status, _, _ in told] == [0, 0]
            status, _, said = told[1 - victim]
            if not finished and status:  # the other may have had nothing left to do
                assert time.monotonic() - began < 60
                assert status == 75, said
                assert "lost another worker" in said.splitlines()[-1]
                assert "Traceback" not in said
        for name in ("model_best.keras", "model_check-3.keras"):
            assert processes.same(whole / name, out / name)
