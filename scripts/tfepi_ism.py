#!/usr/bin/env python3
"""Saturation mutagenesis: what every change of a letter in the regions of a BED or VCF does."""

import argparse

from tfrecords_tools import cell_arguments, command, original_options


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel, Basenji .h5, published")
    p.add_argument("regions", help="BED (strand in column 6), or VCF: around REF and every ALT")
    p.add_argument("-f", "--f1", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument("-o", dest="out", default="sat_mut", help="output folder [%(default)s]")
    p.add_argument("-l", dest="length", type=int, help="bp in the middle to mutate [200]")
    p.add_argument("-u", dest="up", type=int, default=0, help="or: bp before the middle")
    p.add_argument("-d", dest="down", type=int, default=0, help="and bp from the middle on")
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--stats", default="sum", help="comma-separated [%(default)s]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    p.add_argument("--untransform_old", dest="untransform", action="store_const", const="old")
    p.add_argument("--ref_policy", "--ref-policy", default="error", help="error, swap, skip")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--part_positions", type=int, help="positions per numbered part [by the model]")
    f = p.add_argument_group("figures: logo, gain and loss, heat map")
    f.add_argument("--plots", action="store_true", help="of all sequences [of up to 12 in all]")
    f.add_argument("--no_plots", "--no-plots", action="store_true", help="none")
    f.add_argument("--plot_targets", help="identifiers or indexes [the one with most effect]")
    cell_arguments.add(p)
    original_options.add(p, "ism")
    command.add_common(p, seed=False)
    return p


def work(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.report.mutagenesis_figures import Plots, draw_mutagenesis
    from tfepi.variants.mutagenesis import mutate
    from tfepi.variants.mutagenesis_options import Mutagenesis
    from tfrecords_tools.output import check_folder

    names = ("length", "up", "down", "rc", "untransform", "ref_policy")
    options = Mutagenesis(
        **{name: getattr(args, name) for name in names},
        stats=tuple(args.stats.split(",")),
        shifts=parse_shifts(args.shifts),
    )
    check_folder(args.out, args.resume, args.overwrite)
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
    named = (args.params, args.model, args.targets, args.head, args.batch_size, choice)
    model = NamedModel.of(*named, args.query)
    options = replace(options, head=model.head.name, batch_size=model.batch_size)
    plots = Plots.of(
        args.plots, args.no_plots, args.plot_targets, model.targets or model.head.targets
    )
    again = {k: getattr(args, k) for k in ("part_positions", "resume", "overwrite", "quiet")}
    again |= {"model_files": model.files, "targets": model.targets, "condition": model.condition}
    folder = mutate(model.load, model.asked, args.regions, args.fasta, args.out, options, **again)
    figures = draw_mutagenesis(folder, plots, args.quiet)
    print(f"wrote {folder}: scores.h5" + (f", {figures} figures" if figures else ""))


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
