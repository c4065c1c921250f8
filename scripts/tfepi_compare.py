#!/usr/bin/env python3
"""Compare models on the same variants and regions: do they agree, and how far do they see?"""

import argparse

from tfepi.comparison import arguments
from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    arguments.add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_intermixed_args(argv)
    return command.run(lambda: arguments.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
