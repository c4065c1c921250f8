"""The options of a build on a command line, shared by the commands that make or forecast one.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
from collections.abc import Callable, Sequence

from tfrecords_tools.command import Parser, whole_seed
from tfrecords_tools.errors import unknown

KINDS = ("coverage", "methylation")  # of data; each has a parser of its own

_CHROMS = "chromosomes, comma-separated"
_LISTS = ("chroms", "region_labels", "hold_out")


def parse(
    parser_of: Callable[[str], Parser], argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse a build's command line with the parser of the kind that its --kind names.

    An option of another kind ends the program with one line that names it, and status 2.

    Args:
        parser_of: returns the parser of one of `KINDS`.
        argv: the arguments, or None for the program's own.
    """
    first = Parser(add_help=False)
    first.add_argument("--kind", default=KINDS[0])
    kind = first.parse_known_args(argv)[0].kind
    if kind not in KINDS:
        first.error(str(unknown("kind of data", kind, KINDS, "of --kind")))
    parser = parser_of(kind)
    args, rest = parser.parse_known_args(argv)
    if options := [a.partition("=")[0] for a in rest if a.startswith("-")]:
        (other,) = (k for k in KINDS if k != kind)
        parser.error(
            f"--kind {kind} does not take {', '.join(options)}: leave out what is of --kind "
            f"{other}, or misspelt"
        )
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def add_kind(parser: Parser, kind: str) -> None:
    """Add --kind, which `parse` reads first."""
    parser.add_argument(
        "--kind",
        default=kind,
        help="of the data; each has options of its own: --kind NAME --help [%(default)s]",
    )


def add_arguments(parser: argparse.ArgumentParser, inputs_needed: bool = True) -> None:
    """Add the genome, the targets table and every option of a build, under its groups.

    Args:
        parser: to add them to.
        inputs_needed: whether both files must be named.
    """
    count = None if inputs_needed else "?"
    parser.add_argument("genome", nargs=count, help="FASTA, plain or bgzip")
    parser.add_argument("targets", nargs=count, help="targets table: index, identifier, file, …")
    _add_windows(parser.add_argument_group("windows (bp)"))
    add_splits(parser.add_argument_group("splits"))
    _add_regions(parser.add_argument_group("regions (BED files)"))
    _add_values(parser.add_argument_group("values and records"))
    _add_tracks(parser.add_argument_group("input tracks (accessibility of each cell type)"))


def _add_windows(w) -> None:
    w.add_argument("-l", dest="seq_length", type=int, default=131072, help="sequence [%(default)s]")
    w.add_argument("-w", dest="bin_width", type=int, help="bin width [128; 32 with --compat hound]")
    w.add_argument("-c", "--crop", type=int, default=0, help="left out at each end [%(default)s]")
    w.add_argument(
        "--stride",
        "--stride_train",
        dest="stride_train",
        type=float,
        default=1.0,
        help="step between windows for training and folds; up to 1: share of -l [%(default)s]",
    )
    w.add_argument(
        "--stride_test",
        type=float,
        default=1.0,
        help="the same for valid and test [%(default)s]",
    )
    w.add_argument("--snap", type=int, default=1, help="starts are multiples of this [%(default)s]")
    w.add_argument(
        "--random",
        dest="random_windows",
        type=int,
        metavar="N",
        help="draw N windows of each label to train on, in place of --stride and -s",
    )
    add_draws(w)


def add_draws(w) -> None:
    """Add what is left to chance: -s and --seed."""
    w.add_argument(
        "-s", "--sample", type=float, default=1.0, help="share of windows to keep [%(default)s]"
    )
    w.add_argument(
        "--seed", type=whole_seed, default=44, help="of the splits and of the order [%(default)s]"
    )


def add_splits(s) -> None:
    """Add how the genome is divided among labels."""
    s.add_argument("-v", dest="valid", default="0.05", help=f"share or {_CHROMS} [%(default)s]")
    s.add_argument("-t", dest="test", default="0.05", help=f"share or {_CHROMS} [%(default)s]")
    s.add_argument("-f", "--folds", type=int, help="cross-validation folds instead")
    s.add_argument("--split_bed", help="BED whose fourth column is the label")
    s.add_argument(
        "--break",
        dest="contig_limit",
        type=int,
        default=786432,
        help="longest contig, longer ones are halved [%(default)s]",
    )


def add_places(r) -> None:
    """Add which parts of the genome are used: --chroms, -g, --limit."""
    r.add_argument("--chroms", default="", help=f"only these {_CHROMS}")
    r.add_argument("-g", "--gaps", help="assembly gaps, left out")
    r.add_argument("--limit", help="windows only inside these")


def _add_regions(r) -> None:
    add_places(r)
    r.add_argument("-b", "--blacklist", help="limited to the window's baseline")
    r.add_argument("-u", "--unmappable", help="windows mostly in these are left out")
    r.add_argument(
        "--umap_t",
        dest="unmappable_share",
        type=float,
        default=0.5,
        help="leave out windows with this share of unmappable bins or more [%(default)s]",
    )
    r.add_argument(
        "--umap_clip",
        dest="unmappable_clip",
        type=float,
        default=1.0,
        help="limit unmappable bins to this quantile of the window [%(default)s: do not]",
    )
    r.add_argument(
        "--umap_tfr",
        dest="unmappable_store",
        action="store_true",
        help="store which bins are unmappable in each record",
    )
    r.add_argument("--peaks", dest="peaks_only", action="store_true", help="only at peaks")
    r.add_argument(
        "--regions",
        default="all",
        help="all, peaks, non-ubiquitous (Kathail et al.), variable between cells [%(default)s]",
    )
    r.add_argument(
        "--region_labels", default="train,valid", help="labels --regions applies to [%(default)s]"
    )
    r.add_argument(
        "--ubiquitous_share", type=float, default=0.8, help="of tracks with a peak [%(default)s]"
    )
    r.add_argument("--ubiquitous_bed", help="ubiquitous peaks, instead of the share")
    r.add_argument(
        "--variable_share",
        type=float,
        default=0.1,
        help="share of training bins that --regions variable takes [%(default)s]",
    )
    r.add_argument(
        "--positive_share",
        type=float,
        help="leave training windows without positive bin out until this share has one",
    )
    r.add_argument(
        "--hold_out",
        default="",
        metavar="CELLS",
        help="cells, comma-separated, whose tracks do not decide which windows are trained on",
    )


def _add_values(v) -> None:
    v.add_argument("--nan", default="zero", help="zero, interpolate, keep (a mask) [%(default)s]")
    v.add_argument(
        "-i", dest="nan", action="store_const", const="interpolate", help="--nan interpolate"
    )
    v.add_argument("-d", dest="decimals", type=int, help="round targets to so many decimals")
    add_records_per_shard(v)
    add_encoding(v)
    v.add_argument("--compat", help="basenji, hound: exactly what these tools would write")
    v.add_argument(
        "--transform_old", action="store_true", help="with --compat hound: its older transforms"
    )


def _add_tracks(t) -> None:
    t.add_argument(
        "--tracks", metavar="TABLE", help="table of input tracks, stored in each record: …, cell"
    )
    t.add_argument("--track_width", type=int, metavar="BP", help="bin width [as -w]")
    t.add_argument(
        "--track_context",
        type=int,
        default=0,
        metavar="BP",
        help="beyond the sequence on either side [%(default)s]",
    )


def add_records_per_shard(v, default: int = 256) -> None:
    """Add -r."""
    v.add_argument(
        "-r",
        dest="records_per_shard",
        type=int,
        default=default,
        help="records per shard [%(default)s]",
    )


def add_encoding(v) -> None:
    """Add --encoding."""
    v.add_argument(
        "--encoding", default="index", help="index (Basenji's), packed (ours) [%(default)s]"
    )


def options(args: argparse.Namespace):
    """Return the `BuildOptions` that parsed arguments ask for.

    Raises:
        ConfigError: a value out of range, or an unknown name.
    """
    from tfrecords_tools.build_options import BuildOptions
    from tfrecords_tools.errors import ConfigError

    values = {name: getattr(args, name) for name in BuildOptions.__dataclass_fields__}
    hound = args.compat in ("hound", "hound_old")
    if args.transform_old:
        if not hound:
            raise ConfigError(
                f"--transform_old is given with --compat {args.compat}: these are hound_data.py's "
                "transforms, so add --compat hound"
            )
        values["compat"] = "hound_old"
    if args.bin_width is None:
        values["bin_width"] = 32 if hound else 128
    for name in _LISTS:
        values[name] = tuple(filter(None, values[name].split(",")))
    return BuildOptions(**values)
