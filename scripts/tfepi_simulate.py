#!/usr/bin/env python3
"""Simulate a small regulatory genome whose truth is known."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    p = command.Parser(
        description="Simulate a genome (FASTA), its tracks (bigWig) or methylation, regions (BED) "
        "and variants (VCF) with known effects (effects.tsv). The same seed gives the same bytes. "
        "See docs/simulate.md."
    )
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="folder to write")
    mode = p.add_mutually_exclusive_group()
    mode.add_argument("--large", action="store_true", help="20 Mb and six tracks, for benchmarks")
    mode.add_argument(
        "--marks",
        action="store_true",
        help="accessibility and two histone marks of four cell types, one meant to be held out",
    )
    mode.add_argument(
        "--methylation",
        action="store_true",
        help="methylation of three tissues, people of two ancestries, mQTLs and a GWAS",
    )
    p.add_argument("--length", type=int, help="length, bp [3000000; of methylation 2000000]")
    p.add_argument("--chromosomes", type=int, help="number of chromosomes [5]")
    p.add_argument("--tracks", type=int, help="number of cell types [3; of marks 4]")
    p.add_argument("--variants", type=int, help="number [400; of marks 600, of methylation 8000]")
    p.add_argument("--subjects", type=int, help="people on the methylation array [21]")
    p.add_argument("--depth", type=float, help="factor on reads; more is less noise [1]")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    command.add_seed(p)
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return p


def work(args: argparse.Namespace) -> None:
    """Simulate."""
    from tfepi.simulate import MethylationSimulation, Simulation, simulate
    from tfrecords_tools import output

    kind = Simulation.large if args.large else Simulation.with_marks if args.marks else Simulation
    kind = MethylationSimulation if args.methylation else kind
    names = ("length", "chromosomes", "tracks", "variants", "depth", "subjects")
    given = {n: v for n in names if (v := getattr(args, n)) is not None}
    settings = kind(seed=args.seed).with_options(**given)
    folder = output.claim_folder(args.out, overwrite=args.overwrite)
    with output.run_record(folder, inputs={}, seed=args.seed):
        simulate(folder, settings, args.quiet)
    files_written = sorted(p.name for p in folder.iterdir())
    what = "3 tissues" if args.methylation else f"{settings.tracks} tracks"
    what = what.replace("tracks", "cell types") if args.marks else what
    print(f"{sum(settings.lengths.values())} bp, {what} in {folder}:")
    print("  " + " ".join(files_written))


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
