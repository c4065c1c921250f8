"""The sub-command `tidy` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfrecords_tools.command import add_common
from tfrecords_tools.methylation.arguments import add_values


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "tidy",
        help="one table of CpGs × samples from files of methylation",
        description="Read bedMethyl, Bismark, bedGraph and array files into one table: chrom, pos "
        "(1-based, of the C on the forward strand), beta and coverage of every sample.",
    )
    p.add_argument("samples", help="sample table: index, identifier, file, …")
    p.add_argument("-f", "--fasta", required=True, metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument("-o", "--out", required=True, metavar="FILE", help=".parquet, .tsv.gz or .tsv")
    add_values(p)
    p.add_argument(
        "--forward_only", action="store_true", help="leave the reverse strand's calls out"
    )
    p.add_argument(
        "--code", default="m", help="modified base to read of modkit's files [%(default)s]"
    )
    add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Write the table, and print what it holds of each sample."""
    from tfrecords_tools.genome import Genome
    from tfrecords_tools.methylation.samples import read_samples
    from tfrecords_tools.methylation.settings import SiteSettings
    from tfrecords_tools.methylation.tidy import write_tidy
    from tfrecords_tools.text_table import text_table

    settings = SiteSettings(
        args.min_coverage, not args.forward_only, args.per, args.calls, args.code
    )
    samples = read_samples(args.samples)
    with Genome(args.fasta) as genome:
        again = (args.resume, args.overwrite, args.quiet)
        summary = write_tidy(samples, genome, args.out, settings, *again)
    rows = [[_shown(row[name]) for name in summary[0]] for row in summary]
    sys.stdout.write(f"{text_table(list(summary[0]), rows)}\nwrote {args.out}\n")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
