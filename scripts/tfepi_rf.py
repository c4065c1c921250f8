#!/usr/bin/env python3
"""Receptive fields: how far models see, by arithmetic, by perturbation and by gradient."""

import argparse

from tfepi.receptive_field import arguments
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
