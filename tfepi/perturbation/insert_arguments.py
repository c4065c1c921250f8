"""The sub-command `insert` of `tfepi_ism.py`. Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace

from tfepi.perturbation import arguments
from tfrecords_tools.number_text import number_of


def add_insert(p: ArgumentParser) -> None:
    """Add the options."""
    arguments.add(p, "BED: windows centred on its intervals are the backgrounds")
    m = p.add_argument_group("motifs")
    m.add_argument("--motifs", metavar="FILE", help="MEME file")
    m.add_argument("--consensus", metavar="NAME=LETTERS,…", help="IUPAC letters")
    m.add_argument("--draw", default="best", help="letters: best, or sample [%(default)s]")
    m.add_argument(
        "--offsets", default="0", help="bp from the middle: =-50,0,50 or =-100:100:10 [%(default)s]"
    )
    m.add_argument("--strands", default="+,-", help="[%(default)s]")
    m.add_argument(
        "--shuffles", type=int, default=10, help="of each window; 0: windows as they are [10]"
    )
    p.set_defaults(work=insert)


def insert(args: Namespace) -> None:
    """Insert, and draw."""
    from tfepi.perturbation.insertion_tables import EACH, MEANS, write_insertions, write_means
    from tfepi.perturbation.insertions import Insertions, backgrounds, parse_offsets
    from tfepi.perturbation.motifs import consensus_motifs, meme_motifs
    from tfepi.perturbation.run import perturb
    from tfepi.variants.stretches import bed_stretches
    from tfrecords_tools.genome import Genome

    motifs = meme_motifs(args.motifs) if args.motifs else []
    motifs += consensus_motifs(args.consensus) if args.consensus else []
    offsets = parse_offsets(args.offsets)
    files = {"regions": args.regions} | ({"motifs": args.motifs} if args.motifs else {})
    asked, effects = arguments.opened(args, files)
    length = asked.spec.seq_length
    with Genome(args.fasta) as genome:
        regions = bed_stretches(args.regions, genome)
    sites = backgrounds(regions, length, args.shuffles, args.seed)
    strands = tuple(args.strands.split(","))
    design = Insertions(sites, motifs, length, offsets, strands, args.draw, args.seed)
    facts = {k: getattr(args, k) for k in ("consensus", "draw", "shuffles", "seed")}
    facts |= {"offsets": offsets, "strands": strands}
    finish = {
        MEANS: lambda path, rows, _: write_means(path, rows, design, args.seed),
        EACH: lambda path, rows, _: write_insertions(path, rows, design),
    }
    folder = perturb(asked, effects, "tfepi-insertions", facts, design, finish)
    figures = 0
    if not args.no_plots:
        from tfepi.report.insertion_figures import draw_insertions

        figures = draw_insertions(folder, effects.stats[0], args.quiet)
    more = f", {number_of(figures, 'figure')}" if figures else ""
    sys.stdout.write(
        f"wrote {folder}: {MEANS} and {EACH} of {number_of(len(motifs), 'motif')}{more}\n"
    )
