"""Genes and their transcripts, read from GTF, GFF3 or BED, plain or gzip.

GTF and GFF3 count from 1 and include the last base; BED and everything here count from 0 and leave
it out.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import bed_rows

STRANDS = ("+", "-")
CANONICAL = frozenset(("Ensembl_canonical", "MANE_Select", "MANE Select", "RefSeq Select"))
_GTF_PAIR = re.compile(r'([^\s;"]+)\s+(?:"([^"]*)"|([^\s;"]+))')
_TRANSCRIPT_ID = re.compile(r'transcript_id\s+"?([^";]+)')
_NAMES = ("gene_name", "Name", "gene", "gene_symbol")
_TYPES = ("gene_type", "gene_biotype", "biotype")


@dataclass(frozen=True)
class Transcript:
    """A transcript, 0-based and half-open.

    Attributes:
        id: its identifier.
        start: first base.
        end: the base behind the last.
        canonical: whether the file tags it so (`CANONICAL`).
    """

    id: str
    start: int
    end: int
    canonical: bool = False


@dataclass(frozen=True)
class Gene:
    """A gene, 0-based and half-open.

    Attributes:
        id: its identifier, with its version where the file gives one.
        name: its name; the identifier where there is none.
        chrom: chromosome.
        strand: "+", "-", or "." where the file does not say.
        start: first base.
        end: the base behind the last.
        type: as the file has it ("protein_coding"), or "".
        transcripts: in the order of the file; of a BED one per row.
    """

    id: str
    name: str
    chrom: str
    strand: str
    start: int
    end: int
    type: str = ""
    transcripts: tuple[Transcript, ...] = ()


def read_genes(path: str | Path) -> list[Gene]:
    """Read the genes of an annotation, in the order of the file.

    Of a GTF, genes are lines `gene`, or else what lines `transcript` or `exon` with the same
    gene_id span; of a GFF3, features whose type ends in "gene", and transcripts those features of a
    type with "RNA", "transcript" or "segment" that name one as Parent. Of a BED, rows with one name
    (column 4), chromosome and strand (column 6) are one gene.

    Args:
        path: .gtf, .gff, .gff3 or .bed, plain or .gz.

    Raises:
        InputFileError: another suffix, no text, a damaged line (with its number), or no gene.
    """
    path = existing(path, "gene annotation")
    suffix = next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), "")
    readers: dict[str, Callable[[Path], list[Gene]]] = {
        ".gtf": _gtf,
        ".gff": _gff,
        ".gff3": _gff,
        ".bed": _bed,
    }
    if suffix not in readers:
        raise InputFileError(
            f"gene annotation {path} is of no known kind: want .gtf, .gff3 or .bed, plain or .gz"
        )
    found = readers[suffix](path)
    if not found:
        raise InputFileError(
            f"gene annotation {path} has no genes: is it of the kind that its name says?"
        )
    return found


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) of the lines of a text file, plain or gzip, but comments.

    Raises:
        InputFileError: a damaged gzip, or no text.
    """
    with open(path, "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8") as handle:
            for number, line in enumerate(handle, 1):
                if line.startswith("##FASTA"):
                    return  # of a GFF3: sequences follow
                if line.strip() and not line.startswith("#"):
                    yield number, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(f"{path} is damaged gzip ({error}): fetch it again") from None
    except UnicodeDecodeError:
        raise InputFileError(f"{path} is no text: want GTF, GFF3 or BED, plain or gzip") from None


@dataclass
class _Feature:
    """A line of a GTF or GFF3, 0-based and half-open."""

    kind: str
    chrom: str
    start: int
    end: int
    strand: str
    attributes: str


def _features(path: Path, wanted: Callable[[str, str], bool]) -> Iterator[_Feature]:
    """Yield the features of a GTF or GFF3 whose (type, attributes) are wanted."""
    for number, line in lines(path):
        cells = line.split("\t")
        if len(cells) != 9:
            raise InputFileError(
                f"{path} line {number} has {len(cells)} tab-separated columns: want the 9 of GTF "
                "and GFF3"
            )
        if not wanted(cells[2], cells[8]):
            continue
        try:
            start, end = int(cells[3]), int(cells[4])
        except ValueError:
            start, end = 0, 0
        if not 1 <= start <= end:
            raise InputFileError(
                f"{path} line {number} goes from {cells[3]!r} to {cells[4]!r}: want whole numbers "
                "from 1, start <= end"
            )
        strand = cells[6] if cells[6] in STRANDS else "."
        yield _Feature(cells[2], cells[0], start - 1, end, strand, cells[8])


@dataclass
class _Growing:
    """A gene whose lines are being read."""

    gene: Gene
    own: bool  # whether it has a line of its own
    transcripts: dict[str, Transcript] = field(default_factory=dict)

    def add(self, transcript: Transcript, grows: bool = False) -> None:
        """Take a transcript; with `grows`, a part of one."""
        old = self.transcripts.get(transcript.id)
        if grows and old is not None:
            start, end = min(old.start, transcript.start), max(old.end, transcript.end)
            canonical = old.canonical or transcript.canonical
            transcript = Transcript(old.id, start, end, canonical)
        self.transcripts[transcript.id] = transcript

    def whole(self) -> Gene:
        made = tuple(self.transcripts.values())
        gene = replace(self.gene, transcripts=made)
        if self.own or not made:
            return gene
        return replace(gene, start=min(t.start for t in made), end=max(t.end for t in made))


def _gtf(path: Path) -> list[Gene]:
    genes: dict[tuple[str, str, str], _Growing] = {}
    listed: set[tuple[str, str]] = set()  # transcripts with a line of their own

    def wanted(kind: str, attributes: str) -> bool:
        return kind in ("gene", "transcript", "mRNA", "exon")

    for f in _features(path, wanted):
        if f.kind == "exon":
            of = _TRANSCRIPT_ID.search(f.attributes)
            if of is None or (f.chrom, of[1]) in listed:
                continue  # most lines of most files
        pairs = [(k, a or b) for k, a, b in _GTF_PAIR.findall(f.attributes)]
        values = dict(reversed(pairs))  # the first of several counts
        if not values.get("gene_id"):
            raise InputFileError(
                f"{path}: a line {f.kind} at {f.chrom}:{f.start + 1} has no gene_id: is it GTF?"
            )
        key = (values["gene_id"], f.chrom, f.strand)
        gene = _described(values["gene_id"], f, values)
        grown = genes.setdefault(key, _Growing(gene, False))
        if f.kind == "gene":
            grown.gene, grown.own = gene, True
            continue
        name = values.get("transcript_id") or values["gene_id"]
        tags = {v for k, v in pairs if k == "tag"}
        made = Transcript(name, f.start, f.end, bool(tags & CANONICAL))
        if f.kind != "exon":
            listed.add((f.chrom, name))
            grown.transcripts.pop(name, None)  # what its exons gave so far
        grown.add(made, grows=f.kind == "exon")
    return [g.whole() for g in genes.values()]


def _gff(path: Path) -> list[Gene]:
    genes: dict[str, _Growing] = {}
    made: list[tuple[str, Transcript]] = []

    def wanted(kind: str, attributes: str) -> bool:
        return _is_gene(kind) or ("Parent=" in attributes and _is_transcript(kind))

    for f in _features(path, wanted):
        pairs = (cell.partition("=") for cell in f.attributes.split(";"))
        values = {k.strip(): unquote(v.strip()) for k, _, v in pairs}
        if _is_gene(f.kind):
            key = values.get("ID", "")
            name = values.get("gene_id") or re.sub("^gene[:-]", "", key)
            if not name:
                raise InputFileError(
                    f"{path}: a {f.kind} at {f.chrom}:{f.start + 1} has no ID: is it GFF3?"
                )
            # NCBI has one gene on X and Y under one ID, Ensembl no ID twice.
            genes[f"{key or name} {f.chrom}"] = _Growing(_described(name, f, values), True)
            continue
        tags = set(values.get("tag", "").split(","))
        name = values.get("transcript_id") or re.sub("^transcript:", "", values.get("ID", ""))
        transcript = Transcript(name, f.start, f.end, bool(tags & CANONICAL))
        made += [
            (f"{parent} {f.chrom}", transcript) for parent in values.get("Parent", "").split(",")
        ]
    for key, transcript in made:
        if key in genes:
            genes[key].add(transcript)
    return [g.whole() for g in genes.values()]


def _is_gene(kind: str) -> bool:
    return kind.endswith("gene")


def _is_transcript(kind: str) -> bool:
    return "RNA" in kind or "transcript" in kind or "segment" in kind


def _described(name: str, f: _Feature, values: dict[str, str]) -> Gene:
    def first(keys: tuple[str, ...]) -> str:
        return next((values[k] for k in keys if values.get(k)), "")

    return Gene(name, first(_NAMES) or name, f.chrom, f.strand, f.start, f.end, first(_TYPES))


def _bed(path: Path) -> list[Gene]:
    genes: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for row, cells in bed_rows(path):
        strand = cells[5].strip() if len(cells) > 5 else "."
        if strand not in (*STRANDS, "."):
            raise InputFileError(
                f"{path}: strand of {row} is {strand!r}, want +, - or . in column 6"
            )
        if row.end == row.start:
            raise InputFileError(f"{path}: {row} has no base: want start < end")
        genes.setdefault((row.label or str(row), row.chrom, strand), []).append(
            (row.start, row.end)
        )
    return [
        Gene(
            name,
            name,
            chrom,
            strand,
            min(spans)[0],
            max(end for _, end in spans),
            transcripts=tuple(Transcript(name, *span) for span in spans),
        )
        for (name, chrom, strand), spans in genes.items()
    ]
