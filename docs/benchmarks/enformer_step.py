#!/usr/bin/env python3
"""Time and memory of a training step of Enformer, with and without rematerialisation.

    docs/benchmarks/enformer_step.py --input_length 98304
    docs/benchmarks/enformer_step.py --input_length 196608 --only rematerialised

The published sizes but for the length; batch 1, Adam, Poisson loss, both heads, new weights.
Every measurement is a process of its own, in turn; the first step, which builds the graph, is not
timed, but its memory counts. On a GPU: KERAS_BACKEND=jax or torch, and --precision.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SIDES = ("plain", "rematerialised")


def step(args: argparse.Namespace) -> None:
    """Measure one side in this process and print it."""
    import resource

    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        from tfepi.startup import import_tensorflow

        import_tensorflow()
    import keras
    import numpy as np

    from tfepi.models import enformer
    from tfepi.training.rematerialise import rematerialised

    keras.utils.set_random_seed(1)
    bins = args.input_length // 128
    target_length = min(896, bins - bins // 4)
    sizes = {"channels": args.channels, "transformer_layers": args.layers}
    sizes |= {"input_length": args.input_length, "target_length": target_length}
    model = enformer(**sizes, dtype=args.precision)
    trained = rematerialised(model) if args.side == "rematerialised" else model
    optimizer = keras.optimizers.Adam(5e-4, global_clipnorm=0.2)
    optimizer.build(model.trainable_variables)
    trained.compile(optimizer=optimizer, loss="poisson", jit_compile=args.xla)
    rng = np.random.default_rng(0)
    x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (args.batch, args.input_length))]
    y = {
        head: rng.poisson(1, (args.batch, target_length, output.shape[-1])).astype(np.float32)
        for head, output in model.output.items()
    }
    losses, cpu, wall = [], [], []
    for _ in range(1 + args.steps):
        before = time.process_time(), time.perf_counter()
        losses.append(float(trained.train_on_batch({"sequence": x}, y, return_dict=True)["loss"]))
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
    found = {"cpu_s": statistics.median(cpu[1:]), "wall_s": statistics.median(wall[1:])}
    found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if keras.backend.backend() == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats() or {}
        found["device_gib"] = stats.get("peak_bytes_in_use", 0) / 2**30
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            found["device_gib"] = torch.cuda.max_memory_allocated() / 2**30
    print(json.dumps(found | {"losses": losses}))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--input_length", type=int, default=98_304)
    p.add_argument("--channels", type=int, default=1536)
    p.add_argument("--layers", type=int, default=11)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--precision", default="float32")
    p.add_argument("--xla", action="store_true")
    p.add_argument("--steps", type=int, default=1, help="timed ones of a process")
    p.add_argument("--runs", type=int, default=1)
    p.add_argument("--only", choices=SIDES)
    p.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.side:
        step(args)
        return
    sides = [args.only] if args.only else list(SIDES)
    found: dict[str, list[dict]] = {side: [] for side in sides}
    for run in range(args.runs):
        for side in sides:
            command = [sys.executable, *sys.argv, "--side", side]
            environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                print(run, side, f"ended with status {done.returncode}", done.stderr[-300:])
                continue
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(run, side, found[side][-1], flush=True)
    for key in ("cpu_s", "wall_s", "peak_gib", "device_gib"):
        values = {s: [r[key] for r in runs if key in r] for s, runs in found.items()}
        if all(values.values()):
            medians = {s: statistics.median(v) for s, v in values.items()}
            print(f"{key:11}", "  ".join(f"{s} {m:.2f}" for s, m in medians.items()))


if __name__ == "__main__":
    main()
