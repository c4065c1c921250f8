"""The sub-command `exam` of `tfepi_qtl.py`. Imports nothing heavy."""

import sys
from argparse import Namespace
from pathlib import Path

from tfrecords_tools.command import add_common
from tfrecords_tools.errors import ConfigError


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "exam",
        help="variant scores against fine-mapped QTLs",
        description="Do variant scores tell causal QTL variants from matched others, and say the "
        "direction and the size of their effects?",
    )
    p.add_argument("table", metavar="QTLS", help="fine-mapped QTLs with PIPs, text or Parquet")
    p.add_argument(
        "scores",
        nargs="+",
        metavar="[NAME=]SCORES[,stat=…][,target=…][,query=…]",
        help="folders of tfepi_variants.py, or tables; further ones are compared with the first",
    )
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
    q = p.add_argument_group("QTLs")
    q.add_argument(
        *("--columns", "--column"),
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="what a column is called: chrom, pos, ref, alt, effect_allele, other_allele, variant, "
        "pip, effect, gene, distance, frequency, ld_score; may be repeated",
    )
    q.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="rows to read, as tissue=Liver or method=SUSIE; may be repeated",
    )
    q.add_argument(
        "--base", type=int, choices=(0, 1), default=1, help="of their positions [%(default)s]"
    )
    q.add_argument(
        "--positive", type=float, default=0.9, help="least PIP of a causal variant [%(default)s]"
    )
    q.add_argument(
        "--negative", type=float, default=0.01, help="negatives have a lower PIP [%(default)s]"
    )
    q.add_argument(
        "--background",
        metavar="FILE|scores",
        help="further candidate negatives: a VCF or table, or every scored variant",
    )
    q.add_argument(
        "--effect_floor", type=float, default=0.0, help="smallest effect with a sign [%(default)s]"
    )
    s = p.add_argument_group("scores")
    s.add_argument("--stat", default="SAD", help="one of those that were scored [%(default)s]")
    s.add_argument(
        "--target", default="", help="targets by identifier, or columns of a table, by commas [all]"
    )
    s.add_argument("--query", help="targets that match this query")
    s.add_argument(
        "--over", default="max", help="several targets become one by max or mean [%(default)s]"
    )
    s.add_argument(
        "--raw", action="store_true", help="rank by the score itself, not by its magnitude"
    )
    m = p.add_argument_group("matched negatives")
    m.add_argument("--tss", metavar="FILE", help="GTF, GFF3 or BED: distance to the nearest TSS")
    m.add_argument("--peaks", metavar="BED", help="distance to the nearest peak")
    m.add_argument("--ld_scores", nargs="+", default=[], metavar="FILE", help=".l2.ldscore.gz")
    m.add_argument(
        "--match", help='of tss, peak, frequency, ld, by commas; "" for none [all there are]'
    )
    m.add_argument("--controls", type=int, default=4, help="of each, at most [%(default)s]")
    m.add_argument("--bins", type=int, help="of each feature [4 to 10, as negatives allow]")
    r = p.add_argument_group("results")
    r.add_argument(
        "--groups",
        default="1000,10000,100000",
        help="edges of groups by distance, bp [%(default)s]",
    )
    r.add_argument("--bootstrap", type=int, default=1000, help="resamples, 0: none [%(default)s]")
    r.add_argument("--block_bp", type=int, help="of the genome [by the number of variants]")
    r.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    add_common(p)
    p.set_defaults(work=work)


def check(bootstrap: int, block_bp: int | None) -> None:
    """Refuse numbers of resamples or bp that no interval can be made with.

    Raises:
        ConfigError: naming the option.
    """
    if bootstrap < 0 or 0 < bootstrap < 20:
        raise ConfigError(f"--bootstrap is {bootstrap}: want 0 for no intervals, or at least 20")
    if block_bp is not None and block_bp < 1:
        raise ConfigError(f"--block_bp is {block_bp}: want 1 or more")


def work(args: Namespace) -> None:
    """Hold the exam and print its tables."""
    from tfepi.analysis.pair_accuracy import parse_edges
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.qtl.exam import Options, exam
    from tfepi.qtl.exam_features import FeatureFiles
    from tfepi.qtl.exam_output import summary
    from tfepi.qtl.exam_scores import Choice, listed, named_scores
    from tfepi.qtl.exam_variants import Limits

    check(args.bootstrap, args.block_bp)
    options = Options(
        limits=Limits(args.positive, args.negative),
        match_on=None if args.match is None else listed(args.match),
        controls=args.controls,
        bins=args.bins,
        edges=parse_edges(args.groups),
        effect_floor=args.effect_floor,
        columns=tuple(args.columns),
        only=tuple(args.only),
        base=args.base,
        bootstrap=Bootstrap(rank_resamples=args.bootstrap, block_bp=args.block_bp, seed=args.seed),
    )
    draw = None
    if not args.no_figures:
        from tfepi.report.qtl_exam_figures import draw_exam as draw
    result = exam(
        args.table,
        named_scores(
            args.scores, Choice(args.stat, listed(args.target), args.query, args.over, args.raw)
        ),
        args.out,
        options,
        FeatureFiles(args.tss, args.peaks, tuple(args.ld_scores)),
        args.background,
        args.resume,
        args.overwrite,
        args.quiet,
        draw,
    )
    sys.stdout.write(summary(result))
    sys.stdout.write("".join(f"{note}\n" for note in result["notes"]))
    sys.stdout.write(f"wrote {Path(args.out)}\n")
