"""Reads of each allele at heterozygous sites: one table of them, whatever file they came in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing

BASES = ("A", "C", "G", "T")
_VCF = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
_KEY = ["chrom", "position", "ref", "alt"]


@dataclass(frozen=True)
class Sites:
    """Single-base heterozygous sites with reads of either allele, sorted by place.

    Attributes:
        chrom: name of each site's chromosome, str [sites].
        position: 0-based, int64 [sites].
        ref, alt: bases, str [sites].
        ref_reads, alt_reads: int64 [sites].
        dosage: copies of the major to those of the minor allele of the background, 1 or more;
            which allele is the major one is not known; float64 [sites].
        sample: of each row where samples are kept apart, else "", str [sites].
        left_out: rows of the input that are no such sites, reason → number.
    """

    chrom: np.ndarray
    position: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    ref_reads: np.ndarray
    alt_reads: np.ndarray
    dosage: np.ndarray
    sample: np.ndarray
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.chrom)

    @property
    def reads(self) -> np.ndarray:
        """Reads of both alleles, int64 [sites]."""
        return self.ref_reads + self.alt_reads

    @property
    def ratio(self) -> np.ndarray:
        """REF / (REF + ALT), float64 [sites]; NaN without reads."""
        reads = self.reads
        return np.divide(self.ref_reads, reads, out=np.full(len(self), np.nan), where=reads > 0)

    def rows(self, which: np.ndarray) -> "Sites":
        """Return some of the sites, by number or bool [sites]."""
        return replace(self, **{name: getattr(self, name)[which] for name in _COLUMNS})

    def table(self) -> pd.DataFrame:
        """Return the columns as a frame."""
        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS})


_COLUMNS = (*_KEY, "ref_reads", "alt_reads", "dosage", "sample")


def read_sites(
    paths: str | Path | Sequence[str | Path],
    base: int | None = None,
    sum_samples: bool = True,
    samples: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Sites:
    """Read allele counts of one file or several, tables and VCFs.

    A table is tab-separated with a header (`count_tables`), plain or gzip; of a VCF (or BCF) the
    heterozygous genotypes and their AD are read (`count_vcf`).

    Args:
        paths: of files. One without a sample's name in it is a sample by the file's name.
        base: of the first base of a chromosome in a column `pos`: 0 or 1.
        sum_samples: add up the counts of a site over samples; else a row per site and sample.
        samples: only these; all if empty.
        columns: of tables, our name → the header's (`count_tables.ALIASES`).

    Raises:
        InputFileError: missing, damaged, without a needed column; a count that is no whole
            number of 0 or more, a dosage below 1 (with its line); no site at all.
        ConfigError: a base that is wanted and not stated, samples that are not there, a site
            twice in a sample, or samples with different dosages of a site that are to be summed.
    """
    from tfepi.allelic.count_tables import read_table
    from tfepi.allelic.count_vcf import read_vcf

    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise ConfigError("there is no file of allele counts: name one")
    if base not in (None, 0, 1):
        raise ConfigError(f"base is {base}: want 0 or 1, the number of a chromosome's first base")
    left_out: Counter[str] = Counter()
    frames = []
    for path in map(Path, paths):
        existing(path, "allele counts")
        if path.name.lower().endswith(_VCF):
            if columns or base is not None:
                raise ConfigError(
                    f"{path} is a VCF, whose columns and base are known: leave --base and "
                    "--columns out"
                )
            frames.append(read_vcf(path, samples, left_out))
        else:
            frames.append(read_table(path, base, columns or {}, left_out))
    frame = pd.concat(frames, ignore_index=True)
    frame = _chosen_samples(frame, samples)
    return from_frame(frame, sum_samples, dict(left_out))


def from_frame(
    frame: pd.DataFrame, sum_samples: bool = True, left_out: Mapping[str, int] | None = None
) -> Sites:
    """Return the sites of a frame.

    Args:
        frame: columns chrom, position (0-based), ref, alt, ref_reads, alt_reads, dosage, sample.
        sum_samples: as of `read_sites`.
        left_out: reason → number of rows that the frame lacks.

    Raises:
        InputFileError, ConfigError: as `read_sites`.
    """
    if not len(frame):
        gone = ", ".join(f"{n} {why}" for why, n in (left_out or {}).items()) or "it has no rows"
        raise InputFileError(f"the allele counts hold no heterozygous single-base site: {gone}")
    again = frame.duplicated([*_KEY, "sample"])
    if again.any():
        row = frame[again].iloc[0]
        of = f" of sample {row['sample']!r}" if row["sample"] else ""
        raise ConfigError(
            f"site {row.chrom}:{row.position + 1} {row.ref}>{row.alt}{of} is listed more than once "
            f"({again.sum()} rows repeat others): give each sample a name in a column sample, or a "
            "file of its own"
        )
    if sum_samples:
        frame = _summed(frame)
    text = {name: frame[name].to_numpy(str) for name in ("chrom", "ref", "alt", "sample")}
    numbers = {k: frame[k].to_numpy(np.int64) for k in ("position", "ref_reads", "alt_reads")}
    sites = Sites(
        **text, **numbers, dosage=frame["dosage"].to_numpy(float), left_out=dict(left_out or {})
    )
    return sites.rows(np.lexsort((sites.sample, sites.alt, sites.position, sites.chrom)))


def _summed(frame: pd.DataFrame) -> pd.DataFrame:
    groups = frame.groupby(_KEY, sort=False, observed=True)
    dosage = groups["dosage"].agg(["min", "max"])
    apart = dosage[dosage["min"] != dosage["max"]]
    if len(apart):
        (chrom, position, *_), (low, high) = apart.index[0], apart.iloc[0]
        raise ConfigError(
            f"site {chrom}:{position + 1} has background dosages {low:g} and {high:g} in different "
            "samples, whose counts have no common expectation: keep samples apart (--keep_samples)"
        )
    reads = groups[["ref_reads", "alt_reads"]].sum()
    return reads.assign(dosage=dosage["min"], sample="").reset_index()


def _chosen_samples(frame: pd.DataFrame, samples: Sequence[str]) -> pd.DataFrame:
    there = list(dict.fromkeys(frame["sample"]))
    for name in samples:
        if name not in there:
            raise unknown("sample", name, there)
    return frame[frame["sample"].isin(samples)] if samples else frame
