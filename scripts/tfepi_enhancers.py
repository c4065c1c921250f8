#!/usr/bin/env python3
"""Which enhancers act on which gene, by what a model predicts at its start site."""

import argparse

from tfepi.analysis import attention_arguments, contribution_arguments, scramble_arguments
from tfrecords_tools import command

PARTS = (contribution_arguments, attention_arguments, scramble_arguments)


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
