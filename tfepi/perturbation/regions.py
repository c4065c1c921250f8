"""Which bases a command changes: the intervals of a BED, or promoters and bodies of genes."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfrecords_tools.errors import ConfigError

if TYPE_CHECKING:
    from tfepi.analysis.gene_stretches import GeneParts
    from tfepi.analysis.tss import GeneChoice
    from tfepi.variants.stretches import Stretch
    from tfrecords_tools.genome import Genome

_OPTIONS = ("gene_names", "gene_type", "tss", "promoter", "gene_body")


def add_genes(p: ArgumentParser) -> None:
    """Add the options that choose bases of genes, instead of regions."""
    g = p.add_argument_group("genes, instead of regions")
    g.add_argument("--genes", metavar="FILE", help="GTF, GFF3 or BED of genes")
    g.add_argument("--gene_names", metavar="NAME,…|@FILE", help="only these genes")
    g.add_argument("--gene_type", help="only genes of this type, such as protein_coding")
    g.add_argument("--tss", help="canonical start site of a gene, or each [canonical]")
    g.add_argument("--promoter", metavar="UP,DOWN", help="bp around start sites [500,200]")
    g.add_argument("--gene_body", action="store_true", help="the bodies [promoters alone]")


@dataclass(frozen=True)
class RegionChoice:
    """Regions of a BED, or parts of genes.

    Attributes:
        bed: path of the BED, or None.
        genes: which genes, or None.
        parts: which of their bases.
        files: label → path of what decides the choice.
    """

    bed: str | None
    genes: "GeneChoice | None"
    parts: "GeneParts | None"
    files: dict

    @classmethod
    def of(cls, args: Namespace) -> "RegionChoice":
        """Return the choice of a command line.

        Raises:
            ConfigError: regions and genes, or neither; options of genes without any.
            InputFileError: a list of genes that cannot be read.
        """
        if (args.regions is None) == (args.genes is None):
            given = "both are" if args.genes else "neither is"
            raise ConfigError(f"a file of regions or --genes is wanted, and {given} given")
        if args.genes is None:
            for name in _OPTIONS:
                if getattr(args, name):
                    raise ConfigError(
                        f"--{name} is given without --genes: name the file of genes, or leave "
                        f"--{name} out"
                    )
            return cls(args.regions, None, None, {"regions": args.regions})
        from tfepi.analysis.gene_stretches import GeneParts
        from tfepi.analysis.tss import GeneChoice, listed_genes

        names, files = listed_genes(args.gene_names)
        choice = GeneChoice(args.genes, names, args.gene_type, args.tss or "canonical")
        parts = GeneParts.parse(args.promoter, args.gene_body)
        return cls(None, choice, parts, files | {"regions": args.genes})

    def stretches(self, genome: "Genome") -> list["Stretch"]:
        """Return the stretches of the genome that are meant.

        Raises:
            InputFileError: a file that cannot be used, or an interval beyond the genome.
        """
        if self.bed is not None:
            from tfepi.variants.stretches import bed_stretches

            return bed_stretches(self.bed, genome)
        from tfepi.analysis.gene_stretches import gene_stretches

        return gene_stretches(self.genes, self.parts, genome.chroms, f"FASTA {genome.path}")
