#!/usr/bin/env python3
"""Time and memory of a full-length Enformer forward pass, beside the released code.

    git clone https://github.com/google-deepmind/deepmind-research
    python -m venv reference && reference/bin/pip install tensorflow==2.21.0 dm-sonnet==2.0.2
    docs/benchmarks/enformer_forward.py --python reference/bin/python \
        --code deepmind-research/enformer

Every measurement is a process of its own, in turn. Both have new random weights and see a random
sequence; the first call, which builds the graph, is not timed, but its memory counts. Packages that
are installed take memory where Keras imports them: run both in one environment to compare it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

_TIMED = """
import json, resource, time
import numpy as np
rng = np.random.default_rng(0)
x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (1, {length}))]
call(x)
cpu, wall = time.process_time(), time.perf_counter()
out = call(x)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
assert {{k: v.shape[1:] for k, v in out.items()}} == {{"human": (896, 5313), "mouse": (896, 1643)}}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({{"cpu_s": cpu, "wall_s": wall, "peak_gib": peak}}))
"""
_OURS = """
from tfepi.startup import import_tensorflow
tf = import_tensorflow()
from tfepi.models import enformer
model = enformer()
function = tf.function(lambda x: model({"sequence": x}, training=False), autograph=False)
def call(x):
    return {k: v.numpy() for k, v in function(x).items()}
"""
_REFERENCE = """
import sys
sys.path.insert(0, sys.argv[1])
import enformer
import sonnet as snt
import tensorflow as tf
# It asks signatures, which today's Sonnet hides.
kinds = (enformer.Sequential, enformer.Residual, snt.Dropout, snt.BatchNorm)
kinds += (snt.distribute.CrossReplicaBatchNorm, enformer.attention_module.MultiheadAttention)
enformer.accepts_is_training = lambda module: isinstance(module, kinds)
model = enformer.Enformer()
# As its `predict_on_batch`; autograph, which that has on, cannot read today's Sonnet.
function = tf.function(lambda x: model(x, is_training=False), autograph=False)
def call(x):
    return {k: v.numpy() for k, v in function(x).items()}
"""


def measured(command: list[str]) -> dict:
    """Return what a process prints at its end."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--python", help="that has TensorFlow and dm-sonnet; none: ours alone")
    p.add_argument("--code", default="deepmind-research/enformer", help="[%(default)s]")
    p.add_argument("--runs", type=int, default=5)
    args = p.parse_args()
    timed = _TIMED.format(length=196_608)
    sides = {"ours": [sys.executable, "-c", _OURS + timed]}
    if args.python:
        sides["reference"] = [args.python, "-c", _REFERENCE + timed, args.code]
    found: dict[str, list[dict]] = {side: [] for side in sides}
    for run in range(args.runs):
        for side, command in sides.items():
            found[side].append(measured(command))
            print(run, side, found[side][-1], flush=True)
    for key in ("cpu_s", "wall_s", "peak_gib"):
        medians = {s: statistics.median(r[key] for r in runs) for s, runs in found.items()}
        line = "  ".join(f"{side} {value:.2f}" for side, value in medians.items())
        if args.python:
            pairs = zip(found["ours"], found["reference"], strict=True)
            ratios = sorted(ours[key] / theirs[key] for ours, theirs in pairs)
            line += f"  ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
        print(f"{key:9} {line}")


if __name__ == "__main__":
    main()
