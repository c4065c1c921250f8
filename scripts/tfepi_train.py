#!/usr/bin/env python3
"""Train a model on TFRecords."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json, or the name of a preset")
    p.add_argument("data", nargs="+", help="folders written by tfepi_data.py, of the same targets")
    p.add_argument("-o", dest="out", required=True, help="run folder")
    p.add_argument("--targets", default="", help="identifiers or indices, comma-separated [all]")
    p.add_argument("--train_label", default="train", help="[%(default)s]")
    p.add_argument("--valid_label", default="valid", help="[%(default)s]")
    p.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        help="of the trunk; heads, losses and metrics are float32 [%(default)s]",
    )
    p.add_argument("--xla", action="store_true", help="compile steps with XLA")
    p.add_argument("--epochs", type=int, help="overrides train_epochs_max")
    p.add_argument("--no_tensorboard", action="store_true", help="write no event files")
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from tfepi.params import read_params
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.data import Data
    from tfrecords_tools.joined import join

    params = read_params(args.params)
    if args.epochs is not None:
        params = replace(params, train=replace(params.train, train_epochs_max=args.epochs))
    data = join([Data.open(folder) for folder in args.data])
    for label in (args.train_label, args.valid_label):
        data.shards(label)
    import_tensorflow()
    from tfepi.training.fit import Settings, train

    best = train(
        params,
        data,
        args.out,
        Settings(
            seed=args.seed,
            targets=tuple(filter(None, args.targets.split(","))),
            precision=args.precision,
            xla=args.xla,
            train_label=args.train_label,
            valid_label=args.valid_label,
            tensorboard=not args.no_tensorboard,
            quiet=args.quiet,
        ),
        args.resume,
        args.overwrite,
    )
    print(f"best model: {best}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
