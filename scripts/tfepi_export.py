#!/usr/bin/env python3
"""Export a trained model as a SavedModel and compare the two."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("model", help=".keras file or run folder")
    p.add_argument("-o", dest="out", required=True, help="folder of the SavedModel")
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes")
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.predictors import spec_path
    from tfepi.startup import import_tensorflow
    from tfrecords_tools.output import check_folder

    spec_path(args.model)
    check_folder(args.out, overwrite=args.overwrite)
    import_tensorflow()
    from tfepi.serving.export import export

    report = export(args.model, args.out, args.overwrite)
    print(f"exported {args.out} with signatures {', '.join(report['signatures'])}")
    print(
        f"largest difference from the Keras model on {report['sequences_compared']} random "
        f"sequences: {report['largest_difference']:.3g}"
    )


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
