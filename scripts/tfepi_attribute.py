#!/usr/bin/env python3
"""Attribution: how much each base of a window adds to what a model predicts there."""

import argparse

from tfepi.analysis import attribution_arguments
from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    attribution_arguments.add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: attribution_arguments.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
