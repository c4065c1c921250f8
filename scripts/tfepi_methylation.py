#!/usr/bin/env python3
"""Methylation at CpGs: regulatory variants and what they mean, motifs, attribution."""

import argparse

from tfepi.methylation import (
    annotate_arguments,
    attribute_arguments,
    motif_arguments,
    overlay_arguments,
    prs_arguments,
    tidy_arguments,
    variant_arguments,
)
from tfrecords_tools import command

PARTS = (
    tidy_arguments,
    variant_arguments,
    overlay_arguments,
    annotate_arguments,
    prs_arguments,
    motif_arguments,
    attribute_arguments,
)


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
