"""How files of methylation by position lie, as their tools document it."""

from dataclasses import dataclass

import pyarrow as pa

_TEXT = pa.dictionary(pa.int32(), pa.string())
_PLACE, _COUNT, _VALUE = pa.int32(), pa.int32(), pa.float64()
_BED = ("chrom", "start", "end", "name", "score", "strand", "thickStart", "thickEnd", "itemRgb")
_ENCODE = (*_BED, "coverage", "percent")
KINDS = {
    "chrom": _TEXT,
    "start": _PLACE,
    "end": _PLACE,
    "position": _PLACE,
    "name": _TEXT,
    "strand": _TEXT,
    "context": _TEXT,
    "coverage": _COUNT,
    "methylated": _COUNT,
    "unmethylated": _COUNT,
    "percent": _VALUE,
    "beta": _VALUE,
}


@dataclass(frozen=True)
class Layout:
    """How the columns of a file lie.

    Attributes:
        format: of the sample table.
        name: for messages.
        columns: names of all of them.
        used: those that are read.
        counts: whether reads are counted; else there are betas.
    """

    format: str
    name: str
    columns: tuple[str, ...]
    used: tuple[str, ...]
    counts: bool = True


LAYOUTS = (
    Layout(  # https://www.encodeproject.org/data-standards/wgbs/
        "bedmethyl",
        "ENCODE bedMethyl",
        _ENCODE,
        ("chrom", "start", "end", "strand", "coverage", "percent"),
    ),
    Layout(  # https://www.encodeproject.org/data-standards/wgbs-encode4/ (gemBS)
        "bedmethyl",
        "ENCODE bedMethyl with genotypes",
        (*_ENCODE, "reference_genotype", "sample_genotype", "genotype_quality"),
        ("chrom", "start", "end", "strand", "coverage", "percent"),
    ),
    Layout(  # https://nanoporetech.github.io/modkit/intro_pileup.html
        "bedmethyl",
        "modkit bedMethyl",
        (*_ENCODE, "methylated", "canonical", "other", "deleted", "failed", "different", "nocall"),
        ("chrom", "start", "end", "name", "strand", "coverage", "methylated"),
    ),
    Layout(  # https://felixkrueger.github.io/Bismark/options/methylation_extraction
        "bismark_cov",
        "Bismark coverage",
        ("chrom", "start", "end", "percent", "methylated", "unmethylated"),
        ("chrom", "start", "end", "methylated", "unmethylated"),
    ),
    Layout(
        "cytosine_report",
        "Bismark cytosine report",
        ("chrom", "position", "strand", "methylated", "unmethylated", "context", "trinucleotide"),
        ("chrom", "position", "strand", "methylated", "unmethylated", "context"),
    ),
    Layout(
        "bedgraph",
        "bedGraph",
        ("chrom", "start", "end", "beta"),
        ("chrom", "start", "end", "beta"),
        counts=False,
    ),
)
