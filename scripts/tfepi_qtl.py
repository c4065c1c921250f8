#!/usr/bin/env python3
"""QTLs: which bins of the genome they connect, and how well a model's scores find causal ones."""

import argparse

from tfepi.qtl import connect_arguments, exam_arguments
from tfrecords_tools import command

PARTS = (connect_arguments, exam_arguments)


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    subparsers = p.add_subparsers(required=True, metavar="SUBCOMMAND")
    for part in PARTS:
        part.add(subparsers)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: args.work(args), args.quiet, resumable=hasattr(args, "resume"))


if __name__ == "__main__":
    raise SystemExit(main())
