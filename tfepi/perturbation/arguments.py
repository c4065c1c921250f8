"""Options that the sub-commands of `tfepi_ism.py` share. Imports nothing heavy."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tfrecords_tools import cell_arguments
from tfrecords_tools.command import add_common

if TYPE_CHECKING:
    from tfepi.perturbation.effects import Effects
    from tfepi.perturbation.run import Asked


def add(p: ArgumentParser, regions: str | None = None, optional: bool = False) -> None:
    """Add the options.

    Args:
        p: parser of a sub-command.
        regions: what the file of regions is, or None where there is none.
        optional: whether something else may be given instead.
    """
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel, Basenji .h5, published")
    if regions:
        p.add_argument("regions", nargs="?" if optional else None, help=regions)
    p.add_argument("-f", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument("-o", dest="out", metavar="DIR", required=True, help="output folder")
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--stats", default="SAD", help="comma-separated [%(default)s]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    p.add_argument("--incremental", default="auto", help="auto, on, off: whole sequences [auto]")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--part_rows", type=int, help="changes per numbered part [by the model]")
    p.add_argument("--no_plots", "--no-plots", action="store_true", help="no figures")
    cell_arguments.add(p)
    add_common(p)


def opened(args: Namespace, files: dict) -> tuple["Asked", "Effects"]:
    """Return what a run is asked and how its scores are made, after checking the command line.

    Args:
        args: of the options.
        files: label → path of the files that decide the changes.
    """
    from dataclasses import replace

    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.perturbation.effects import Effects
    from tfepi.perturbation.run import Asked
    from tfrecords_tools.output import check_folder

    effects = Effects(
        tuple(args.stats.split(",")),
        args.rc,
        parse_shifts(args.shifts),
        None,
        args.untransform,
        incremental=args.incremental,
    )
    check_folder(args.out, args.resume, args.overwrite)
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
    named = (args.params, args.model, args.targets, args.head, args.batch_size, choice)
    model = NamedModel.of(*named, args.query)
    effects = replace(effects, head=model.head.name, batch_size=model.batch_size)
    asked = Asked(
        *(model.load, model.asked, args.fasta, args.out, model.files | files),
        *(model.targets, model.condition, args.part_rows),
        *(args.resume, args.overwrite, args.quiet),
    )
    return asked, effects
