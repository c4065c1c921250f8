"""The options of `tfepi_ism.py` by itself: saturation mutagenesis. Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace

from tfepi.perturbation.regions import add_genes
from tfrecords_tools import cell_arguments, command, original_options
from tfrecords_tools.number_text import number_of


def add(p: ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel, Basenji .h5, published")
    p.add_argument(
        "regions", nargs="?", help="BED (strand in column 6), or VCF: around REF and every ALT"
    )
    p.add_argument("-f", "--f1", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument("-o", dest="out", default="sat_mut", help="output folder [%(default)s]")
    p.add_argument("-l", dest="length", type=int, help="bp in the middle to mutate [200]")
    p.add_argument("-u", dest="up", type=int, default=0, help="or: bp before the middle")
    p.add_argument("-d", dest="down", type=int, default=0, help="and bp from the middle on")
    p.add_argument(
        "--whole_regions", action="store_true", help="every base, in windows side by side"
    )
    p.add_argument("-t", "--targets", metavar="TABLE", help="score only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--stats", default="sum", help="comma-separated [%(default)s]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    p.add_argument("--untransform_old", dest="untransform", action="store_const", const="old")
    p.add_argument("--ref_policy", "--ref-policy", default="error", help="error, swap, skip")
    p.add_argument("--incremental", default="auto", help="auto, on, off: whole sequences [auto]")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--part_positions", type=int, help="positions per numbered part [by the model]")
    p.add_argument("--bigwig", metavar="mean|each", help="write mean effects: of targets, or each")
    add_genes(p)
    f = p.add_argument_group("figures: logo, gain and loss, heat map")
    f.add_argument("--plots", action="store_true", help="of all sequences [of up to 12 in all]")
    f.add_argument("--no_plots", "--no-plots", action="store_true", help="none")
    f.add_argument("--plot_targets", help="identifiers or indexes [the one with most effect]")
    cell_arguments.add(p)
    original_options.add(p, "ism")
    command.add_common(p, seed=False)
    p.set_defaults(work=work)


def work(args: Namespace) -> None:
    """Mutate, write tracks, draw."""
    from dataclasses import replace

    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.perturbation.effect_tracks import check_tracks, write_effect_tracks
    from tfepi.perturbation.regions import RegionChoice
    from tfepi.report.mutagenesis_figures import Plots, draw_mutagenesis
    from tfepi.variants.mutagenesis import mutate
    from tfepi.variants.mutagenesis_options import Mutagenesis
    from tfepi.variants.mutagenesis_sites import is_vcf
    from tfrecords_tools.errors import ConfigError
    from tfrecords_tools.genome import Genome
    from tfrecords_tools.output import check_folder

    chosen = RegionChoice.of(args)
    names = ("length", "up", "down", "rc", "untransform", "ref_policy", "incremental")
    options = Mutagenesis(
        **{name: getattr(args, name) for name in names},
        stats=tuple(args.stats.split(",")),
        shifts=parse_shifts(args.shifts),
    )
    check_folder(args.out, args.resume, args.overwrite)
    check_tracks(args.bigwig)
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
    named = (args.params, args.model, args.targets, args.head, args.batch_size, choice)
    model = NamedModel.of(*named, args.query)
    options = replace(options, head=model.head.name, batch_size=model.batch_size)
    scored = model.targets or model.head.targets
    plots = Plots.of(args.plots, args.no_plots, args.plot_targets, scored)
    again = {k: getattr(args, k) for k in ("part_positions", "resume", "overwrite", "quiet")}
    again |= {"targets": model.targets, "condition": model.condition}
    again["model_files"] = model.files | {k: v for k, v in chosen.files.items() if k != "regions"}
    regions = chosen.files["regions"]
    variants = chosen.bed is not None and is_vcf(regions)
    if variants and (args.whole_regions or args.bigwig):
        option = "--whole_regions" if args.whole_regions else "--bigwig"
        raise ConfigError(
            f"{option} is of regions of the genome, and {regions} is a VCF: leave it out"
        )
    if args.whole_regions or chosen.genes is not None:
        with Genome(args.fasta) as genome:
            again["stretches"] = chosen.stretches(genome)
    folder = mutate(model.load, model.asked, regions, args.fasta, args.out, options, **again)
    tracks = write_effect_tracks(folder, args.fasta, args.bigwig, scored, args.quiet)
    figures = draw_mutagenesis(folder, plots, args.quiet)
    made = [(tracks, "track"), (figures, "figure")]
    told = "".join(f", {number_of(n, what)}" for n, what in made if n)
    sys.stdout.write(f"wrote {folder}: scores.h5{told}\n")
