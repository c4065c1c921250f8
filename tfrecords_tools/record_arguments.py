"""The sub-commands and options of `tfepi_records.py`.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse

from tfrecords_tools.build_arguments import add_records_per_shard
from tfrecords_tools.command import Parser, add_seed


def names(text: str) -> list[str]:
    """Return comma-separated names."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(
            f"{text!r} has an empty name: name some, or leave the option out for all"
        )
    return found


def some(text: str) -> str:
    """Return comma-separated names, or a file's, as they are."""
    names(text)
    return text


def renamed(text: str) -> tuple[tuple[str, str], ...]:
    """Return (old, new) pairs of `old=new,…`."""
    pairs = tuple(tuple(pair.split("=")) for pair in text.split(","))
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form old=new,old=new")
    return pairs


def amount(text: str) -> tuple[str, float]:
    """Return (label, amount) of `label=amount`."""
    label, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not label or not (0 < value < 1 or (value >= 1 and value.is_integer())):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form label=9 (so many) or label=0.2 (a share)"
        )
    return label, value


def parser(description: str) -> Parser:
    """Return the command's parser."""
    p = Parser(description=description)
    commands = p.add_subparsers(dest="command", required=True, parser_class=Parser)
    _add_info(commands)
    _add_validate(commands)
    _add_rewindow(commands)
    _add_extend(commands)
    _add_select(commands)
    _add_bigwig(commands)
    return p


def _add(commands, name: str, text: str) -> Parser:
    p = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    p.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    return p


def _labels(p: Parser) -> None:
    p.add_argument(
        "--label",
        "--labels",
        dest="labels",
        type=names,
        default=[],
        help="labels, comma-separated [all that have records]",
    )


def _targets(p: Parser) -> None:
    p.add_argument(
        "--targets",
        type=some,
        help="identifiers or indexes, comma-separated, or a targets table [all]",
    )


def _folders(p: Parser) -> None:
    p.add_argument("data", help="data folder")
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")


def _add_info(commands) -> None:
    p = _add(commands, "info", "tell what data folders hold")
    p.add_argument("data", nargs="+", help="data folders")
    p.add_argument("-o", "--out", metavar="FILE", help="also write a .tsv or .json")
    p.add_argument("--json", action="store_true", help="JSON on stdout")
    p.add_argument("--targets", action="store_true", help="statistics of every target")
    p.add_argument("--no_count", action="store_true", help="do not read all records to count them")
    p.add_argument("--style", default="current", help="of the clips: current, old [%(default)s]")
    _labels(p)


def _add_validate(commands) -> None:
    p = _add(commands, "validate", "check every record; exit status 2 if anything is wrong")
    p.add_argument("data", help="data folder")
    p.add_argument("-o", "--out", metavar="FILE", help="also write a JSON report")
    p.add_argument("--show", type=int, default=5, help="problems shown of each kind [%(default)s]")


def _add_rewindow(commands) -> None:
    p = _add(commands, "rewindow", "cut existing records into shorter windows with wider bins")
    _folders(p)
    p.add_argument("-l", dest="seq_length", type=int, required=True, help="sequence, bp")
    p.add_argument(
        "-w", dest="bin_width", type=int, required=True, help="bin width, a multiple of the old"
    )
    p.add_argument("-c", "--crop", type=int, default=0, help="left out at each end [%(default)s]")
    p.add_argument(
        "--stride",
        type=float,
        help="step, bp; up to 1: share of -l [-l less both crops: end to end]",
    )
    p.add_argument(
        "--untransform",
        dest="style",
        default="current",
        help="how targets were transformed: current, old (hound's --transform_old) [%(default)s]",
    )
    p.add_argument("-d", dest="decimals", type=int, help="round targets to so many decimals")
    p.add_argument("--encoding", default="index", help="index, packed [%(default)s]")
    p.add_argument(
        "--shuffle",
        dest="shuffle_mib",
        type=float,
        default=64,
        metavar="MIB",
        help="buffer in which windows are shuffled; 0 keeps their order [%(default)s]",
    )
    add_records_per_shard(p)
    _labels(p)
    add_seed(p)


def _add_extend(commands) -> None:
    p = _add(commands, "extend", "make the sequences of existing records longer, from a FASTA")
    _folders(p)
    p.add_argument(
        "-l", dest="seq_length", type=int, required=True, help="sequence, bp; targets stay"
    )
    p.add_argument(
        "-f",
        dest="fasta",
        metavar="FASTA",
        required=True,
        help="the genome that the records were made of, plain or bgzip",
    )
    p.add_argument("--encoding", help="index, packed, onehot [as it is]")
    add_records_per_shard(p)
    _labels(p)


def _add_select(commands) -> None:
    p = _add(commands, "select", "write some targets or labels of a data folder as another")
    _folders(p)
    _targets(p)
    p.add_argument("--query", help='or those that match, as "CAGE: & liver"')
    _labels(p)
    p.add_argument(
        "--relabel", type=renamed, default=(), metavar="OLD=NEW,…", help="rename or join labels"
    )
    p.add_argument(
        "--hold_out",
        type=amount,
        metavar="LABEL=N",
        help="set N records (below 1: a share) aside under a new label, drawn by --seed",
    )
    p.add_argument(
        "--from",
        dest="origin",
        default="train",
        help="the label, after --relabel, that --hold_out takes them from [%(default)s]",
    )
    p.add_argument("--encoding", help="index, packed [as it is]")
    add_records_per_shard(p)
    add_seed(p)


def _add_bigwig(commands) -> None:
    p = _add(commands, "to-bigwig", "write each target of existing records as a bigWig")
    _folders(p)
    _labels(p)
    _targets(p)
    p.add_argument(
        "-g",
        "--genome",
        metavar="FILE",
        help="lengths of chromosomes: chrom.sizes, .fai, or a FASTA that has one "
        "[each ends with its last window]",
    )
    p.add_argument(
        "--untransform",
        dest="style",
        nargs="?",
        const="current",
        help="undo the transforms: current, old [values as stored]",
    )
