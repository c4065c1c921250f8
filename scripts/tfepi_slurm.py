#!/usr/bin/env python3
"""Write scripts for SLURM: a command in shards as an array of tasks."""

import argparse
import shlex
import sys

from tfrecords_tools import command, slurm


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    subparsers = p.add_subparsers(metavar="KIND", required=True)
    slurm.add_array(subparsers)
    return p


def work(args: argparse.Namespace) -> None:
    text = args.script(args)
    if args.out is None:
        sys.stdout.write(text)
    else:
        slurm.write_script(text, args.out, args.overwrite)
        print(f"wrote {args.out}: submit with: bash {shlex.quote(args.out)}")


def main(argv: list[str] | None = None) -> int:
    own, asked = slurm.split_command(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(own)
    args.command = asked
    return command.run(lambda: work(args), resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
