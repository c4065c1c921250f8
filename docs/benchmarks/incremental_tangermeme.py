#!/usr/bin/env python3
"""Saturation mutagenesis beside tangermeme's, of the same networks: positions per CPU-second.

    python -m venv other && other/bin/pip install tangermeme==1.6.0
    incremental_tangermeme.py --python other/bin/python -o tangermeme.json

tangermeme's fast way is `saturation_mutagenesis(fast=True)`, its default: fastISM on the network
that torch.export gives, compared with whole passes before. It is taken for what would last 30 s
otherwise, if a batch is not slower; here always. Both sides have the same weights, drawn at random,
the same sequences and as many threads, and give predictions for all letters at all positions. Every
run is a process of its own, in turn. After a first call, which loads what a process loads once, it
makes two, of few and of more sequences, each with all that is done once a call: capturing or
compiling, and comparing. The last gives positions per CPU-second; the difference of the two those
without what is done once. The batch of tangermeme's is the smallest of those that are as good as
the fastest; ours is the evaluator's own. More threads than one spin in torch where other processes
want the cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

NETWORKS = {"basset": 1344, "bpnet_counts": 2114, "bpnet_profile": 2114}
FILTERS, DILATED = 64, 8  # BPNet's
_NEARLY = 1.05  # times the least, of CPU-seconds that are as good
_BASSET = ((288, 17, 3), *((f, 5, 2) for f in (288, 320, 368, 400, 464, 512)))


def keras_network(name: str):
    """Return a network, in Keras."""
    import keras

    from tfepi import models

    if name == "basset":
        return models.basset(targets=1)
    conv = {"padding": "same", "activation": "relu"}
    inputs = keras.Input((NETWORKS[name], 4), name="sequence")
    x = keras.layers.Conv1D(FILTERS, 21, **conv)(inputs)
    for level in range(1, DILATED + 1):
        y = keras.layers.Conv1D(FILTERS, 3, dilation_rate=2**level, **conv)(x)
        x = keras.layers.Add()([x, y])
    if name == "bpnet_profile":
        x = keras.layers.Conv1D(1, 75, padding="same")(x)
    else:
        x = keras.layers.GlobalAveragePooling1D(keepdims=True)(x)
        x = keras.layers.Dense(1)(x)
    return keras.Model({"sequence": inputs}, x)


def torch_network(name: str):
    """Return the same network in torch; [batch, channels, positions]."""
    from torch import nn

    if name == "basset":
        layers: list = []
        before = 4
        for number, (filters, kernel, pool) in enumerate(_BASSET):
            conv = nn.Conv1d(before, filters, kernel, padding=kernel // 2, bias=False)
            norm, act = nn.BatchNorm1d(filters, eps=1e-3), nn.GELU(approximate="tanh")
            layers += [act, conv, norm] if number else [conv, norm, act]
            layers += [nn.MaxPool1d(pool)]
            before = filters
        layers += [nn.GELU(approximate="tanh"), nn.Conv1d(before, 256, 1, bias=False)]
        layers += [nn.BatchNorm1d(256, eps=1e-3), nn.GELU(approximate="tanh"), nn.Flatten()]
        layers += [nn.Linear(7 * 256, 768, bias=False), nn.BatchNorm1d(768, eps=1e-3)]
        return nn.Sequential(*layers, nn.GELU(approximate="tanh"), nn.Linear(768, 1), nn.Softplus())

    class Bpnet(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv1d(4, FILTERS, 21, padding=10)
            self.dilated = nn.ModuleList(
                nn.Conv1d(FILTERS, FILTERS, 3, dilation=2**i, padding=2**i)
                for i in range(1, DILATED + 1)
            )
            profile = name == "bpnet_profile"
            self.head = nn.Conv1d(FILTERS, 1, 75, padding=37) if profile else nn.Linear(FILTERS, 1)

        def forward(self, x):
            x = self.first(x).relu()
            for layer in self.dilated:
                x = x + layer(x).relu()
            return self.head(x if name == "bpnet_profile" else x.mean(dim=2))

    return Bpnet()


def torch_state(model, weights: list[np.ndarray]) -> dict:
    """Return a torch network's state from the weights of its Keras layers, in the same order."""
    import torch

    state, left = {}, iter(weights)
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        array = next(left)
        if array.ndim == 3:
            array = array.transpose(2, 1, 0)
        elif array.shape == (7 * 256, 768):  # Keras flattens positions, then channels
            array = array.reshape(7, 256, 768).transpose(2, 1, 0).reshape(768, -1)
        elif array.ndim == 2:
            array = array.T
        if tuple(value.shape) != array.shape:
            raise ValueError(f"{key} is {tuple(value.shape)} in torch, {array.shape} in Keras")
        state[key] = torch.from_numpy(np.ascontiguousarray(array))
    return state


def ours(name: str, threads: int, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what predicts all letters at all positions: [sequences, 4, positions, …]."""
    from incremental_models import evaluator_of, randomised

    from tfepi.variants.self_check import CheckedEvaluator

    model = randomised(keras_network(name))

    def mutagenesis(sequences: np.ndarray) -> np.ndarray:
        evaluator = CheckedEvaluator(evaluator_of(model))
        found, length = [], sequences.shape[1]
        places = np.repeat(np.arange(length), 3)
        for sequence in sequences:
            references = evaluator.references({"sequence": sequence[None]})
            letters = (sequence[places] + np.tile([1, 2, 3], length)) % 4
            all_of_them = np.empty((4, length, *references.predictions.shape[1:]), np.float32)
            all_of_them[sequence, np.arange(length)] = references.predictions
            for low in range(0, len(places), evaluator.changes):
                part = slice(low, low + evaluator.changes)
                changed = np.repeat(sequence[None], len(places[part]), axis=0)
                changed[np.arange(len(changed)), places[part]] = letters[part]
                values = evaluator.alternatives(references, np.zeros(len(changed), int), changed)
                all_of_them[letters[part], places[part]] = values.whole(references)
            found.append(all_of_them)
        if not evaluator._agrees:
            raise RuntimeError("the incremental way was not taken")
        return np.stack(found)

    return mutagenesis


def theirs(name: str, threads: int, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    """As `ours`, by tangermeme."""
    import warnings

    import torch
    from tangermeme import saturation_mutagenesis as module

    torch.set_num_threads(threads)
    warnings.simplefilter("error", module.TangermemeWarning)  # it says so if it is not fast
    module._FAST_MIN_SECONDS, module._FAST_MAX_RELATIVE_TIME = 0.0, float("inf")
    model = torch_network(name)
    with np.load("weights.npz", allow_pickle=False) as stored:
        state = torch_state(model, [stored[str(n)] for n in range(len(stored))])
    model.load_state_dict(state, strict=False)
    model.eval()

    def mutagenesis(sequences: np.ndarray) -> np.ndarray:
        codes = torch.from_numpy(np.eye(4, dtype=np.int8)[sequences].transpose(0, 2, 1).copy())
        found = module.saturation_mutagenesis(
            model, codes, batch_size=batch, raw_outputs=True, device="cpu"
        )
        return found.y_hat.numpy()

    return mutagenesis


def run_side(side: str, name: str, threads: int, batch: int, few: int, more: int) -> dict:
    """Make the calls; return CPU-seconds and seconds of each, and keep what the first gives."""
    sequences = np.load("sequences.npy", allow_pickle=False)
    mutagenesis = {"ours": ours, "theirs": theirs}[side](name, threads, batch)
    found = {}
    for key, count in (("first", 1), ("few", few), ("more", more)):
        cpu, wall = time.process_time(), time.perf_counter()
        values = mutagenesis(sequences[:count])
        found[key] = [time.process_time() - cpu, time.perf_counter() - wall]
        if key == "first":
            np.save(f"{side}.npy", values.reshape(*values.shape[:3], -1))
    return found


def called(folder: Path, python: str, side: str, name: str, options, batch: int, more: int) -> dict:
    """Return what a process of one side prints."""
    threads = str(options.threads)
    settings = {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}
    command = [python, str(Path(__file__).resolve()), "--side", side, "--networks", name]
    command += ["--batches", str(batch), "--threads", threads]
    command += ["--few", str(options.few), "--more", str(more)]
    environment = os.environ | settings | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def compared(name: str, options: argparse.Namespace) -> dict:
    """Return the row of a network."""
    from incremental_models import randomised

    length = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        weights = randomised(keras_network(name)).get_weights()
        np.savez(Path(folder) / "weights.npz", **{str(n): w for n, w in enumerate(weights)})
        drawn = np.random.default_rng(44).integers(0, 4, (options.more, length), dtype=np.uint8)
        np.save(Path(folder) / "sequences.npy", drawn)
        tried = {}
        for batch in sorted(options.batches):
            found = called(folder, options.python, "theirs", name, options, batch, options.more)
            tried[batch] = found["more"][0] - found["few"][0]
            print(f"{name}, tangermeme in batches of {batch}: {found}", file=sys.stderr)
        # Larger batches make what is done once longer, since it compares a batch.
        batch = next(b for b, cpu in tried.items() if cpu <= _NEARLY * min(tried.values()))
        runs = []
        for run in range(options.runs):
            found = {}
            for side, python in (("ours", sys.executable), ("theirs", options.python)):
                found[side] = called(folder, python, side, name, options, batch, options.more)
            print(name, run, found, file=sys.stderr)
            runs.append(found)
        values = [np.load(Path(folder) / f"{side}.npy") for side in ("ours", "theirs")]
    apart = float(np.abs(values[0] - values[1]).max() / np.abs(values[1]).max())
    return {
        "length": length,
        "few": options.few,
        "more": options.more,
        "threads": options.threads,
        "batch": batch,
        "tried": tried,
        "runs": runs,
        "apart": apart,
    }


def table(rows: dict[str, dict]) -> str:
    """Return the Markdown table."""
    lines = [
        "| network | threads | ours, positions per CPU-s | tangermeme (batch) | ratio | spread "
        "| without what is done once: ours | tangermeme | ratio | spread | apart |",
        "|" + "---|" * 11,
    ]
    for name, row in rows.items():
        cells = []
        for once in (True, False):
            count = (row["more"] - (0 if once else row["few"])) * row["length"]
            sides = []
            for side in ("ours", "theirs"):
                less = [0 if once else run[side]["few"][0] for run in row["runs"]]
                cpu = [run[side]["more"][0] for run in row["runs"]]
                sides.append([count / (c - a) for c, a in zip(cpu, less, strict=True)])
            ratios = sorted(a / b for a, b in zip(*sides, strict=True))
            middle = [f"{statistics.median(s):,.1f}" for s in sides]
            if once:
                middle[1] += f" ({row['batch']})"
            cells += [*middle, f"**{statistics.median(ratios):.2f}×**"]
            cells += [f"{ratios[0]:.2f}–{ratios[-1]:.2f}"]
        network = f"{name.partition(' ')[0]}, {row['length']:,} bp"
        lines.append(f"| {network} | {row['threads']} | {' | '.join(cells)} | {row['apart']:.1e} |")
    return "\n".join(lines)


def main() -> None:
    """Compare networks, one after the other, and print the table of all in the file."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--python", help="that has tangermeme and torch")
    p.add_argument("-o", "--out", type=Path, default=Path("tangermeme.json"), help="[%(default)s]")
    p.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    p.add_argument("--threads", type=int, default=1, help="of both [%(default)s]")
    p.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512], help="of tangermeme's")
    p.add_argument("--few", type=int, default=1, help="sequences of the first call [%(default)s]")
    p.add_argument("--more", type=int, default=4, help="of the second [%(default)s]")
    p.add_argument("--runs", type=int, default=5, help="[%(default)s]")
    p.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = p.parse_args()
    if options.side:
        sizes = (options.threads, options.batches[0], options.few, options.more)
        print(json.dumps(run_side(options.side, options.networks[0], *sizes)))
        return
    if not options.python:
        p.error("--python: the interpreter of an environment that has tangermeme")
    options.python = str(Path(options.python).absolute())
    rows = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.networks:
        rows[f"{name} {options.threads}"] = compared(name, options)
        options.out.write_text(json.dumps(rows, indent=1))
    print(table(rows))


if __name__ == "__main__":
    main()
