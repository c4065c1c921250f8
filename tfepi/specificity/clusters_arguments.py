"""The sub-command `clusters` of `tfepi_specificity.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfrecords_tools.command import add_seed


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "clusters",
        help="peaks in disjoint clusters by the cell types they are open in",
        description="Peaks × cell types to disjoint clusters, one of them ubiquitous. Method and "
        "number of clusters have the highest silhouette of those tried.",
    )
    p.add_argument("signal", help="targets table, or data folder: the signal of the cell types")
    p.add_argument("-o", dest="out", metavar="DIR", required=True, help="output folder")
    p.add_argument("-t", "--targets", nargs="+", metavar="NAME,…", help="only these cell types")
    g = p.add_argument_group("peaks [the table's column `peaks`, or called from the signal]")
    g.add_argument(
        "--peaks",
        nargs="+",
        metavar="BED|NAME=BED",
        help="of all cell types together, or of each",
    )
    g.add_argument(
        "--quantile",
        type=float,
        help="called: bins above this quantile of a cell type's bins above 0 [0.98]",
    )
    g.add_argument("--threshold", type=float, help="called: bins above this value instead")
    g.add_argument("--width", type=int, help="called: bp of a bin of tracks [192]")
    g.add_argument("--chroms", metavar="NAME,…", help="only peaks of these chromosomes")
    s = p.add_argument_group("signal")
    s.add_argument("--nan", help="tracks: bases without value, as of tfepi_data.py [zero]")
    s.add_argument("--normalise", default="quantile", help="quantile, scale, none [%(default)s]")
    c = p.add_argument_group("clusters")
    c.add_argument("--methods", default="kmeans,ward,mixture", help="to try [%(default)s]")
    c.add_argument("-k", help="numbers to try: 11, 3-20 or 3,5,9 [3 to 2 × cell types]")
    c.add_argument("--sample", type=int, default=5000, help="peaks to fit and judge by [5000]")
    c.add_argument("--flat", type=float, default=0.4, help="highest tau of ubiquitous [0.4]")
    c.add_argument(
        "--open", type=float, default=1 / 3, help="and lowest share of it anywhere [1/3]"
    )
    c.add_argument("--belongs", type=float, default=0.7, help="share in a cluster's own [0.7]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    add_seed(p)
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")
    p.set_defaults(work=work, resumable=False)


def work(args: Namespace) -> None:
    """Cluster, write, draw, and print the clusters."""
    from pathlib import Path

    from tfepi.specificity.cluster_names import Rule
    from tfepi.specificity.cluster_run import ClusterOptions, check_several, run_clusters
    from tfepi.specificity.clustering import Search, numbers_of
    from tfepi.specificity.named_peaks import named_peaks, named_signal
    from tfepi.specificity.options_given import check_called
    from tfepi.specificity.peak_calls import CallRule
    from tfrecords_tools.output import check_folder, written

    source = named_signal(args.signal, args.targets, args.nan, args.quiet)
    check_several(source.cell_types)
    sets, files = named_peaks(args.peaks, source)
    check_called(args, source, sets is not None)
    numbers = numbers_of(args.k, len(source.cell_types))
    options = ClusterOptions(
        normalise=args.normalise,
        search=Search(tuple(args.methods.split(",")), numbers, args.sample, args.seed),
        rule=Rule(args.flat, args.open, args.belongs),
        call=CallRule.of(args.quantile, args.threshold, args.width),
        chroms=tuple(args.chroms.split(",")) if args.chroms else None,
    )
    files["signal"] = args.signal if Path(args.signal).is_file() else source.files["data"]
    check_folder(args.out, None, args.overwrite, source.files | files)
    found = run_clusters(source, sets, args.out, options, files, args.overwrite, args.quiet)
    if not args.no_figures:
        from tfepi.report.specificity_figures import draw_clusters

        draw_clusters(found, args.out)
    sys.stdout.write(summary(found.summary))
    sys.stdout.write(f"{written(args.out)}\n")


def summary(found: dict) -> str:
    """Return lines for standard output: what was chosen, and each cluster.

    Args:
        found: the value of clusters.json.
    """
    from tfrecords_tools.text_table import text_table

    left = {k: n for k, n in found["left_out"].items() if n}
    why = {"missing": "without a value in some cell type", "empty": "without signal in any"}
    every = found["peaks"] + sum(left.values())
    count = f"{found['peaks']:,} of {every:,}" if left else f"{every:,}"
    best = f"{found['method']}, k = {found['k']}, silhouette {found['silhouette']:.3f}"
    if found["joined"] > 1:
        best += f"; {found['joined']} joined as ubiquitous"
    rows = [
        (c["name"], f"{c['peaks']:,}", f"{c['tau']:.2f}", str(len(c["cell_types"])))
        for c in found["clusters"]
    ]
    table = text_table(("cluster", "peaks", "tau", "cell types"), rows)
    gone = "".join(f"; {n:,} {why[k]}" for k, n in left.items())
    return f"{count} peaks in {len(rows)} clusters ({best}){gone}\n{table}\n"
