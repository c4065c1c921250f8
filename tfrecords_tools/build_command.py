"""The work of `tfepi_data.py`: a build here, on a cluster, in shards, or the end of one in shards.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from tfrecords_tools import build_arguments, cluster_address
from tfrecords_tools.cluster_address import machines
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of


def add_machines(parser: argparse.ArgumentParser, shards: bool) -> None:
    """Add where the work is done.

    Args:
        parser: to add the options to.
        shards: whether the kind of data can be built in shards.
    """
    group = parser.add_argument_group("machines")
    group.add_argument("-p", "--processes", type=int, default=1, help="worker processes [1]")
    group.add_argument("--cluster", metavar="URL", help="Dask scheduler, tcp://HOST:PORT")
    if shards:
        group.add_argument("--shard", metavar="i/n", help="do share i of n, from 1; run twice")
        group.add_argument("--merge", action="store_true", help="join the shards in DIR")


def work(args: argparse.Namespace) -> None:
    """Build data of either kind.

    Raises:
        ConfigError: options that exclude each other, or without their inputs.
    """
    from tfrecords_tools.workers import check_workers

    check_workers(args.processes)
    cluster_address.check(args.cluster, getattr(args, "shard", None))
    if args.cluster is not None and args.processes != 1:
        raise ConfigError(
            f"-p {args.processes} and --cluster {args.cluster} exclude each other: the cluster has "
            "its own workers"
        )
    if args.kind == "methylation":
        return methylation(args)
    if args.merge:
        return merge(args)
    if args.targets is None:
        raise ConfigError("want genome.fa and targets.txt; or --merge with -o")
    return coverage(args)


def coverage(args: argparse.Namespace) -> None:
    """Build data of coverage, or a shard of it."""
    from tfrecords_tools import build_shards, estimate, output, plan
    from tfrecords_tools.build import build, write_split
    from tfrecords_tools.sharding import Shard

    shard = Shard.parse(args.shard) if args.shard else None
    if shard and not args.dry_run:
        build_shards.check_shard_folder(Path(args.out), shard, *_again(args))
    elif not args.dry_run:
        output.check_folder(args.out, *_again(args))
    with contextlib.nullcontext() if args.dry_run else machines(args.cluster, args.out) as executor:
        options = build_arguments.options(args)
        planned = plan.make_plan(args.genome, args.targets, options)
        _tell(estimate.describe(planned))
        how = (args.processes, executor, *_again(args), args.quiet)
        if args.dry_run:
            return
        if args.split_test:
            write_split(planned, args.out, *_again(args))
        elif shard:
            _tell(build_shards.build_shard(planned, args.out, shard, args.targets, *how))
        else:
            _tell_written(args, build(planned, args.out, *how))


def merge(args: argparse.Namespace) -> None:
    """Join shards, whose inputs and options are those that are given, if any."""
    from tfrecords_tools.merge_build import Asked, merge_shards

    for option in ("shard", "overwrite", "dry_run", "split_test"):
        if getattr(args, option):
            raise ConfigError(f"--merge joins shards that are there: leave --{option} out")
    if args.genome is not None and args.targets is None:
        raise ConfigError(f"--merge has {args.genome}, no targets.txt: name both, or neither")
    asked = Asked(args.genome, args.targets, build_arguments.options(args))
    with machines(args.cluster, args.out) as executor:
        done = merge_shards(args.out, asked, args.processes, executor, args.resume, args.quiet)
    _tell_written(args, done)


def methylation(args: argparse.Namespace) -> None:
    """Build data of methylation."""
    from tfrecords_tools import output
    from tfrecords_tools.build import write_split
    from tfrecords_tools.methylation import arguments, plan
    from tfrecords_tools.methylation.build import build

    output.check_folder(args.out, *_again(args))
    with machines(args.cluster, args.out) as executor:
        planned = plan.make_plan(args.genome, args.samples, arguments.options(args))
        if args.split_test:
            write_split(planned, args.out, *_again(args))
            return
        how = (args.processes, executor, *_again(args), args.quiet, args.dry_run)
        build(planned, args.out, *how, tell=_tell)


def _again(args: argparse.Namespace) -> tuple[bool, bool]:
    return args.resume, args.overwrite


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell_written(args: argparse.Namespace, manifest: dict) -> None:
    records = number_of(sum(shard["records"] for shard in manifest["shards"]), "record")
    _tell(f"wrote {args.out}: {records}")
