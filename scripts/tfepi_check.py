#!/usr/bin/env python3
"""Check a genome, its tracks, regions and variants against one another, before any work.

Tables on stdout, one line per problem on stderr; exit status 2 if a later command would fail.
"""

import argparse

from tfrecords_tools import build_arguments, command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="also write check.json, preflight.svg, preflight.png, run.json",
    )
    p.add_argument("--vcf", help="variants to be scored: VCF, VCF.gz or BCF")
    p.add_argument("--ref_policy", default="error", help="error, swap, skip [%(default)s]")
    p.add_argument("--bed", nargs="+", default=[], help="any BED files to check")
    p.add_argument("--read", type=float, default=300, help="Mb read per track [%(default)s]")
    build_arguments.add_arguments(p)
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    return p


def work(args: argparse.Namespace) -> bool:
    import contextlib
    import sys

    from tfepi.variants.checks import REF_POLICIES
    from tfepi.variants.vcf import header_text, read_variants
    from tfrecords_tools import errors, files, output, preflight, preflight_table, remote
    from tfrecords_tools.variant_survey import VariantSource

    if args.ref_policy not in REF_POLICIES:
        raise errors.unknown("ref_policy", args.ref_policy, REF_POLICIES)
    if not 1e-6 <= args.read < 1e9:
        raise errors.ConfigError(f"--read is {args.read}, want a number of Mb above 0")
    options = build_arguments.options(args)
    vcf = VariantSource(args.vcf, header_text, read_variants) if args.vcf else None
    inputs = (args.genome, args.targets, options, vcf, args.bed)
    folder, record = None, contextlib.nullcontext()
    if args.out:
        read = preflight.input_files(*inputs)
        folder = output.claim_folder(args.out, overwrite=args.overwrite, inputs=read)
        record = output.run_record(folder, read, seed=options.seed)
    with record:
        found = preflight.preflight(*inputs, args.ref_policy, round(args.read * 1e6), args.quiet)
        print(preflight_table.as_text(found), flush=True)
        for problem in found.problems:
            print(f"{problem.level}: {remote.named(problem.message)}", file=sys.stderr)
        if folder:
            from tfepi.report.preflight_figure import draw_preflight

            files.write_json(folder / "check.json", preflight_table.as_json(found))
            figures = draw_preflight(found, folder) if found.chromosomes else []
            print("\n" + "\n".join(map(str, [folder / "check.json", *figures])))
    return found.failed


def main(argv: list[str] | None = None) -> int:
    args, failed = parser().parse_args(argv), []
    status = command.run(lambda: failed.append(work(args)), args.quiet, resumable=False)
    return status or (command.BAD_INPUT if any(failed) else 0)


if __name__ == "__main__":
    raise SystemExit(main())
