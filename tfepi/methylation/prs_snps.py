"""The SNPs of a polygenic score: of a GWAS, in reference genotypes, with scores of variants."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
from scipy.stats import norm

from tfepi.methylation.association import join_alleles, read_gwas, read_scores
from tfepi.methylation.genotypes import Genotypes, centre
from tfrecords_tools.errors import ConfigError, InputFileError

_log = logging.getLogger(__name__)
_LEAST_MATCH = 0.1  # share of the smaller of two tables; with less they do not belong together


@dataclass(frozen=True)
class Snps:
    """SNPs of a GWAS that are in the reference genotypes and vary there.

    Attributes:
        table: sorted by chromosome (in the reference's order) and position. Columns chrom, pos
            (1-based), snp, a1, a2 as in the reference's .bim, column (number in the .bim), and of
            a1: beta, se, z, frq; n, p, log_p (natural, also where p is 0), sd (of dosages in the
            reference), score (NaN where there is none).
        counts: what was left out, by name of the table.
    """

    table: pandas.DataFrame
    counts: dict[str, dict[str, int]]

    @property
    def marginal(self) -> np.ndarray:
        """Effect of each SNP alone, standardised: z / √N, float64 [SNPs]."""
        return (self.table["z"] / np.sqrt(self.table["n"])).to_numpy()

    @property
    def size(self) -> float:
        """People behind the GWAS, the median over SNPs."""
        return float(self.table["n"].median())

    @property
    def chroms(self) -> dict[str, slice]:
        """Rows of each chromosome."""
        names = self.table["chrom"].to_numpy()
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        ends = np.r_[starts[1:], len(names)]
        return {names[a]: slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)}


def as_variants(genotypes: Genotypes) -> pandas.DataFrame:
    """Return a .bim as variants to join to, with A2 for REF and A1 for ALT."""
    snps = genotypes.snps.rename(columns={"snp": "id", "a2": "ref", "a1": "alt"})
    return snps.astype({"chrom": "category", "ref": "category", "alt": "category"})


def read_snps(
    gwas: str | Path,
    scores: str | Path,
    reference: Genotypes,
    task: str | None = None,
    sample_size: float | None = None,
    people: np.ndarray | None = None,
) -> Snps:
    """Return the SNPs that a GWAS and reference genotypes share, with their scores.

    Args:
        gwas: the summary statistics.
        scores: folder of `tfepi_methylation.py variants`, or its table.
        reference: genotypes of the GWAS's ancestry.
        task: whose score; None for the largest over tasks.
        sample_size: people behind the GWAS, in place of its column N.
        people: which of the reference; None for all.

    Raises:
        InputFileError: a table that cannot be read, or none of whose SNPs is in the reference.
        ConfigError: no column N and no sample size, or one that is none.
    """
    if sample_size is not None and not 0 < sample_size < np.inf:
        raise ConfigError(f"sample_size is {sample_size}: want the number of people of the GWAS")
    needed = ("chrom", "pos", "a1", "a2", "beta", "p")
    try:
        frame = read_gwas(gwas, needed if sample_size else (*needed, "n"))
    except InputFileError as error:
        if "no column N:" not in str(error):
            raise
        raise ConfigError(f"{error}; or give the number of people with --sample_size") from None
    if sample_size:
        frame["n"] = float(sample_size)
    _check_effects(frame, gwas)
    variants = as_variants(reference)
    joined = join_alleles(variants, frame, f"GWAS {gwas}")
    what = f"the genotypes {reference.prefix}"
    enough_match(joined.counts, f"GWAS {gwas}", what, len(variants))
    counts = {"gwas": joined.counts}
    found = joined.table
    table = reference.snps.iloc[found["row"]].reset_index(drop=True)
    for name in ("beta", "se", "frq", "n", "p"):
        table[name] = found[name].to_numpy(np.float64)
    table["column"] = found["row"].to_numpy(np.int64)
    table["score"], counts["scores"] = _scores(scores, task, variants, table["column"].to_numpy())
    order = {c: i for i, c in enumerate(pandas.unique(reference.snps["chrom"]))}
    by = np.lexsort((table["column"], table["pos"], table["chrom"].map(order)))
    table = table.iloc[by].reset_index(drop=True)
    frequency, deviation = _frequencies(reference, table["column"].to_numpy(), people)
    table["sd"], table["frq"] = deviation, table["frq"].fillna(pandas.Series(frequency))
    varies = deviation > 0
    counts["gwas"]["monomorphic"] = int((~varies).sum())
    if not varies.any():
        raise InputFileError(f"no SNP of GWAS {gwas} varies in the genotypes {reference.prefix}")
    return Snps(_with_z(table[varies].reset_index(drop=True)), counts)


def enough_match(counts: dict[str, int], what: str, among: str, size: int) -> None:
    """Log how many rows of a table were found, or refuse if hardly any was.

    Args:
        counts: of `association.join_alleles`.
        what: the table.
        among: what its rows were looked for in.
        size: how many there are in that.

    Raises:
        InputFileError: with what the reason looks like.
    """
    share = counts["matched"] / max(1, min(counts["rows"], size))
    if share >= _LEAST_MATCH:
        _log.info("%d of %d SNPs of %s are in %s", counts["matched"], counts["rows"], what, among)
        return
    if counts["matched"]:
        raise InputFileError(
            f"{what} and {among}: only {counts['matched']} of {counts['rows']} SNPs agree in "
            "position and alleles: is one of them on another assembly, or of another study?"
        )
    at = counts["rows"] - counts["no_position"]
    if at and counts["ambiguous_dropped"]:
        reason = f"all {at} at its positions are A/T or C/G, whose strand cannot be told"
    elif at:
        reason = f"{at} have other alleles than the SNP at their position"
    else:
        reason = "no chromosome and position agrees: is one of them on another assembly?"
    raise InputFileError(f"{what} and {among} have no SNP in common: {reason}")


def _check_effects(frame: pandas.DataFrame, gwas: str | Path) -> None:
    """Refuse effects that no weight can be made of.

    Raises:
        InputFileError: naming the first line with one.
    """
    for name in ("beta", "se", "n"):
        bad = np.isinf(frame[name])
        if bad.any():
            raise InputFileError(
                f"GWAS {gwas} line {frame.index[bad][0]} has {name.upper()} "
                f"{frame[name][bad].iloc[0]}: want a finite number"
            )
    if (frame["n"] <= 0).any():
        raise InputFileError(
            f"GWAS {gwas} line {frame.index[frame['n'] <= 0][0]} has N 0: want the number of people"
        )
    bad = (frame["p"] == 0) & ~(frame["se"] > 0)
    if bad.any():
        raise InputFileError(
            f"GWAS {gwas} line {frame.index[bad][0]} has P 0 and no SE: the size of the effect's "
            "evidence is not known; add a column SE, or leave the line out"
        )


def _with_z(table: pandas.DataFrame) -> pandas.DataFrame:
    """Return the table with z and log_p: of effect and SE, or of p and the effect's sign."""
    p = table["p"].to_numpy()
    known = (table["se"] > 0).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        by_p = np.sign(table["beta"]) * norm.isf(np.maximum(p, 1e-300) / 2)
        z = np.where(known, table["beta"] / table["se"], by_p)
        log_p = np.where(p > 0, np.log(p), np.log(2) + norm.logsf(np.abs(z)))
        error = np.where(known, table["se"], table["beta"] / np.where(z == 0, np.nan, z))
    return table.assign(z=z, log_p=log_p, se=error)


def _scores(
    scores: str | Path, task: str | None, variants: pandas.DataFrame, columns: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """Return the score of each SNP, NaN where there is none, and how the table matched."""
    found = read_scores(scores, () if task is None else (task,))
    name = "score" if task is None else f"{task}_score"
    found = found.rename(columns={"alt": "a1", "ref": "a2"})[["chrom", "pos", "a1", "a2", name]]
    joined = join_alleles(variants, found.rename(columns={name: "score"}), f"scores {scores}")
    value = np.full(len(variants), np.nan)
    value[joined.table["row"]] = joined.table["score"]
    value = value[columns]
    scored = int((~np.isnan(value)).sum())
    counts = joined.counts | {"of_gwas": scored}
    if scored < _LEAST_MATCH * min(len(value), len(found)):
        raise InputFileError(
            f"scores {scores} have only {scored} of the {len(value)} SNPs of the GWAS: are they of "
            "the same assembly and chromosomes? score the variants of this GWAS"
        )
    _log.info("%d of these have a score in %s", scored, scores)
    return value, counts


def _frequencies(
    genotypes: Genotypes, columns: np.ndarray, people: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequency of A1 and the standard deviation of dosages, float64 [SNPs] each."""
    frequency, deviation = np.zeros(len(columns)), np.zeros(len(columns))
    for part, dosages in genotypes.blocks(columns, people):
        centred, mean = centre(dosages)
        frequency[part] = mean / 2
        squares = np.einsum("ij,ij->j", centred, centred, dtype=np.float64)
        deviation[part] = np.sqrt(squares / max(1, len(dosages)))
    return frequency, deviation
