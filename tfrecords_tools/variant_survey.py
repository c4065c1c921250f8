"""Whether the reference alleles of variants are the genome's, and what their positions say."""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tfrecords_tools.genome import Genome, decode, encode, reverse_complement, shortened

MAX_RECORDS = 1_000_000
_CHUNK = 1 << 16
_BASES = frozenset("ACGT")
_COUNTS = (
    "past_end",
    "symbolic",
    "without_alternative",
    "compared",
    "matched",
    "swapped",
    "moved",
    "other_strand",
)
_CONTIG_NAME = re.compile(r"[<,]ID=([^,>]+)")
_CONTIG_LENGTH = re.compile(r"[<,]length=(\d+)")


class Variant(Protocol):
    """A record of a VCF, its position 0-based."""

    chrom: str
    position: int
    ref: str
    alts: tuple[str, ...]


@dataclass(frozen=True)
class VariantSource:
    """A VCF, and how it is read.

    Attributes:
        path: of the file.
        header: returns a path's header as text.
        variants: yields a path's records, in order.
    """

    path: str
    header: Callable[[str], str]
    variants: Callable[[str], Iterable[Variant]]


@dataclass(frozen=True)
class VariantSurvey:
    """What was seen of a VCF; counts are of records.

    Attributes:
        path: of the file.
        records: how many were read.
        whole: whether that was all of them.
        contigs: contig → length in bp, for those whose header line states it.
        absent: chromosomes that the genome lacks → records on them.
        past_end: records that reach beyond their chromosome.
        symbolic: records with an allele that is no sequence of letters (<DEL>, *, breakends, N).
        without_alternative: records that name no ALT.
        compared: records whose REF could be compared.
        matched: of these, those whose REF is the genome's.
        swapped: an ALT is the genome's, REF is not.
        moved: records whose REF is the genome's one base further right.
        other_strand: the reverse complement of REF is the genome's, REF is not.
        first_mismatch: the first REF mismatch, in words.
    """

    path: str
    records: int
    whole: bool
    contigs: dict[str, int]
    absent: dict[str, int]
    past_end: int
    symbolic: int
    without_alternative: int
    compared: int
    matched: int
    swapped: int
    moved: int
    other_strand: int
    first_mismatch: str

    @property
    def match_rate(self) -> float:
        """Share of compared records whose REF is the genome's; 1 if there were none."""
        return self.matched / self.compared if self.compared else 1.0


def survey_variants(
    source: VariantSource, genome: Genome, max_records: int = MAX_RECORDS
) -> VariantSurvey:
    """Compare the reference alleles of variants with the genome.

    Args:
        source: the variants.
        genome: what REF should agree with.
        max_records: stop after so many.
    """
    counts = dict.fromkeys(_COUNTS, 0)
    absent: dict[str, int] = {}
    bases, records, whole, first = _Bases(genome), 0, True, ""
    for variant in itertools.islice(source.variants(source.path), max_records + 1):
        if records == max_records:
            whole = False
            break
        records += 1
        chrom, start = variant.chrom, variant.position
        if chrom not in genome.chroms:
            absent[chrom] = absent.get(chrom, 0) + 1
            continue
        ref, alts = variant.ref.upper(), [a.upper() for a in variant.alts]
        counts["without_alternative"] += not alts
        counts["symbolic"] += any(set(a) - _BASES for a in (ref, *alts))
        end = start + len(ref)
        if start < 0 or end > genome.chroms[chrom]:
            counts["past_end"] += 1
            continue
        if set(ref) - _BASES:
            continue
        counts["compared"] += 1
        here = bases.get(chrom, start, end)
        counts["moved"] += bases.get(chrom, start + 1, end + 1) == ref
        if here == ref:
            counts["matched"] += 1
            continue
        counts["swapped"] += any(a == bases.get(chrom, start, start + len(a)) for a in alts)
        counts["other_strand"] += here == decode(reverse_complement(encode(ref)))
        first = (
            first or f"{chrom}:{start + 1} has REF {shortened(ref)}, the genome {shortened(here)}"
        )
    return VariantSurvey(
        source.path,
        records,
        whole,
        contig_lengths(source.header(source.path)),
        absent,
        first_mismatch=first,
        **counts,
    )


def contig_lengths(header: str) -> dict[str, int]:
    """Return contig → length, bp, as far as a VCF's header states it."""
    found = {}
    for line in header.splitlines():
        name, length = _CONTIG_NAME.search(line), _CONTIG_LENGTH.search(line)
        if line.startswith("##contig=<") and name and length:
            found[name[1]] = int(length[1])
    return found


class _Bases:
    """A genome's letters, read a chunk at a time for positions that mostly ascend."""

    def __init__(self, genome: Genome):
        self._genome, self._chrom, self._start, self._text = genome, "", 0, ""

    def get(self, chrom: str, start: int, end: int) -> str:
        low = start - self._start
        if chrom != self._chrom or low < 0 or end - self._start > len(self._text):
            self._chrom, self._start = chrom, start
            stop = max(end, start + _CHUNK)
            self._text = decode(self._genome.indices(chrom, start, stop))
            low = 0
        return self._text[low : low + end - start]
