#!/usr/bin/env python3
"""Check a genome, its tracks, regions and variants against one another, before any work.

Tables on stdout, one line per problem on stderr; exit status 2 if a later command would fail.
"""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("genome", help="FASTA, plain or bgzip")
    p.add_argument("targets", help="targets table: index, identifier, file, …")
    p.add_argument("-o", "--out", metavar="DIR", help="also write check.json and preflight.svg")
    p.add_argument("--vcf", help="variants to be scored: VCF, VCF.gz or BCF")
    p.add_argument("--ref_policy", default="error", help="error, swap, skip [%(default)s]")
    p.add_argument("--bed", nargs="+", default=[], help="any BED files to check")
    p.add_argument("--read", type=float, default=300, help="Mb read per track [%(default)s]")
    w = p.add_argument_group("the build (as in tfepi_data.py)")
    w.add_argument("-l", dest="seq_length", type=int, default=131072, help="[%(default)s] bp")
    w.add_argument("-w", dest="bin_width", type=int, default=128, help="[%(default)s] bp")
    w.add_argument("-c", "--crop", type=int, default=0, help="[%(default)s] bp")
    w.add_argument("--stride", "--stride_train", dest="stride_train", type=float, default=1.0)
    w.add_argument("--stride_test", type=float, default=1.0)
    w.add_argument("-v", dest="valid", default="0.05", help="share or chromosomes [%(default)s]")
    w.add_argument("-t", dest="test", default="0.05", help="share or chromosomes [%(default)s]")
    w.add_argument("--chroms", default="", help="only these chromosomes, comma-separated")
    w.add_argument("-g", "--gaps", help="BED")
    w.add_argument("-b", "--blacklist", help="BED")
    w.add_argument("-u", "--unmappable", help="BED")
    w.add_argument("--limit", help="BED")
    w.add_argument("--split_bed", help="BED")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    return p


def work(args: argparse.Namespace) -> bool:
    import sys

    from tfepi.variants.checks import REF_POLICIES
    from tfepi.variants.vcf import header_text, read_variants
    from tfrecords_tools import errors, files, plan, preflight, preflight_table
    from tfrecords_tools.variant_survey import VariantSource

    if args.ref_policy not in REF_POLICIES:
        raise errors.unknown("ref_policy", args.ref_policy, REF_POLICIES)
    values = {k: v for k, v in vars(args).items() if k in plan.BuildOptions.__dataclass_fields__}
    values["chroms"] = tuple(filter(None, args.chroms.split(",")))
    options = plan.BuildOptions(**values)
    vcf = VariantSource(args.vcf, header_text, read_variants) if args.vcf else None
    folder = files.claim_folder(args.out, False, args.overwrite) if args.out else None
    inputs = (args.genome, args.targets, options, vcf, args.bed, args.ref_policy)
    found = preflight.preflight(*inputs, round(args.read * 1e6), args.quiet)
    print(preflight_table.as_text(found), flush=True)
    for problem in found.problems:
        print(f"{problem.level}: {problem.message}", file=sys.stderr)
    if folder:
        from tfepi.report.preflight_figure import draw_preflight

        files.write_json(folder / "check.json", preflight_table.as_json(found))
        figures = draw_preflight(found, folder) if found.chromosomes else []
        print("\n" + "\n".join(map(str, [folder / "check.json", *figures])))
    return found.failed


def main(argv: list[str] | None = None) -> int:
    args, failed = parser().parse_args(argv), []
    status = command.run(lambda: failed.append(work(args)), args.quiet)
    return status or (command.BAD_INPUT if any(failed) else 0)


if __name__ == "__main__":
    raise SystemExit(main())
