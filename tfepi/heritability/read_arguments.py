"""The sub-command `read` of `tfepi_heritability.py`. Imports nothing heavy."""

import sys
from argparse import Namespace
from pathlib import Path

from tfepi.heritability.annotate_arguments import named_file


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "read",
        help="shares of heritability from LDSC's results",
        description="Read .results files of ldsc.py --h2 … --overlap-annot: share of heritability "
        "and enrichment by cluster, specific clusters beside the ubiquitous one, figures.",
    )
    p.add_argument(
        "results",
        nargs="+",
        type=named_file,
        metavar="TRAIT=FILE",
        help=".results; a trait has several where each cluster had its own regression; a "
        ".part_delete beside it gives exact errors of sums",
    )
    p.add_argument("--annotation", metavar="FOLDER", help="what annotate wrote")
    p.add_argument(
        "--clusters", nargs="+", default=[], metavar="NAME", help="or these, which are disjoint"
    )
    p.add_argument("--ubiquitous", metavar="NAME", help="of that cluster [ubiquitous]")
    p.add_argument(
        "--ref_ld_chr",
        "--ref-ld-chr",
        help="as given to ldsc.py; with a baseline model, for exact errors of sums",
    )
    p.add_argument("--frqfile_chr", "--frqfile-chr", help="likewise")
    p.add_argument("-o", dest="out", default="heritability", help="output folder [%(default)s]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    p.add_argument("-q", "--quiet", action="store_true", help="results and warnings only")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Write tables and figures; print a line per trait."""
    from tfepi.heritability.annotate_run import NAME
    from tfepi.heritability.read_run import read_traits, summary, write_tables
    from tfepi.heritability.results_file import read_results
    from tfepi.heritability.traits import annotations_of
    from tfrecords_tools import output

    annotations = annotations_of(args.annotation, args.clusters, args.ubiquitous)
    inputs = {"annotation": Path(args.annotation) / NAME} if args.annotation else {}
    inputs |= {f"{trait} {n}": path for n, (trait, path) in enumerate(args.results, 1)}
    output.check_folder(args.out, None, args.overwrite, inputs)  # before any warning
    results = [(trait, read_results(path)) for trait, path in args.results]
    prefixes = tuple(filter(None, (args.ref_ld_chr or "").split(",")))
    found = read_traits(results, annotations, prefixes, args.frqfile_chr)
    for n, (trait, r) in enumerate(results, 1):
        if r.delete is not None:
            inputs[f"{trait} {n}, jackknife"] = r.path.with_suffix(".part_delete")
    folder = output.claim_folder(args.out, None, args.overwrite, inputs)
    with output.run_record(folder, inputs):
        write_tables(found, folder)
        if not args.no_figures:
            from tfepi.report.heritability_figures import draw_heritability

            draw_heritability(found, folder / "figures")
    text = summary(found)
    sys.stdout.write(f"{text}\n" if text else "")
    sys.stdout.write(f"{output.written(args.out)}\n")
