#!/usr/bin/env python3
"""Write a model as .keras, SavedModel or Basenji .h5; published weights, too."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, Basenji .h5, or Enformer as published")
    p.add_argument("out", help="x.keras, x.h5, or a folder for a SavedModel")
    p.add_argument("-t", "--targets", metavar="TABLE", help="targets table of its outputs")
    p.add_argument("--head", help="the head to keep, where there are several: name or number")
    p.add_argument("--merge", action="store_true", help="merge adapters into the layers they adapt")
    p.add_argument("--compare", type=int, metavar="N", help="on N random sequences, or arrays")
    p.add_argument("--reference", metavar="MODEL", help="compare with this instead of the model")
    p.add_argument("--tolerance", type=float, help="times max(1, SD) [1e-4]")
    p.add_argument("--overwrite", action="store_true", help="replace what is there")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes")
    return p


def work(args: argparse.Namespace) -> None:
    from pathlib import Path

    from tfepi.params import read_params
    from tfepi.predictors import is_h5, is_published, read_spec
    from tfepi.serving.agreement import check_params, with_table
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.output import check_folder
    from tfrecords_tools.targets import read_targets

    for name in ("reference", "tolerance"):
        if args.compare is None and getattr(args, name) is not None:
            raise ConfigError(f"--{name} {getattr(args, name)} is of --compare: give --compare N")
    if args.compare is not None and args.compare < 1:
        raise ConfigError(f"--compare is {args.compare}: want at least 1 sequence")
    if not Path(args.out).suffix:
        check_folder(args.out, overwrite=args.overwrite)
    params = read_params(args.params, training=False)
    targets = read_targets(args.targets) if args.targets else None
    spec = read_spec(args.model, params, targets, args.head)
    if not is_published(args.model, params):
        check_params(params, spec)
    if targets:
        spec = with_table(spec, targets, args.head, args.model, params, args.out)
    if args.reference is not None:
        read_spec(args.reference, params)
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.serving.convert import convert

    head = None if is_h5(args.model) else args.head
    written = convert(args.model, params, spec, args.out, head, args.merge, args.overwrite)
    for path in written:
        print(f"wrote {path}")
    if args.compare is not None:
        from tfepi.serving.comparison import compared

        models = (args.model, args.out, params, args.head, args.compare, args.reference)
        tolerance = {} if args.tolerance is None else {"tolerance": args.tolerance}
        print(*compared(*models, **tolerance), sep="\n")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
