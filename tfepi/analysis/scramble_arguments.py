"""The sub-command `scramble` of `tfepi_enhancers.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfepi.analysis import enhancer_arguments
from tfrecords_tools.number_text import number_of


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "scramble",
        help="what a gene's predicted expression is without an element",
        description="Replace candidate elements, or stretches that tile the window, and compare "
        "the expression predicted at start sites.",
    )
    enhancer_arguments.add(p, 0, "0 draws none")
    enhancer_arguments.add_tracks(p)
    s = p.add_argument_group("scrambles")
    s.add_argument("--replace", default="shuffle", help="shuffle, n or mean [%(default)s]")
    s.add_argument("--scrambles", type=int, default=10, metavar="N", help="of each element [10]")
    s.add_argument("--pseudocount", type=float, default=1.0, help="of log2 ratios [%(default)s]")
    s.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    s.add_argument("--tile", type=int, metavar="BP", help="tile windows, instead of --pairs")
    s.add_argument("--step", type=int, metavar="BP", help="from tile to tile [side by side]")
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Scramble, draw, and print accuracy or widths."""
    from pathlib import Path

    from tfepi.analysis.scramble import Replacement, tiles
    from tfepi.analysis.scramble_run import ScrambleOptions, scramble
    from tfrecords_tools.errors import ConfigError

    if bool(args.pairs) == (args.tile is not None):
        raise ConfigError("elements or tiles are replaced: give one of --pairs and --tile")
    if args.step is not None and args.tile is None:
        raise ConfigError(f"--step {args.step} is given without --tile: say how wide tiles are")
    replacement = Replacement(args.replace, args.scrambles, args.seed)
    asked = enhancer_arguments.Asked.of(args)
    model = asked.model
    options = ScrambleOptions(
        args.bins,
        args.rc,
        asked.shifts,
        args.sense,
        args.untransform,
        args.pseudocount,
        replacement,
        model.batch_size,
    )
    tiled = [] if args.tile is None else tiles(asked.window, args.tile, args.step)
    found = scramble(
        asked.run(args), options, head=model.head.name, targets=model.targets, tiles=tiled
    )
    if args.figures > 0:
        from tfepi.report import enhancer_plots

        if tiled:
            arguments = (asked.sites, tiled, found.by_distance, found.effects)
            enhancer_plots.draw_tile_effects(Path(args.out), *arguments)
        else:
            arguments = (asked.pairs, asked.elements, found.effects)
            enhancer_plots.draw_pair_effects(Path(args.out), *arguments)
            enhancer_plots.draw_accuracy(Path(args.out), found.accuracy)
    sys.stdout.write(enhancer_arguments.summary(found.accuracy))
    if tiled:
        for share, width in found.by_distance.to_json()["mass_within"].items():
            within = "none" if width is None else f"within {width:,} bp of the TSS"
            sys.stdout.write(f"{100 * float(share):g}% of the effect: {within}\n")
    stretches = len(asked.sites) * len(tiled) if tiled else len(asked.elements)
    counted = number_of(stretches, "tile" if tiled else "element")
    sys.stdout.write(f"wrote {args.out}: scrambles.h5 of {counted}\n")
