#!/usr/bin/env python3
"""Write a genome's windows and their targets as TFRecords."""

import argparse

from tfrecords_tools import build_arguments, build_command, command
from tfrecords_tools.methylation import arguments as methylation_arguments


def parser(kind: str = build_arguments.KINDS[0]) -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("-o", dest="out", default="data_out", help="output folder [%(default)s]")
    build_arguments.add_kind(p, kind)
    if kind == "methylation":
        methylation_arguments.add_arguments(p)
    else:
        build_arguments.add_arguments(p, inputs_needed=False)
    build_command.add_machines(p, shards=kind != "methylation")
    p.add_argument("--dry_run", "--dry-run", action="store_true", help="forecast only")
    p.add_argument(
        "--st", "--split_test", dest="split_test", action="store_true", help="contigs.bed only"
    )
    p.add_argument("--local", action="store_true", help="nothing: Basenji's, taken and ignored")
    command.add_common(p, seed=False)
    p.add_argument("--restart", dest="resume", action="store_true", help="--resume")
    return p


def main(argv: list[str] | None = None) -> int:
    args = build_arguments.parse(parser, argv)
    return command.run(lambda: build_command.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
