"""The same training on one device, two, two processes, and two of which one is killed.

    python docs/benchmarks/scaling.py PARAMS DATA OUT [--label NAME] [--epochs N] [--steps N]

PARAMS is a params.json or a preset of a model with dropout, which is turned off: its masks are each
device's own. DATA is a data folder of tfepi_data.py. Every run is tfepi_train.py in processes of
its own, with the same global batch and --sync_batch_norm, and then tfepi_test.py. One more run on
one device is compiled by XLA, which rounds otherwise: how far rounding alone leads. Writes
OUT/table.md: the largest difference of the weights from those of one device, after some steps of
SGD, which adds rounding up, and at the end of the preset's own training, whose Adam divides by
gradients' size and so makes steps of rounding; Pearson's R on the test records; steps per second.
Logical devices and processes share the machine's cores: the table shows that results agree, not
that training is faster.
"""

import argparse
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tfepi.params import read_params

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMMON = ("--sync_batch_norm", "--no_tensorboard", "-q", "--resume")
RUNS = {
    "one device": ("--strategy", "one"),
    "one device, rounded otherwise (--xla)": ("--strategy", "one", "--xla"),
    "2 logical devices, mirrored": ("--strategy", "mirrored", "--logical_devices", "2"),
    "2 processes": ("--strategy", "multiworker"),
    "2 processes, one killed, resumed": ("--strategy", "multiworker", "--save_minutes", "0.05"),
}


def start(args, **environment) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPTS / "tfepi_train.py"), *args]
    return subprocess.Popen(command, env=os.environ | environment)


def start_two(args) -> list[subprocess.Popen]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    tasks = ({"type": "worker", "index": i} for i in range(2))
    cluster = {"worker": addresses}
    return [start(args, TF_CONFIG=json.dumps({"cluster": cluster, "task": t})) for t in tasks]


def ended(processes) -> list[int]:
    return [process.wait() for process in processes]


def killed_once(args, out: Path, seed: int) -> None:
    """Kill one of two processes at a random moment of the second epoch; start both again."""
    processes = start_two(args)
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_text():
        time.sleep(0.2)
        assert processes[0].poll() is None, "it ended in its first epoch"
    first = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])["seconds"]
    time.sleep(random.Random(seed).uniform(0.1, 0.8) * first)
    began = time.monotonic()
    processes[1].send_signal(signal.SIGKILL)
    statuses = ended(processes)
    print(f"killed; the other ended with {statuses[0]} after {time.monotonic() - began:.1f} s")
    assert statuses[0] == 75  # a worker was lost
    assert ended(start_two(args)) == [0, 0]


def weights(path: Path) -> dict[str, np.ndarray]:
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            found[name] = item[()]

    with h5py.File(io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))) as file:
        file.visititems(keep)
    return found


def difference(one: Path, two: Path) -> float:
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    return max(float(np.abs(a[n].astype(float) - b[n]).max()) for n in a if a[n].size)


def train(name: str, options, out: Path, seed: int) -> None:
    command = [*options, "-o", str(out)]
    if "killed" in name:
        killed_once(command, out, seed)
    elif "processes" in name:
        assert ended(start_two(command)) == [0, 0]
    else:
        assert ended([start(command)]) == [0]


def write_params(path: Path, source: dict, **short) -> str:
    """Write a params.json without dropout; return its path."""
    value = {"model": source["model"] | {"dropout": 0}, "train": source["train"] | short}
    path.write_text(json.dumps(source | value))
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("params")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16, help="of the short trainings")
    parser.add_argument("--label", default="", help="said in the table")
    parser.add_argument("--seed", type=int, default=1, help="of the moment of the kill")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    value = read_params(args.params)
    size = value.train.batch_size
    whole = write_params(args.out / "params.json", value.source)
    plain = {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.0}
    short = {"steps_per_epoch": args.steps}
    short = write_params(args.out / "short.json", value.source, **plain, **short)
    rows, last = [], f"model_check-{args.epochs}.keras"
    for number, (name, options) in enumerate(RUNS.items()):
        out, begin = args.out / f"run{number}", args.out / f"short{number}"
        common = [*options, *COMMON]
        if "killed" not in name:
            train(name, [*common, "--epochs", "1", short, str(args.data)], begin, args.seed)
        train(name, [*common, "--epochs", str(args.epochs), whole, str(args.data)], out, args.seed)
        lines = [json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines()]
        rate = float(np.median([x["examples_per_second"] / size for x in lines[1:]]))
        test = args.out / f"test{number}"
        command = [sys.executable, SCRIPTS / "tfepi_test.py", "--overwrite", "-q", "--no_figures"]
        subprocess.run(
            [*command, "--bootstrap", "0", "-o", test, whole, out / last, args.data],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        metrics = json.loads((test / "metrics.json").read_text())
        pearson = metrics["across_positions"]["mean"]["pearsonr"]["value"]
        cells = [name, "", f"{difference(args.out / 'run0' / last, out / last):.2g}", ""]
        if begin.exists():
            first = "model_check-1.keras"
            cells[1] = f"{difference(args.out / 'short0' / first, begin / first):.2g}"
        if number > 1:
            cells[3] = f"{difference(args.out / 'run2' / last, out / last):.2g}"
        rows.append(f"| {' | '.join(cells)} | {pearson:.4f} | {rate:.2f} |")
    table = [
        f"{args.label}: {args.epochs} epochs of batches of {size}\n",
        f"| run | from one device after {args.steps} steps of SGD | at the end | from "
        "2 logical devices at the end | test Pearson's R | steps/s |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    (args.out / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
