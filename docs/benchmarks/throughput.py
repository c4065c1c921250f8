"""Examples per second of training: what options do, and what the input could feed.

    python docs/benchmarks/throughput.py PARAMS DATA OUT [--steps 40] [--repeats 5]

PARAMS is a params.json or a preset, DATA a data folder. Every row is a process of its own, of three
epochs of some steps; the rows take turns, and each has the median over the turns of the second and
third epoch's rate (the first compiles). "Keras fit" trains the same model on the same batches with
Keras's own loop. Rows of the input alone read batches and throw them away: whole ones, as one
process does, and one slice in eight, as one of eight processes does, whose rate is that of the
whole batches it follows. CPU-seconds are those of the process in these epochs.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
OPTIONS = {
    "default": (),
    "steps_per_execution 4": ("--steps_per_execution", "4"),
    "steps_per_execution 16": ("--steps_per_execution", "16"),
    "accumulate 2": ("--accumulate", "2"),
    "xla": ("--xla",),
    "mixed_bfloat16": ("--precision", "mixed_bfloat16"),
    "rematerialise": ("--rematerialise",),
}


def own(kind: str, params: str, data: str, steps: int) -> None:
    """Print the rates of three epochs, in this process: of Keras's fit, or of the input."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.params import read_params
    from tfepi.training.fit import Settings, prepared
    from tfepi.training.losses import make_loss
    from tfepi.training.metrics import make_metrics
    from tfepi.training.schedules import make_optimizer
    from tfrecords_tools.data import Data
    from tfrecords_tools.dataset import Augmentation, train_dataset
    from tfrecords_tools.slices import WHOLE, Slices

    value, folder = read_params(params), Data.open(data)
    train = value.train
    changes = Augmentation(value.model.augment_rc, value.model.augment_shift, train.augment_per)
    slices = Slices(8) if kind == "slices" else WHOLE

    def batches(epoch):
        size = (train.batch_size, 44, epoch, changes, train.shuffle_buffer)
        return train_dataset(folder, "train", *size, slices=slices).take(steps)

    if kind == "fit":
        value, sources, model, _ = prepared(value, [folder], Settings())
        metrics = make_metrics(train, len(sources[0].targets))
        optimizer = make_optimizer(train, steps)
        model.compile(optimizer, make_loss(train, model), metrics=metrics, jit_compile=False)
    for epoch in range(3):
        began, used = time.monotonic(), cpu_seconds()
        if kind == "fit":
            model.fit(batches(epoch), epochs=1, verbose=0)
        else:
            for _ in batches(epoch):
                pass
        rate = steps * train.batch_size / (time.monotonic() - began)
        print(json.dumps([rate, steps * train.batch_size / (cpu_seconds() - used)]))


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(name: str, args) -> tuple[float, float | None]:
    """Return examples per second, and per CPU-second where it is known, of one process."""
    where = [args.params, str(args.data)]
    if name in OPTIONS:
        out, value = args.out / "run", args.out / "params.json"
        options = ["--no_tensorboard", "-q", "--overwrite", "-o", str(out), *OPTIONS[name]]
        command = [sys.executable, SCRIPTS / "tfepi_train.py", *options, value, str(args.data)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines()]
        return statistics.median(x["examples_per_second"] for x in lines[1:]), None
    kind = {"Keras fit": "fit", "input alone": "whole"}.get(name, "slices")
    steps = args.steps if kind == "fit" else args.input_steps
    command = [sys.executable, __file__, *where, str(args.out), "--own", kind]
    done = subprocess.run(
        [*command, "--steps", str(steps)], check=True, capture_output=True, text=True
    )
    rates = [json.loads(line) for line in done.stdout.splitlines()][1:]
    return tuple(statistics.median(column) for column in zip(*rates, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("params")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--input_steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="rows [all]")
    parser.add_argument("--own", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.own:
        own(args.own, args.params, str(args.data), args.steps)
        return
    from tfepi.params import read_params

    args.out.mkdir(parents=True, exist_ok=True)
    source = read_params(args.params).source
    short = {"train_epochs_max": 3, "train_epochs_min": 1, "steps_per_epoch": args.steps}
    value = source | {"train": source["train"] | short}
    (args.out / "params.json").write_text(json.dumps(value))
    rows = [*OPTIONS, "Keras fit", "input alone", "input alone, one slice in 8"]
    rows = [r for r in rows if not args.only or r in args.only]
    found = {name: [] for name in rows}
    for _ in range(args.repeats):
        for name in rows:
            found[name].append(measured(name, args))
    base = statistics.median(r for r, _ in found["default"]) if "default" in found else None
    table = ["| | examples/s | per CPU-s | over default |", "|---|---|---|---|"]
    for name, turns in found.items():
        rate = statistics.median(r for r, _ in turns)
        each = [c for _, c in turns if c is not None]
        cpu = f"{statistics.median(each):.0f}" if each else ""
        over = f"{rate / base:.2f}" if base else ""
        table.append(f"| {name} | {rate:.0f} | {cpu} | {over} |")
    cores = os.cpu_count()
    table.append(f"\n{args.params}, {args.data.name}, {cores} cores, median of {args.repeats}")
    (args.out / "throughput.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
