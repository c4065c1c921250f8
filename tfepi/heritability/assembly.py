"""Lengths of chromosomes, to tell positions of another assembly than the one that was stated."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfepi.association.joining import by_chromosome, plain_chromosome
from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.errors import ConfigError, InputFileError

_NAMES = (*map(str, range(1, 23)), "X", "Y")
# UCSC chrom.sizes, chr1 to chr22, chrX, chrY.
_LENGTHS = {
    "hg19": (
        *(249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067),
        *(159_138_663, 146_364_022, 141_213_431, 135_534_747, 135_006_516, 133_851_895),
        *(115_169_878, 107_349_540, 102_531_392, 90_354_753, 81_195_210, 78_077_248),
        *(59_128_983, 63_025_520, 48_129_895, 51_304_566, 155_270_560, 59_373_566),
    ),
    "hg38": (
        *(248_956_422, 242_193_529, 198_295_559, 190_214_555, 181_538_259, 170_805_979),
        *(159_345_973, 145_138_636, 138_394_717, 133_797_422, 135_086_622, 133_275_309),
        *(114_364_328, 107_043_718, 101_991_189, 90_338_345, 83_257_441, 80_373_285),
        *(58_617_616, 64_444_167, 46_709_983, 50_818_468, 156_040_895, 57_227_415),
    ),
}
_SAME = {"grch37": "hg19", "b37": "hg19", "grch38": "hg38"}


@dataclass(frozen=True)
class Assembly:
    """The assembly that peaks, scores and reference SNPs are stated to be of.

    Attributes:
        name: as stated.
        lengths: plain name of a chromosome (1, X) → bp.
    """

    name: str
    lengths: Mapping[str, int]

    @classmethod
    def of(cls, name: str, sizes: str | Path | None = None) -> "Assembly":
        """Return an assembly by name; of any but hg19 and hg38 the lengths have to be given.

        Args:
            name: hg19, GRCh37, hg38, GRCh38, or any other with `sizes`.
            sizes: a .fai, chrom.sizes table or FASTA that has a .fai.

        Raises:
            ConfigError: lengths that are not known.
            InputFileError: as `read_sizes`.
        """
        if sizes is not None:
            return cls(name, {plain_chromosome(c): n for c, n in read_sizes(sizes).items()})
        known = _SAME.get(name.lower(), name)
        if known not in _LENGTHS:
            raise ConfigError(
                f"the lengths of assembly {name!r} are not known: give its chrom.sizes or .fai "
                f"with --chrom_sizes, or state one of {', '.join((*_LENGTHS, 'GRCh37', 'GRCh38'))}"
            )
        return cls(name, dict(zip(_NAMES, _LENGTHS[known], strict=True)))

    def check_end(self, chrom: str, end: int, what: str) -> None:
        """Refuse a position beyond a chromosome's end; a chromosome without a length has none.

        Args:
            chrom: its name, in any style.
            end: the last base, 1-based.
            what: it was found in.

        Raises:
            InputFileError: with the assembly that it fits.
        """
        length = by_chromosome(self.lengths, chrom, None)
        if length is None or end <= length:
            return
        fits = [
            name
            for name, lengths in _LENGTHS.items()
            if end <= by_chromosome(dict(zip(_NAMES, lengths, strict=True)), chrom, 0)
        ]
        seems = f" ({fits[0]} is long enough)" if fits else ""
        raise InputFileError(
            f"{what} has position {end} on chromosome {chrom}, which ends at {length} in "
            f"{self.name}{seems}: it is of another assembly; lift it over, so that peaks, scores "
            "and .bim files are all of the one stated"
        )
