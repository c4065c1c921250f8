#!/usr/bin/env python3
"""Score the variants of a VCF: predictions for ALT against predictions for REF."""

import argparse

from tfepi.variants import scoring_arguments
from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    scoring_arguments.add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: scoring_arguments.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
