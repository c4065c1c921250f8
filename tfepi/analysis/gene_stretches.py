"""Promoters and bodies of genes as stretches of the genome."""

from collections.abc import Mapping
from dataclasses import dataclass

from tfepi.analysis.gene_files import read_genes
from tfepi.analysis.tss import GeneChoice
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class GeneParts:
    """Which bases of a gene are meant.

    Attributes:
        up: bp of the promoter before the first transcribed base, on the gene's strand.
        down: bp of it from that base on; 0 of both for no promoter.
        body: the gene from its first base to its last, too.

    Raises:
        ConfigError: a negative number of bp, or nothing.
    """

    up: int = 500
    down: int = 200
    body: bool = False

    def __post_init__(self):
        if self.up < 0 or self.down < 0:
            raise ConfigError(
                f"the promoter is {self.up} bp before a start site and {self.down} bp after: want "
                "neither below 0"
            )
        if not (self.up or self.down or self.body):
            raise ConfigError("of genes neither promoter nor body is asked for: want one of them")

    @classmethod
    def parse(cls, promoter: str | None, body: bool) -> "GeneParts":
        """Return the parts of a command line.

        Args:
            promoter: "UP,DOWN"; None for 500,200, or without one where the body is asked for.
            body: ask for the body.

        Raises:
            ConfigError: a text of another form, or as the class.
        """
        if promoter is None:
            return cls(0, 0, True) if body else cls()
        try:
            up, down = map(int, promoter.split(","))
        except ValueError:
            raise ConfigError(
                f"promoter is {promoter!r}: want bp before and after the start site, as 500,200"
            ) from None
        return cls(up, down, body)


def gene_stretches(
    choice: GeneChoice, parts: GeneParts, chroms: Mapping[str, int], where: str
) -> list[Stretch]:
    """Return the parts of genes, labelled by the genes' names, cut at the chromosomes' ends.

    Genes are on their strand; a stretch that begins beyond its chromosome is left out.

    Args:
        choice: of genes and start sites.
        parts: which bases are meant.
        chroms: of the genome, name → length, bp.
        where: the genome, for messages.

    Raises:
        InputFileError: as `GeneChoice.sites`.
        ConfigError: as `GeneChoice.sites`.
    """
    sites = choice.sites(dict(chroms), where)
    bodies = {}
    if parts.body:
        bodies = {(g.id, g.chrom, g.strand): (g.start, g.end) for g in read_genes(choice.path)}
    found, last = [], None
    for site in sites:
        if parts.up or parts.down:
            ahead = (parts.up, parts.down) if site.strand != "-" else (parts.down - 1, parts.up + 1)
            place = (site.position - ahead[0], site.position + ahead[1])
            found.append((site, *place))
        if parts.body and site.number != last:
            found.append((site, *bodies[site.gene, site.chrom, site.strand]))
        last = site.number
    stretches = []
    for site, start, end in found:
        start, end = max(0, start), min(end, chroms[site.chrom])
        if start < end:
            strand = "-" if site.strand == "-" else "+"
            stretches.append(Stretch(site.chrom, start, end, strand, site.name))
    return stretches
