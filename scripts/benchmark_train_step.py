#!/usr/bin/env python3
"""Measure training steps of a params-built model beside the same layers written by hand."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__ + " Preset transformer_unet_small, random data.")
    p.add_argument("--repeats", type=int, default=5, help="alternating runs [%(default)s]")
    p.add_argument("--steps", type=int, default=8, help="of each run [%(default)s]")
    p.add_argument("--batch", type=int, default=2, help="examples a step [%(default)s]")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes")
    return p


def work(args: argparse.Namespace) -> None:
    import statistics

    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.benchmark.train_step import compare

    found = compare(args.repeats, args.steps, args.batch)
    for name in ("params", "hand"):
        cpu, wall = (statistics.median(values) for values in zip(*found[name], strict=True))
        print(f"{name:8}{cpu:8.3f} CPU-s {wall:8.3f} s per step")
    print(
        f"hand / params: {found['cpu_ratio']:.2f} CPU, {found['wall_ratio']:.2f} wall (median of "
        f"{args.repeats}; {found['parameters']:,} parameters, same weights, largest difference of "
        f"predictions {found['difference']:.1e})"
    )


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
