#!/usr/bin/env python3
"""Train a model on TFRecords."""

import argparse

from tfepi.training import arguments
from tfrecords_tools import command, original_options


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json, or the name of a preset")
    p.add_argument("data", nargs="+", help="data folders: of the same targets, or one per head")
    p.add_argument(
        "-o", "--out_dir", dest="out", default="train_out", help="run folder [train_out]"
    )
    arguments.add_start(p)
    p.add_argument("--targets", default="", help="identifiers or indices, comma-separated [all]")
    p.add_argument("--query", help='or those that match, as "CAGE: & liver"')
    p.add_argument("--hold_out", default="", help="cell types not trained on, comma-separated")
    p.add_argument("--train_label", default="train", help="or several: fold0,fold1 [%(default)s]")
    p.add_argument("--valid_label", default="valid", help="[%(default)s]")
    arguments.add_steps(p)
    arguments.add_devices(p)
    arguments.add_scale(p)
    p.add_argument("--no_tensorboard", action="store_true", help="write no event files")
    original_options.add(p, "train")
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from dataclasses import fields

    from tfepi.evaluation.named_model import queried_names
    from tfepi.predictors import is_h5, is_published, spec_path
    from tfepi.startup import import_tensorflow
    from tfepi.training.embedded_params import open_embeddings
    from tfepi.training.hosts import check_strategy
    from tfrecords_tools.files import existing
    from tfrecords_tools.output import check_folder

    args.strategy = check_strategy(args.strategy, args.logical_devices)
    params = arguments.read_params(args)
    args.restore, args.trunk = arguments.start(args)
    if args.restore and not is_published(args.restore, params):
        existing(args.restore, "model") if is_h5(args.restore) else spec_path(args.restore)
    labels = f"{args.train_label},{args.valid_label}".split(",")
    data = arguments.read_data(args, labels)
    listed, where = args.targets.split(","), f"data folder {data[0].folder}"
    args.targets = queried_names(data[0].targets, listed, args.query, where)
    for label in labels:
        if not any(label in folder.labels for folder in data):
            data[0].shards(label)  # says which labels there are
    if args.embeddings is not None:
        open_embeddings(args.embeddings, params, data, labels)
    read = {f"data {folder.folder}": folder.folder for folder in data}
    several = args.strategy == "multiworker"  # which all look, and begin together
    check_folder(args.out, args.resume, args.overwrite, read, shared=several)
    import_tensorflow(deterministic=not args.xla)  # Keras compiles nothing when it is on
    from tfepi.training.fit import Settings, train
    from tfepi.training.strategy import make_team

    team = make_team(args.strategy, args.logical_devices)
    named = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    named["hold_out"] = tuple(filter(None, args.hold_out.split(",")))
    settings = Settings(**named, tensorboard=not args.no_tensorboard)
    best = train(params, data, args.out, settings, args.resume, args.overwrite, team)
    if team.chief:
        print(f"best model: {best}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
