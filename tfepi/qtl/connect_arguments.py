"""The sub-command `connect` of `tfepi_qtl.py`. Imports nothing heavy."""

import sys
from argparse import ArgumentTypeError, Namespace

from tfrecords_tools.command import add_seed

DESCRIPTION = (
    "Count the QTLs that target each bin of the genome and the bins they lie in, test whether the "
    "network is scale-free, and write its adjacency. Layouts: BLUEPRINT, Matrix eQTL, tensorQTL, "
    "GTEx, eQTL Catalogue, QTLtools, or any table with columns of known names; plain, gzip or "
    "Parquet. See docs/guides/qtl_connectivity.md."
)


def names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    found = tuple(filter(None, text.split(",")))
    if not found:
        raise ArgumentTypeError(f"{text!r} is no list of chromosomes: want chr1,chr2,… or all")
    return found


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "connect", help="how densely QTLs connect the genome", description=DESCRIPTION
    )
    p.add_argument("tables", nargs="+", metavar="[NAME=]TABLE", help="QTLs, a line per link")
    p.add_argument(
        "-g", "--genome", required=True, metavar="FILE", help="chrom.sizes, .fai, or such a FASTA"
    )
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="folder to write")
    r = p.add_argument_group("reading")
    r.add_argument(
        *("--columns", "--column"),
        action="append",
        metavar="ROLE=COLUMN,…",
        help="names of columns: snp, chrom, pos, ref, alt, target, target_chrom, target_start, "
        "target_end, distance, end_distance, fdr, p, threshold; may be repeated",
    )
    r.add_argument("--targets", metavar="FILE", help="places of targets: BED, GTF, table")
    r.add_argument("--snps", metavar="FILE", help="places of SNPs: table of name, chromosome, pos")
    r.add_argument("--base", type=int, choices=(0, 1), help="positions are counted from [1]")
    r.add_argument("--target_base", type=int, choices=(0, 1), help="those of targets [as --base]")
    r.add_argument("--assembly", help="of the tables, where they do not say")
    f = p.add_argument_group("filters")
    f.add_argument("--fdr", type=float, default=0.05, help="rows below it count [%(default)s]")
    f.add_argument("--pvalue", type=float, metavar="P", help="instead: rows with p below it")
    f.add_argument("--bh", action="store_true", help="compute the FDR from p of all tests")
    f.add_argument("--tests", type=int, metavar="N", help="for --bh: tests that were made [rows]")
    f.add_argument(
        "--max_distance", type=int, default=1_000_000, metavar="BP", help="[%(default)s]"
    )
    f.add_argument(
        "--chroms",
        type=names,
        help="count these, or all [those with a number, and X, where there is a chromosome 1]",
    )
    c = p.add_argument_group("counting")
    c.add_argument("--bin_width", type=int, default=10_000, metavar="BP", help="[%(default)s]")
    c.add_argument(
        "--place",
        choices=("midpoint", "start", "overlap"),
        default="midpoint",
        help="bin of a target: of its midpoint, its first base, or each it overlaps [%(default)s]",
    )
    c.add_argument(
        "--distinct_snps", action="store_true", help="count a SNP once a bin, not once a target"
    )
    c.add_argument("--many", type=int, default=100, help="of dense bins, more than [%(default)s]")
    h = p.add_argument_group("hubs")
    h.add_argument("--hub_quantile", type=float, metavar="Q", help="of connected bins [0.99]")
    h.add_argument("--hub_degree", type=int, metavar="N", help="instead: bins with N or more")
    h.add_argument(
        "--hub_by", choices=("connected", "binned"), default="connected", help="[%(default)s]"
    )
    t = p.add_argument_group("test of a scale-free network")
    t.add_argument(
        "--resamples", type=int, default=200, help="for its p-value, 0: none [%(default)s]"
    )
    add_seed(t)
    p.add_argument("--no_figures", action="store_true", help="tables only")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Count, test, draw, and print the report's two tables."""
    from tfepi.qtl.connect_options import Options
    from tfepi.qtl.connect_outputs import HubRule
    from tfepi.qtl.connect_run import connect_tables, described
    from tfepi.qtl.connect_tables import fraction_table, report_table
    from tfepi.qtl.connectivity import Counting
    from tfepi.qtl.significance import Asked
    from tfrecords_tools.text_table import text_table

    own = ("max_distance", "many", "chroms", "base", "target_base", "assembly", "columns")
    own += ("targets", "snps", "resamples", "seed")
    args.columns = ",".join(args.columns) if args.columns else None
    options = Options(
        asked=Asked(args.fdr, args.pvalue, args.bh, args.tests),
        counting=Counting(args.place, args.distinct_snps),
        hubs=HubRule(args.hub_by, args.hub_quantile, args.hub_degree),
        width=args.bin_width,
        **{name: getattr(args, name) for name in own},
    )
    draw = None
    if not args.no_figures:
        from tfepi.report.qtl_figures import draw_connectivity as draw
    value = connect_tables(
        args.tables, args.genome, args.out, options, args.overwrite, args.quiet, draw
    )
    summaries = value["tables"]
    lines = [line for name, s in summaries.items() for line in described(name, s)]
    for kind in ("connected", "binned"):
        lines += ["", text_table(*report_table(kind, summaries))]
    lines += ["", text_table(*fraction_table(summaries, args.many)), ""]
    for name, summary in summaries.items():
        for kind, law in summary["scale_free"].items():
            lines.append(f"{name}, {kind}: {law if isinstance(law, str) else law['verdict']}")
    sys.stdout.write("\n".join([*lines, f"wrote {args.out}"]) + "\n")
