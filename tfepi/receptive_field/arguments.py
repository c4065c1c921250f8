"""The options of `tfepi_rf.py`, and its work. Imports nothing heavy."""

import argparse
import sys

from tfrecords_tools import command


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("params", nargs="?", help="[NAME=]params.json or preset")
    p.add_argument("model", nargs="?", help="trained: run folder, .keras, SavedModel, .h5")
    p.add_argument("-o", "--out_dir", dest="out", default="rf", help="output folder [%(default)s]")
    m = p.add_argument_group("further models, side by side")
    m.add_argument(
        "--also",
        metavar="[NAME=]PARAMS[,MODEL]",
        action="append",
        default=[],
        help="again for each",
    )
    m.add_argument(
        "--published",
        metavar="NAMES",
        help="all, or some of unet1 to unet7 (unet1-7), basset, basset_2016, basenji2, interact, "
        "enformer: untrained, the last three with fewer channels",
    )
    m.add_argument("--full", action="store_true", help="these with all their channels: hours")
    w = p.add_argument_group("what is measured")
    w.add_argument("--method", metavar="M,M", help="perturbation, scan, gradient [the first, last]")
    w.add_argument("--at", default="centre", help="centre, edges, centre,edges [%(default)s]")
    w.add_argument("--edge", type=int, metavar="BP", help="from the ends to the edges [length/64]")
    w.add_argument("--head", help="output, of models with several [the first]")
    w.add_argument("--target", metavar="T", help="only this target: identifier or place [all]")
    w.add_argument("--others", default="random", help="further inputs: random, zero [%(default)s]")
    c = p.add_argument_group("how much [by the model's cost]")
    c.add_argument("--repeats", type=int, metavar="N", help="random sequences")
    c.add_argument("--phases", type=int, metavar="N", help="even sample of the period; 0: all")
    c.add_argument("--scan_step", type=int, metavar="BP", help="between the bases of a scan")
    c.add_argument("--batch_size", type=int, metavar="N", help="sequences per call")
    c.add_argument(
        "--budget", type=float, metavar="X", help="multiply-adds of a method and state [6e11]"
    )
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    command.add_common(p)


def work(args: argparse.Namespace) -> None:
    """Measure, write, draw, print the table."""
    from tfepi.receptive_field.asked import FILLS
    from tfepi.receptive_field.asking import Asking, parse_methods
    from tfepi.receptive_field.places import parse_places
    from tfepi.receptive_field.subjects import check_names, read_subjects
    from tfrecords_tools.errors import ConfigError, unknown
    from tfrecords_tools.output import check_folder

    if args.others not in FILLS:
        raise unknown("word", args.others, FILLS, "in --others")
    counts = ("repeats", "phases", "scan_step", "batch_size", "edge", "seed")
    given = {name: getattr(args, name) for name in counts}
    given |= {} if args.budget is None else {"budget": args.budget}
    methods, places = parse_methods(args.method), parse_places(args.at)
    asking = Asking(methods, places, **given, fill=args.others)
    if args.full and args.published is None:
        raise ConfigError("--full is of --published, which is not given")
    check_folder(args.out, args.resume, args.overwrite)
    texts = [] if args.params is None else [",".join(filter(None, (args.params, args.model)))]
    subjects = read_subjects([*texts, *args.also], args.head)
    if args.published is not None:
        from tfepi.receptive_field.published import published

        subjects += published(args.published, args.full)
    check_names(subjects)
    from tfepi.startup import import_tensorflow

    import_tensorflow()  # before Keras imports it, with all its messages
    from tfepi.receptive_field.run import measure_fields

    draw = None
    if not args.no_figures:
        from tfepi.report.receptive_field_figures import draw_fields as draw
    again = {name: getattr(args, name) for name in ("resume", "overwrite", "quiet")}
    table = measure_fields(subjects, asking, args.out, target=args.target, draw=draw, **again)
    sys.stdout.write(f"{table}\nwrote {args.out}\n")
