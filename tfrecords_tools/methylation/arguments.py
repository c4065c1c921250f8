"""The options of `tfepi_data.py --kind methylation`.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse

from tfrecords_tools import build_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the genome, the sample table and every option of the build, under its groups."""
    parser.add_argument("genome", help="FASTA, plain or bgzip")
    parser.add_argument("samples", help="sample table: index, identifier, file, …")
    w = parser.add_argument_group("windows (bp)")
    w.add_argument(
        "-l",
        dest="seq_length",
        type=int,
        default=2001,
        help="window, odd: the CpG's C lies in the middle [%(default)s]",
    )
    build_arguments.add_draws(w)
    build_arguments.add_splits(parser.add_argument_group("splits"))
    build_arguments.add_places(parser.add_argument_group("regions (BED files)"))
    v = parser.add_argument_group("values and records")
    add_values(v)
    v.add_argument(
        "--store_coverage", action="store_true", help="keep each value's reads, to weigh it by"
    )
    build_arguments.add_records_per_shard(v, 8192)
    build_arguments.add_encoding(v)


def add_values(group) -> None:
    """Add what is taken of the files: which values are there, and in which columns."""
    group.add_argument(
        "--min_coverage",
        type=float,
        default=5,
        metavar="READS",
        help="fewer make a value missing, where a file has counts [%(default)s]",
    )
    group.add_argument(
        "--per", default="sample", help="a column per sample, or per tissue [%(default)s]"
    )
    group.add_argument(
        "--calls",
        type=_calls,
        metavar="LOW,HIGH",
        help="values up to LOW become 0, from HIGH 1, the others missing",
    )


def options(args: argparse.Namespace):
    """Return the `MethylationOptions` that parsed arguments ask for.

    Raises:
        ConfigError: a value out of range, or an unknown name.
    """
    from tfrecords_tools.methylation.options import MethylationOptions

    values = {name: getattr(args, name) for name in MethylationOptions.__dataclass_fields__}
    values["chroms"] = tuple(filter(None, args.chroms.split(",")))
    return MethylationOptions(**values)


def _calls(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        message = f"{text!r} is not two numbers, such as 0.2,0.8"
        raise argparse.ArgumentTypeError(message) from None
    return low, high
