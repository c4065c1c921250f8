#!/usr/bin/env python3
"""Export a trained model as a SavedModel and compare the two."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("model", help=".keras file or run folder")
    p.add_argument("-o", dest="out", required=True, help="folder of the SavedModel")
    p.add_argument("--stats", help="statistics of variants, comma-separated [SAD]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--indel_align", "--indel-align", default="stitch", help="stitch, left [stitch]")
    p.add_argument("--head", help="export only this output of the model")
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--batch_size", type=int, help="take only this number of rows [any]")
    p.add_argument("--licence", metavar="TEXT", help="of the model, for its metadata")
    p.add_argument("--onnx", metavar="FILE", help="write predictions as ONNX, too")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes")
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.predictors import spec_path
    from tfepi.serving.options import ExportOptions, check_onnx
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.output import check_folder
    from tfrecords_tools.targets import read_targets

    spec_path(args.model)
    check_folder(args.out, overwrite=args.overwrite)
    if args.onnx:
        check_onnx(args.onnx, args.overwrite)
    options = ExportOptions(
        stats=tuple(args.stats.split(",")) if args.stats else None,
        rc=args.rc,
        indel_align=args.indel_align,
        head=args.head,
        targets=read_targets(args.targets) if args.targets else None,
        batch_size=args.batch_size,
        licence=args.licence,
    )
    import_tensorflow()
    from tfepi.serving.export import export

    report = export(args.model, args.out, args.overwrite, options, args.onnx)
    print(f"exported {args.out} with signatures {', '.join(report['signatures'])}")
    print(
        f"largest difference from the Keras model on {report['sequences_compared']} random "
        f"sequences: {report['largest_difference']:.3g}"
    )
    if args.onnx:
        print(
            f"{args.onnx}: largest difference {report['onnx_difference']:.3g} of the largest value"
        )


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
