"""Transcription start sites (TSS) of the genes of an annotation, and which genes are meant."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.analysis.gene_files import STRANDS, Gene, Transcript, read_genes
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.genome import missing_chrom

WHICH = ("canonical", "each")
_SHOWN = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartSite:
    """Where a gene begins to be transcribed.

    Attributes:
        chrom: chromosome.
        position: its first base on the gene's strand, 0-based.
        strand: "+", "-", or "." where nothing is known.
        gene: identifier of the gene.
        name: of the gene.
        type: of the gene, or "".
        number: of the gene among those chosen, from 0.
        transcripts: identifiers of those that begin there, or so near that they are left to it.
        canonical: whether a transcript that the annotation calls canonical begins there.
    """

    chrom: str
    position: int
    strand: str
    gene: str
    name: str
    type: str = ""
    number: int = 0
    transcripts: tuple[str, ...] = ()
    canonical: bool = False


@dataclass(frozen=True)
class GeneChoice:
    """Which genes of an annotation are meant, and which of their start sites.

    Attributes:
        path: GTF, GFF3 or BED.
        names: identifiers (with or without version) or names; () for all genes.
        type: only genes of this type, or None.
        which: "canonical", one site per gene: that of the first transcript that the annotation
            tags as canonical, or else the gene's own end; or "each", every site of a transcript.
        apart: sites of one gene that are nearer than this to one before, bp, are left to it: the
            canonical one comes first, then from the gene's own end on. None: the caller decides.

    Raises:
        ConfigError: an unknown `which`, or a negative distance.
    """

    path: str | Path
    names: tuple[str, ...] = ()
    type: str | None = None
    which: str = "canonical"
    apart: int | None = None

    def __post_init__(self):
        if self.which not in WHICH:
            raise unknown("choice of start sites", self.which, WHICH)
        if self.apart is not None and self.apart < 0:
            raise ConfigError(f"distance between start sites is {self.apart} bp: want 0 or more")

    def sites(self, chroms: dict[str, int], where: str, apart: int = 0) -> list[StartSite]:
        """Return the start sites of the genes that are meant, gene by gene.

        Genes without strand, and genes on chromosomes that the genome lacks, are left out with a
        warning, unless they are named.

        Args:
            chroms: of the genome, name → length, bp.
            where: the genome, for messages.
            apart: as the attribute, where that is None.

        Raises:
            InputFileError: a file that cannot be used, a site past the end of its chromosome, or
                no gene that is left.
            ConfigError: an unknown name or type of gene.
        """
        genes = self._typed(self._named(read_genes(self.path)))
        genes = self._stranded(genes)
        genes = self._placed(genes, chroms, where)
        apart = apart if self.apart is None else self.apart
        found = [s for n, g in enumerate(genes) for s in start_sites(g, self.which, apart, n)]
        for site in found:
            if site.position >= chroms[site.chrom]:
                raise InputFileError(
                    f"{self.path}: gene {site.gene} begins at {site.chrom}:{site.position + 1}, "
                    f"past its end ({chroms[site.chrom]} bp in {where}): is it of another build?"
                )
        return found

    def _named(self, genes: list[Gene]) -> list[Gene]:
        if not self.names:
            return genes
        keys = [_keys(gene) for gene in genes]
        known = set().union(*keys)
        missing = [name for name in self.names if name not in known]
        if len(missing) == 1:
            raise unknown("gene", missing[0], known, f"in {self.path}")
        if missing:
            more = ", …" if len(missing) > _SHOWN else ""
            raise ConfigError(
                f"{self.path} lacks {len(missing)} of the {len(self.names)} genes named: "
                f"{', '.join(missing[:_SHOWN])}{more}; leave them out"
            )
        wanted = set(self.names)
        return [g for g, k in zip(genes, keys, strict=True) if not k.isdisjoint(wanted)]

    def _typed(self, genes: list[Gene]) -> list[Gene]:
        if self.type is None:
            return genes
        types = {g.type for g in genes} - {""}
        if not types:
            raise ConfigError(f"{self.path} gives genes no type: leave --gene_type out")
        if self.type not in types:
            raise unknown("gene type", self.type, types, f"in {self.path}")
        return [g for g in genes if g.type == self.type]

    def _stranded(self, genes: list[Gene]) -> list[Gene]:
        found = [g for g in genes if g.strand in STRANDS or g.end - g.start == 1]
        self._left(genes, found, "have no strand, so that it is not known where they begin")
        return found

    def _placed(self, genes: list[Gene], chroms: dict[str, int], where: str) -> list[Gene]:
        found = [g for g in genes if g.chrom in chroms]
        if len(found) < len(genes):
            strange = next(g.chrom for g in genes if g.chrom not in chroms)
            if not found or self.names:
                raise InputFileError(missing_chrom(strange, chroms, where))
            self._left(genes, found, f"lie on chromosomes that {where} lacks ({strange}, …)")
        return found

    def _left(self, genes: list[Gene], found: list[Gene], why: str) -> None:
        count = len(genes) - len(found)
        if count and (not found or self.names):
            raise InputFileError(
                f"{self.path}: {count} of {len(genes)} genes {why}; want + or - as their strand"
            )
        if count:
            _log.warning("%s: %d of %d genes %s: left out", self.path, count, len(genes), why)


def listed_genes(text: str | None) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Return the genes of a command line, and label → path of the file that lists them.

    Args:
        text: names separated by commas, or @file with one a line; None for none.

    Raises:
        ConfigError: names that are none.
        InputFileError: a file that is missing or no text.
    """
    if text is None:
        return (), {}
    files = {}
    if text.startswith("@"):
        path = files["genes_listed"] = existing(text[1:], "list of genes")
        try:
            names = path.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            raise InputFileError(f"list of genes {path} is no text: want one name a line") from None
    else:
        names = text.split(",")
    names = tuple(dict.fromkeys(n.strip() for n in names if n.strip()))
    if not names:
        raise ConfigError(f"--genes {text} names none: want names separated by commas, or @file")
    return names, files


def _keys(gene: Gene) -> set[str]:
    return {gene.id, gene.name, unversioned(gene.id)}


def unversioned(identifier: str) -> str:
    """Return an Ensembl identifier without its version (ENSG00000139618.15); others as they are."""
    return re.sub(r"^(ENS\w+)\.\d+", r"\1", identifier)


def start_sites(
    gene: Gene, which: str = "canonical", apart: int = 0, number: int = 0
) -> list[StartSite]:
    """Return the start sites of a gene.

    Args:
        gene: on a strand, or one base long.
        which: one of `WHICH`.
        apart: distance below which a site is left to one before, bp.
        number: of the gene.
    """
    own = _first_base(gene.strand, gene.start, gene.end)
    tagged = next((t for t in gene.transcripts if t.canonical), None)
    first = own if tagged is None else _start(gene, tagged)
    places = [first]
    if which == "each" and gene.transcripts:
        places = [] if tagged is None else [first]
        rest = {_start(gene, t) for t in gene.transcripts}
        for place in sorted(rest, reverse=gene.strand == "-"):
            if place not in places and all(abs(place - p) >= apart for p in places):
                places.append(place)
    nearest: dict[int, list[str]] = {place: [] for place in places}
    for transcript in gene.transcripts:
        at = _start(gene, transcript)
        near = min(places, key=lambda p: abs(p - at))
        if at == near or (which == "each" and abs(at - near) < apart):
            nearest[near].append(transcript.id)
    return [
        StartSite(
            *(gene.chrom, place, gene.strand, gene.id, gene.name, gene.type, number),
            tuple(dict.fromkeys(nearest[place])),
            tagged is not None and place == first,
        )
        for place in places
    ]


def _start(gene: Gene, transcript: Transcript) -> int:
    return _first_base(gene.strand, transcript.start, transcript.end)


def _first_base(strand: str, start: int, end: int) -> int:
    return end - 1 if strand == "-" else start


def gene_bounds(sites: Sequence[StartSite]) -> list[int]:
    """Return where each gene's sites begin among sites in order, and their number at the end."""
    begins = [i for i, s in enumerate(sites) if not i or s.number != sites[i - 1].number]
    return [*begins, len(sites)]
