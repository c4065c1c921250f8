"""The sub-command `overlay` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import ArgumentTypeError, Namespace

from tfrecords_tools.command import add_common


def shares(text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated list."""
    try:
        return tuple(float(t) for t in text.split(","))
    except ValueError:
        message = f"{text!r} is no list of numbers: want for instance 0.01,0.05"
        raise ArgumentTypeError(message) from None


def task_names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(filter(None, text.split(",")))


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "overlay",
        help="lay variant scores over a GWAS, credible sets and mQTLs",
        description="Rank the variants of each associated locus by association and by score, and "
        "measure whether mQTL variants score higher than matched ones.",
    )
    add_scores(p)
    p.add_argument("--gwas", required=True, metavar="FILE", help="summary statistics")
    p.add_argument("--credible", metavar="FILE", help="fine-mapped variants: LOCUS, PIP, …")
    p.add_argument("--mqtl", metavar="FILE", help="methylation QTLs, with FDR and TISSUE if known")
    p.add_argument(
        "-f", dest="fasta", metavar="FASTA", help="genome, to match on distance to CpGs too"
    )
    s = p.add_argument_group("loci")
    s.add_argument(
        "--loci", metavar="BED", help="these [those of --credible, or else around leads]"
    )
    s.add_argument(
        "--window", type=int, default=500_000, help="bp around leads or sets [%(default)s]"
    )
    s.add_argument("--p_lead", type=float, default=5e-8, help="largest p of a lead [%(default)s]")
    s.add_argument(
        "--prior_ratio",
        type=float,
        default=100,
        help="of the best score's prior to the worst's; 1: no prior [%(default)s]",
    )
    s.add_argument("--figures", type=int, default=10, help="loci to draw [%(default)s]")
    s.add_argument("--genes", metavar="BED", help="drawn below them")
    m = p.add_argument_group("matched variants")
    m.add_argument("--bins", type=int, help="of each feature [by number of variants, up to 10]")
    m.add_argument(
        "--least", type=int, default=50, help="matched variants for a quantile [%(default)s]"
    )
    m.add_argument("--controls", type=int, default=10, help="of an mQTL, at most [%(default)s]")
    m.add_argument(
        "--all_mqtls", action="store_true", help="every mQTL, not each CpG's strongest alone"
    )
    m.add_argument("--fdr", type=float, default=0.05, help="largest of an mQTL [%(default)s]")
    m.add_argument(
        "--top", type=shares, default="0.01,0.05,0.1", help="shares of high scores [%(default)s]"
    )
    m.add_argument(
        "--tasks",
        type=task_names,
        help="also test these tasks' own scores [those with a tissue's name]",
    )
    m.add_argument("--bootstrap", type=int, default=200, help="resamples, 0: none [%(default)s]")
    add_common(p)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Lay the scores over the study and print what was found."""
    from functools import partial

    from tfepi.methylation.enrichment import Comparison
    from tfepi.methylation.overlay import Settings, Study, overlay
    from tfepi.report.locus_figures import draw_overlay
    from tfrecords_tools.intervals import read_bed
    from tfrecords_tools.text_table import text_table

    names = ("scores", "gwas", "credible", "mqtl", "fasta", "loci", "genes")
    study = Study(**{name: getattr(args, name) for name in names})
    settings = Settings(
        window=args.window,
        p_lead=args.p_lead,
        bins=args.bins,
        least=args.least,
        ratio=args.prior_ratio,
        fdr=args.fdr,
        tasks=args.tasks,
        comparison=Comparison(
            args.controls, not args.all_mqtls, args.top, args.bootstrap, args.seed
        ),
    )
    draw = partial(
        draw_overlay,
        count=args.figures,
        fasta=args.fasta,
        genes=read_bed(args.genes) if args.genes else (),
        p_line=args.p_lead,
    )
    found = overlay(study, args.out, settings, args.resume, args.overwrite, args.quiet, draw)
    rows = [
        [
            r["tissue"],
            r["score"],
            _statistic(r),
            _shown(r["value"]),
            _shown(r["low"]),
            _shown(r["high"]),
        ]
        for r in found.get("enrichment", ())
    ]
    if rows:
        header = ("tissue", "score", "statistic", "value", "from", "to")
        sys.stdout.write(text_table(header, rows) + "\n")
    sys.stdout.write(
        f"{found['loci']} loci, {found['candidates']} candidates: see {args.out}/loci.tsv and "
        f"{args.out}/candidates.tsv\n"
    )


def _statistic(row: dict) -> str:
    if row["top"] is None:
        return row["statistic"]
    return f"odds ratio, top {100 * row['top']:g}%"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def add_scores(parser) -> None:
    """Add the variant scores that a sub-command reads, and its output folder."""
    parser.add_argument(
        "--scores",
        required=True,
        metavar="RUN",
        help="folder of `tfepi_methylation.py variants`, or its table",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
