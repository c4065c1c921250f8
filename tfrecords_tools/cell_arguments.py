"""The options with which commands ask a conditioned model about one cell type.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add --cell, --tracks and --accessibility."""
    group = parser.add_argument_group("conditioned models")
    group.add_argument("--cell", help="the cell type that is predicted, trained on or not")
    group.add_argument(
        "--tracks", metavar="TABLE", help="accessibility of cell types, as for tfepi_data.py"
    )
    group.add_argument(
        "--accessibility",
        metavar="MODEL",
        help="model that predicts accessibility from the sequence, used instead of the tracks",
    )
