"""The files of simulated methylation: bedMethyl, array, VCF and association tables."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pysam

from tfepi.simulate.methylation import TISSUES
from tfepi.simulate.methylation_array import Probes
from tfepi.simulate.methylation_contig import Contig
from tfepi.simulate.methylation_gwas import Gwas, Locus
from tfepi.simulate.methylation_trait import Causal
from tfepi.simulate.methylation_variants import Effect, Largest, Variant
from tfrecords_tools.files import atomic_path

MEAN_COVERAGE = 20.0
COVERAGE_DISPERSION = 0.3  # a of the variance m + a·m² of coverage with the mean m
UNCOVERED = 0.03
ARRAY_NOISE = 0.02
ARRAY_MISSING = 0.01
_BUILD = "38"
_CONTIG = "##contig=<ID={},length={}>\n"
_CHROM_LINE = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
VARIANT_INFO = (
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of ALT in the first ancestry, that '
    'of the GWAS">\n'
    '##INFO=<ID=AF_SECOND,Number=A,Type=Float,Description="Frequency of ALT in the second '
    'ancestry">\n'
    '##INFO=<ID=PLACE,Number=1,Type=String,Description="Motif of the site hit, cpg, or outside">\n'
)


class _Text:
    """A bgzip-compressed file that takes text."""

    def __init__(self, path: Path):
        self._file = pysam.BGZFile(str(path), "wb")

    def write(self, text: str) -> None:
        self._file.write(text.encode())

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def text_gz(path: Path) -> Iterator[_Text]:
    """Open a bgzip-compressed file for text, atomically."""
    with atomic_path(path) as part, contextlib.closing(_Text(part)) as handle:
        yield handle


def draw_reads(
    betas: np.ndarray, readable: np.ndarray, depth: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return methylated reads and all reads of CpGs on either strand: int64 [CpGs, 2] each.

    Coverage is negative binomial with a mean of 20 · depth over both strands; 3% of the CpGs and
    those where no read maps have none. Methylated reads are binomial.

    Args:
        betas: of the CpGs, float64 [CpGs].
        readable: whether reads map there, bool [CpGs].
        depth: factor on the coverage.
        rng: source of the reads.
    """
    shape = 1 / COVERAGE_DISPERSION
    mean = MEAN_COVERAGE * depth
    coverage = rng.negative_binomial(shape, shape / (shape + mean), len(betas))
    coverage[~readable | (rng.random(len(betas)) < UNCOVERED)] = 0
    forward = rng.binomial(coverage, 0.5)
    strands = np.stack([forward, coverage - forward], axis=1)
    return rng.binomial(strands, betas[:, None]), strands


def bedmethyl_lines(
    chrom: str, cpgs: np.ndarray, methylated: np.ndarray, coverage: np.ndarray
) -> str:
    """Return ENCODE bedMethyl lines (BED9 + 2) of the strands that have reads.

    Args:
        chrom: chromosome.
        cpgs: positions, int64 [CpGs].
        methylated: reads of either strand, int64 [CpGs, 2].
        coverage: likewise of all reads.
    """
    lines = []
    percent = np.rint(100 * methylated / np.maximum(coverage, 1)).astype(int)
    for cpg, counts, shares in zip(cpgs.tolist(), coverage.tolist(), percent.tolist(), strict=True):
        for strand in (0, 1):
            n, at = counts[strand], cpg + strand
            if n:
                span = f"{at}\t{at + 1}"
                lines.append(
                    f"{chrom}\t{span}\t.\t{min(n, 1000)}\t{'+-'[strand]}\t{span}\t0,0,0\t{n}\t"
                    f"{shares[strand]}\n"
                )
    return "".join(lines)


def matrix_lines(probes: Probes, betas: np.ndarray, rng: np.random.Generator) -> str:
    """Return an array's lines, probe by person, with noise and missing values.

    Args:
        probes: of a chromosome.
        betas: without noise, float64 [people, probes].
        rng: source of both.
    """
    noisy = np.clip(betas + ARRAY_NOISE * rng.standard_normal(betas.shape), 0, 1)
    missing = rng.random(betas.shape) < ARRAY_MISSING
    lines = []
    for name, row, gaps in zip(probes.names, noisy.T.tolist(), missing.T.tolist(), strict=True):
        cells = ["NA" if gap else f"{x:.4f}" for x, gap in zip(row, gaps, strict=True)]
        lines.append("\t".join([name, *cells]) + "\n")
    return "".join(lines)


def manifest_lines(chrom: str, probes: Probes) -> str:
    """Return the manifest's lines of a chromosome, MAPINFO being the 1-based C."""
    return "".join(
        f"{name},{name},{_BUILD},{chrom},{cpg + 1},F\n"
        for name, cpg in zip(probes.names, probes.cpgs.tolist(), strict=True)
    )


def sample_table(name: str, file: str, layout: str, manifest: str, description: str) -> str:
    """Return a table of one sample, whose tissue is its name."""
    header = "\tidentifier\tfile\tformat\tmanifest\ttissue\tdescription\n"
    return header + f"0\t{name}\t{file}\t{layout}\t{manifest}\t{name}\t{description}\n"


def vcf_header(lengths: dict[str, int], fields: str, people: Iterable[str] = ()) -> str:
    """Return the header of a VCF.

    Args:
        lengths: chromosome → length, bp.
        fields: the lines that define INFO or FORMAT.
        people: their names, where there are genotypes.
    """
    contigs = "".join(_CONTIG.format(c, n) for c, n in lengths.items())
    columns = "\t".join([_CHROM_LINE, *(["FORMAT", *people] if people else [])])
    return f"##fileformat=VCFv4.2\n##source=tfepi_simulate\n{contigs}{fields}{columns}\n"


def variant_lines(contig: Contig) -> str:
    """Return a chromosome's VCF lines with the frequency in each ancestry."""
    first, second = contig.frequencies.tolist()
    return "".join(
        f"{_site(contig, k)}\t.\tPASS\t"
        f"AF={first[k]:.4g};AF_SECOND={second[k]:.4g};PLACE={v.place}\n"
        for k, v in enumerate(contig.variants)
    )


def genotype_lines(contig: Contig, haplotypes: np.ndarray) -> str:
    """Return a chromosome's VCF lines with phased genotypes.

    Args:
        contig: the chromosome.
        haplotypes: uint8 [people, 2, variants], 1 for ALT.
    """
    lines = []
    for k, pairs in enumerate(haplotypes.transpose(2, 0, 1).tolist()):
        calls = "\t".join(f"{a}|{b}" for a, b in pairs)
        lines.append(f"{_site(contig, k)}\t.\tPASS\t.\tGT\t{calls}\n")
    return "".join(lines)


def _site(contig: Contig, number: int) -> str:
    v = contig.variants[number]
    return f"{contig.name}\t{v.pos + 1}\tsim{contig.first + number}\t{v.ref}\t{v.alt}"


def effects_header() -> str:
    """Return the header line of effects.tsv."""
    columns = ["chrom", "pos", "id", "ref", "alt", "place"]
    for tissue in TISSUES:
        columns += [f"{tissue.name}_{what}" for what in ("max", "cpg", "diff")]
    return "\t".join([*columns, "created", "destroyed"]) + "\n"


def effects_line(
    chrom: str, identifier: str, variant: Variant, effect: Effect, found: tuple[Largest, ...]
) -> str:
    """Return a variant's line of effects.tsv; positions are 1-based.

    Args:
        chrom: chromosome.
        identifier: of the variant.
        variant: which.
        effect: what it does.
        found: its largest effect in each of `TISSUES`.
    """
    cells = [chrom, str(variant.pos + 1), identifier, variant.ref, variant.alt, variant.place]
    for one in found:
        if not effect.kept:
            cells += ["", "", ""]
            continue
        at = "" if one.cpg is None else str(one.cpg + 1)
        cells += [f"{abs(one.diff):.6g}", at, f"{one.diff:.6g}"]
    return "\t".join([*cells, str(effect.created), str(len(effect.destroyed))]) + "\n"


GWAS_HEADER = "SNP\tCHR\tPOS\tA1\tA2\tFRQ\tBETA\tSE\tP\tN\n"
CREDIBLE_HEADER = "LOCUS\tSNP\tCHR\tPOS\tA1\tA2\tPIP\n"
LOCI_HEADER = "LOCUS\tCHR\tSTART\tEND\tLEAD\tCAUSAL\n"


class Named:
    """Columns SNP, CHR, POS, A1 (ALT) and A2 of the genome's variants, by number.

    Args:
        contigs: the chromosomes.
    """

    def __init__(self, contigs: list[Contig]):
        self._rows = [
            f"{i}\t{c.name}\t{v.pos + 1}\t{v.alt}\t{v.ref}"
            for c in contigs
            for i, v in zip(c.identifiers, c.variants, strict=True)
        ]

    def __getitem__(self, number: int) -> str:
        return self._rows[number]


def gwas_lines(gwas: Gwas, named: Named, people: int) -> Iterator[str]:
    """Yield the lines of summary statistics."""
    columns = (gwas.variant, gwas.frequency, gwas.beta, gwas.error, gwas.p)
    for v, f, b, e, p in zip(*(c.tolist() for c in columns), strict=True):
        yield f"{named[v]}\t{f:.6g}\t{b:.6g}\t{e:.6g}\t{p:.6g}\t{people}\n"


def credible_lines(loci: list[Locus], gwas: Gwas, named: Named) -> Iterator[str]:
    """Yield the lines of the loci's credible sets."""
    for number, locus in enumerate(loci, 1):
        for k in locus.credible().tolist():
            yield f"locus{number}\t{named[gwas.variant[locus.members[k]]]}\t{locus.pip[k]:.6g}\n"


def loci_lines(
    loci: list[Locus], gwas: Gwas, contigs: list[Contig], causal: list[Causal]
) -> Iterator[str]:
    """Yield the lines of the loci, START and END 1-based and inclusive, with what is causal."""
    for number, locus in enumerate(loci, 1):
        contig = contigs[locus.chrom]
        inside = [
            c.identifier
            for c in causal
            if c.contig == locus.chrom and locus.start <= contig.variants[c.variant].pos < locus.end
        ]
        yield (
            f"locus{number}\t{contig.name}\t{locus.start + 1}\t{locus.end}\t"
            f"sim{gwas.variant[locus.lead]}\t{','.join(inside)}\n"
        )
