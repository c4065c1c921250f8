"""The sub-command `accuracy` of `tfepi_specificity.py`. Imports nothing heavy."""

import math
import sys
from argparse import Namespace

from tfrecords_tools.command import add_common


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "accuracy",
        help="accuracy in specific and in ubiquitous peaks",
        description="Reference accuracy in each cluster of peaks and cell type, at matched peak "
        "heights, and how alike predictions are between cell types.",
    )
    p.add_argument("clusters", help="clusters.tsv, or the folder of `clusters`")
    p.add_argument("params", nargs="?", help="params.json the model was trained with, or a preset")
    p.add_argument("model", nargs="?", help="run folder, .keras file, SavedModel, Basenji .h5")
    p.add_argument("data", nargs="?", help="data folder")
    p.add_argument("-o", dest="out", metavar="DIR", required=True, help="output folder")
    p.add_argument("--test", metavar="DIR", help="what tfepi_test.py --save wrote, not a model")
    p.add_argument("-t", "--targets", nargs="+", metavar="NAME,…", help="only these cell types")
    p.add_argument("--query", help='only targets that match, as "DNASE & embryo"')
    p.add_argument("--label", "--split", help="windows [test]")
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--rule", default="overlap", help="bins of a peak: overlap, centre [overlap]")
    p.add_argument("--no_rc", "--no-rc", action="store_true", help="of the forward strand only")
    p.add_argument("--shifts", help="bp to average over [1,0,-1]")
    p.add_argument("--batch_size", type=int, help="[64]")
    p.add_argument("--replicates", metavar="TABLE", help="columns cell_type, donor, file")
    p.add_argument("--edges", help="of bins of log2(x + 1): 2.5,3,… or paper [by the heights]")
    p.add_argument("--draws", type=int, default=20, help="matched sets to average [%(default)s]")
    p.add_argument("--bootstrap", type=int, default=1000, help="resamples; 0: none [%(default)s]")
    p.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    add_common(p)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Test where needed, measure, write, draw, and print averages."""
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.specificity.accuracy_run import AccuracyOptions, cluster_accuracy, write_accuracy
    from tfepi.specificity.cluster_file import cluster_table, read_clusters
    from tfepi.specificity.height_matching import Matching, parse_edges
    from tfepi.specificity.named_test import named_test
    from tfepi.specificity.peak_values import bins_in_peaks, own_cell_types
    from tfepi.specificity.replicate_table import read_replicates
    from tfrecords_tools.output import check_folder, claim_folder, run_record, written

    table = cluster_table(args.clusters)
    peaks = read_clusters(table)
    belongs = own_cell_types(table, peaks.names)
    options = AccuracyOptions(
        args.rule,
        Bootstrap(args.bootstrap, 0, args.block_bp, seed=args.seed),
        Matching(parse_edges(args.edges), args.draws, args.seed),
    )
    test = named_test(args, options.bootstrap)
    bins_in_peaks(test.layout, peaks, args.rule)
    inputs = test.inputs | {"clusters": str(table)}
    replicates = None
    if args.replicates:
        replicates = read_replicates(args.replicates, test.cell_types)
        inputs["replicates"] = args.replicates
    check_folder(args.out, args.resume, args.overwrite, inputs)
    out = claim_folder(args.out, args.resume, args.overwrite, inputs)
    with run_record(out, inputs, seed=args.seed):
        predictions = test.predictions(out)
        found = cluster_accuracy(
            predictions, peaks, options, test.columns, belongs, replicates, args.quiet
        )
        write_accuracy(found, out, belongs)
        if not args.no_figures:
            from tfepi.report.specificity_figures import draw_accuracy

            draw_accuracy(found, predictions, out, test.columns, belongs)
    sys.stdout.write(summary(found))
    sys.stdout.write(f"{written(args.out)}\n")


def summary(found) -> str:
    """Return lines for standard output: what was tested, and the tables for people.

    Args:
        found: `ClusterAccuracy`.
    """
    from tfrecords_tools.text_table import text_table

    def shown(value: float, low: float = math.nan, high: float = math.nan) -> str:
        if value != value:
            return "undefined"
        return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low == low else "")

    rows = [
        (row.average, str(row.pairs), shown(row.pearsonr_log2, row.low, row.high))
        for row in found.averages.itertuples()
    ]
    lines = [tested(found.summary)]
    lines.append(text_table(("mean Pearson r of log2(x + 1)", "pairs", "value"), rows))
    if found.donors is not None and len(found.donors):
        rows = [
            (
                f"{r.average} ({r.cell_types.replace(',', ', ')})",
                str(r.pairs),
                *(
                    shown(getattr(r, k), getattr(r, f"{k}_low"), getattr(r, f"{k}_high"))
                    for k in ("pearsonr_log2", "ceiling", "difference")
                ),
            )
            for r in found.donors.itertuples()
        ]
        header = ("the same, where there are donors", "pairs", "model", "between donors")
        lines.append(text_table((*header, "difference"), rows))
    if found.matched is not None:
        mean = found.matched[found.matched["cell_type"] == "mean"]
        each = found.matched[found.matched["cell_type"] != "mean"].dropna(subset="difference")
        count = each.groupby(["set", "matching"]).size()
        rows = [
            (
                f"{r.set}, {r.matching}",
                f"{count.get((r.set, r.matching), 0)} of {len(found.tested.cell_types)}",
                *(
                    shown(getattr(r, k), getattr(r, f"{k}_low"), getattr(r, f"{k}_high"))
                    for k in ("specific", "ubiquitous")
                ),
            )
            for r in mean.itertuples()
        ]
        header = ("peaks, heights matched", "cell types", "specific", "ubiquitous")
        lines.append(text_table(header, rows))
    over = found.over[found.over["first"] == "mean"]
    rows = [
        (
            r.group,
            shown(r.experimental),
            shown(r.predicted),
            shown(r.overcorrelation, r.low, r.high),
        )
        for r in over.itertuples()
        if r.group in ("ubiquitous", "specific")
    ]
    if rows:
        header = ("correlation between cell types", "measured", "predicted", "difference")
        lines.append(text_table(header, rows))
    return "\n\n".join(lines) + "\n"


def tested(found: dict) -> str:
    """Return the line that says how many bins and peaks are tested.

    Args:
        found: the value of accuracy.json.
    """
    kinds: dict[str, list[int]] = {}
    for name, of in found["tested"].items():
        total = kinds.setdefault("ubiquitous" if name == "ubiquitous" else "specific", [0, 0])
        total[0] += of["bins"]
        total[1] += of["peaks"]
    each = [f"{bins:,} bins of {peaks:,} {kind} peaks" for kind, (bins, peaks) in kinds.items()]
    every = sum(peaks for _, peaks in kinds.values())
    return (
        f"tested: {found['windows']:,} windows of label {found['label']!r}, in which are "
        f"{every:,} of {found['peaks']:,} peaks: {', '.join(each)}"
    )
