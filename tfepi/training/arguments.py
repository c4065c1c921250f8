"""The options of a training command: what it starts from, how and on what it computes.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tfepi.training.hosts import STRATEGIES
from tfrecords_tools.errors import ConfigError

if TYPE_CHECKING:
    from tfepi.params import Params

_CYCLE = ("initial_learning_rate", "maximal_learning_rate", "final_learning_rate")


def add_start(parser) -> None:
    """Add --from, --head and --embeddings, and --restore and --trunk, the originals'."""
    parser.add_argument(
        "--from", dest="start", metavar="MODEL", help="start from it: run folder, .h5, published"
    )
    parser.add_argument(
        "--head",
        choices=("new", "keep"),
        help="of --from: heads start afresh, or are taken, too [keep]",
    )
    parser.add_argument(
        "--embeddings", metavar="DIR", help="of its trunk (tfepi_embed.py): train heads on them"
    )
    parser.add_argument("--restore", metavar="MODEL", help="the same as --from")
    parser.add_argument("--trunk", action="store_true", help="the same as --head new")


def add_steps(parser) -> None:
    """Add what says how steps are computed: --precision and -m, --xla, --rematerialise."""
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        help="of the trunk; heads, losses and metrics are float32 [%(default)s]",
    )
    parser.add_argument(
        "-m", dest="precision", action="store_const", const="mixed_float16", help="mixed_float16"
    )
    parser.add_argument("--xla", action="store_true", help="compile steps with XLA; not bit-exact")
    parser.add_argument(
        "--rematerialise", action="store_true", help="less memory, a third more time a step"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def add_devices(parser) -> None:
    """Add what a command computes on: --strategy and --logical_devices."""
    parser.add_argument(
        "--strategy",
        default="auto",
        choices=STRATEGIES,
        help="devices: one, the GPUs of this machine, several processes [what there is]",
    )
    parser.add_argument(
        "--logical_devices", type=int, metavar="N", help="pieces of the CPU as devices, to try"
    )


def add_scale(parser) -> None:
    """Add how long a training is, how it is spread over devices, and what is kept of it."""
    parser.add_argument("--epochs", type=_count, help="overrides train_epochs_max")
    parser.add_argument("--batch_size", type=int, help="of all devices [that of params.json]")
    parser.add_argument(
        "--scale_rate",
        choices=("linear", "sqrt"),
        help="learning rates by --batch_size over that of params.json, or its root [not at all]",
    )
    parser.add_argument(
        "--sync_batch_norm", action="store_true", help="batch statistics over all devices"
    )
    parser.add_argument(
        "--accumulate", type=_count, default=1, metavar="N", help="batches in N pieces: less memory"
    )
    parser.add_argument(
        "--steps_per_execution", type=_count, default=1, metavar="N", help="[%(default)s]"
    )
    parser.add_argument(
        "--keep", type=_count, default=2, metavar="N", help="checkpoints kept [%(default)s]"
    )
    parser.add_argument(
        "--save_minutes",
        type=float,
        default=10,
        metavar="M",
        help="between checkpoints within an epoch; 0: none [%(default)s]",
    )
    parser.add_argument(
        "--corrupt",
        default="stop",
        choices=("stop", "skip"),
        help="damaged shards; skip: all are read first, records behind damage left out [stop]",
    )
    parser.add_argument(
        "--profile", action="store_true", help="a profile of some steps, for TensorBoard"
    )


def read_params(args: argparse.Namespace) -> "Params":
    """Return params.json with what --epochs, --batch_size and --scale_rate change.

    Raises:
        ConfigError: as of `params.read_params` and `scaled`.
    """
    from tfepi import params as params_json

    params = scaled(params_json.read_params(args.params), args.batch_size, args.scale_rate)
    if args.epochs is None:
        return params
    return replace(params, train=replace(params.train, train_epochs_max=args.epochs))


def scaled(params: "Params", batch_size: int | None, scale: str | None) -> "Params":
    """Return params.json with another global batch, and learning rates in keeping with it.

    Args:
        params: as it was read.
        batch_size: examples a step, on all devices together; None: that of params.json.
        scale: "linear" (Goyal et al. 2017) or "sqrt" (as is usual with Adam): rates times the
            ratio of the batches, or its root; None leaves them.

    Raises:
        ConfigError: a scale without a batch size; a batch size below 1.
    """
    if batch_size is None:
        if scale is not None:
            raise ConfigError(
                f"--scale_rate {scale} is by --batch_size over that of params.json: name it"
            )
        return params
    if batch_size < 1:
        raise ConfigError(f"--batch_size is {batch_size}, want at least 1")
    train = params.train
    ratio = batch_size / train.batch_size
    factor = {None: 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[scale]
    changed: dict[str, float] = {"batch_size": batch_size}
    rates = _CYCLE if train.train_epochs_cycle1 is not None else ("learning_rate",)
    for name in rates if factor != 1 else ():
        changed[name] = getattr(train, name) * factor
    source = params.source | {"train": params.source.get("train", {}) | changed}
    return replace(params, train=replace(train, **changed), source=source)


def read_data(args: argparse.Namespace, labels: Sequence[str]) -> list:
    """Return the data folders of a training command, opened.

    Args:
        args: with data, corrupt, embeddings and quiet.
        labels: plain labels that are trained on, or validated with.

    Raises:
        ConfigError: damaged shards are to be left out of data with embeddings.
        InputFileError: as of `Data.open` and `readable_part`.
    """
    from tfrecords_tools.data import Data
    from tfrecords_tools.readable_part import readable_part

    if args.corrupt == "stop":
        return [Data.open(folder) for folder in args.data]
    if args.embeddings is not None:
        raise ConfigError(
            "--corrupt skip leaves records out, of which --embeddings holds what the trunk gave: "
            "leave one of them out"
        )
    folders = [Data.open(folder, damaged=True) for folder in args.data]
    return [readable_part(folder, labels, args.quiet) for folder in folders]


def start(args: argparse.Namespace) -> tuple[str | None, bool]:
    """Return the model that training starts from, or None, and whether only its trunk is taken.

    Raises:
        ConfigError: two models, a head that is both new and kept, no model for what is said
            of it, or --rematerialise beside --embeddings.
    """
    if args.start is not None and args.restore is not None:
        raise ConfigError(
            f"--from {args.start} and --restore {args.restore} are two names of one option: use "
            "--from alone"
        )
    if args.trunk and args.head == "keep":
        raise ConfigError("--trunk takes no head, and --head keep takes it: leave one of them out")
    model = args.restore if args.start is None else args.start
    if model is None and (args.trunk or args.head is not None):
        option = "--trunk" if args.trunk else f"--head {args.head}"
        raise ConfigError(f"{option} says what to take of a model: name it with --from")
    if model is None and args.embeddings is not None:
        raise ConfigError(
            f"--embeddings {args.embeddings} are of a trunk: name its model with --from"
        )
    if args.embeddings is not None and args.rematerialise:
        raise ConfigError(
            "--rematerialise saves memory in the trunk, which --embeddings does not run: leave one "
            "of them out"
        )
    return model, args.trunk or args.head == "new"
