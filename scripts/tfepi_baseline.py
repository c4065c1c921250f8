#!/usr/bin/env python3
"""Fit a ridge regression on k-mer counts, test it, compare a model's test with it."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("data", help="data folder")
    p.add_argument("-o", dest="out", default="baseline_out", help="output folder [%(default)s]")
    p.add_argument("-t", "--targets", nargs="+", help="identifiers or indexes [all]")
    p.add_argument("-k", type=int, default=6, help="length of a word [%(default)s]")
    p.add_argument("--transform", choices=("log1p", "none"), default="log1p", help="[%(default)s]")
    p.add_argument("--bin", default="centre", help="centre, sum: value of a window [%(default)s]")
    p.add_argument("--penalties", help="comma-separated, to choose from [1 to 3e6]")
    p.add_argument("--train", default="train", help="labels to fit on, comma-separated [train]")
    p.add_argument("--valid", default="valid", help="labels to choose the penalty on [valid]")
    p.add_argument("--label", default="test", help="windows to test on [%(default)s]")
    p.add_argument("--compare", metavar="TEST_DIR", help="what tfepi_test.py --save wrote")
    b = p.add_argument_group("intervals: bootstrap over blocks of the genome")
    b.add_argument("--bootstrap", type=int, default=1000, help="resamples; 0: none [%(default)s]")
    b.add_argument("--bootstrap_ranks", type=int, default=200, help="of rank statistics [200]")
    b.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.evaluation import baseline, compare
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.evaluation.kmer_ridge import PENALTIES
    from tfepi.evaluation.metrics import summary_table
    from tfepi.evaluation.predictions import SavedPredictions
    from tfepi.evaluation.testing import finished
    from tfrecords_tools import files, output
    from tfrecords_tools.data import Data

    options = baseline.RidgeOptions(
        k=args.k,
        log1p=args.transform == "log1p",
        bin=args.bin,
        penalties=baseline.parse_penalties(args.penalties) if args.penalties else PENALTIES,
        train=args.train,
        valid=args.valid,
        test=args.label,
    )
    bootstrap = Bootstrap(args.bootstrap, args.bootstrap_ranks, args.block_bp, seed=args.seed)
    data = Data.open(args.data)
    _, layout = baseline.prepare_baseline(data, options, args.targets, bootstrap)
    if args.compare:
        saved = SavedPredictions(args.compare)
        compare.common_targets(saved.layout, layout, args.compare, "the ridge")
    inputs = {"data": files.identity(data.folder / "statistics.json")}
    read = inputs | ({"test compared": args.compare} if args.compare else {})
    output.check_folder(args.out, args.resume, args.overwrite, read)
    made = (data, args.out, options, args.targets, bootstrap, inputs)
    metrics = finished(baseline.planned_parts(*made)) if args.resume else None
    if metrics is None:
        outcome = baseline.run_baseline(*made, args.resume, args.overwrite, args.quiet)
        outcome.predictions.remove()
        metrics = outcome.metrics
    print(summary_table(metrics))
    if args.compare:
        found = compare.compare_tests(args.compare, args.out, args.bin, bootstrap)
        files.write_json(f"{args.out}/comparison.json", found)
        print(f"\n{args.compare} minus ridge, the same windows, 95% intervals")
        print(compare.comparison_table(found))
    print(f"wrote {args.out}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
