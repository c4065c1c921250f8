#!/usr/bin/env python3
"""Describe, check, cut, extend, select and export existing TFRecords."""

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


def remake(args: argparse.Namespace) -> None:
    from tfrecords_tools import data_writer, extend_records, rewindow, select_records

    source = data_writer.open_source(args.data, args.out, args.overwrite)
    last = (args.overwrite, args.quiet)
    if args.command == "select":
        options = select_records.select_options(source, args)
        manifest = select_records.select_records(source, args.out, options, *last)
    else:
        kind, make = {
            "rewindow": (rewindow.RewindowOptions, rewindow.rewindow),
            "extend": (extend_records.ExtendOptions, extend_records.extend),
        }[args.command]
        options = kind(**{name: getattr(args, name) for name in kind.__dataclass_fields__})
        manifest = make(source, args.out, options, args.labels, *last)
    print(data_writer.describe(args.out, manifest))


def to_bigwig(args: argparse.Namespace) -> None:
    from tfrecords_tools import data_writer, record_bigwig

    source = data_writer.open_source(args.data, args.out, args.overwrite)
    options = (args.targets, args.labels, args.genome, args.style, args.overwrite, args.quiet)
    print(*record_bigwig.write_bigwigs(source, args.out, *options), sep="\n")


def main(argv: list[str] | None = None) -> int:
    args, wrong = parser().parse_args(argv), []
    work = {"info": info, "validate": validate, "to-bigwig": to_bigwig}.get(args.command, remake)
    status = command.run(lambda: wrong.append(work(args)), args.quiet, resumable=False)
    return status or (command.BAD_INPUT if any(wrong) else 0)


if __name__ == "__main__":
    raise SystemExit(main())
