#!/usr/bin/env python3
"""Write a genome's windows and their targets as TFRecords."""

import argparse

from tfrecords_tools import command

CHROMS = "chromosomes, comma-separated"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("genome", help="FASTA, plain or bgzip")
    p.add_argument("targets", help="targets table: index, identifier, file, …")
    p.add_argument("-o", dest="out", required=True, help="output folder")
    w = p.add_argument_group("windows (bp)")
    w.add_argument("-l", dest="seq_length", type=int, default=131072, help="[%(default)s]")
    w.add_argument("-w", dest="bin_width", type=int, default=128, help="bin width [%(default)s]")
    w.add_argument("-c", "--crop", type=int, default=0, help="left out at each end [%(default)s]")
    w.add_argument("--stride", "--stride_train", dest="stride_train", type=float, default=1.0)
    w.add_argument("--stride_test", type=float, default=1.0, help="up to 1: share of -l")
    w.add_argument("--snap", type=int, default=1, help="starts are multiples of this")
    w.add_argument("-s", "--sample", type=float, default=1.0, help="share of windows to keep")
    s = p.add_argument_group("splits")
    s.add_argument("-v", dest="valid", default="0.05", help=f"share or {CHROMS} [%(default)s]")
    s.add_argument("-t", dest="test", default="0.05", help=f"share or {CHROMS} [%(default)s]")
    s.add_argument("-f", "--folds", type=int, help="cross-validation folds instead")
    s.add_argument("--split_bed", help="BED whose fourth column is the label")
    s.add_argument("--break", dest="contig_limit", type=int, default=786432, help="longest contig")
    r = p.add_argument_group("regions (BED files)")
    r.add_argument("--chroms", default="", help=f"only these {CHROMS}")
    r.add_argument("-g", "--gaps", help="assembly gaps, left out")
    r.add_argument("-b", "--blacklist", help="limited to the window's baseline")
    r.add_argument("-u", "--unmappable", help="windows mostly in these are left out")
    r.add_argument("--umap_t", dest="unmappable_share", type=float, default=0.5)
    r.add_argument("--umap_clip", dest="unmappable_clip", type=float, default=1.0)
    r.add_argument("--umap_tfr", dest="unmappable_store", action="store_true")
    r.add_argument("--limit", help="windows only inside these")
    r.add_argument("--peaks", dest="peaks_only", action="store_true", help="only at peaks")
    r.add_argument("--regions", default="all", help="all, peaks, non-ubiquitous (Kathail et al.)")
    r.add_argument("--region_labels", default="train,valid", help="labels --regions applies to")
    r.add_argument("--ubiquitous_share", type=float, default=0.8, help="of tracks with a peak")
    r.add_argument("--ubiquitous_bed", help="ubiquitous peaks, instead of the share")
    v = p.add_argument_group("values and records")
    v.add_argument("--nan", default="zero", help="zero, interpolate, keep (a mask)")
    v.add_argument("-i", dest="nan", action="store_const", const="interpolate")
    v.add_argument("-d", dest="decimals", type=int, help="round targets")
    v.add_argument("-r", dest="records_per_shard", type=int, default=256, help="[%(default)s]")
    v.add_argument("--encoding", default="index", help="index (Basenji's), packed (ours)")
    p.add_argument("-p", "--processes", type=int, default=1, help="worker processes [1]")
    p.add_argument("--dry_run", "--dry-run", action="store_true", help="forecast only")
    p.add_argument("--local", action="store_true", help=argparse.SUPPRESS)
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from tfrecords_tools import estimate, plan
    from tfrecords_tools.build import build

    values = {k: getattr(args, k) for k in plan.BuildOptions.__dataclass_fields__}
    for name in ("chroms", "region_labels"):
        values[name] = tuple(filter(None, values[name].split(",")))
    planned = plan.make_plan(args.genome, args.targets, plan.BuildOptions(**values))
    print(estimate.describe(planned), flush=True)
    if not args.dry_run:
        build(planned, args.out, args.processes, None, args.resume, args.overwrite, args.quiet)
        print(f"wrote {args.out}: {len(planned.windows)} records")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
