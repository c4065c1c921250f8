#!/usr/bin/env python3
"""Describe, check, cut, select and export existing TFRecords."""

import argparse
import sys

from tfrecords_tools import command, record_arguments


def parser() -> command.Parser:
    return record_arguments.parser(__doc__)


def info(args: argparse.Namespace) -> None:
    import json

    from tfrecords_tools import files, output, record_info
    from tfrecords_tools.data import Data

    output.check_report(args.out, (".tsv", ".json"), args.overwrite)
    options = (args.labels, not args.no_count, args.targets, args.style, args.quiet)
    found = [record_info.describe(Data.open(folder), *options) for folder in args.data]
    texts = "\n\n".join(map(record_info.as_text, found))
    print(json.dumps(record_info.as_json(found), indent=2) if args.json else texts)
    if args.out and args.out.endswith(".json"):
        files.write_json(args.out, record_info.as_json(found))
    elif args.out:
        files.write_text(args.out, record_info.as_table(found))


def validate(args: argparse.Namespace) -> int:
    from tfrecords_tools import files, output, validate

    output.check_report(args.out, (".json",), args.overwrite)
    report = validate.validate(args.data, args.show, args.quiet)
    print(report.summary(), flush=True)
    sys.stderr.writelines(line + "\n" for line in report.lines())
    if args.out:
        files.write_json(args.out, report.to_json())
    return report.count("error")


def rewindow(args: argparse.Namespace) -> None:
    from tfrecords_tools import data_writer, rewindow

    made = {n: getattr(args, n) for n in rewindow.RewindowOptions.__dataclass_fields__}
    options = rewindow.RewindowOptions(**made)
    source = data_writer.open_source(args.data, args.out, args.overwrite)
    manifest = rewindow.rewindow(source, args.out, options, args.labels, args.overwrite, args.quiet)
    print(data_writer.describe(args.out, manifest))


def select(args: argparse.Namespace) -> None:
    from tfrecords_tools import data_writer, select_records

    source = data_writer.open_source(args.data, args.out, args.overwrite)
    options = select_records.select_options(source, args)
    manifest = select_records.select_records(source, args.out, options, args.overwrite, args.quiet)
    print(data_writer.describe(args.out, manifest))


def to_bigwig(args: argparse.Namespace) -> None:
    from tfrecords_tools import data_writer, record_bigwig

    source = data_writer.open_source(args.data, args.out, args.overwrite)
    options = (args.targets, args.labels, args.genome, args.style, args.overwrite, args.quiet)
    print(*record_bigwig.write_bigwigs(source, args.out, *options), sep="\n")


def main(argv: list[str] | None = None) -> int:
    args, wrong = parser().parse_args(argv), []
    works = {f.__name__: f for f in (info, validate, rewindow, select, to_bigwig)}
    work = works[args.command.replace("-", "_")]
    status = command.run(lambda: wrong.append(work(args)), args.quiet, resumable=False)
    return status or (command.BAD_INPUT if any(wrong) else 0)


if __name__ == "__main__":
    raise SystemExit(main())
