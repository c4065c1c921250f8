#!/usr/bin/env python3
"""Time and peak memory of tfepi_convert.py on weights of the published Enformer's size.

python docs/benchmarks/enformer_conversion.py [--work FOLDER] [--runs 3]

The weights are random, in the layout of DeepMind's checkpoint and of enformer-pytorch's state
dict (as safetensors). The folder takes 4 GB.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/tfepi_convert.py"
FORMS = {"checkpoint": "weights/enformer-random-1", "torch": "model.safetensors"}


def write(folder: Path, form: str) -> None:
    """Write random weights of the published shapes in one form."""
    import numpy as np

    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    from tfepi.models import enformer
    from tfepi.pretrained.enformer_names import enformer_names

    model, rng = enformer(), np.random.default_rng(0)
    shapes = {(x.name, w.name): tuple(w.shape) for x in model.layers for w in x.weights}
    del model
    values = {}
    for name in enformer_names():
        array = rng.standard_normal(shapes[name.layer, name.weight], np.float32)
        array = np.abs(array) if name.weight == "moving_variance" else array
        if form == "checkpoint":
            values[name.checkpoint] = array[None, None] if name.layout == "11c->c" else array
        else:
            axes = {"kio->oik": (2, 1, 0), "io->oi": (1, 0), "io->oi11": (1, 0)}.get(name.layout)
            array = array if axes is None else array.transpose(axes)
            array = array[:, :, None, None] if name.layout == "io->oi11" else array
            values[name.torch] = np.ascontiguousarray(array)
    if form == "checkpoint":
        prefix = folder / FORMS[form].removesuffix("-1")
        tf.train.Checkpoint(module=objects(tf, values)).save(str(prefix))
    else:
        from safetensors.numpy import save_file

        save_file(values, folder / FORMS[form])


def objects(tf, values: dict):
    """Return objects whose attributes lead to variables, by their paths."""
    if set(values) == {""}:
        return tf.Variable(values[""])
    inner: dict[str, dict] = {}
    for path, value in values.items():
        first, _, rest = path.partition("/")
        inner.setdefault(first, {})[rest] = value
    if inner and all(name.isdigit() for name in inner):
        last = max(map(int, inner))
        return [objects(tf, inner.get(str(n), {})) for n in range(last + 1)]
    node = tf.Module()
    for name, part in inner.items():
        setattr(node, name, objects(tf, part))
    return node


def measure(command: list) -> tuple[float, float]:
    """Return the seconds and the peak memory, GiB, that a command took."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with status {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, usage.ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", help="folder for the weights [a temporary one]")
    parser.add_argument("--runs", type=int, default=3, help="of each form [%(default)s]")
    parser.add_argument("--write", nargs=2, metavar=("FOLDER", "FORM"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        return write(Path(args.write[0]), args.write[1])
    found = {}
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        for form, name in FORMS.items():
            measure([__file__, "--write", work, form])
            runs = []
            for _ in range(args.runs):
                out = Path(work) / "out" / "model.keras"
                convert = [SCRIPT, "enformer", Path(work) / name, out, "--overwrite", "-q"]
                runs.append(measure(convert))
            found[form] = {
                "seconds": round(statistics.median(s for s, _ in runs), 1),
                "slowest_seconds": round(max(s for s, _ in runs), 1),
                "peak_gib": round(max(peak for _, peak in runs), 2),
                "keras_bytes": out.stat().st_size,
            }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
