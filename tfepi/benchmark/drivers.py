"""Our side of what a command line alone cannot do: reading, training steps, a model, a comparison.

`python -m tfepi.benchmark.drivers read|train|model|scores …` prints figures as one line of JSON.
"""

import argparse
import json
import sys
from pathlib import Path

from tfepi.benchmark.clock import StepClock, timed_reading
from tfrecords_tools.errors import InputFileError


def read(args: argparse.Namespace) -> dict:
    """Read a data folder's training records over and over; return examples per second."""
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.data import Data

    import_tensorflow()
    from tfrecords_tools.dataset import Augmentation, eval_dataset, train_dataset

    data = Data.open(args.data)
    if args.mode == "eval":
        dataset = eval_dataset(data, "train", args.batch)
    else:
        dataset = train_dataset(
            data, "train", args.batch, 44, 0, Augmentation(True, args.shift), args.shuffle
        )
    return timed_reading(iter(dataset.repeat()), args.warmup, args.seconds)


def train(args: argparse.Namespace) -> dict:
    """Train a preset's model as `tfepi.training.fit` does; return seconds per step."""
    from tfepi.params import read_params
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.data import Data

    params = read_params(args.params)
    data = Data.open(args.data)
    import_tensorflow()
    import keras

    from tfepi.models import make_model
    from tfepi.training.losses import make_loss
    from tfepi.training.metrics import make_metrics
    from tfepi.training.schedules import make_optimizer
    from tfrecords_tools.dataset import Augmentation, train_dataset

    keras.utils.set_random_seed(44)
    targets = len(data.targets)
    model = make_model(params.model, targets)
    model.compile(
        optimizer=make_optimizer(params.train, max(1, data.counts["train"] // args.batch)),
        loss=make_loss(params.train),
        metrics=make_metrics(params.train, targets),
        jit_compile=False,
    )
    augmentation = Augmentation(params.model.augment_rc, params.model.augment_shift)
    dataset = train_dataset(
        data, "train", args.batch, 44, 0, augmentation, params.train.shuffle_buffer
    )
    clock = StepClock(args.warmup, args.steps)

    class Tick(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # the command looks at it after each step too
            clock.tick()

    steps = args.warmup + args.steps + 1
    model.fit(dataset.repeat().take(steps), epochs=1, verbose=0, shuffle=False, callbacks=[Tick()])
    return clock.figures() | {"weights": model.count_params()}


def model(args: argparse.Namespace) -> dict:
    """Write a preset's model as a run folder; its weights are random or the original's."""
    from tfepi.params import read_params
    from tfepi.spec import Head, ModelSpec
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.targets import read_targets

    params, targets = read_params(args.params), read_targets(args.targets)
    import_tensorflow()
    import keras
    import numpy as np

    from tfepi.models import bin_width, make_model

    keras.utils.set_random_seed(44)
    built = make_model(params.model, len(targets))
    if args.weights:
        with np.load(args.weights, allow_pickle=False) as weights:
            built.set_weights([weights[f"arr_{i}"] for i in range(len(weights))])
    length, bins = built.get_layer("sequence").output.shape[1], built.output_shape[1]
    width = bin_width(params.model, built)
    spec = ModelSpec(
        name=params.model.name,
        inputs={"sequence": (length, 4)},
        bin_width=width,
        crop=(length - bins * width) // 2,
        heads=(Head("output", targets),),
    )
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    spec.write(folder / "model.json")
    built.save(folder / "model_best.keras")
    return {"weights": built.count_params()}


def scores(args: argparse.Namespace) -> dict:
    """Compare our SAD with theirs; return the largest difference over the largest SAD.

    Windows with N are left out: the original codes N as 0.25 here, and as 0 in training.
    """
    import h5py
    import numpy as np

    from tfrecords_tools.genome import Genome

    with h5py.File(args.ours) as ours, h5py.File(args.theirs) as theirs:
        if not np.array_equal(ours["pos"][:], theirs["pos"][:]):
            raise InputFileError(f"{args.ours} and {args.theirs} are of different variants")
        places = [(c.decode(), int(p) - 1) for c, p in zip(ours["chr"], ours["pos"], strict=True)]
        a, b = ours["SAD"][:].astype("f8"), theirs["SAD"][:].astype("f8")
    half = args.window // 2
    with Genome(args.genome) as genome:
        whole = [(genome.indices(c, p - half, p + half + 1) < 4).all() for c, p in places]
    a, b = a[whole], b[whole]
    if not b.any():
        raise InputFileError(f"all scores in {args.theirs} are 0: nothing is compared")
    return {
        "compared": len(b),
        "largest_difference": float(np.abs(a - b).max() / np.abs(b).max()),
    }


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    p = argparse.ArgumentParser(description=__doc__)
    commands = p.add_subparsers(required=True)
    one = commands.add_parser("read", help="examples per second")
    one.add_argument("data")
    one.add_argument("--mode", choices=("eval", "train"), default="eval")
    one.add_argument("--batch", type=int, default=64)
    one.add_argument("--shuffle", type=int, default=128, help="records to draw from")
    one.add_argument("--shift", type=int, default=3, help="bp; train mode also flips strands")
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
    one = commands.add_parser("model", help="a run folder with random weights")
    one.add_argument("params")
    one.add_argument("targets")
    one.add_argument("-o", dest="out", required=True)
    one.add_argument("--weights", help="of the original, .npz")
    one.set_defaults(work=model)
    one = commands.add_parser("scores", help="largest difference of SAD over the largest SAD")
    one.add_argument("ours")
    one.add_argument("theirs")
    one.add_argument("--genome", required=True, help="FASTA")
    one.add_argument("--window", type=int, default=1344, help="bp")
    one.set_defaults(work=scores)
    return p


if __name__ == "__main__":
    arguments = parser().parse_args()
    sys.stdout.write(json.dumps(arguments.work(arguments)) + "\n")
