"""The sub-command `prs` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import ArgumentTypeError, Namespace

from tfepi.methylation.overlay_arguments import add_scores
from tfrecords_tools.command import add_common


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(t) for t in text.split(","))
    except ValueError:
        message = f"{text!r} is no list of numbers: want for instance 0.1,0.5"
        raise ArgumentTypeError(message) from None


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "prs",
        help="polygenic scores with and without variant scores as priors",
        description="Polygenic scores of a GWAS, with and without the scores of methylation "
        "regulatory variants as priors, and what they explain of a phenotype.",
    )
    p.add_argument("--gwas", required=True, metavar="FILE", help="summary statistics, with N")
    add_scores(p)
    p.add_argument(
        "--genotypes",
        required=True,
        action="append",
        metavar="[NAME=]PREFIX",
        help="PLINK .bed, .bim, .fam; again for each further cohort. The first, of the GWAS's "
        "ancestry, is divided: one part to tune, the rest to test",
    )
    p.add_argument(
        "--pheno",
        required=True,
        action="append",
        metavar="[NAME=]FILE",
        help="FID IID PHENO of each cohort, in their order",
    )
    p.add_argument(
        "--covar",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="FID IID and covariates: R² is then what scores add to them",
    )
    p.add_argument("--reference", metavar="PREFIX", help="genotypes for LD [the first cohort]")
    p.add_argument("--task", help="use T_score of this task [score: the largest over tasks]")
    p.add_argument("--sample_size", type=float, help="people behind the GWAS [its column N]")
    s = p.add_argument_group("scores")
    s.add_argument("--r2", type=_numbers, help="bounds for clumping [0.1,0.5]")
    s.add_argument("--window_kb", type=float, default=250, help="of clumps [%(default)s]")
    s.add_argument("--p", type=_numbers, help="thresholds [5e-8 to 1, ten of them]")
    s.add_argument("--h2", type=_numbers, help="SNP heritabilities [0.003 to 1, six of them]")
    s.add_argument(
        "--block_kb", type=float, default=1000, help="of effects estimated together [%(default)s]"
    )
    s.add_argument("--quantiles", type=_numbers, help="of scores, between bins [0.5,0.8,0.95]")
    s.add_argument(
        "--tune_share", type=float, default=0.5, help="of the first cohort [%(default)s]"
    )
    s.add_argument(
        "--reference_people", type=int, default=5000, help="at most, for LD [%(default)s]"
    )
    s.add_argument(
        "--resamples", type=int, default=1000, help="of people, for intervals [%(default)s]"
    )
    add_common(p)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Make the scores and print what they explain."""
    from pathlib import Path

    from tfepi.methylation.association import scores_file
    from tfepi.methylation.genotypes import Genotypes
    from tfepi.methylation.prs import PrsOptions
    from tfepi.methylation.prs_cohorts import named_paths, read_cohorts
    from tfepi.methylation.prs_run import Inputs, run
    from tfrecords_tools.files import existing
    from tfrecords_tools.output import check_folder
    from tfrecords_tools.text_table import text_table

    given = {n: getattr(args, n) for n in ("r2", "p", "h2", "quantiles") if getattr(args, n)}
    options = PrsOptions(
        window_bp=round(1000 * args.window_kb),
        block_bp=round(1000 * args.block_kb),
        tune_share=args.tune_share,
        reference_people=args.reference_people,
        resamples=args.resamples,
        seed=args.seed,
        **given,
    )
    check_folder(args.out, args.resume, args.overwrite)
    files = {"gwas": existing(args.gwas, "GWAS table"), "scores": scores_file(args.scores)}
    cohorts = read_cohorts(args.genotypes, args.pheno, args.covar)
    names = [c.name for c in cohorts]
    for cohort in cohorts:
        files |= {f"{cohort.name} {s}": path for s, path in cohort.genotypes.files.items()}
    for what, texts in (("pheno", args.pheno), ("covar", args.covar)):
        found = named_paths(texts, f"--{what}", names)
        files |= {f"{name} {what}": path for name, path in found.items()}
    reference = Genotypes(args.reference) if args.reference else cohorts[0].genotypes
    files |= {f"reference {s}": path for s, path in reference.files.items()}
    inputs = Inputs(
        Path(args.gwas),
        Path(args.scores),
        reference,
        cohorts,
        files,
        args.task,
        args.sample_size,
    )
    result = run(inputs, args.out, options, args.resume, args.overwrite, args.quiet)
    from tfepi.report.prs_figures import draw_prs

    draw_prs(result, Path(args.out))
    header = ("cohort", "method", "people", "R2", "interval", "gain", "interval")
    rows = [
        [
            row["cohort"],
            row["method"],
            str(row["people"]),
            _shown(row["r2"]),
            _interval(row["r2_low"], row["r2_high"]),
            _shown(row["gain"], "+"),
            _interval(row["gain_low"], row["gain_high"], "+"),
        ]
        for row in result["accuracy"]
    ]
    sys.stdout.write(
        f"{text_table(header, rows)}\nwrote {args.out}: scores.tsv, r2.tsv, weights, figures\n"
    )


def _shown(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4f}"


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "" if low is None else f"{_shown(low, sign)} to {_shown(high, sign)}"
