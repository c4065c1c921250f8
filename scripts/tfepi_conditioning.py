#!/usr/bin/env python3
"""Train and compare models that are told of the cell type in different ways, or not at all."""

import argparse

from tfrecords_tools import command

MODELS = "dsg_model_a,dsg_model_b,dsg_model_c,dsg_model_d"


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("data", help="data folder, built with --tracks from targets with cell and mark")
    p.add_argument("-o", "--out_dir", dest="out", default="conditioning_out", help="[%(default)s]")
    p.add_argument(
        "--models", default=MODELS, help="presets or params.json files, or NAME=FILE [%(default)s]"
    )
    words = {"dest": "changes", "action": "append", "default": [], "metavar": "[NAME:]KEY=VALUE"}
    p.add_argument("--set", **words, help="change model.filters, … of all models alike, or of one")
    p.add_argument("--hold_out", default="", help="cell types not trained on, comma-separated")
    p.add_argument("--seeds", type=int, default=3, help="how many, from --seed on [%(default)s]")
    for label in ("train", "valid", "test"):
        p.add_argument(f"--{label}_label", default=label, help="[%(default)s]")
    p.add_argument("--bootstrap", type=int, default=200, help="resamples of an interval [200]")
    p.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
    p.add_argument("--leopard", action="store_true", help="also Leopard's step sum of AUPRC")
    p.add_argument("-p", dest="jobs", type=int, default=1, help="trainings side by side [1]")
    v = p.add_argument_group("variants whose true effects are known")
    v.add_argument("--variants", metavar="VCF", help="with ids")
    v.add_argument("--effects", metavar="TABLE", help="as tfepi_simulate.py writes it")
    v.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    v.add_argument("--tracks", metavar="TABLE", help="accessibility of cell types")
    v.add_argument("--bound", type=float, default=0.0, help="smaller true effects are none [0]")
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from pathlib import Path

    from tfepi.conditioning import plan as plans
    from tfepi.conditioning.check import check_cells
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.data import Data
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.joined import pool_labels
    from tfrecords_tools.output import check_folder

    labels = (args.train_label, args.valid_label, args.test_label)
    models = plans.read_models(args.models.split(","), args.changes)
    hold_out = tuple(filter(None, args.hold_out.split(",")))
    plan = plans.Plan(models, tuple(range(args.seed, args.seed + args.seeds)), hold_out, labels)
    data = pool_labels(Data.open(args.data), labels)
    given = {n: getattr(args, n) for n in ("variants", "effects", "fasta", "tracks")}
    if any(given.values()) and not all(given.values()):
        missing = next(n for n, v in given.items() if not v)
        raise ConfigError(f"effects of variants need all of {', '.join(given)}: {missing} is not")
    check_folder(args.out, args.resume, args.overwrite)
    check_cells(plan, data)
    import_tensorflow(deterministic=True)
    from tfepi.conditioning.compare import Variants, compare, summary
    from tfepi.report.conditioning_report import draw_conditioning

    variants = Variants(**given, bound=args.bound) if args.variants else None
    bootstrap = Bootstrap(rank_resamples=args.bootstrap, block_bp=args.block_bp, seed=args.seed)
    again = (args.leopard, args.jobs, args.resume, args.overwrite, args.quiet)
    found = compare(plan, data, args.out, bootstrap, variants, *again)
    draw_conditioning(plan, found, Path(args.out))
    print(f"{summary(found['scores'])}\nwrote {args.out}: scores.tsv, contrasts.tsv, figures")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
