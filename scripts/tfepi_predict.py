#!/usr/bin/env python3
"""Predict windows around the intervals of a BED, or a whole genome: HDF5 and bigWig tracks."""

import argparse

from tfepi.prediction import output_arguments
from tfepi.training import arguments
from tfrecords_tools import cell_arguments, command, original_options


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel, .h5, published; a,b,c: mean")
    p.add_argument("bed", nargs="?", help="intervals to centre windows on; none: whole genome")
    p.add_argument("-f", "--genome_fasta", dest="fasta", required=True, help="plain or bgzip")
    p.add_argument("-o", "--out_dir", dest="out", default="pred_out", help="[%(default)s]")
    p.add_argument("--genome", action="store_true", help="the whole genome, said aloud")
    p.add_argument("--chroms", help="of the genome only these, comma-separated")
    p.add_argument("--limit", metavar="BED", help="of the genome only what touches these regions")
    p.add_argument("--phases", type=int, default=1, help="of overlapping windows [%(default)s]")
    p.add_argument("--edge", type=int, default=0, help="bp of theirs left out [%(default)s]")
    p.add_argument("-t", "--targets_file", dest="targets", metavar="TABLE", help="only its targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("-l", "--site_length", type=int, help="keep the middle bp only [all bins]")
    p.add_argument("-s", "--sum", action="store_true", help="sum over the bins of a window")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    output_arguments.add(p)
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--part_windows", type=int, help="windows per numbered part [by the model]")
    cell_arguments.add(p)
    arguments.add_devices(p)
    original_options.add(p, "predict")
    command.add_common(p, seed=False)
    return p


def work(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from tfepi.crew import make_crew
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.prediction import embedding, ensemble, options, run, windows

    crew = make_crew(args.strategy, args.logical_devices)
    request = options.Request(
        **{name: getattr(args, name) for name in ("rc", "untransform", "site_length", "sum")},
        shifts=parse_shifts(args.shifts),
        tracks=options.names(args.bigwig, every="all"),
        hdf5=not args.no_h5,
    )
    chroms = options.names(args.chroms)
    place = windows.Place(args.bed, args.genome, chroms, args.limit, args.phases, args.edge)
    crew.check_folder(args.out, args.resume, args.overwrite)
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta, chroms)
    given = (args.targets, args.head, args.batch_size, choice, args.query)
    models = [NamedModel.of(args.params, path, *given) for path in ensemble.paths(args.model)]
    model = models[0]
    request = replace(request, head=model.head.name, batch_size=model.batch_size)
    load, spec, files = ensemble.together(models)
    if args.embed_layer:
        load, spec, request = embedding.instead(load, args.embed_layer, request, model.targets)
    again = {k: getattr(args, k) for k in ("part_windows", "sizes", "resume", "overwrite", "quiet")}
    again |= {"model_files": files, "targets": model.targets, "condition": model.condition}
    out = run.predict_windows(load, spec, place, args.fasta, args.out, request, **again, crew=crew)
    if crew.leads:
        print("wrote", out)


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
