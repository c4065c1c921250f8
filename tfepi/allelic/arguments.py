"""The command line of `tfepi_allelic.py`. Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace

from tfrecords_tools import cell_arguments, command
from tfrecords_tools.record_arguments import names

_DRAWS, _RESAMPLES = 20, 200


def add(p: ArgumentParser) -> None:
    """Add the arguments."""
    p.add_argument("counts", nargs="+", help="tables or VCFs of reads of each allele, by sample")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument(
        "-o", "--out_dir", dest="out", default="allelic", metavar="DIR", help="[allelic]"
    )
    c = p.add_argument_group("counts")
    c.add_argument("--base", type=int, help="of the column pos: 0 or 1")
    c.add_argument("--columns", type=names, default=[], help="ref_reads=NAME,… of the header")
    c.add_argument("--samples", type=names, default=[], help="only these, comma-separated [all]")
    c.add_argument("--keep_samples", action="store_true", help="each by itself [summed by site]")
    t = p.add_argument_group("tests")
    t.add_argument("--reads", type=int, default=20, help="test sites with more [%(default)s]")
    t.add_argument("--test", default="binomial", help="binomial, betabinomial [%(default)s]")
    t.add_argument("--centre", default="0.5", help="share of REF, or: observed [%(default)s]")
    t.add_argument("--no_dosage", action="store_true", help="as if all alleles had equal copies")
    t.add_argument(
        "--per_dosage", action="store_true", help="an overdispersion for each with 20 sites or more"
    )
    t.add_argument("--dispersion", default="background", help="or all sites' [%(default)s]")
    t.add_argument("--fdr", type=float, default=0.01, help="imbalanced below [%(default)s]")
    t.add_argument("--null_p", type=float, default=0.1, help="balanced above [%(default)s]")
    t.add_argument(
        "--match_bins", type=int, metavar="N", help="of log reads [1 for every 5 imbalanced, to 10]"
    )
    m = p.add_argument_group("predictions")
    m.add_argument("--model", nargs=2, metavar=("PARAMS", "MODEL"), help="params.json and model")
    m.add_argument("--scores", metavar="DIR", help="of tfepi_variants.py --stats REF_RATIO")
    m.add_argument("-t", "--targets", metavar="TABLE", help="only this table's targets")
    m.add_argument("--query", help='only targets that match, as "DNASE: & liver"')
    m.add_argument("--head", help="output of the model, where it has several")
    m.add_argument("--rc", action="store_true", help="average with the reverse complement")
    m.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    m.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    m.add_argument("--incremental", default="auto", help="auto, on, off: whole sequences [auto]")
    m.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    m.add_argument("--proxy", metavar="TARGET", help="the counts' cell type [the mean of all]")
    cell_arguments.add(p)
    e = p.add_argument_group("evaluation")
    e.add_argument("--train_regions", metavar="BED", help="the model was trained on; 4: label")
    e.add_argument("--data", metavar="DIR", help="data folder the model was trained on, instead")
    e.add_argument("--clusters", metavar="PATH", help="folder or table of specificity's clusters")
    e.add_argument("--draws", type=int, default=_DRAWS, help="of matched clusters [%(default)s]")
    e.add_argument(
        "--resamples", type=int, default=_RESAMPLES, help="of blocks, 0: none [%(default)s]"
    )
    e.add_argument("--block_bp", type=int, help="size of the blocks [by the sites]")
    p.add_argument("--no_figures", action="store_true", help="tables only")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    command.add_seed(p)
    p.add_argument("--overwrite", action="store_true", help="remove earlier results first")


def work(args: Namespace) -> None:
    """Test, predict, evaluate, and print what was found."""
    from tfepi.allelic.counts import read_sites
    from tfepi.allelic.positives import Cut
    from tfepi.allelic.run import Options, run
    from tfepi.allelic.seen_sites import training_windows
    from tfepi.allelic.testing import HowTested
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.specificity.cluster_file import cluster_table, read_clusters
    from tfrecords_tools.errors import ConfigError

    keywords = {"dosage": not args.no_dosage, "per_dosage": args.per_dosage}
    keywords["dispersion"] = args.dispersion
    options = Options(
        HowTested(args.reads, args.test, _centre(args.centre), **keywords),
        Cut(args.fdr, args.null_p, args.match_bins, args.seed),
        Bootstrap(rank_resamples=args.resamples, block_bp=args.block_bp, seed=args.seed),
        args.draws,
        args.proxy,
    )
    if args.draws != _DRAWS and not args.clusters:
        raise ConfigError("--draws is how often clusters are matched: give it with --clusters")
    source, inputs = _source(args)
    inputs |= {f"counts {i}": path for i, path in enumerate(args.counts)}
    columns, dosage = _columns(args.columns), not args.no_dosage
    sites = read_sites(args.counts, args.base, not args.keep_samples, args.samples, columns, dosage)
    windows = clusters = None
    if args.train_regions or args.data:
        windows = training_windows(args.train_regions, args.data)
    if args.train_regions:
        inputs["train_regions"] = args.train_regions
    if args.clusters:
        clusters = read_clusters(args.clusters)
        inputs["clusters"] = cluster_table(args.clusters)
    found = run(
        sites,
        args.out,
        options,
        inputs=inputs,
        fasta=args.fasta,
        source=source,
        clusters=clusters,
        windows=windows,
        figures=not args.no_figures,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )
    from tfepi.allelic.report_text import lines
    from tfrecords_tools.output import written

    for name, analysis in found.items():
        for line in lines(analysis, options.testing):
            sys.stdout.write(f"{name}: {line}\n" if name else f"{line}\n")
    sys.stdout.write(f"{written(args.out)}\n")


def _centre(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _columns(pairs: list[str]) -> dict[str, str]:
    from tfrecords_tools.errors import ConfigError

    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--columns has {pair!r}: want our name = the header's, as alt=ALT2")
    return dict(pair.split("=", 1) for pair in pairs)


def _source(args: Namespace):
    """Return where predictions come from, and what was read for that."""
    from tfepi.allelic.run import Source
    from tfrecords_tools.errors import ConfigError

    inputs = {"fasta": args.fasta} if args.fasta else {}
    if args.model and args.scores:
        raise ConfigError("--model and --scores both give predictions: leave one out")
    if args.model:
        from tfepi.allelic.prediction import Prediction
        from tfepi.evaluation.matching import parse_shifts
        from tfepi.evaluation.named_model import CellChoice, NamedModel

        if not args.fasta:
            raise ConfigError("a model is asked about the genome's sequence: give it with -f")
        choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
        of_model = (*args.model, args.targets, args.head, args.batch_size, choice, args.query)
        model = NamedModel.of(*of_model)
        how = Prediction(
            model.head.name,
            args.rc,
            parse_shifts(args.shifts),
            args.untransform,
            args.incremental,
            model.batch_size,
        )
        return Source.of_model(model, how), inputs | model.files
    idle = {"head": None, "rc": False, "shifts": "0", "untransform": None, "incremental": "auto"}
    idle |= dict.fromkeys(("batch_size", "cell", "tracks", "accessibility"))
    where = "--model"
    if not args.scores:
        idle |= dict.fromkeys(("targets", "query", "proxy", "data", "train_regions", "block_bp"))
        idle |= {"resamples": _RESAMPLES, "draws": _DRAWS}
        where = "--model, some also with --scores"
    for name, value in idle.items():
        if getattr(args, name) != value:
            raise ConfigError(f"--{name} is for predictions by a model: give it with {where}")
    if not args.scores:
        return Source(), inputs
    from tfepi.allelic.scored import scores_source

    source, path = scores_source(args.scores, args.targets, args.query)
    return source, inputs | {"scores": path}
