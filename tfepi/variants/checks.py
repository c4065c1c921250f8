"""Which records of a VCF can be scored on a genome, and why the others cannot."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.variants.alleles import AllelePair, Stretches
from tfepi.variants.vcf import Variant, chunks, header_text, read_variants
from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.genome import Genome, decode, encode, missing_chrom, shortened
from tfrecords_tools.variant_survey import contig_lengths

REF_POLICIES = ("error", "swap", "skip")
SKIPPED_COLUMNS = ("row", "chrom", "pos", "id", "ref", "alt", "reason")
_BASES = frozenset("ACGT")
_SURVEY_CHUNK = 4096
_WRONG_BUILD = 0.2  # share of REF mismatches from which another build is the likely cause
_REF = "REF"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Skipped:
    """A record, or one ALT of it, that cannot be scored.

    Attributes:
        variant: the record.
        alt: the ALT, or all of them joined by commas where the whole record is skipped.
        reason: in words.
        kind: "REF" for a mismatch with the genome, else "".
    """

    variant: Variant
    alt: str
    reason: str
    kind: str = ""

    def line(self) -> str:
        """Return the row of skipped.tsv: row and pos count from 1, as in the VCF."""
        v = self.variant
        values = (v.row + 1, v.chrom, v.position + 1, v.id, v.ref, self.alt or ".", self.reason)
        return "\t".join(map(str, values)) + "\n"


@dataclass(frozen=True)
class Survey:
    """What a VCF holds, found by one pass over it.

    Attributes:
        records: number of records.
        rows: number of pairs of REF and ALT that can be scored.
        skipped: number of records and ALTs that cannot.
        widths: longest chromosome name, id, REF and ALT among the pairs, bytes.
        chroms: chromosomes of the pairs and their lengths, in the order of the VCF.
    """

    records: int
    rows: int
    skipped: int
    widths: dict[str, int]
    chroms: dict[str, int]


def check(
    genome: Genome, variants: Sequence[Variant], ref_policy: str
) -> tuple[list[AllelePair], list[Skipped]]:
    """Return the pairs of REF and ALT that can be scored, and what cannot.

    Args:
        genome: the FASTA.
        variants: consecutive records.
        ref_policy: "swap" keeps records whose REF differs from the genome but one of whose
            ALTs equals it; the longest such ALT becomes the host.

    Raises:
        ConfigError: unknown policy.
    """
    if ref_policy not in REF_POLICIES:
        raise unknown("ref_policy", ref_policy, REF_POLICIES)
    pairs: list[AllelePair] = []
    skipped: list[Skipped] = []
    placed = [(v, _misplaced(genome, v)) for v in variants]
    read = Stretches(
        genome, ((v.chrom, v.position, v.position + _reach(v)) for v, bad in placed if not bad)
    )
    for variant, problem in placed:
        host = ""
        kind = ""
        if not problem:
            host, problem = _host(read, variant, ref_policy == "swap")
            kind = _REF if problem else ""
        if problem:
            skipped.append(Skipped(variant, ",".join(variant.alts), problem, kind))
            continue
        for number, alt in enumerate(variant.alts):
            if bad := _not_sequence(alt):
                skipped.append(Skipped(variant, alt, bad))
                continue
            pairs.append(
                AllelePair(
                    variant.chrom,
                    variant.position,
                    variant.id,
                    variant.ref.upper(),
                    alt.upper(),
                    host,
                    variant.row,
                    number,
                )
            )
    return pairs, skipped


def _misplaced(genome: Genome, variant: Variant) -> str:
    """Return why a record has no place or no sequence, or ""."""
    if variant.chrom not in genome.chroms:
        return missing_chrom(variant.chrom, genome.chroms, "the FASTA")
    if not variant.alts:
        return "no ALT allele"
    if not set(variant.ref.upper()) <= _BASES:
        return f"REF {_short(variant.ref)} has letters other than A, C, G, T"
    if variant.position < 0:
        return "position 0 lies before the chromosome"
    length = genome.chroms[variant.chrom]
    end = variant.position + len(variant.ref)
    if end > length:
        return f"REF ends at {end}, past the end of {variant.chrom} ({length} bp)"
    return ""


def _not_sequence(alt: str) -> str:
    """Return why an ALT cannot be spliced in, or ""."""
    if alt == "*":
        return "ALT '*' (deleted by another record) is no sequence"
    if alt.startswith("<"):
        return f"ALT {_short(alt, 'letters')} is symbolic: want its sequence"
    if set(alt) & set("[].") or not alt:
        return f"ALT {_short(alt, 'letters')} is a breakend: want its sequence"
    if not set(alt.upper()) <= _BASES:
        return f"ALT {_short(alt)} has letters other than A, C, G, T"
    return ""


def _short(allele: str, unit: str = "bp") -> str:
    text = shortened(allele, unit)
    return repr(text) if text == allele else text


def _reach(variant: Variant) -> int:
    return max(len(variant.ref), *map(len, variant.alts))


def _host(read: Stretches, variant: Variant, swap: bool) -> tuple[str, str]:
    """Return the allele that the genome holds, or why there is none."""
    bases = read(variant.chrom, variant.position, variant.position + _reach(variant))

    def held(allele: str) -> bool:
        return bool((bases[: len(allele)] == encode(allele)).all())

    if held(variant.ref):
        return variant.ref.upper(), ""
    found = _short(decode(bases[: len(variant.ref)]))
    problem = f"REF is {_short(variant.ref)}, the genome has {found}"
    if not swap:
        return "", problem
    hosts = [a.upper() for a in variant.alts if not _not_sequence(a) and held(a)]
    if hosts:
        return max(hosts, key=len), ""
    return "", f"{problem}, and no ALT equals it"


def survey(
    genome: Genome,
    vcf: str | Path,
    ref_policy: str,
    look: Callable[[Sequence[AllelePair]], object] = len,
) -> Survey:
    """Read a whole VCF and check every record, in constant memory.

    Args:
        genome: the FASTA.
        vcf: VCF, VCF.gz or BCF, sorted.
        ref_policy: what becomes of records that cannot be scored (`REF_POLICIES`).
        look: called with the pairs of each few thousand records.

    Raises:
        InputFileError: unreadable, truncated or unsorted; under "error" the first record that
            cannot be scored; a chromosome that the FASTA names differently; nothing to score.
        ConfigError: unknown policy.
    """
    counts: Counter[str] = Counter()
    widths = dict.fromkeys(("chrom", "id", "ref", "alt"), 1)
    chroms: dict[str, int] = {}
    first: Skipped | None = None
    _compare_header(genome, vcf)
    for chunk in chunks(read_variants(vcf), _SURVEY_CHUNK):
        for chrom in dict.fromkeys(v.chrom for v in chunk):
            _same_naming(genome, chrom, vcf)
        pairs, skipped = check(genome, chunk, ref_policy)
        look(pairs)
        counts["records"] += len(chunk)
        counts["rows"] += len(pairs)
        counts["skipped"] += len(skipped)
        counts[_REF] += sum(s.kind == _REF for s in skipped)
        if skipped and first is None:
            first = skipped[0]
            if ref_policy == "error" and first.kind != _REF:
                break
        for name in widths:
            longest = max((len(getattr(p, name).encode()) for p in pairs), default=0)
            widths[name] = max(widths[name], longest)
        chroms |= {p.chrom: genome.chroms[p.chrom] for p in pairs}
    if not counts["records"]:
        raise InputFileError(f"{vcf} holds no record")
    if first is not None and (ref_policy == "error" or not counts["rows"]):
        raise InputFileError(_refusal(vcf, first, counts, ref_policy))
    return Survey(counts["records"], counts["rows"], counts["skipped"], widths, chroms)


def _compare_header(genome: Genome, vcf: str | Path) -> None:
    """Warn of chromosomes whose length in the header is not the FASTA's; headers are often old."""
    other = [
        (c, n)
        for c, n in contig_lengths(header_text(vcf)).items()
        if c in genome.chroms and n != genome.chroms[c]
    ]
    if other:
        chrom, length = other[0]
        more = f" (and {len(other) - 1} more chromosomes differ)" if len(other) > 1 else ""
        _log.warning(
            "%s: its header says %s has %d bp, FASTA %s has %d bp%s; is it of another build?",
            vcf,
            chrom,
            length,
            genome.path,
            genome.chroms[chrom],
            more,
        )


def _same_naming(genome: Genome, chrom: str, vcf: str | Path) -> None:
    """Refuse a name that only the 'chr' prefix sets apart: every record would be skipped."""
    other = chrom[3:] if chrom.startswith("chr") else f"chr{chrom}"
    if chrom not in genome.chroms and other in genome.chroms:
        raise InputFileError(
            f"{vcf}: {missing_chrom(chrom, genome.chroms, f'FASTA {genome.path}')}"
        )


def _refusal(vcf: str | Path, first: Skipped, counts: Counter, ref_policy: str) -> str:
    text = f"{vcf} record {first.variant.row + 1} ({first.variant}): {first.reason}"
    wrong, records = counts[_REF], counts["records"]
    if wrong > 1:
        text += f"; REF differs in {wrong} of {records} records"
    if wrong > 2 and wrong > _WRONG_BUILD * records:
        text += ": the VCF is likely of another genome build"
    elif ref_policy == "error":
        text += "; --ref_policy skip (or swap) leaves such records out and lists them"
    else:
        text += "; no record can be scored"
    return text


def skipped_header() -> str:
    """Return the first line of skipped.tsv."""
    return "\t".join(SKIPPED_COLUMNS) + "\n"


def skipped_text(skipped: Iterable[Skipped]) -> str:
    """Return the lines of skipped.tsv for what was skipped."""
    return "".join(s.line() for s in skipped)
