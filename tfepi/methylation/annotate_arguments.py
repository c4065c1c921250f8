"""The sub-command `annotate` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfepi.methylation.overlay_arguments import add_scores, shares, task_names
from tfrecords_tools.command import add_common
from tfrecords_tools.number_text import number_of


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "annotate",
        help="annotation files of variant scores for other tools",
        description="Write variant scores as annotations for stratified LD score regression and "
        "SBayesRC, and as prior variances for PolyFun.",
    )
    add_scores(p)
    p.add_argument(
        "--bim",
        nargs="+",
        default=[],
        metavar="FILE",
        help="SNPs to write, in their order: the reference's .bim files [the scored variants]",
    )
    p.add_argument("--prefix", default="MRV", help="of files and annotations [%(default)s]")
    p.add_argument(
        "--top",
        type=shares,
        default="0.01,0.05",
        help="shares of the scored variants, a binary annotation each [%(default)s]",
    )
    p.add_argument(
        "--tasks", type=task_names, default=(), help="also these tasks' own scores; all [none]"
    )
    p.add_argument(
        "--prior_ratio",
        type=float,
        default=100,
        help="of the largest prior variance to the smallest [%(default)s]",
    )
    p.add_argument("--h2", type=float, default=1, help="that prior variances sum to [%(default)s]")
    add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Write the files and print how many SNPs have a score."""
    from tfepi.methylation.annotations import Options, annotate
    from tfepi.methylation.association import score_tasks

    tasks = score_tasks(args.scores) if args.tasks == ("all",) else args.tasks
    options = Options(args.prefix, args.top, tasks, args.prior_ratio, args.h2)
    found = annotate(
        args.scores, args.out, args.bim, options, args.resume, args.overwrite, args.quiet
    )
    sys.stdout.write(
        f"{number_of(found['snps'], 'SNP')} of "
        f"{number_of(len(found['chromosomes']), 'chromosome')}, "
        f"{found['without_score']} without a score: see {args.out}/ldsc, {args.out}/polyfun and "
        f"{args.out}/sbayesrc\n"
    )
