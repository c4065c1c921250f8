"""The sub-commands and options of `tfepi_normalize.py`.

Imports nothing heavy, so that `--help` answers at once.
"""

from tfrecords_tools.command import Parser, add_common
from tfrecords_tools.record_arguments import names


def parser(description: str) -> Parser:
    """Return the command's parser."""
    p = Parser(description=description)
    commands = p.add_subparsers(dest="command", required=True, parser_class=Parser)
    _add_quantile(commands)
    _add_fragments(commands)
    return p


def _add(commands, name: str, text: str) -> Parser:
    p = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
    p.add_argument("--chroms", type=names, default=[], help="only these, comma-separated [all]")
    return p


def _add_quantile(commands) -> None:
    p = _add(commands, "quantile", "give accessibility tracks of cell types one distribution")
    p.add_argument("tracks", help="table with columns identifier, file, cell, assay")
    p.add_argument(
        "--reference",
        default="mean",
        metavar="CELL",
        help="whose distribution all get; mean: that of the sorted samples' mean [%(default)s]",
    )
    p.add_argument(
        "--hold_out",
        type=names,
        default=[],
        metavar="CELLS",
        help="comma-separated; normalised, but in neither the mean nor the average",
    )
    p.add_argument(
        "--interval", type=int, default=1000, help="bp per sampled position [%(default)s]"
    )
    p.add_argument(
        "--nan",
        default="zero",
        help="bases without value: zero, or keep for none in the results either [%(default)s]",
    )
    add_common(p)


def _add_fragments(commands) -> None:
    p = _add(commands, "fragments", "make tracks of ATAC-seq fragments, one per cluster of cells")
    p.add_argument("fragments", nargs="+", help="10x fragments.tsv.gz, or BED; plain or gzip")
    p.add_argument(
        "-g", "--genome", required=True, metavar="FILE", help="FASTA, .fai or chrom.sizes"
    )
    p.add_argument(
        "--clusters", metavar="TABLE", help="barcode and cluster of each cell [one track of all]"
    )
    p.add_argument("--signal", default="cuts", help="cuts, coverage, midpoints [%(default)s]")
    p.add_argument(
        "--spread",
        type=int,
        default=0,
        metavar="BP",
        help="count a cut or midpoint at so many bases on either side too [%(default)s]",
    )
    p.add_argument("--min_length", type=int, default=1, metavar="BP", help="[%(default)s]")
    p.add_argument("--max_length", type=int, metavar="BP", help="of fragments to use [any]")
    p.add_argument(
        "--shift",
        action="store_true",
        help="move ends by +4 and -5 to the middle of Tn5's cut; 10x's are already",
    )
    p.add_argument(
        "--scale",
        default="cpm",
        help="cpm: per million cut sites or fragments of the cluster; none [%(default)s]",
    )
    add_common(p, seed=False)
