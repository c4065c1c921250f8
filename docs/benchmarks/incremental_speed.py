#!/usr/bin/env python3
"""Changed sequences from what a change reaches beside whole passes: CPU-seconds and memory.

    incremental_speed.py leopard_unet basset basenji2 basenji2:2 enformer -o incremental.json
    incremental_speed.py leopard_unet --length 2048 --changes 96 --whole 16 --runs 2 -o small.json

`basenji2:2` predicts the first two of its tracks alone, in whole passes too. In a run are timed, in
turn: whole passes; changes at random places under the bins of one window whose reference is kept,
all three letters; the pass of that reference; windows of their own, each its reference and one
change in the middle. Whole passes are made by the faster of Keras's own compiled call and ours, in
the best of some batch sizes; all are tried before, and a first run, which compiles, is not counted.
All variables are drawn at random. Peak memory is of processes of their own, with changes of one
window. Rows are added to those that the file has; incremental_tables.py prints it. KERAS_BACKEND
chooses what computes; on a GPU only wall times mean something.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from incremental_models import SPEED, drawn_inputs, evaluator_of, randomised, size_text, substituted
from incremental_tables import SHARED, speed_tables

from tfepi.benchmark.clock import cpu_seconds
from tfepi.geometry import position_widths
from tfepi.variants.alternatives import Alternatives
from tfepi.variants.compiled import compiled
from tfepi.variants.incremental import IncrementalEvaluator
from tfepi.variants.multiply_adds import of_interval, of_sequence
from tfepi.variants.splice import one_hot
from tfrecords_tools.errors import unknown
from tfrecords_tools.files import read_json, write_json

PEAKS = (1, 4, 16)  # times as many changes


class Arms:
    """What is timed of a model.

    Args:
        evaluator: of the model.
        model: with all its targets, as Keras calls it; None where only some are wanted.
        changes, whole, windows: as of `incremental_models.Case`.
    """

    def __init__(
        self,
        evaluator: IncrementalEvaluator,
        model: keras.Model | None,
        changes: int,
        whole: int,
        windows: int,
    ):
        self.evaluator, self.length = evaluator, evaluator.spec.seq_length
        rng, count = np.random.default_rng(2), -(-changes // 3)
        places = covered(evaluator)
        places = np.sort(rng.choice(places, count, replace=count > len(places)))
        self.positions = np.repeat(places, 3)[:changes]
        self._inputs = drawn_inputs(evaluator, 1)
        own = np.repeat(self._inputs["sequence"], changes, axis=0)
        self._changed = substituted(own, self.positions, np.tile([1, 2, 3], count)[:changes])
        self._some = np.linspace(0, changes - 1, whole).astype(int)
        self._windows = drawn_inputs(evaluator, windows, seed=3)
        middle = np.full(windows, self.length // 2 - 1)
        self._own_changed = substituted(self._windows["sequence"], middle, 1 + middle % 3)
        self._ways: dict[str, Callable] = {"ours": evaluator.whole}
        if model is not None:
            self._call = compiled(lambda given: model(given, training=False))
            self._ways["Keras"] = self._keras
        self.way, self.batch = "ours", 1
        self.counts = {"whole": whole, "reference": 1, "change": changes, "own": windows}
        self.reference()

    def _keras(self, inputs: dict, size: int) -> np.ndarray:
        found = []
        for low in range(0, len(inputs["sequence"]), size):
            given = {k: v[low : low + size] for k, v in inputs.items()}
            given["sequence"] = one_hot(given["sequence"])
            given = {k: keras.ops.convert_to_tensor(v, "float32") for k, v in given.items()}
            found.append(keras.ops.convert_to_numpy(self._call(given)))
        return np.concatenate(found)

    def choose(self, batches: tuple[int, ...]) -> dict[str, float]:
        """Choose how whole passes are made; return the CPU-seconds a sequence of all ways."""
        found, count = {}, max(batches)
        for batch in batches:
            for way in self._ways:
                self.way, self.batch = way, batch
                self.whole(batch)  # compiles
                found[way, batch] = timed(lambda: self.whole(count))[0] / count
        self.way, self.batch = min(found, key=found.get)
        return {f"{way}, batch {batch}": cpu for (way, batch), cpu in found.items()}

    def whole(self, count: int | None = None) -> np.ndarray:
        """Return whole predictions of some of the changed sequences, evenly spread."""
        rows = self._some if count is None else np.resize(self._some, count)
        inputs = {k: np.repeat(v, len(rows), axis=0) for k, v in self._inputs.items()}
        inputs["sequence"] = self._changed[rows]
        return self._ways[self.way](inputs, self.batch)

    def reference(self) -> None:
        """Predict the window as it is."""
        self.references = self.evaluator.references(self._inputs)

    def _predicted(self, count: int) -> Iterator[tuple[np.ndarray, Alternatives]]:
        size = self.evaluator.changes
        for low in range(0, count, size):
            rows = np.arange(low, min(low + size, count)) % len(self._changed)
            of = np.zeros(len(rows), int)
            yield rows, self.evaluator.alternatives(self.references, of, self._changed[rows])

    def changes(self, count: int | None = None) -> None:
        """Predict the changed sequences, again from the first on if more are asked for."""
        for _ in self._predicted(count or len(self._changed)):
            pass

    def own_windows(self) -> None:
        """Predict windows of their own, each as it is and with one change in the middle."""
        size = self.evaluator.windows
        for low in range(0, len(self._own_changed), size):
            part = {k: v[low : low + size] for k, v in self._windows.items()}
            references, changed = self.evaluator.references(part), self._own_changed[low:]
            changed = changed[:size]
            self.evaluator.alternatives(references, np.arange(len(changed)), changed)

    def difference(self) -> float:
        """Return how far changes are off whole predictions, relative to their largest value."""
        wanted = dict(zip(self._some.tolist(), self.whole(), strict=True))
        scale, largest = max(np.abs(v).max() for v in wanted.values()), 0.0
        for rows, found in self._predicted(len(self._changed)):
            for place in np.flatnonzero(np.isin(rows, self._some)):
                one = [a[place : place + 1] for a in (found.of, found.starts, found.values)]
                values = Alternatives(*one).whole(self.references)[0]
                largest = max(largest, np.abs(values - wanted[rows[place]]).max())
        return float(largest / scale)

    def bounds(self) -> dict[str, float]:
        """Return multiply-adds of whole passes over the fewest that would do instead."""
        graph = self.evaluator.engine.graph
        whole = of_sequence(graph)
        change = np.mean([of_interval(graph, p, p + 1) for p in self.positions[::3].tolist()])
        middle = of_interval(graph, self.length // 2 - 1, self.length // 2)
        return {
            "saturation": whole / change,
            "shared": 2 * SHARED * whole / (whole + SHARED * change),
            "own": 2 * whole / (whole + middle),
        }


def covered(evaluator: IncrementalEvaluator) -> np.ndarray:
    """Return the positions that bins lie over; all, where one bin is for the whole window."""
    graph, length = evaluator.engine.graph, evaluator.spec.seq_length
    bins = graph.length(graph.output())
    width = int(position_widths(graph).get(graph.output(), length // bins))
    crop = (length - bins * width) // 2 if bins > 1 else 0
    return np.arange(crop, length - crop)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return CPU-seconds and seconds."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    call()
    return cpu_seconds() - cpu, time.perf_counter() - wall


def arms_of(name: str, options: argparse.Namespace) -> tuple[Arms, keras.Model]:
    """Return what is timed, and the model."""
    word, _, tracks = name.partition(":")
    model = randomised(SPEED[word].build(options.length, options.scale))
    evaluator = evaluator_of(model, columns=list(range(int(tracks))) if tracks else None)
    counts = (
        getattr(options, k) or getattr(SPEED[word], k) for k in ("changes", "whole", "windows")
    )
    return Arms(evaluator, None if tracks else model, *counts), model


def measured(name: str, options: argparse.Namespace) -> dict:
    """Return the row of a model."""
    arms, model = arms_of(name, options)
    tried = arms.choose(tuple(options.batches or SPEED[name.partition(":")[0]].batches))
    difference = arms.difference()
    calls = {
        "whole": arms.whole,
        "reference": arms.reference,
        "change": arms.changes,
        "own": arms.own_windows,
    }
    runs: list[dict] = []
    for run in range(options.runs + 1):
        found = {part: timed(call) for part, call in calls.items()}
        found = {part: [t / arms.counts[part] for t in found[part]] for part in found}
        shown = ", ".join(f"{part} {cpu:.4g}" for part, (cpu, _) in found.items())
        print(f"{name} run {run or 'that compiles'}: CPU-s of a {shown}", file=sys.stderr)
        if run:
            runs.append(found)
    row = {
        "size": size_text(model),
        "targets": arms.references.predictions.shape[2],
        "way": f"{arms.way}, batch {arms.batch}",
        "tried": tried,
        "counts": arms.counts,
        "runs": runs,
        "bounds": arms.bounds(),
        "difference": difference,
        "backend": f"{keras.backend.backend()}, Keras {keras.__version__}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    if options.memory:
        row["peaks"] = peaks(arms, name, options)
    return row


def peaks(arms: Arms, name: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the peak memory, MiB, by number of changes."""
    base = options.memory_changes or max(arms.counts["change"] // 4, arms.evaluator.changes)
    return {str(n * base): peak(name, n * base, options) for n in PEAKS}


def peak(name: str, changes: int, options: argparse.Namespace) -> float:
    """Return the peak memory, MiB, of a process that predicts so many changes."""
    command = [sys.executable, __file__, name, "--peak_of", str(changes), "--scale"]
    command += [str(options.scale)] + (["--length", str(options.length)] if options.length else [])
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure models, one after the other, and print the tables of all in the file."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("models", nargs="+", metavar="MODEL[:TRACKS]", help=", ".join(SPEED))
    p.add_argument("-o", "--out", type=Path, default=Path("incremental.json"), help="[%(default)s]")
    p.add_argument("--runs", type=int, default=5, help="[%(default)s]")
    p.add_argument("--length", type=int, help="of the sequence, bp [as published]")
    p.add_argument("--scale", type=float, default=1, help="of the layers' widths [%(default)g]")
    p.add_argument("--changes", type=int, help="of one window, in a run [by model]")
    p.add_argument("--whole", type=int, help="whole passes in a run [by model]")
    p.add_argument("--windows", type=int, help="of their own, in a run [by model]")
    p.add_argument("--batches", type=int, nargs="+", help="of whole passes, to try [by model]")
    p.add_argument("--memory", action="store_true", help="peak memory of 1, 4, 16 times as many")
    p.add_argument("--memory_changes", type=int, help="the fewest for it [by model]")
    p.add_argument("--memory_alone", action="store_true", help="of models that the file has")
    p.add_argument("--peak_of", type=int, help=argparse.SUPPRESS)
    options = p.parse_args()
    for name in options.models:
        if (word := name.partition(":")[0]) not in SPEED:
            p.error(str(unknown("model", word, SPEED)))
        whole, batches = options.whole or SPEED[word].whole, options.batches or SPEED[word].batches
        if odd := [b for b in batches if whole % b]:
            p.error(f"--whole is {whole}: want a multiple of each of --batches, not of {odd[0]}")
    if options.peak_of:
        arms, _ = arms_of(options.models[0], options)
        arms.changes(options.peak_of)
        # Not ru_maxrss, which of a process started by a larger one is that one's.
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    rows = read_json(options.out) if options.out.exists() else {}
    for name in options.models:
        key = f"{name} {options.length or ''} {options.scale:g}"
        if options.memory_alone:
            rows[key]["peaks"] = peaks(arms_of(name, options)[0], name, options)
        else:
            rows[key] = {"model": name, "scale": options.scale} | measured(name, options)
        write_json(options.out, rows)
    print(speed_tables(rows.values()))


if __name__ == "__main__":
    main()
