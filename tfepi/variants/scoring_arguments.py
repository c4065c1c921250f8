"""The command line of variant scoring."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from tfepi.training import arguments
from tfrecords_tools import cell_arguments, command, original_options


def add(p: ArgumentParser) -> None:
    """Add the arguments."""
    p.add_argument("params", nargs="?", help="params.json the model was trained with, or a preset")
    p.add_argument("model", nargs="?", help="run folder, .keras, SavedModel, .h5, published")
    p.add_argument("vcf", nargs="?", help="VCF, VCF.gz or BCF, sorted")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument("-o", "--out_dir", dest="out", default="sad", metavar="DIR", help="[sad]")
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several")
    p.add_argument("--stats", default="SAD", help="comma-separated [%(default)s]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    p.add_argument(
        "-u", dest="untransform", action="store_const", const="old", help="--untransform old"
    )
    p.add_argument("--compat", help="basenji, hound: N and file names as theirs")
    p.add_argument("--ref_policy", "--ref-policy", default="error", help="error, swap, skip")
    p.add_argument("--indel_align", "--indel-align", help="stitch, left [stitch; left: --compat]")
    p.add_argument("--indel_stitch", dest="indel_align", action="store_const", const="stitch")
    p.add_argument("--incremental", default="auto", help="auto, on, off: whole sequences [auto]")
    p.add_argument(
        "--window_step",
        type=int,
        default=0,
        metavar="BP",
        help="windows at multiples of this, shared by neighbours [0: variants in the middle]",
    )
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--chunk_records", type=int, help="VCF records per numbered part")
    p.add_argument("--formats", help="also zarr, summary [h5,parquet,vcf; --merge: the shards']")
    p.add_argument("--dry_run", action="store_true", help="print the sizes of the results only")
    p.add_argument("--cluster", metavar="URL", help="Dask scheduler, tcp://HOST:PORT")
    p.add_argument("--shard", metavar="i/n", help="do share i of n, from 1")
    p.add_argument("--merge", action="store_true", help="join the shards in DIR")
    cell_arguments.add(p)
    arguments.add_devices(p)
    original_options.add(p, "variants")
    command.add_common(p, seed=False)


def work(args: Namespace) -> None:
    """Score, or merge."""
    from dataclasses import replace

    from tfepi.crew import ALONE, make_crew
    from tfepi.evaluation import worker_model
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.variants import formats, options, part_runs, scoring
    from tfrecords_tools import cluster_address as cluster
    from tfrecords_tools import sharding
    from tfrecords_tools.errors import ConfigError

    cluster.check(args.cluster, args.shard, args.strategy, args.logical_devices)
    chosen = formats.DEFAULT if args.formats is None else formats.parse_formats(args.formats)
    whole = args.vcf is not None and args.fasta is not None
    if not whole and not args.merge:
        raise ConfigError("want params.json, model, in.vcf and -f genome.fa; or --merge with -o")
    named = ("rc", "ref_policy", "untransform", "compat", "incremental", "window_step")
    request = options.Scoring(
        **{name: getattr(args, name) for name in named},
        indel_align=args.indel_align or ("left" if args.compat else "stitch"),
        stats=tuple(args.stats.split(",")),
        shifts=parse_shifts(args.shifts),
    )
    if args.merge and not whole:
        _merge(args, lambda shards: _of_options(args, request, shards))
        return
    shard = sharding.Shard.parse(args.shard) if args.shard else None
    crew = ALONE if args.cluster or args.merge else make_crew(args.strategy, args.logical_devices)
    if not args.dry_run and not args.merge:
        part_runs.Place.of(args.out, shard, args.resume, args.overwrite, crew)
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
    of_model = (args.params, args.model, args.targets, args.head, args.batch_size, choice)
    model = NamedModel.of(*of_model, args.query)
    request = replace(request, head=model.head.name, batch_size=model.batch_size)
    inputs = (model.asked, args.vcf, args.fasta)
    what = {"targets": model.targets, "model_files": model.files}
    what |= {"chunk_records": args.chunk_records}
    if args.merge:
        _merge(args, lambda shards: scoring.manifest_of(*inputs, request, **what))
        return
    what |= {"formats": chosen}
    if args.dry_run:
        forecast = scoring.forecast_vcf(*inputs, request, **what)
        sys.stdout.write(forecast.text() + "\n")
        return
    again = {k: getattr(args, k) for k in ("resume", "overwrite", "quiet")}
    again |= {"shard": shard, "condition": model.condition, "crew": crew}
    with cluster.machines(args.cluster, args.out, predicts=True) as executor:
        again |= {"executor": executor, "open_model": worker_model.opener(of_model, args.query)}
        folder = scoring.score_vcf(model.load, *inputs, args.out, request, **what, **again)
    if crew.leads:
        sys.stdout.write(f"wrote {folder}\n")


def _merge(args: Namespace, asked: Callable) -> None:
    """Join shards, which were made from what is asked for (`merge.merge_shards`)."""
    from tfepi.variants import formats, merge
    from tfrecords_tools.errors import ConfigError

    for option in ("shard", "dry_run", "cluster"):
        if getattr(args, option):
            raise ConfigError(f"--merge joins shards that are there: leave --{option} out")
    results = args.formats and merge.score_results(formats.parse_formats(args.formats))
    again = (args.resume, args.overwrite)
    merged = merge.merge_shards(args.out, args.vcf, *again, results or None, asked)
    sys.stdout.write(f"merged {merged}\n")


def _of_options(args: Namespace, request, shards):
    """Return the shards' manifest, but for the options that are given without the inputs."""
    from dataclasses import asdict, replace

    from tfrecords_tools.errors import ConfigError

    names = ("fasta", "targets", "query", "head", "cell", "tracks", "accessibility")
    for name in names:
        if getattr(args, name) is not None:
            raise ConfigError(
                f"--merge has {getattr(args, name)}, but not all it would be compared with: want "
                "params.json, model, in.vcf and -f genome.fa, too; or leave it out"
            )
    usual = asdict(type(request)())
    given = {name: value for name, value in asdict(request).items() if value != usual[name]}
    if args.batch_size is not None:
        given["batch_size"] = args.batch_size
    scoring = replace(shards.scoring, **given)
    return replace(
        shards, scoring=scoring, chunk_records=args.chunk_records or shards.chunk_records
    )
