"""Options that the sub-commands of `tfepi_enhancers.py` share. Imports nothing heavy."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfrecords_tools.command import add_common

if TYPE_CHECKING:
    from tfepi.analysis.element_pairs import Element, Pair
    from tfepi.analysis.pair_options import PairOptions
    from tfepi.analysis.site_run import SiteRun
    from tfepi.analysis.tss import StartSite
    from tfepi.analysis.tss_windows import TssWindow
    from tfepi.evaluation.named_model import NamedModel


def add(p: ArgumentParser, width: int, figures: str) -> None:
    """Add the options.

    Args:
        p: parser of a sub-command.
        width: bp around an element's middle, without --width.
        figures: what --figures draws.
    """
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras file, SavedModel folder or Basenji .h5")
    p.add_argument("genes", help="GTF, GFF3 or BED of genes, or of regions of one base")
    p.add_argument("-f", dest="fasta", metavar="FASTA", required=True, help="genome")
    p.add_argument("-o", dest="out", metavar="DIR", required=True, help="output folder")
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--bins", type=int, default=3, help="around the TSS, an odd number [3]")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--figures", type=int, default=10, metavar="N", help=f"{figures} [10]")
    g = p.add_argument_group("genes")
    g.add_argument("--genes", dest="names", metavar="NAME,…|@FILE", help="only these")
    g.add_argument("--gene_type", help="only genes of this type, such as protein_coding")
    g.add_argument("--tss", default="canonical", help="canonical, or each [%(default)s]")
    e = p.add_argument_group("candidate elements")
    e.add_argument(
        "--pairs",
        metavar="TABLE",
        help="columns gene or tss, chrom, start, end and, for accuracy, label (0, 1)",
    )
    shown = f"{width}" if width else "the element as it is"
    e.add_argument(
        "--width", type=int, default=width, help=f"bp around an element's middle [{shown}]"
    )
    e.add_argument(
        "--groups", default="10000,30000,100000", help="distances between groups, bp [%(default)s]"
    )
    add_common(p)


def add_tracks(p: ArgumentParser) -> None:
    """Add the options that choose tracks."""
    t = p.add_argument_group("tracks, over which expression is averaged")
    t.add_argument("-t", "--targets", metavar="TABLE", help="this table's [all]")
    t.add_argument("--query", help='those that match, such as "CAGE & K562"')
    t.add_argument("--sense", action="store_true", help="of two strands the gene's own")


@dataclass(frozen=True)
class Asked:
    """What a sub-command is asked.

    Attributes:
        model: the model.
        window: how its windows lie around start sites.
        sites: start sites; with pairs, those that they name.
        pairs: candidate elements.
        elements: at the start sites.
        of_pairs: how they are scored.
        files: label → path of what decides the results, but for the FASTA.
        shifts: bp.
    """

    model: "NamedModel"
    window: "TssWindow"
    sites: list["StartSite"]
    pairs: list["Pair"]
    elements: list["Element"]
    of_pairs: "PairOptions"
    files: dict
    shifts: tuple[int, ...]

    @classmethod
    def of(cls, args: Namespace, sigma: float | None = None) -> "Asked":
        """Return what is asked, after checking all that can be checked without the model.

        Args:
            args: of the options.
            sigma: of `PairOptions`.
        """
        from tfepi import predictors
        from tfepi.analysis.element_pairs import match, read_pairs
        from tfepi.analysis.pair_accuracy import parse_edges
        from tfepi.analysis.pair_options import PairOptions
        from tfepi.analysis.tss import GeneChoice, listed_genes
        from tfepi.analysis.tss_windows import TssWindow
        from tfepi.evaluation.matching import parse_shifts
        from tfepi.evaluation.named_model import NamedModel
        from tfepi.params import read_params
        from tfepi.spec import check_shifts
        from tfrecords_tools.genome import Genome
        from tfrecords_tools.output import check_folder

        check_folder(args.out, args.resume, args.overwrite)
        shifts = parse_shifts(args.shifts)
        of_pairs = PairOptions(args.width, sigma, parse_edges(args.groups), args.seed)
        params = read_params(args.params, training=False)
        if not (predictors.is_h5(args.model) or predictors.is_published(args.model, params)):
            # A model of cell types is refused before it is asked for one.
            TssWindow.of(predictors.read_spec(args.model), args.bins)
        table, query = getattr(args, "targets", None), getattr(args, "query", None)
        model = NamedModel.of(
            args.params, args.model, table, args.head, args.batch_size, query=query
        )
        window = TssWindow.of(model.spec, args.bins)
        check_shifts(model.spec, shifts)
        names, files = listed_genes(args.names)
        choice = GeneChoice(args.genes, names, args.gene_type, args.tss)
        with Genome(args.fasta) as genome:
            sites = choice.sites(genome.chroms, f"FASTA {args.fasta}")
        files |= model.files | {"genes": args.genes} | ({"targets": table} if table else {})
        pairs, elements = [], []
        if args.pairs:
            pairs = read_pairs(args.pairs)
            sites, elements = match(pairs, sites, window, args.width)
            files["pairs"] = args.pairs
        return cls(model, window, sites, pairs, elements, of_pairs, files, shifts)

    def run(self, args: Namespace) -> "SiteRun":
        """Return what every run takes."""
        from tfepi.analysis.site_run import SiteRun

        return SiteRun(
            *(self.model.load, self.model.spec, self.sites, args.fasta, args.out, self.files),
            *(self.pairs, self.elements, self.of_pairs),
            *(args.resume, args.overwrite, args.quiet),
        )


def summary(rows: list[dict]) -> str:
    """Return lines of accuracy over all pairs, for standard output; "" without any.

    Args:
        rows: of `pair_accuracy.pair_accuracy`.
    """
    from tfepi.analysis.pair_tables import shown

    lines = []
    for row in rows:
        if row["from"] is None and row["to"] is None:
            ends = "" if row["low"] is None else f" ({shown(row['low'])} to {shown(row['high'])})"
            counts = f"{row['positives']} of {row['pairs']} pairs"
            value = shown(row["value"])
            lines.append(f"{row['statistic'].upper()} of {row['score']}: {value}{ends}, {counts}\n")
    return "".join(lines)
