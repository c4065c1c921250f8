"""The sub-command `attribute` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfrecords_tools.command import add_common


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "attribute",
        help="which bases a CpG's prediction comes from",
        description="Attribute the predicted methylation of CpGs to the bases around them, by "
        "gradients and by saturation mutagenesis.",
    )
    p.add_argument("model", help="run folder, .keras file or, for mutagenesis alone, SavedModel")
    p.add_argument("-f", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument(
        "--cpgs",
        required=True,
        metavar="BED|chr:pos,…",
        help="BED whose intervals begin with the C, or positions of the C counted from 1",
    )
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
    p.add_argument("--method", default="gradient,ism", help="one or both [%(default)s]")
    p.add_argument("-l", dest="length", type=int, help="bp around the C to mutate and list [401]")
    p.add_argument("--head", help="output of the model, where it has several")
    p.add_argument("-t", "--targets", metavar="TASK,…", help="of these tasks [all]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--figures", type=int, default=50, metavar="N", help="CpGs to draw [50]")
    p.add_argument("--plot_task", help="task to draw [of each CpG the one that is moved most]")
    add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Attribute, draw, and print how far the methods agree."""
    from pathlib import Path

    from tfepi import predictors
    from tfepi.evaluation.matching import model_files
    from tfepi.methylation.attribution_run import AttributionOptions, attribute, check_model
    from tfepi.methylation.cpg_places import read_places
    from tfepi.variants.options import default_batch_size
    from tfrecords_tools.errors import ConfigError, unknown
    from tfrecords_tools.genome import Genome
    from tfrecords_tools.output import check_folder
    from tfrecords_tools.targets import select

    methods = tuple(dict.fromkeys(m.strip() for m in args.method.split(",")))
    check_folder(args.out, args.resume, args.overwrite)
    if predictors.is_h5(args.model):
        raise ConfigError(f"model {args.model} is an .h5 file, which predicts no methylation")
    spec = predictors.read_spec(args.model)
    check_model(spec)
    head = spec.head(args.head)
    tasks = list(range(len(head.targets)))
    if args.targets:
        names = [n.strip() for n in args.targets.split(",")]
        tasks = list(select(head.targets, names, f"of the model's head {head.name}"))
    identifiers = [head.targets[i].identifier for i in tasks]
    if args.plot_task is not None and args.plot_task not in identifiers:
        raise unknown("task", args.plot_task, identifiers, "of --plot_task")
    size = default_batch_size(spec, head) if args.batch_size is None else args.batch_size
    options = AttributionOptions(methods, args.length, args.rc, size)
    with Genome(args.fasta) as genome:
        places = read_places(args.cpgs, genome)
    found = attribute(
        lambda: predictors.load_predictor(args.model, size, spec=spec),
        spec,
        places,
        args.fasta,
        args.out,
        options,
        files=model_files(args.model) | {"spec": predictors.spec_path(args.model)},
        head=head.name,
        tasks=tasks,
        resume=args.resume,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )
    if args.figures > 0:
        from tfepi.report.attribution_figures import draw_attributions

        draw_attributions(Path(args.out), args.figures, args.plot_task)
    for task, values in found.items():
        known = sorted(v.letters for v in values if v.letters == v.letters)
        shown = f"{known[len(known) // 2]:.3f}" if known else "not defined"
        sys.stdout.write(f"{task}: r of gradient and mutagenesis {shown} (median CpG)\n")
    sys.stdout.write(f"wrote {args.out}: attribution.h5, attribution.tsv\n")
