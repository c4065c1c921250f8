"""The sub-command `annotate` of `tfepi_heritability.py`. Imports nothing heavy."""

import logging
import os
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from tfrecords_tools.command import add_common
from tfrecords_tools.number_text import number_of


def named_file(text: str) -> tuple[str, str]:
    """Return name and path of NAME=FILE."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ArgumentTypeError(f"{text!r}: want NAME=FILE")
    return name, path


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated list; an empty one has none."""
    try:
        return tuple(float(t) for t in text.split(",") if t)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no list of numbers: want for instance 0.01") from None


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "annotate",
        help="clusters and scores as annotations for LD score regression",
        description="Write clusters of peaks, BED files and variant scores as annotations for "
        "stratified LD score regression, and the commands to run there.",
    )
    p.add_argument("--bim", nargs="+", required=True, metavar="FILE", help="of the LD reference")
    p.add_argument(
        "--assembly",
        required=True,
        help="of peaks, scores and .bim files alike: hg19, hg38, or another with --chrom_sizes",
    )
    p.add_argument("--chrom_sizes", metavar="FILE", help="lengths of its chromosomes; a .fai")
    p.add_argument("-o", dest="out", default="annotation", help="output folder [%(default)s]")
    w = p.add_argument_group("what to annotate, at least one")
    w.add_argument(
        "--clusters", metavar="PATH", help="folder or table of tfepi_specificity.py clusters"
    )
    w.add_argument(
        "--bed", nargs="+", type=named_file, default=[], metavar="NAME=FILE", help="more regions"
    )
    w.add_argument("--scores", metavar="FOLDER", help="what tfepi_variants.py wrote")
    w.add_argument("--stat", help="of the scores [SAD]")
    w.add_argument("--targets", nargs="+", help="of the scores, identifiers [all]")
    w.add_argument(
        "--top",
        type=numbers,
        help="shares of the scored variants with the largest |score| [0.01]; none: ''",
    )
    w.add_argument("--sizes", action="store_true", help="|score| itself is an annotation too")
    f = p.add_argument_group("files")
    f.add_argument("--prefix", default="clusters", help="of annotation files [%(default)s]")
    f.add_argument(
        "--sets",
        default="joint",
        help="joint: all annotations in one regression; each: one for each, beside a control of "
        "all regions [%(default)s]",
    )
    f.add_argument("--thin", action="store_true", help="annotations alone, without CHR BP SNP CM")
    c = p.add_argument_group("for commands.sh; the script asks for what is not given")
    c.add_argument(
        "--baseline", metavar="PREFIX", help="LD scores of a baseline model; none: a column base"
    )
    c.add_argument(
        "--sumstats", nargs="+", type=named_file, default=[], metavar="TRAIT=FILE", help="GWAS"
    )
    c.add_argument("--weights", metavar="PREFIX", help="LD scores of regression weights")
    c.add_argument("--frq", metavar="PREFIX", help=".frq files of the reference")
    c.add_argument("--print_snps", metavar="FILE", help="SNPs whose LD scores are kept")
    add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Write the files; print what each annotation holds, and, unless quiet, the commands."""
    from tfepi.heritability.annotate_run import Request, annotate
    from tfepi.heritability.assembly import Assembly
    from tfepi.heritability.ldsc_commands import LdscInputs
    from tfepi.heritability.score_columns import read_score_columns
    from tfepi.variants.score_file import ScoreFile
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.output import written

    full = {
        name: os.path.abspath(value) + "/" * value.endswith("/") if value else None
        for name, value in (
            ("weights", args.weights),
            ("frequencies", args.frq),
            ("baseline", args.baseline),
            ("print_snps", args.print_snps),
        )
    }
    for what, pairs in (("--bed", args.bed), ("--sumstats", args.sumstats)):
        if len(dict(pairs)) < len(pairs):
            raise ConfigError(f"{what} has a name twice: give each file its own")
    for trait, _ in args.sumstats:
        if "/" in trait:
            raise ConfigError(f"trait {trait!r} is part of file names: name it without slashes")
    sumstats = {trait: os.path.abspath(path) for trait, path in args.sumstats}
    assembly = Assembly.of(args.assembly, args.chrom_sizes)
    layout = (args.prefix, args.sets, args.thin, LdscInputs(sumstats, **full))
    request, scores, inputs = Request(assembly, *layout), None, {}
    if args.scores:
        stat, tops = args.stat or "SAD", (0.01,) if args.top is None else args.top
        scores = read_score_columns(args.scores, stat, args.targets or (), tops, args.sizes)
        inputs = {"scores": ScoreFile.of(args.scores, stat).path}
    for name in ("stat", "targets", "top", "sizes") if not args.scores else ():
        if getattr(args, name) not in (None, False):
            raise ConfigError(f"--{name} is of scores: give them with --scores, or leave it out")
    sources = (args.clusters, dict(args.bed), scores, inputs)
    found = annotate(args.out, args.bim, request, *sources, args.resume, args.overwrite, args.quiet)
    if absent := request.ldsc.absent():
        logging.getLogger(__name__).warning(
            "not found here: %s; commands.sh names them as they are, for where it will run",
            ", ".join(absent),
        )
    for row in found["regions"]:
        share = row["share_of_bases"]
        of_bases = "" if share is None else f", {share:.2%} of bases"
        print_line(
            f"{row['name']}: {number_of(row['snps'], 'SNP')}, {row['share_of_snps']:.2%} of "
            f"SNPs{of_bases}"
        )
    if not args.quiet:
        sys.stdout.write((Path(args.out) / "commands.sh").read_text())
    print_line(written(args.out))


def print_line(text: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(text + "\n")
