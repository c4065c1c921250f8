"""The sub-command `motifs` of `tfepi_methylation.py`. Imports nothing heavy."""

import sys
from argparse import Namespace

from tfrecords_tools.command import add_common


def add(subparsers) -> None:
    """Add the sub-command."""
    p = subparsers.add_parser(
        "motifs",
        help="motifs of a model's first layer",
        description="Motifs of a model's first layer: k-mers at which a filter's activation is at "
        "least half of its maximum.",
    )
    p.add_argument("model", help="run folder or .keras file")
    p.add_argument("data", nargs="?", help="data folder, whose windows are searched")
    p.add_argument("--label", default="test", help="of the data's windows [%(default)s]")
    p.add_argument("-f", dest="fasta", metavar="FASTA", help="or: genome, plain or bgzip")
    p.add_argument(
        "--sites", metavar="BED", help="with -f: places to search around, of a CpG that of its C"
    )
    p.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
    p.add_argument("--head", help="output of the model, where it has several")
    p.add_argument("-t", "--targets", metavar="TASK,…", help="correlate with these [all]")
    p.add_argument("--layer", help="the convolution, where several look at the sequence")
    p.add_argument("--share", type=float, default=0.5, help="of the maximum [%(default)s]")
    p.add_argument(
        "--windows",
        type=int,
        default=20_000,
        help="at most, evenly spaced; 0 for all [%(default)s]",
    )
    p.add_argument("--batch_size", type=int, default=64, help="windows per call [%(default)s]")
    p.add_argument("--figures", type=int, metavar="N", help="logos to draw; 0 for none [all]")
    add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Find the motifs and draw them."""
    from pathlib import Path

    from tfepi import predictors
    from tfepi.evaluation.matching import check_sizes, chosen_targets, model_files
    from tfepi.methylation.motif_run import MotifOptions, find_motifs
    from tfepi.methylation.motif_windows import RecordWindows, SiteWindows
    from tfrecords_tools.data import Data
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.output import check_folder
    from tfrecords_tools.targets import select

    options = MotifOptions(args.share, args.windows or None, args.batch_size, args.layer)
    if (args.data is None) == (args.fasta is None) or (args.fasta is None) != (args.sites is None):
        raise ConfigError("want a data folder, or -f genome.fa with --sites places.bed")
    check_folder(args.out, args.resume, args.overwrite)
    if predictors.is_h5(args.model):
        raise ConfigError(f"model {args.model} is an .h5 file: make a .keras of it first")
    path = predictors.keras_file(args.model)
    spec = predictors.read_spec(args.model)
    head = spec.head(args.head)
    names = [n.strip() for n in args.targets.split(",")] if args.targets else None
    tasks = list(range(len(head.targets)))
    if names:
        tasks = list(select(head.targets, names, f"of the model's head {head.name}"))
    files = model_files(args.model) | {"spec": predictors.spec_path(args.model)}
    if args.data is not None:
        data = Data.open(args.data)
        check_sizes(spec, data, head)
        known = {t.identifier for t in data.targets}
        columns = None
        if all(head.targets[i].identifier in known for i in tasks):
            columns = list(
                chosen_targets(head, data, [head.targets[i].identifier for i in tasks])[1]
            )
        windows = RecordWindows(data, args.label, columns, options.windows)
        files["data"] = data.folder / "statistics.json"
        facts = {"label": args.label, "manifest": data.manifest_sha256}
    else:
        windows = SiteWindows(args.fasta, args.sites, spec, options.windows)
        files |= {"fasta": args.fasta, "sites": args.sites}
        facts = {}
    found = find_motifs(
        lambda: predictors.load_keras(path),
        spec,
        windows,
        args.out,
        options,
        files=files,
        facts=facts | {"head": head.name, "tasks": tasks},
        head=head.name,
        tasks=tasks,
        names=[head.targets[i].identifier for i in tasks],
        resume=args.resume,
        overwrite=args.overwrite,
        quiet=args.quiet,
    )
    if args.figures != 0:
        from tfepi.report.motif_figures import draw_motifs

        draw_motifs(found.motifs, found.table, Path(args.out), args.figures, args.quiet)
    count = sum(m.sites > 0 for m in found.motifs)
    by = found.table["effect"].value_counts()
    shown = ", ".join(f"{by[e]} {e}" for e in by.index if e != "unclear")
    sys.stdout.write(
        f"{count} of {len(found.motifs)} filters have a motif"
        + (f" ({shown})" if shown else "")
        + f"\nwrote {args.out}: motifs.meme, motifs.tsv\n"
    )
