#!/usr/bin/env python3
"""Saturation mutagenesis: what every change of a letter in the regions of a BED or VCF does."""

import argparse
import sys

from tfepi.perturbation import (
    insert_arguments,
    pair_arguments,
    piece_arguments,
    saturate_arguments,
)
from tfrecords_tools import command

OPERATIONS = {
    "delete": (piece_arguments.add_delete, "what deleting pieces of regions does"),
    "scramble": (piece_arguments.add_scramble, "what shuffling pieces of regions does"),
    "insert": (insert_arguments.add_insert, "what inserting motifs into backgrounds does"),
    "pairs": (pair_arguments.add_pairs, "what two changes do together: epistasis"),
}
_OTHERS = "Other operations, each with --help: " + "; ".join(
    f"{name}, {about}" for name, (_, about) in OPERATIONS.items()
)


def parser(operation: str | None = None) -> argparse.ArgumentParser:
    if operation is None:
        p = command.Parser(description=__doc__, epilog=_OTHERS)
        saturate_arguments.add(p)
    else:
        add, about = OPERATIONS[operation]
        p = command.Parser(prog=f"tfepi_ism.py {operation}", description=about.capitalize() + ".")
        add(p)
    return p


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    operation = argv[0] if argv and argv[0] in OPERATIONS else None
    args = parser(operation).parse_intermixed_args(argv[1:] if operation else argv)
    return command.run(lambda: args.work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
