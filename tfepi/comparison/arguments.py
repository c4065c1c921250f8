"""The command line of comparisons.

Imports nothing heavy, so that `--help` answers at once.
"""

import sys
from argparse import ArgumentParser, Namespace

from tfrecords_tools import command

_PLAIN = ("stat", "span", "pseudo", "floor", "edges", "distance_bin", "field_repeats", "ref_policy")


def add(p: ArgumentParser) -> None:
    """Add the arguments."""
    what = "NAME=PARAMS,MODEL[,query=…][,mean][,head=…][,rc]…, or NAME=FOLDER of scores"
    p.add_argument("models", nargs="+", metavar="NAME=…", help=what)
    p.add_argument("--vcf", help="variants, sorted; not needed where all are scored")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument(
        "-o", "--out_dir", dest="out", default="compare", metavar="DIR", help="[compare]"
    )
    p.add_argument("--targets", help="identifiers to compare, a,b,c [all that the models share]")
    p.add_argument("--stat", default="logratio", help="logratio, SAD, logSED, … [%(default)s]")
    p.add_argument("--span", type=int, metavar="BP", help="compared [the shortest output]")
    p.add_argument("--pseudo", type=float, default=0.1, help="share of mean signal [%(default)s]")
    p.add_argument("--top", default="10,100,1000", help="numbers of variants [%(default)s]")
    p.add_argument("--floor", type=float, default=0.5, help="quantile from which signs count [0.5]")
    p.add_argument("--edges", default="drop", help="windows beyond chromosomes: drop, keep [drop]")
    p.add_argument("--regions", metavar="BED", help="regions to predict by every model")
    p.add_argument(
        "--observed", action="append", default=[], metavar="[TARGET=]TRACK", help="there"
    )
    p.add_argument("--distance_bin", type=int, metavar="BP", help="of effect by distance")
    p.add_argument("--field_repeats", type=int, default=4, help="sequences measured; 0: none [4]")
    p.add_argument("--rc", action="store_true", help="every model averages both strands")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--ref_policy", default="error", help="error, swap, skip [%(default)s]")
    p.add_argument("--no_profiles", action="store_true", help="keep no predictions of alleles")
    p.add_argument("--no_figures", action="store_true", help="none")
    b = p.add_argument_group("intervals: bootstrap over blocks of the genome")
    b.add_argument("--bootstrap", type=int, default=1000, help="resamples; 0: none [%(default)s]")
    b.add_argument("--bootstrap_ranks", type=int, default=200, help="of rank statistics [200]")
    b.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
    command.add_common(p)


def work(args: Namespace) -> None:
    """Compare, and draw."""
    from tfepi.comparison.named import parse_models

    named = parse_models(args.models)

    from tfepi.comparison import options, run, sources, table
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.evaluation.matching import parse_shifts
    from tfrecords_tools.output import check_folder

    comparing = options.Comparing(
        **{k: getattr(args, k) for k in _PLAIN},
        top=options.parse_numbers(args.top, "--top"),
        targets=tuple(filter(None, (args.targets or "").split(","))),
        shifts=parse_shifts(args.shifts),
        profiles=not args.no_profiles,
    )
    bootstrap = Bootstrap(args.bootstrap, args.bootstrap_ranks, args.block_bp, seed=args.seed)
    observed = options.parse_tracks(args.observed)
    check_folder(args.out, args.resume, args.overwrite)
    models = [sources.Source.of(one, args.fasta, args.rc) for one in named]
    again = {k: getattr(args, k) for k in ("regions", "resume", "overwrite", "quiet")}
    again |= {"observed": observed, "bootstrap": bootstrap}
    found = run.compare_models(models, args.out, args.vcf, args.fasta, comparing, **again)
    if not args.no_figures:
        from tfepi.report.comparison_figures import draw_comparison

        draw_comparison(args.out)
    sys.stdout.write(f"{table.summary(found)}\nwrote {args.out}\n")
