"""The options of `tfepi_methylation.py variants`.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import sys

from tfrecords_tools import command


def add(subparsers) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "variants",
        help="effects of variants on the CpGs around them",
        description="Score the variants of a VCF by their effects on the CpGs around them.",
    )
    p.add_argument("model", nargs="?", help="run folder, .keras file or SavedModel")
    p.add_argument("vcf", nargs="?", help="VCF, VCF.gz or BCF, sorted")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="genome, plain or bgzip")
    p.add_argument("-o", "--out_dir", dest="out", default="mrv", metavar="DIR", help="[mrv]")
    p.add_argument("--head", help="output of the model, where it has several")
    p.add_argument("-t", "--targets", metavar="TASK,…", help="score only these tasks [all]")
    p.add_argument("--reach", type=int, help="bp from a variant to a CpG's C [half the window]")
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--all_cpgs",
        dest="compared",
        action="store_const",
        const="all",
        help="let CpGs created and destroyed count in the scores",
    )
    which.add_argument(
        "--original",
        dest="compared",
        action="store_const",
        const="original",
        help="as INTERACT's programs: every CpG of the reference, SNVs only",
    )
    p.add_argument("--pairs", action="store_true", help="also write every variant and CpG")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--ref_policy", default="error", help="error, swap, skip [%(default)s]")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--chunk_records", type=int, help="VCF records per numbered part")
    p.add_argument("--shard", metavar="i/n", help="do share i of n, from 1")
    p.add_argument("--merge", action="store_true", help="join the shards in DIR")
    command.add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: argparse.Namespace) -> None:
    """Score, or join shards."""
    from tfepi import predictors
    from tfepi.evaluation.matching import model_files
    from tfepi.methylation import variant_options, variant_scoring
    from tfepi.methylation.variant_results import EFFECTS
    from tfepi.variants import merge
    from tfepi.variants.options import default_batch_size
    from tfepi.variants.part_runs import Place
    from tfrecords_tools.errors import ConfigError, unknown
    from tfrecords_tools.sharding import Shard
    from tfrecords_tools.targets import select

    if args.merge:
        done = merge.merge_shards(args.out, args.vcf, args.resume, args.overwrite, EFFECTS)
        sys.stdout.write(f"merged {done}\n")
        return
    if args.vcf is None or args.fasta is None:
        raise ConfigError("want model, in.vcf and -f genome.fa; or --merge with -o")
    shard = Shard.parse(args.shard) if args.shard else None
    Place.of(args.out, shard, args.resume, args.overwrite)
    if predictors.is_h5(args.model):
        raise ConfigError(
            f"model {args.model} is an .h5 file of Basenji, which does not predict methylation: "
            "score variants with tfepi_variants.py"
        )
    spec = predictors.read_spec(args.model)
    window = variant_options.CpgWindow.of(spec)
    names = [h.name for h in spec.heads]
    if args.head is not None and args.head not in (*names, *map(str, range(len(names)))):
        raise unknown("head", args.head, names, f"of model {args.model}")
    head = spec.head(args.head)
    targets = None
    if args.targets is not None:
        wanted = [name.strip() for name in args.targets.split(",")]
        found = select(head.targets, wanted, f"of the model's head {head.name}")
        targets = [head.targets[i] for i in found]
    size = default_batch_size(spec, head) if args.batch_size is None else args.batch_size
    scoring = variant_options.MethylationScoring(
        reach=window.half if args.reach is None else args.reach,
        compared=args.compared or "kept",
        head=head.name,
        batch_size=size,
        **{name: getattr(args, name) for name in ("pairs", "rc", "ref_policy")},
    )
    done = variant_scoring.score_methylation(
        lambda: predictors.load_predictor(args.model, size, spec=spec),
        spec,
        args.vcf,
        args.fasta,
        args.out,
        scoring,
        model_files=model_files(args.model) | {"spec": predictors.spec_path(args.model)},
        targets=targets,
        shard=shard,
        **{n: getattr(args, n) for n in ("chunk_records", "resume", "overwrite", "quiet")},
    )
    sys.stdout.write(f"wrote {done}\n")
