"""The sub-commands `delete` and `scramble` of `tfepi_ism.py`. Imports nothing heavy."""

import logging
import sys
from argparse import ArgumentParser, Namespace

from tfepi.perturbation import arguments
from tfepi.perturbation.regions import add_genes
from tfrecords_tools.number_text import number_of

_REGIONS = "BED, strand in column 6"
_log = logging.getLogger(__name__)


def _add_pieces(p: ArgumentParser, width: int) -> None:
    arguments.add(p, _REGIONS, optional=True)
    s = p.add_argument_group("pieces")
    s.add_argument("--width", type=int, default=width, metavar="BP", help="[%(default)s]")
    s.add_argument("--step", type=int, metavar="BP", help="from one to the next [side by side]")
    s.add_argument("-l", dest="length", type=int, help="bp whose pieces share a window [200]")
    add_genes(p)


def add_delete(p: ArgumentParser) -> None:
    """Add the options of `delete`."""
    _add_pieces(p, 10)
    p.add_argument("--way", default="remove", help="remove, or blank: N [%(default)s]")
    p.set_defaults(work=delete)


def add_scramble(p: ArgumentParser) -> None:
    """Add the options of `scramble`."""
    _add_pieces(p, 20)
    p.add_argument("--scrambles", type=int, default=10, metavar="N", help="of each piece [10]")
    p.add_argument("--keep", default="dinucleotides", help="or letters [%(default)s]")
    p.set_defaults(work=scramble)


def _pieces(args: Namespace):
    from tfepi.perturbation.design import cut_pieces
    from tfepi.perturbation.regions import RegionChoice
    from tfrecords_tools.genome import Genome

    chosen = RegionChoice.of(args)
    asked, effects = arguments.opened(args, chosen.files)
    with Genome(args.fasta) as genome:
        regions = chosen.stretches(genome)
    most = max(args.width, 200) if args.length is None else args.length
    most = min(most, asked.spec.seq_length) if args.length is None else most
    sites, pieces = cut_pieces(regions, args.width, args.step, asked.spec.seq_length, most)
    facts = {"width": args.width, "step": args.step, "most": most}
    facts |= {k: getattr(args, k) for k in ("gene_names", "gene_type", "tss", "promoter")}
    return asked, effects, sites, pieces, facts | {"gene_body": args.gene_body}


def delete(args: Namespace) -> None:
    """Delete, and draw."""
    from dataclasses import replace

    from tfepi.perturbation.deletions import REMOVE, Deletions
    from tfepi.perturbation.piece_tables import DELETIONS, write_deletions
    from tfepi.perturbation.run import perturb

    asked, effects, sites, pieces, facts = _pieces(args)
    design = Deletions(sites, pieces, args.way)
    if args.way == REMOVE and effects.incremental == "auto":
        # What closes in is half of a window, so that little is left to save.
        _log.info("whole sequences are predicted: a removal moves half of each")
        effects = replace(effects, incremental="off")
    finish = {DELETIONS: lambda path, rows, _: write_deletions(path, rows, sites, pieces)}
    facts["way"] = args.way
    folder = perturb(asked, effects, "tfepi-deletions", facts, design, finish)
    _told(args, folder, DELETIONS, effects.stats[0], number_of(len(pieces), "deletion"))


def scramble(args: Namespace) -> None:
    """Scramble, and draw."""
    from tfepi.perturbation.piece_tables import SCRAMBLES, write_scrambles
    from tfepi.perturbation.run import perturb
    from tfepi.perturbation.scrambles import Scrambles

    asked, effects, sites, pieces, facts = _pieces(args)
    design = Scrambles(sites, pieces, args.scrambles, args.keep, args.seed)
    of = (sites, pieces, args.scrambles)
    finish = {SCRAMBLES: lambda path, rows, _: write_scrambles(path, rows, *of)}
    facts |= {"scrambles": args.scrambles, "keep": args.keep, "seed": args.seed}
    folder = perturb(asked, effects, "tfepi-kmer-scrambles", facts, design, finish)
    _told(args, folder, SCRAMBLES, effects.stats[0], number_of(len(pieces), "piece"))


def _told(args: Namespace, folder, name: str, stat: str, what: str) -> None:
    from tfepi.report.piece_figures import draw_pieces

    figures = 0 if args.no_plots else draw_pieces(folder, name, stat, args.quiet)
    more = f", {number_of(figures, 'figure')}" if figures else ""
    sys.stdout.write(f"wrote {folder}: {name} of {what}{more}\n")
