"""The original's side of what a command line alone cannot time: reading, training steps, a model.

Runs by its path under an interpreter that has TensorFlow 2.15 and calico/basenji, and imports
nothing but these (numpy with them), the standard library and the clocks beside it:
`python basenji_drivers.py read|train|model …` prints its figures as one line of JSON.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path


def _clock():
    """Return the module clock.py of this folder, whatever package it belongs to."""
    path = Path(__file__).with_name("clock.py")
    spec = importlib.util.spec_from_file_location("tfepi_benchmark_clock", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(args):
    """Iterate their SeqDataset over and over; return examples per second.

    Their reverse complement and shift are layers of the model, so train mode here only
    interleaves and shuffles.
    """
    from basenji import dataset

    data = dataset.SeqDataset(
        args.data, "train", args.batch, shuffle_buffer=args.shuffle, mode=args.mode
    ).dataset
    if args.mode == "eval":
        data = data.repeat()  # in train mode it repeats by itself
    return _clock().timed_reading(iter(data), args.warmup, args.seconds)


def train(args):
    """Run their Trainer.fit_tape, unedited, for some steps; return seconds per step.

    It fetches each batch by trainer.safe_next: that call reads the clocks first and raises
    when enough steps are done, so a step is batch, gradient, update and metrics.
    """
    import tensorflow as tf
    from basenji import dataset, seqnn, trainer

    clock_module = _clock()
    clock = clock_module.StepClock(args.warmup, args.steps)
    params = json.loads(Path(args.params).read_text())
    params["train"]["batch_size"] = args.batch
    tf.keras.utils.set_random_seed(44)
    train_data, valid_data = (
        dataset.SeqDataset(
            args.data, label, args.batch, shuffle_buffer=params["train"]["shuffle_buffer"], mode=how
        )
        for label, how in (("train", "train"), ("valid", "eval"))
    )
    model = seqnn.SeqNN(params["model"] | {"strand_pair": [], "verbose": False})
    fetch = trainer.safe_next

    def timed_fetch(*positional, **named):
        clock.tick()
        if clock.done:
            raise clock_module.Finished
        return fetch(*positional, **named)

    trainer.safe_next = timed_fetch
    with tempfile.TemporaryDirectory() as out:
        fitting = trainer.Trainer(params["train"], [train_data], [valid_data], out)
        fitting.compile(model)
        fitting.train_epoch_batches = [args.warmup + args.steps + 1]
        with contextlib.suppress(clock_module.Finished):
            fitting.fit_tape(model)
    return clock.figures() | {"weights": int(model.model.count_params())}


def model(args):
    """Save their model with random weights, and the weights alone for ours to take.

    Batch norms get random values too: their first gammas let no signal through six of them.
    """
    import numpy as np
    import tensorflow as tf
    from basenji import seqnn

    tf.keras.utils.set_random_seed(44)
    params = json.loads(Path(args.params).read_text())
    built = seqnn.SeqNN(params["model"] | {"verbose": False})
    draw = np.random.default_rng(44)
    for layer in built.model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            scales = [draw.uniform(0.5, 1.5, count) for _ in range(2)]
            shifts = [draw.normal(0, 0.1, count) for _ in range(2)]
            layer.set_weights([scales[0], shifts[0], shifts[1], scales[1]])
    built.save(args.out)
    np.savez(Path(args.out).with_suffix(".npz"), *built.model.get_weights())
    return {"weights": int(built.model.count_params())}


def parser():
    """Return the options."""
    p = argparse.ArgumentParser(description=__doc__)
    commands = p.add_subparsers(required=True)
    one = commands.add_parser("read", help="examples per second")
    one.add_argument("data")
    one.add_argument("--mode", choices=("eval", "train"), default="eval")
    one.add_argument("--batch", type=int, default=64)
    one.add_argument("--shuffle", type=int, default=128, help="records to draw from")
    one.add_argument("--warmup", type=float, default=3, help="seconds")
    one.add_argument("--seconds", type=float, default=10)
    one.set_defaults(work=read)
    one = commands.add_parser("train", help="seconds per step")
    one.add_argument("params")
    one.add_argument("data")
    one.add_argument("--batch", type=int, default=64)
    one.add_argument("--warmup", type=int, default=3, help="steps")
    one.add_argument("--steps", type=int, default=12)
    one.set_defaults(work=train)
    one = commands.add_parser("model", help="weights of a random model, .h5")
    one.add_argument("params")
    one.add_argument("-o", dest="out", required=True)
    one.set_defaults(work=model)
    return p


if __name__ == "__main__":
    arguments = parser().parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        figures = arguments.work(arguments)
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    os._exit(0)  # their prefetching threads may keep the interpreter from ending
