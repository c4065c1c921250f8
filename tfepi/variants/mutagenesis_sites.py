"""Sequences to mutate: windows on a BED's regions, that tile them, or around a VCF's alleles."""

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from tfepi.spec import Condition
from tfepi.variants.alleles import AllelePair, SequenceKey, Window, sequence
from tfepi.variants.checks import check, skipped_header, skipped_text, survey
from tfepi.variants.stretches import Spans, Stretch, bed_stretches, tiles
from tfepi.variants.vcf import chunks, read_variants
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome, reverse_complement

_RECORDS = 4096
_LABEL_BASES = 5
_LENGTH = 200  # bp, where none is given


@dataclass(frozen=True)
class Span:
    """Which part of a sequence is mutated.

    As in Basenji it begins `up` bp before index L // 2 and ends `down` bp after.

    Attributes:
        up: bp before the middle.
        down: bp from the middle on.
        seq_length: L, bp.

    Raises:
        ConfigError: nothing to mutate, or beyond the sequence.
    """

    up: int
    down: int
    seq_length: int

    def __post_init__(self):
        middle = self.seq_length // 2
        if self.up < 0 or self.down < 0 or self.up + self.down < 1:
            raise ConfigError(
                f"{self.up} bp before and {self.down} bp after the middle are to be mutated: "
                "want neither below 0, and one above"
            )
        if self.up > middle or self.down > self.seq_length - middle:
            raise ConfigError(
                f"{self.up} bp before and {self.down} bp after the middle do not fit into the "
                f"model's sequence of {self.seq_length} bp"
            )

    @classmethod
    def of(cls, seq_length: int, length: int | None, up: int = 0, down: int = 0) -> "Span":
        """Return the span of Basenji's options: `up` and `down`, else `length`, else 200 bp.

        Raises:
            ConfigError: nothing to mutate, or beyond the sequence.
        """
        if not up and not down:
            if length is not None and not 1 <= length <= seq_length:
                raise ConfigError(f"-l is {length} bp: want 1 to {seq_length}, the model's window")
            length = _LENGTH if length is None else length
            up, down = length // 2, length - length // 2
        return cls(up, down, seq_length)

    @property
    def start(self) -> int:
        """Index of the first mutated base."""
        return self.seq_length // 2 - self.up

    @property
    def length(self) -> int:
        """Number of mutated bases."""
        return self.up + self.down


@dataclass(frozen=True)
class Site:
    """One sequence to mutate.

    Attributes:
        chrom: chromosome.
        window: first base of the model's window on the forward strand, 0-based; may be negative.
        strand: "-" where the sequence is the reverse complement.
        label: name of the region, or the record's id and the allele, as id_ALLELE.
        key: what the sequence holds of a variant; None for the genome's own.
        asked: the bases that are mutated, 0-based, on the forward strand; () for all of the span.
    """

    chrom: str
    window: int
    strand: str = "+"
    label: str = ""
    key: SequenceKey | None = None
    asked: Spans = ()

    def start(self, span: Span) -> int:
        """Return the lowest mutated position, 0-based, on the forward strand."""
        if self.strand == "+":
            return self.window + span.start
        return self.window + span.seq_length - span.start - span.length

    def mask(self, span: Span) -> np.ndarray:
        """Return which bases of the span are mutated, along the sequence: bool [positions]."""
        if not self.asked:
            return np.ones(span.length, bool)
        found, start = np.zeros(span.length, bool), self.start(span)
        for low, high in self.asked:
            found[low - start : high - start] = True
        return found if self.strand == "+" else found[::-1]

    def sequence(self, genome: Genome, window: Window) -> np.ndarray:
        """Return the base indices, uint8 [L]; N beyond the chromosome."""
        if self.key is not None:
            return sequence(genome.indices, window, self.key)
        found = genome.indices(self.chrom, self.window, self.window + window.length)
        return found if self.strand == "+" else reverse_complement(found)


def is_vcf(path: str | Path) -> bool:
    """Tell a VCF or BCF, plain or compressed, from other files by its first bytes."""
    with open(existing(path, "BED or VCF"), "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rb") as handle:
            return handle.read(16).startswith((b"##fileformat=VCF", b"BCF"))
    except OSError:
        return False  # what reads it next says what is wrong


def bed_sites(bed: str | Path, genome: Genome, seq_length: int) -> list[Site]:
    """Return a site for each interval of a BED, reverse-complemented where column 6 is "-".

    Raises:
        InputFileError: as `bed_stretches`.
    """
    return [
        Site(s.chrom, (s.start + s.end) // 2 - seq_length // 2, s.strand, s.label)
        for s in bed_stretches(bed, genome)
    ]


def stretch_sites(stretches: Sequence[Stretch], span: Span) -> list[Site]:
    """Return sites that mutate every base of stretches, neighbours sharing a window.

    A window is centred on the bases that are mutated in it, which lie in its span.

    Args:
        stretches: may overlap; on one strand a base is mutated once.
        span: the part of a window that is mutated, of which some bases may be left out.

    Raises:
        InputFileError: no base.
    """
    sites = []
    for tile in tiles(stretches, span.length):
        first, last = tile.spans[0][0], tile.spans[-1][1]
        start = first + (last - first) // 2 - span.length // 2
        asked = tile.spans if last - first < span.length or len(tile.spans) > 1 else ()
        site = Site(tile.chrom, 0, tile.strand, tile.label, asked=asked)
        sites.append(replace(site, window=start - site.start(span)))
    if not sites:
        raise InputFileError("the regions have no bases to mutate: want intervals of at least 1 bp")
    return sites


def vcf_sites(
    vcf: str | Path, genome: Genome, window: Window, ref_policy: str = "error"
) -> tuple[list[Site], str]:
    """Return a site for REF and one for each ALT of every record, and the lines of skipped.tsv.

    Windows lie as where variants are scored: REF begins at index L/2 - 1, and an allele of
    another length moves what follows it.

    Raises:
        InputFileError: as `checks.survey`.
        ConfigError: an unknown policy.
    """
    survey(genome, vcf, ref_policy)
    sites: list[Site] = []
    skipped = skipped_header()
    for chunk in chunks(read_variants(vcf), _RECORDS):
        pairs, bad = check(genome, chunk, ref_policy)
        skipped += skipped_text(bad)
        for _, same in groupby(pairs, key=lambda pair: pair.row):
            sites += _record_sites(list(same), window)
    return sites, skipped


def _record_sites(pairs: list[AllelePair], window: Window) -> Iterable[Site]:
    first = pairs[0]
    for allele in (first.ref, *(pair.alt for pair in pairs)):
        held = allele == first.host
        key = (
            SequenceKey(first.chrom, first.position)
            if held
            else SequenceKey(first.chrom, first.position, first.host, allele)
        )
        more = "*" if len(allele) > _LABEL_BASES else ""
        label = f"{first.id}_{allele[:_LABEL_BASES]}{more}"
        yield Site(first.chrom, window.start(first.position), "+", label, key)


def conditions(
    condition: Condition | None, sites: Sequence[Site], length: int
) -> dict[str, np.ndarray]:
    """Return the inputs besides the sequence of windows, along their strands.

    Args:
        condition: the model's, or None.
        sites: the windows.
        length: of each, bp.
    """
    if condition is None:
        return {}
    found = condition([(s.chrom, s.window, s.window + length) for s in sites])
    if "tracks" in found:
        reverse = [s.strand == "-" for s in sites]
        tracks = found["tracks"].copy()
        tracks[reverse] = tracks[reverse][:, ::-1]
        found["tracks"] = tracks
    return found
