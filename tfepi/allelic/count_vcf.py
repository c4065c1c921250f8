"""Allele counts of a VCF: AD of heterozygous genotypes, sample by sample."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.allelic.counts import BASES, CountFile, Layout
from tfepi.variants.vcf import records
from tfrecords_tools.errors import InputFileError

_NAMES = ("chrom", "position", "ref", "alt", "ref_reads", "alt_reads", "dosage", "sample")


def read_vcf(path: Path, samples: Sequence[str], left_out: Counter[str]) -> CountFile:
    """Read the heterozygous single-base genotypes of a VCF with reads of REF and of one ALT.

    Args:
        path: VCF, VCF.gz or BCF.
        samples: only these; all if empty.
        left_out: gains what is heterozygous but no such site, reason → genotypes.

    Raises:
        InputFileError: as `vcf.records`; no genotypes, no AD, or a count that is no whole number.
    """
    rows, heterozygous, counted, there = [], 0, 0, ()
    for number, record in enumerate(records(path)):
        if not number and not len(record.samples):
            raise InputFileError(f"{path} has no samples, so neither genotypes nor allele counts")
        there = tuple(record.samples)
        alleles = [a.upper() for a in (record.ref or "", *(record.alts or ()))]
        for name, call in record.samples.items():
            if samples and name not in samples:
                continue
            genotype = sorted({g for g in call.allele_indices or () if g is not None})
            if len(genotype) != 2 or None in (call.allele_indices or (None,)):
                continue
            heterozygous += 1
            low, high = genotype
            if low:
                left_out["two ALT alleles and no REF"] += 1
                continue
            if alleles[0] not in BASES or alleles[high] not in BASES:
                left_out["not a change of one base"] += 1
                continue
            depths = call.get("AD")
            if depths is None or len(depths) <= high or None in (depths[0], depths[high]):
                left_out["heterozygous without AD"] += 1
                continue
            counted += 1
            reads = [_whole(path, record, name, depths[a]) for a in (0, high)]
            place = (record.chrom, record.start, alleles[0], alleles[high])
            rows.append((*place, *reads, np.nan, name))
    if heterozygous and not counted and set(left_out) == {"heterozygous without AD"}:
        raise InputFileError(
            f"{path} has {heterozygous} heterozygous genotypes and no FORMAT/AD, the reads of each "
            "allele: count them, as with bcftools mpileup -a AD or GATK's ASEReadCounter"
        )
    return CountFile(pd.DataFrame(rows, columns=_NAMES), there, Layout({}, 1))


def _whole(path: Path, record, sample: str, value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise InputFileError(
            f"{path}: {record.chrom}:{record.pos} has AD {value!r} of sample {sample}: want whole "
            "numbers of reads, 0 or more"
        )
    return value
