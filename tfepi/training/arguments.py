"""The options of a training command that say what it starts from and how it computes.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse

from tfrecords_tools.errors import ConfigError


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
