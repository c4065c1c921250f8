#!/usr/bin/env python3
"""Write a genome's windows and their targets as TFRecords."""

import argparse

from tfrecords_tools import build_arguments, command
from tfrecords_tools.methylation import arguments as methylation_arguments
from tfrecords_tools.number_text import number_of


def parser(kind: str = build_arguments.KINDS[0]) -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("-o", dest="out", default="data_out", help="output folder [%(default)s]")
    build_arguments.add_kind(p, kind)
    (methylation_arguments if kind == "methylation" else build_arguments).add_arguments(p)
    p.add_argument("-p", "--processes", type=int, default=1, help="worker processes [1]")
    p.add_argument("--dry_run", "--dry-run", action="store_true", help="forecast only")
    p.add_argument(
        "--st", "--split_test", dest="split_test", action="store_true", help="contigs.bed only"
    )
    p.add_argument("--local", action="store_true", help="nothing: Basenji's, taken and ignored")
    command.add_common(p, seed=False)
    p.add_argument("--restart", dest="resume", action="store_true", help="--resume")
    return p


def work(args: argparse.Namespace) -> None:
    from tfrecords_tools import estimate, output, plan
    from tfrecords_tools.build import build, write_split
    from tfrecords_tools.workers import check_workers

    check_workers(args.processes)
    if args.kind == "methylation":
        return methylation(args)
    if not args.dry_run:
        output.check_folder(args.out, args.resume, args.overwrite)
    planned = plan.make_plan(args.genome, args.targets, build_arguments.options(args))
    print(estimate.describe(planned), flush=True)
    if args.split_test:
        write_split(planned, args.out, args.resume, args.overwrite)
    elif not args.dry_run:
        how = (args.processes, None, args.resume, args.overwrite, args.quiet)
        shards = build(planned, args.out, *how)["shards"]
        records = number_of(sum(shard["records"] for shard in shards), "record")
        print(f"wrote {args.out}: {records}")


def methylation(args: argparse.Namespace) -> None:
    from tfrecords_tools import output
    from tfrecords_tools.build import write_split
    from tfrecords_tools.methylation import plan
    from tfrecords_tools.methylation.build import build

    output.check_folder(args.out, args.resume, args.overwrite)
    planned = plan.make_plan(args.genome, args.samples, methylation_arguments.options(args))
    if args.split_test:
        write_split(planned, args.out, args.resume, args.overwrite)
    else:
        how = (args.processes, None, args.resume, args.overwrite, args.quiet, args.dry_run)
        build(planned, args.out, *how, tell=lambda line: print(line, flush=True))


def main(argv: list[str] | None = None) -> int:
    args = build_arguments.parse(parser, argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
