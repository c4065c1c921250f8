#!/usr/bin/env python3
"""Clusters and scores as annotations for LD score regression, and its results read back."""

import argparse

from tfepi.heritability import annotate_arguments, read_arguments
from tfrecords_tools import command

PARTS = (annotate_arguments, read_arguments)


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    subparsers = p.add_subparsers(required=True, metavar="SUBCOMMAND")
    for part in PARTS:
        part.add(subparsers)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: args.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
