#!/usr/bin/env python3
"""Allelic imbalance at heterozygous sites: tested, and how well a model predicts it."""

import argparse

from tfepi.allelic import arguments
from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    arguments.add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: arguments.work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
