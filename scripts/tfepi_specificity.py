#!/usr/bin/env python3
"""Peaks by cell type: clusters, accuracy in each, and what training procedures do to it."""

import argparse

from tfepi.specificity import accuracy_arguments, clusters_arguments, procedures_arguments
from tfrecords_tools import command

PARTS = (clusters_arguments, accuracy_arguments, procedures_arguments)


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    subparsers = p.add_subparsers(required=True, metavar="SUBCOMMAND")
    for part in PARTS:
        part.add(subparsers)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: args.work(args), args.quiet, getattr(args, "resumable", True))


if __name__ == "__main__":
    raise SystemExit(main())
