"""The options of `tfepi_attribute.py`, and its work. Imports nothing heavy."""

import argparse
import sys

from tfrecords_tools import cell_arguments, command
from tfrecords_tools.number_text import number_of

METHODS = "gradient, corrected, integrated, expected"


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, Basenji .h5")
    p.add_argument("regions", help="BED (strand in column 6), or VCF: around REF and every ALT")
    p.add_argument("-f", "--f1", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument("-o", dest="out", default="attribution", help="output folder [%(default)s]")
    p.add_argument("-l", dest="length", type=int, help="bp in the middle to write [the window]")
    m = p.add_argument_group("method")
    m.add_argument("--method", default="corrected", help=f"{METHODS} [%(default)s]")
    m.add_argument("--steps", type=int, help="points per line of integrated gradients [50]")
    m.add_argument("--baseline", help="of integrated: uniform, zeros, shuffles [uniform]")
    m.add_argument("--shuffles", type=int, help="per window [50; of integrated gradients 10]")
    m.add_argument("--rc", action="store_true", help="average with the reverse complement")
    m.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    o = p.add_argument_group("what is attributed")
    o.add_argument("-t", "--targets", metavar="TABLE", help="only this table's targets")
    o.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    o.add_argument("--head", help="output of the model, where it has several: name or number")
    o.add_argument("--per_target", action="store_true", help="each target, not their sum")
    o.add_argument("--bins", default="all", help="all, centre, or i-j: before j, from 0 [all]")
    o.add_argument("--mean", action="store_true", help="mean over bins, not the sum")
    o.add_argument("--log1p", action="store_true", help="of log(1 + that)")
    o.add_argument("--ref_policy", "--ref-policy", default="error", help="error, swap, skip")
    o.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    w = p.add_argument_group("what is written besides attributions.h5")
    w.add_argument("--bigwig", action="store_true", help="contributions along the genome")
    w.add_argument("--modisco", action="store_true", help="arrays and BED for tfmodisco-lite")
    w.add_argument("--seqlets", action="store_true", help="stretches above chance")
    w.add_argument("--motifs", metavar="MEME", help="seqlets, and known motifs that they match")
    w.add_argument("--seqlet_size", type=int, default=15, help="bp [%(default)s]")
    w.add_argument("--fdr", type=float, default=0.05, help="of seqlets and matches [%(default)s]")
    w.add_argument("--figures", type=int, default=12, help="windows to draw [%(default)s]")
    cell_arguments.add(p)
    command.add_common(p)


def work(args: argparse.Namespace) -> None:
    """Attribute, write what is asked for, draw."""
    from dataclasses import replace

    from tfepi.analysis.attribution_options import AttributionOptions
    from tfepi.analysis.attribution_outputs import outputs_of
    from tfepi.analysis.attribution_run import attribute
    from tfepi.analysis.attribution_seqlets import SeqletOptions
    from tfepi.analysis.meme import read_meme
    from tfepi.analysis.site_parts import default_batch, keras_model
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.predictors import load_predictor
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.output import check_folder

    names = ("method", "steps", "baseline", "shuffles", "rc", "bins", "mean", "length")
    names += ("ref_policy", "seed")
    chosen = {name: getattr(args, name) for name in names}
    options = AttributionOptions(**chosen, log=args.log1p, shifts=parse_shifts(args.shifts))
    of_seqlets = SeqletOptions(args.seqlet_size, args.fdr, args.seed)
    if args.figures < 0:
        raise ConfigError(f"figures is {args.figures}: want a number of windows, from 0")
    if args.accessibility is not None:
        raise ConfigError(
            f"--accessibility {args.accessibility}: a model in front of the model has no gradient "
            "here; give --tracks"
        )
    check_folder(args.out, args.resume, args.overwrite)
    motifs = read_meme(args.motifs) if args.motifs else []
    choice = CellChoice(args.cell, args.tracks, None, args.fasta)
    named = (args.params, args.model, args.targets, args.head, args.batch_size, choice)
    model = NamedModel.of(*named, args.query)
    size = default_batch(model.spec) if args.batch_size is None else args.batch_size
    outputs = outputs_of(model.spec, model.head.name, model.targets, args.per_target, args.cell)

    def load():
        return keras_model(load_predictor(model.path, size, model.params, model.spec), "gradients")

    again = {k: getattr(args, k) for k in ("resume", "overwrite", "quiet")}
    folder = attribute(
        load,
        model.spec,
        outputs,
        args.regions,
        args.fasta,
        args.out,
        replace(options, batch_size=size),
        head=model.head.name,
        model_files=model.files,
        condition=model.condition,
        **again,
    )
    sys.stdout.write(f"wrote {folder}: {_further(folder, args, of_seqlets, motifs)}\n")


def _further(folder, args: argparse.Namespace, of_seqlets, motifs) -> str:
    """Write what is made from attributions.h5; return what there is."""
    from tfrecords_tools.genome import Genome

    made = ["attributions.h5"]
    with Genome(args.fasta) as genome:
        if args.modisco:
            from tfepi.analysis.attribution_modisco import write_modisco

            write_modisco(folder, genome)
            made.append("modisco/")
        if args.bigwig:
            from tfepi.analysis.attribution_tracks import write_tracks

            made.append(f"{len(write_tracks(folder, genome))} bigWig")
    if args.seqlets or args.motifs:
        from tfepi.analysis.attribution_report import report_seqlets

        found = report_seqlets(folder, of_seqlets, motifs, args.motifs, args.quiet)
        made.append(number_of(found.seqlets, "seqlet"))
        if motifs:
            made.append(
                number_of(len(found.motifs), "motif that matches them", "motifs that match them")
            )
            from tfepi.report.attribution_motifs import draw_motifs

            draw_motifs(folder, found.logos)
    if args.figures:
        from tfepi.report.attribution_windows import draw_windows

        drawn = draw_windows(folder, args.figures, args.quiet)
        made.append(number_of(drawn, "figure"))
    return ", ".join(made)
