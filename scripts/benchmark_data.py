#!/usr/bin/env python3
"""Measure builds, reading, training steps and SNV scores in CPU-seconds, beside Basenji's."""

import argparse
from pathlib import Path

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(
        description=__doc__ + " Without an interpreter that has the original installed, its "
        "recorded figures stand in. Writes table.md and results.json."
    )
    p.add_argument("-o", dest="out", required=True, metavar="DIR", help="work folder")
    p.add_argument("--cases", default="build,read,read131k,train,score,help", help="[%(default)s]")
    p.add_argument("--repeats", type=int, default=5, help="runs of each side [%(default)s]")
    i = p.add_argument_group("input (default: simulated, six tracks)")
    i.add_argument("--genome", type=Path, help="FASTA")
    i.add_argument("--targets", type=Path, help="targets table")
    i.add_argument("--vcf", type=Path, help="VCF whose SNVs are scored")
    i.add_argument("--length", type=int, default=20_000_000, help="simulated bp [%(default)s]")
    i.add_argument("-v", dest="valid", default="chr4", help="chromosomes [%(default)s]")
    i.add_argument("-t", dest="test", default="chr5", help="chromosomes [%(default)s]")
    i.add_argument("--long_window", type=int, default=131_072, help="bp [%(default)s]")
    o = p.add_argument_group("the original")
    o.add_argument("--basenji_python", type=Path, metavar="PY", help="with TensorFlow 2.15")
    o.add_argument("--basenji_repo", type=Path, metavar="DIR", help="checkout of calico/basenji")
    s = p.add_argument_group("sizes")
    s.add_argument("-p", dest="processes", type=int, default=2, help="of a build [%(default)s]")
    s.add_argument("--seconds", type=float, default=10, help="of reading [%(default)s]")
    s.add_argument("--steps", type=int, default=12, help="of training [%(default)s]")
    s.add_argument("--batch", type=int, default=64, help="[%(default)s]")
    s.add_argument("--long_batch", type=int, default=4, help="of long windows [%(default)s]")
    s.add_argument("--snvs", type=int, default=500, help="to score [%(default)s]")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes between runs")
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.benchmark.runs import benchmark
    from tfepi.benchmark.settings import Settings
    from tfrecords_tools.errors import TfepiError

    values = vars(args).copy()
    out, overwrite = values.pop("out"), values.pop("overwrite")
    values["cases"] = tuple(filter(None, args.cases.split(",")))
    settings = Settings(scripts=Path(__file__).resolve().parent, **values)
    table, failed = benchmark(settings, out, overwrite)
    print(table, end="", flush=True)
    if failed:
        raise TfepiError(f"{len(failed)} runs failed, first: {failed[0]}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
