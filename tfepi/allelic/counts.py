"""Reads of each allele at heterozygous sites: one table of them, whatever file they came in."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing

BASES = ("A", "C", "G", "T")
ONE = 1.0  # dosage of as many copies of either allele
_VCF = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
_KEY = ["chrom", "position", "ref", "alt"]


@dataclass(frozen=True)
class Layout:
    """How a file of counts was read.

    Attributes:
        columns: our name → the header's, of positions pos0 or pos1 where that is known by the
            name and pos where `base` was stated; none of a VCF.
        base: of the first base of a chromosome, 0 or 1.
    """

    columns: Mapping[str, str]
    base: int


@dataclass(frozen=True)
class CountFile:
    """What a file of counts holds.

    Attributes:
        frame: columns chrom, position (0-based), ref, alt, ref_reads, alt_reads, dosage (NaN where
            the file has none), sample.
        samples: names of all that the file has, with sites or not.
        layout: how it was read.
    """

    frame: pd.DataFrame
    samples: tuple[str, ...]
    layout: Layout


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
        layouts: how the files were read, for advice.
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
    layouts: tuple[Layout, ...] = ()

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
    dosage: bool = True,
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
        dosage: read the background's dosage, where files have it; else it is 1 of every site.

    Raises:
        InputFileError: missing, damaged, without a needed column; a count that is no whole
            number of 0 or more, a dosage below 1 (with its line); no site at all.
        ConfigError: a base that is wanted and not stated, samples that are not there, a site
            twice in a sample, some files with a dosage and some without, or samples with different
            dosages of a site that are to be summed.
    """
    from tfepi.allelic.count_tables import read_table
    from tfepi.allelic.count_vcf import read_vcf

    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise ConfigError("there is no file of allele counts: name one")
    if base not in (None, 0, 1):
        raise ConfigError(f"base is {base}: want 0 or 1, the number of a chromosome's first base")
    left_out: Counter[str] = Counter()
    files: list[CountFile] = []
    for path in map(Path, paths):
        existing(path, "allele counts")
        if path.name.lower().endswith(_VCF):
            if columns or base is not None:
                raise ConfigError(
                    f"{path} is a VCF, whose columns and base are known: leave --base and "
                    "--columns out"
                )
            files.append(read_vcf(path, samples, left_out))
        else:
            files.append(read_table(path, base, columns or {}, left_out, dosage))
    if dosage:
        _check_dosages(paths, files)
    frame = pd.concat([f.frame for f in files], ignore_index=True)
    frame["dosage"] = frame["dosage"].astype(float).fillna(ONE)
    there = dict.fromkeys(name for f in files for name in f.samples)
    sites = from_frame(_chosen_samples(frame, samples, there), sum_samples, dict(left_out))
    return replace(sites, layouts=tuple(f.layout for f in files))


def _check_dosages(paths: Sequence[str | Path], files: Sequence[CountFile]) -> None:
    """Refuse files with and without a dosage: one that is not stated is not known to be 1."""
    stated = {
        path: "dosage" in f.layout.columns
        for path, f in zip(paths, files, strict=True)
        if len(f.frame)
    }
    known = [str(path) for path, is_there in stated.items() if is_there]
    if known and len(known) < len(stated):
        lacking = next(str(path) for path, is_there in stated.items() if not is_there)
        raise ConfigError(
            f"{known[0]} has a background dosage, {lacking} has none, so that its is not known: "
            "add the column to every file, or leave dosages out with --no_dosage"
        )


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
            "samples, whose counts have no common expectation: keep samples apart "
            "(--keep_samples), or leave dosages out (--no_dosage)"
        )
    reads = groups[["ref_reads", "alt_reads"]].sum()
    return reads.assign(dosage=dosage["min"], sample="").reset_index()


def _chosen_samples(
    frame: pd.DataFrame, samples: Sequence[str], there: Collection[str]
) -> pd.DataFrame:
    """Return the rows of some samples.

    Args:
        frame: with a column sample.
        samples: those wanted; all if empty.
        there: names of all samples of the files, which may have no row.
    """
    if not there:
        return frame  # files without a line, of which `from_frame` tells
    counted = set(frame["sample"])
    for name in samples:
        if name not in there:
            raise unknown("sample", name, there)
        if name not in counted:
            raise InputFileError(
                f"sample {name!r} has no heterozygous single-base site: leave it out of --samples"
            )
    return frame[frame["sample"].isin(samples)] if samples else frame
