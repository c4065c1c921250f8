#!/usr/bin/env python3
"""Make accessibility tracks alike across cell types, and make them from ATAC-seq fragments."""

import argparse

from tfrecords_tools import command, normalize_arguments


def parser() -> command.Parser:
    return normalize_arguments.parser(__doc__)


def quantile(args: argparse.Namespace) -> None:
    from tfepi.report.normalize_figures import draw_normalization
    from tfrecords_tools.normalize import normalize
    from tfrecords_tools.normalize_survey import QuantileOptions

    options = QuantileOptions(
        **{name: getattr(args, name) for name in ("reference", "seed", "interval", "nan")},
        hold_out=tuple(args.hold_out),
        chroms=tuple(args.chroms),
    )
    again = {name: getattr(args, name) for name in ("resume", "overwrite", "quiet")}
    print("wrote", normalize(args.tracks, args.out, options, draw_normalization, **again))


def fragments(args: argparse.Namespace) -> None:
    from tfrecords_tools.fragment_signal import FragmentOptions
    from tfrecords_tools.fragment_tracks import write_fragment_tracks

    names = ("signal", "spread", "min_length", "max_length", "shift", "scale")
    options = FragmentOptions(
        **{name: getattr(args, name) for name in names}, chroms=tuple(args.chroms)
    )
    again = {name: getattr(args, name) for name in ("resume", "overwrite", "quiet")}
    inputs = (args.fragments, args.genome, args.out, options, args.clusters)
    print("wrote", write_fragment_tracks(*inputs, **again))


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    work = {"quantile": quantile, "fragments": fragments}[args.command]
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
