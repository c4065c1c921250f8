#!/usr/bin/env python3
"""Summarise each variant's scores over many tracks: subsets, and principal components."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("scores", help="folder of tfepi_variants.py, or its scores.h5")
    p.add_argument("-o", "--out_dir", dest="out", default="summaries", help="[%(default)s]")
    p.add_argument("--stat", default="SAD", help="one of those that were scored [%(default)s]")
    p.add_argument(
        "--subset",
        dest="subsets",
        action="append",
        default=[],
        metavar="NAME=QUERY",
        help="summarise these tracks too, as liver='CAGE: & liver'; may be repeated",
    )
    p.add_argument("--above", type=float, metavar="X", help="count tracks of |score| X or more")
    p.add_argument("--components", type=int, help="how many, 0: none [20, or as many as there are]")
    p.add_argument("--fit_on", metavar="SCORES", help="find components from these scores")
    p.add_argument("--loadings", metavar="FILE", help="components.npz of an earlier run")
    p.add_argument("--part_rows", type=int, default=1 << 15, help="per part [%(default)s]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    command.add_common(p, seed=False)
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.variants.summaries import summarise

    names = ("stat", "subsets", "above", "components", "fit_on", "loadings", "part_rows")
    again = ("resume", "overwrite", "quiet")
    keywords = {name: getattr(args, name) for name in (*names, *again)}
    folder = summarise(args.scores, args.out, **keywords)
    if not args.no_figures and args.components != 0:
        from tfepi.report.summary_figures import draw_summaries

        draw_summaries(folder)
    print("wrote", folder)


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
