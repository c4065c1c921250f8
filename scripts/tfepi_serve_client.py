#!/usr/bin/env python3
"""Score the variants of a VCF by a model that a server holds: the files of tfepi_variants.py."""

import argparse

from tfepi.serving import client_arguments
from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    client_arguments.add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: client_arguments.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
