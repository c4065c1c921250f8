"""The sub-command `procedures` of `tfepi_specificity.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfrecords_tools.command import add_common


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "procedures",
        help="four ways to train: one cell type or all; all windows, peaks, specific peaks",
        description="Train a model of each cell type alone, one of all, one on peaks, one on "
        "non-ubiquitous peaks, and compare them in specific and ubiquitous peaks.",
    )
    p.add_argument("data", help="data folder; its targets are the cell types")
    p.add_argument("clusters", help="clusters.tsv, or the folder of `clusters`")
    p.add_argument("-o", dest="out", metavar="DIR", required=True, help="output folder")
    p.add_argument("--params", default="basset_reduced", help="params.json or preset [%(default)s]")
    p.add_argument("--epochs", type=int, help="overrides train_epochs_max")
    p.add_argument(
        "--budget", default="epochs", help="equal for all: epochs, or steps [%(default)s]"
    )
    p.add_argument("--seeds", type=int, default=3, help="how many, from --seed on [%(default)s]")
    p.add_argument(
        "--single",
        default="",
        metavar="NAME,…",
        help="cell types trained alone [three of the list]",
    )
    p.add_argument("--shifts", default="1,0,-1", help="bp to average over [%(default)s]")
    for label in ("train", "valid", "test"):
        p.add_argument(f"--{label}_label", default=label, help="[%(default)s]")
    p.add_argument("-p", dest="jobs", type=int, default=1, help="trainings side by side [1]")
    p.add_argument("--bootstrap", type=int, default=1000, help="resamples of test blocks [1000]")
    p.add_argument("--replicates", metavar="TABLE", help="columns cell_type, donor, file")
    v = p.add_argument_group("variants")
    v.add_argument("--sites", metavar="COUNTS", help="reads of each allele at heterozygous sites")
    v.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    v.add_argument("--base", type=int, help="of the column pos of the counts: 0 or 1")
    v.add_argument("--reads", type=int, help="sites with more are used [20]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    add_common(p)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Train what is not trained yet, compare, draw, and print the table."""
    from dataclasses import replace
    from pathlib import Path

    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.params import read_params
    from tfepi.specificity.cluster_file import cluster_table, read_clusters
    from tfepi.specificity.options_given import refuse_given
    from tfepi.specificity.peak_values import own_cell_types
    from tfepi.specificity.procedure_comparison import compare
    from tfepi.specificity.procedure_summary import summary
    from tfepi.specificity.procedure_variants import Variants
    from tfepi.specificity.procedures import Plan, check_clusters, chosen_alone
    from tfepi.specificity.replicate_table import read_replicates
    from tfrecords_tools.data import Data
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.joined import pool_labels
    from tfrecords_tools.output import check_folder, written
    from tfrecords_tools.workers import check_workers

    params = read_params(args.params)
    if args.epochs is not None:
        params = replace(params, train=replace(params.train, train_epochs_max=args.epochs))
    data = Data.open(args.data)
    labels = (args.train_label, args.valid_label, args.test_label)
    pool_labels(data, labels)
    alone = chosen_alone(data.targets, tuple(filter(None, args.single.split(","))))
    cells = tuple(t.identifier for t in data.targets)
    seeds = tuple(range(args.seed, args.seed + args.seeds))
    plan = Plan(params, seeds, cells, alone, labels, parse_shifts(args.shifts), args.budget)
    table = cluster_table(args.clusters)
    clusters = read_clusters(table)
    check_clusters(clusters, table)
    belongs = own_cell_types(table, clusters.names)
    replicates = read_replicates(args.replicates, data.targets) if args.replicates else None
    if (args.sites is None) != (args.fasta is None):
        missing = "-f FASTA" if args.fasta is None else "--sites COUNTS"
        raise ConfigError(f"effects of variants need --sites and -f: {missing} is not given")
    if not args.sites:
        refuse_given(args, ("base", "reads"), "it is of sites, of which there are none (--sites)")
    bootstrap = Bootstrap(args.bootstrap, seed=args.seed)
    check_workers(args.jobs)
    check_folder(args.out, args.resume, args.overwrite, {"data": data.folder, "clusters": table})
    variants = None
    if args.sites:
        reads = 20 if args.reads is None else args.reads
        variants = Variants.read(args.sites, args.fasta, data, labels, args.base, reads)
    again = (args.jobs, args.resume, args.overwrite, args.quiet)
    more = (belongs, replicates, variants)
    found = compare(plan, data, clusters, table, args.out, bootstrap, *again, *more)
    if not args.no_figures:
        from tfepi.report.procedure_figures import draw_procedures

        draw_procedures(found, Path(args.out))
    sys.stdout.write(f"{summary(found.value)}\n{written(args.out)}\n")
