"""Genome builds known by the length of chromosome 1, to say which one a file seems to be of."""

# UCSC chrom.sizes of each build; chrI for yeast.
FIRST_CHROMOSOME = {
    248_956_422: "hg38 (GRCh38)",
    249_250_621: "hg19 (GRCh37)",
    247_249_719: "hg18 (NCBI36)",
    248_387_328: "hs1 (T2T-CHM13)",
    195_154_279: "mm39 (GRCm39)",
    195_471_971: "mm10 (GRCm38)",
    197_195_432: "mm9 (NCBI37)",
    230_218: "sacCer3 (R64)",
    230_208: "sacCer2",
}


def build_of(chroms: dict[str, int | None]) -> str | None:
    """Return the build whose chromosome 1 is as long as this one's, or None.

    Args:
        chroms: chromosome → length, bp.
    """
    for name in ("chr1", "1", "chrI", "I"):
        if name in chroms:
            return FIRST_CHROMOSOME.get(chroms[name])
    return None


def wrong_build_hint(chroms: dict[str, int | None], genome: dict[str, int]) -> str:
    """Return what is likely when a file's chromosomes differ in length from the genome's."""
    theirs, ours = build_of(chroms), build_of(genome)
    if theirs and ours and theirs != ours:
        return f"the file is of {theirs}, the genome is {ours}"
    if theirs or ours:
        known = f"the file is of {theirs}" if theirs else f"the genome is {ours}"
        return f"{known}, and the other one is of another build or was cut"
    return "it is likely of another genome build, or was cut"
