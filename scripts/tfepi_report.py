#!/usr/bin/env python3
"""One page, a single HTML file, that says what runs found and what to believe of it."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument(
        "folders",
        nargs="+",
        metavar="RUN_DIR",
        help="what -o of a command was, or a folder of such",
    )
    p.add_argument(
        "-o",
        dest="out",
        default="report.html",
        help="the page; its tables go to .json [%(default)s]",
    )
    p.add_argument("--title", help="of the page [the folders' names]")
    p.add_argument(
        "--no_models",
        action="store_true",
        help="load no model: no attributions, no fields, no loci of variants",
    )
    p.add_argument("--overwrite", action="store_true", help="replace a page that is there")
    p.add_argument("-q", "--quiet", action="store_true", help="no notes")
    return p


def work(args: argparse.Namespace) -> None:
    from tfrecords_tools.output import check_report

    check_report(args.out, (".html",), args.overwrite)
    from tfepi.report.page.folders import find

    find(args.folders)
    if not args.no_models:
        from tfepi.startup import import_tensorflow

        import_tensorflow()
    from tfepi.report.page.run import make_report

    page, twin = make_report(args.folders, args.out, args.title, not args.no_models)
    print(f"wrote {page} and {twin}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet, resumable=False)


if __name__ == "__main__":
    raise SystemExit(main())
