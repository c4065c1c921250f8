"""The sub-command `attention` of `tfepi_enhancers.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfepi.analysis import enhancer_arguments
from tfrecords_tools.number_text import number_of


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "attention",
        help="what a gene's start site attends to, and what to it",
        description="Attention weights between start sites and their windows, averaged over heads "
        "and layers: along the window, and for candidate elements.",
    )
    enhancer_arguments.add(p, 2000, "windows to draw")
    p.add_argument(
        "--background", action="store_true", help="compare with other genes at the same distance"
    )
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Read attention, draw, and print accuracy."""
    from pathlib import Path

    from tfepi.analysis.attention_run import AttentionOptions, read_attention
    from tfepi.analysis.site_parts import default_batch

    args.head = args.head or "0"  # attention is the same whatever the head
    asked = enhancer_arguments.Asked.of(args)
    model = asked.model
    size = default_batch(model.spec) if args.batch_size is None else args.batch_size
    options = AttentionOptions(args.bins, args.rc, asked.shifts, args.background, size)
    rows = read_attention(asked.run(args), options)
    if args.figures > 0:
        from tfepi.report.enhancer_plots import draw_accuracy, draw_attention

        marked = (asked.sites, asked.pairs, asked.elements)
        draw_attention(Path(args.out), *marked, args.figures)
        draw_accuracy(Path(args.out), rows)
    sys.stdout.write(enhancer_arguments.summary(rows))
    sites = number_of(len(asked.sites), "start site")
    sys.stdout.write(f"wrote {args.out}: attention.h5 of {sites}\n")
