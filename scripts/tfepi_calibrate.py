#!/usr/bin/env python3
"""Calibrate variant scores by a background of other variants, and draw random ones."""

import argparse

from tfrecords_tools import command
from tfrecords_tools.record_arguments import names


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    commands = p.add_subparsers(dest="command", required=True, parser_class=command.Parser)

    text = "give scores their quantiles among a background's"
    c = commands.add_parser("scores", help=text, description=text[0].upper() + text[1:] + ".")
    c.add_argument("scores", help="folder of tfepi_variants.py, or its scores.h5")
    c.add_argument(
        "--background",
        required=True,
        metavar="SCORES",
        help="the same of common or random variants, or background.h5 of an earlier run",
    )
    c.add_argument("-o", "--out_dir", dest="out", default="calibrated", help="[%(default)s]")
    c.add_argument("--stat", default="SAD", help="one of those that were scored [%(default)s]")
    c.add_argument(
        "--subset",
        dest="subsets",
        action="append",
        default=[],
        metavar="NAME=QUERY",
        help="summarise these tracks too, as liver='CAGE: & liver'; may be repeated",
    )
    c.add_argument("--null", action="store_true", help="the background is a null: p and q values")
    c.add_argument(
        "--over", type=float, default=0.99, help="count tracks of this quantile [%(default)s]"
    )
    command.add_common(c, seed=False)

    text = "draw random single-base variants from a genome"
    s = commands.add_parser("sample", help=text, description=text[0].upper() + text[1:] + ".")
    s.add_argument("-f", dest="fasta", metavar="FASTA", required=True, help="plain or bgzip")
    s.add_argument("-o", "--out", required=True, metavar="FILE", help=".vcf or .vcf.gz to write")
    s.add_argument("-n", "--count", type=int, default=100_000, help="how many [%(default)s]")
    s.add_argument("--bed", help="only inside these regions")
    s.add_argument("--chroms", type=names, default=[], help="only these, comma-separated [all]")
    s.add_argument("--match", metavar="VCF", help="in the contexts of these variants, not at them")
    s.add_argument("--context", help="what is matched: trinucleotide, gc [trinucleotide]")
    s.add_argument("-q", "--quiet", action="store_true", help="no notes")
    command.add_seed(s)
    s.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    return p


def scores(args: argparse.Namespace) -> None:
    from tfepi.variants.calibration import calibrate

    keywords = ("stat", "subsets", "null", "over", "resume", "overwrite", "quiet")
    options = {name: getattr(args, name) for name in keywords}
    print("wrote", calibrate(args.scores, args.background, args.out, **options))


def sample(args: argparse.Namespace) -> None:
    from tfepi.variants.random_variants import Sampling, sample_variants

    keywords = ("count", "seed", "bed", "match", "context")
    sampling = Sampling(**{k: getattr(args, k) for k in keywords}, chroms=tuple(args.chroms))
    sample_variants(args.fasta, args.out, sampling, args.overwrite)
    print("wrote", args.out)


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    work = {"scores": scores, "sample": sample}[args.command]
    return command.run(lambda: work(args), args.quiet, resumable=args.command == "scores")


if __name__ == "__main__":
    raise SystemExit(main())
