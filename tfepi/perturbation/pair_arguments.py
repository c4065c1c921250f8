"""The sub-command `pairs` of `tfepi_ism.py`: double mutants. Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace

from tfepi.perturbation import arguments
from tfrecords_tools.number_text import number_of


def add_pairs(p: ArgumentParser) -> None:
    """Add the options."""
    arguments.add(p, "BED: all pairs of positions of each interval", optional=True)
    s = p.add_argument_group("pairs")
    s.add_argument(
        "--pairs", metavar="TABLE", help="or: chrom, start_a, end_a, start_b, end_b (0-based)"
    )
    s.add_argument(
        "--change",
        help="letters (of positions: all others), complement, blank (N), or shuffle (of "
        "intervals) [letters; of --pairs blank]",
    )
    s.add_argument("--shuffles", type=int, metavar="N", help="of each interval [10]")
    p.set_defaults(work=pairs)


def pairs(args: Namespace) -> None:
    """Change pairs, and draw."""
    from tfepi.perturbation import pair_tables
    from tfepi.perturbation.double_mutants import STATISTICS, PositionPairs, check_known
    from tfepi.perturbation.interval_pairs import SHUFFLE, IntervalPairs, read_interval_pairs
    from tfepi.perturbation.run import perturb
    from tfepi.variants.scores import check_names
    from tfepi.variants.stretches import bed_stretches
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.genome import Genome

    if (args.regions is None) == (args.pairs is None):
        given = "both are" if args.pairs else "neither is"
        raise ConfigError(f"a file of regions or --pairs is wanted, and {given} given")
    if args.shuffles is not None and args.change != SHUFFLE:
        raise ConfigError(f"--shuffles {args.shuffles} is given without --change shuffle")
    check_names(args.stats.split(","), STATISTICS)
    files = {"regions": args.regions} if args.regions else {"pairs": args.pairs}
    asked, effects = arguments.opened(args, files)
    length = asked.spec.seq_length
    with Genome(args.fasta) as genome:
        if args.regions:
            regions = bed_stretches(args.regions, genome)
            design = PositionPairs(regions, length, args.change or "letters")
            check_known(regions, genome)
        else:
            named = read_interval_pairs(args.pairs, genome)
            shuffles = 10 if args.shuffles is None else args.shuffles
            repeats = shuffles if args.change == SHUFFLE else 1
            design = IntervalPairs(named, length, args.change or "blank", repeats, args.seed)
    facts = {"change": design.kind}
    if args.regions:
        name = pair_tables.POSITIONS
        finish = {name: lambda p, rows, g: pair_tables.write_position_pairs(p, rows, design, g)}
    else:
        name = pair_tables.INTERVALS
        finish = {name: lambda p, rows, _: pair_tables.write_interval_pairs(p, rows, design)}
        facts |= {"repeats": repeats, "seed": args.seed}
    folder = perturb(asked, effects, "tfepi-double-mutants", facts, design, finish)
    figures = 0
    if args.regions and not args.no_plots:
        from tfepi.report.epistasis_figures import draw_epistasis

        figures = draw_epistasis(folder, effects.stats[0], args.quiet)
    windows = number_of(len(design.sites), "window")
    more = f", {number_of(figures, 'figure')}" if figures else ""
    sys.stdout.write(f"wrote {folder}: {name} of {windows}{more}\n")
