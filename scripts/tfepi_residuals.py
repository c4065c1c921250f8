#!/usr/bin/env python3
"""Residuals of saved predictions by value, and which loss fits each target."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("test", help="folder of -o of tfepi_test.py --save")
    p.add_argument("-o", dest="out", default="residuals", help="output folder [%(default)s]")
    p.add_argument("-t", "--targets", nargs="+", default=[], help="identifiers [all]")
    p.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    command.add_seed(p)
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.evaluation.bootstrap import genome_blocks
    from tfepi.report.residuals_of_saved import chosen_numbers, draw_saved, loss_table, open_test
    from tfrecords_tools import output

    saved = open_test(args.test)
    numbers = chosen_numbers(saved, args.targets)
    genome_blocks(saved.layout.windows, args.block_bp)
    inputs = {name: f"{args.test}/{name}.h5" for name in ("preds", "targets")}
    folder = output.claim_folder(args.out, None, args.overwrite, inputs)
    with output.run_record(folder, inputs, seed=args.seed):
        found = draw_saved(saved, numbers, folder, args.block_bp, args.seed, args.quiet)
    files = "residuals.tsv, residuals.json, residuals_t*.png, .svg"
    print(f"{loss_table(found)}\nwrote {args.out}: {files}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
