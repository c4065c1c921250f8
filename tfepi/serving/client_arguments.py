"""The command line that scores variants by a served model."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from tfrecords_tools import command


def add(p: ArgumentParser) -> None:
    """Add the arguments."""
    p.add_argument("vcf", nargs="?", help="VCF, VCF.gz or BCF, sorted")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument("-o", "--out_dir", dest="out", default="sad", metavar="DIR", help="[sad]")
    p.add_argument("--url", help="http://HOST:8501, https://…, grpc://HOST:8500 or grpcs://…")
    p.add_argument("--model", help="name that the model is served under")
    p.add_argument("--version", type=int, help="of the model [the newest]")
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several")
    p.add_argument("--stats", help="comma-separated [all that the model was exported with]")
    p.add_argument("--ref_policy", "--ref-policy", default="error", help="error, swap, skip")
    p.add_argument("--batch_size", type=int, help="variants per request [by the model's length]")
    p.add_argument("--in_flight", type=int, default=4, help="requests at once [%(default)s]")
    p.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="of each request [%(default)s]"
    )
    p.add_argument(
        "--patience",
        type=float,
        default=300,
        metavar="S",
        help="a request is repeated for this long while there is no answer [%(default)s]",
    )
    p.add_argument("--rest_format", default="columns", help="of JSON: columns, rows [columns]")
    p.add_argument("--chunk_records", type=int, help="VCF records per numbered part")
    p.add_argument("--formats", help="also zarr, summary [h5,parquet,vcf; --merge: the shards']")
    p.add_argument("--dry_run", action="store_true", help="print the sizes of the results only")
    p.add_argument("--shard", metavar="i/n", help="do share i of n, from 1")
    p.add_argument("--merge", action="store_true", help="join the shards in DIR")
    command.add_common(p, seed=False)


def work(args: Namespace) -> None:
    """Score, or merge."""
    from tfepi.serving.client import Client
    from tfepi.serving.client_requests import Waiting
    from tfepi.serving.client_scoring import score_served_vcf, served_manifest
    from tfepi.variants import checks, formats, part_runs
    from tfepi.variants.forecast import Forecast
    from tfrecords_tools.errors import ConfigError, unknown
    from tfrecords_tools.files import existing
    from tfrecords_tools.sharding import Shard

    chosen = formats.DEFAULT if args.formats is None else formats.parse_formats(args.formats)
    if args.merge and None in (args.vcf, args.fasta, args.url):
        for option in ("fasta", "url", "stats", "targets", "query", "head"):
            if getattr(args, option):
                raise ConfigError(
                    f"--merge has --{option}, but not all that it would be compared with: want "
                    "in.vcf, -f genome.fa, --url and --model, too; or leave it out"
                )
        _merge(args)
        return
    for name, value in (("VCF", args.vcf), ("-f", args.fasta), ("--url", args.url)):
        if value is None:
            raise ConfigError(
                f"{name} is missing: want in.vcf, -f genome.fa, --url http://HOST:PORT and --model "
                "NAME; or --merge with -o"
            )
    if args.ref_policy not in checks.REF_POLICIES:
        raise unknown("ref_policy", args.ref_policy, checks.REF_POLICIES)
    shard = Shard.parse(args.shard) if args.shard else None
    existing(args.vcf, "VCF")
    existing(args.fasta, "FASTA")
    if not args.dry_run and not args.merge:
        part_runs.Place.of(args.out, shard, args.resume, args.overwrite)
    waiting = Waiting(args.in_flight, args.timeout, args.patience)
    how = {"waiting": waiting, "rest_format": args.rest_format, "batch_size": args.batch_size}
    with Client(args.url, args.model or "", args.version, **how) as client:
        what = {"head": args.head, "stats": args.stats and tuple(args.stats.split(","))}
        what |= {"ref_policy": args.ref_policy, "chunk_records": args.chunk_records}
        what |= {"targets": _targets(args, client)}
        if args.merge:
            _merge(args, lambda shards: served_manifest(client, args.vcf, args.fasta, **what))
            return
        if args.dry_run:
            manifest = served_manifest(client, args.vcf, args.fasta, **what)
            sys.stdout.write(Forecast.of(manifest, chosen).text() + "\n")
            return
        again = {k: getattr(args, k) for k in ("resume", "overwrite", "quiet")}
        what |= again | {"shard": shard, "formats": chosen}
        folder = score_served_vcf(client, args.vcf, args.fasta, args.out, **what)
    sys.stdout.write(f"wrote {folder}\n")


def _targets(args: Namespace, client):
    """Return the targets that are asked for; None for all that the model was exported with."""
    from tfrecords_tools.target_query import query_targets
    from tfrecords_tools.targets import read_targets

    targets = read_targets(args.targets) if args.targets else None
    if args.query is None:
        return targets
    found = client.describe()
    head = found.head(args.head)
    where = f"targets table {args.targets}" if targets else f"the served head {head.name!r}"
    among = targets or found.scored[head.name]
    nameless = "name the table with -t"
    return tuple(among[i] for i in query_targets(among, args.query, where, nameless))


def _merge(args: Namespace, asked: Callable = lambda shards: shards) -> None:
    """Join shards, which were made from what is asked for (`merge.merge_shards`)."""
    from tfepi.variants import formats, merge
    from tfrecords_tools.errors import ConfigError

    for option in ("shard", "dry_run"):
        if getattr(args, option):
            raise ConfigError(f"--merge joins shards that are there: leave --{option} out")
    results = merge.score_results(formats.parse_formats(args.formats)) if args.formats else None
    again = (args.resume, args.overwrite)
    merged = merge.merge_shards(args.out, args.vcf, *again, results, asked)
    sys.stdout.write(f"merged {merged}\n")
