"""The sub-command `contributions` of `tfepi_enhancers.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfepi.analysis import enhancer_arguments
from tfrecords_tools.number_text import number_of


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "contributions",
        help="which bases a gene's predicted expression comes from",
        description="Gradient × input of the expression predicted at start sites: a score for "
        "each base of the window, and for candidate elements.",
    )
    enhancer_arguments.add(p, 2000, "windows to draw")
    enhancer_arguments.add_tracks(p)
    s = p.add_argument_group("scores")
    s.add_argument("--log", action="store_true", help="of log2(expression + pseudocount)")
    s.add_argument("--pseudocount", type=float, default=1.0, help="of that [%(default)s]")
    s.add_argument("--centred", action="store_true", help="gradients less their mean over letters")
    s.add_argument("--gradients", action="store_true", help="keep those on all four letters too")
    s.add_argument("--sigma", type=float, metavar="BP", help="weigh elements by a Gaussian [1]")
    s.add_argument("--tracks", type=int, default=50, metavar="N", help="genes with a bigWig [50]")
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Take gradients, draw, and print accuracy."""
    from pathlib import Path

    from tfepi.analysis.contribution_run import ContributionOptions, contribute
    from tfepi.analysis.site_parts import default_batch
    from tfrecords_tools.errors import ConfigError

    if args.tracks < 0:
        raise ConfigError(f"tracks is {args.tracks}: want a number of genes, from 0")
    asked = enhancer_arguments.Asked.of(args, args.sigma)
    model = asked.model
    size = default_batch(model.spec) if args.batch_size is None else args.batch_size
    names = ("bins", "rc", "sense", "log", "pseudocount", "centred", "gradients")
    chosen = {name: getattr(args, name) for name in names}
    options = ContributionOptions(**chosen, shifts=asked.shifts, batch_size=size)
    rows = contribute(
        asked.run(args),
        options,
        head=model.head.name,
        targets=model.targets,
        tracks=args.tracks,
    )
    if args.figures > 0:
        from tfepi.report.enhancer_plots import draw_accuracy, draw_contributions

        marked = (asked.sites, asked.pairs, asked.elements)
        draw_contributions(Path(args.out), *marked, args.figures)
        draw_accuracy(Path(args.out), rows)
    sys.stdout.write(enhancer_arguments.summary(rows))
    sites = number_of(len(asked.sites), "start site")
    sys.stdout.write(f"wrote {args.out}: contributions.h5 of {sites}\n")
