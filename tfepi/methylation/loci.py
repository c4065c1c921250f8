"""Loci of an association study: from a BED, from credible sets, or around lead variants."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from tfepi.association.joining import by_chromosome, plain_chromosome, positions
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval

_LOWEST = -np.log10(np.finfo(float).smallest_subnormal)


@dataclass(frozen=True)
class Locus:
    """A stretch of the genome with a signal.

    Attributes:
        name: unique among loci.
        chrom: as the scored variants call it, or else as the study does.
        start: first base, 0-based.
        end: past the last base.
    """

    name: str
    chrom: str
    start: int
    end: int


def minus_log10_p(table: pd.DataFrame) -> np.ndarray:
    """Return −log10 p of a GWAS, from beta and its error where p is too small for a number.

    Returns:
        float64 [rows]; of p = 0 without beta and se the largest value of a number, 323.3.
    """
    p = table["p"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 0 - np.log10(p)  # no negative zero
        zero = p == 0
        z = np.abs(table["beta"].to_numpy(float)[zero] / table["se"].to_numpy(float)[zero])
        tail = -(np.log(2) + norm.logsf(z)) / np.log(10)
    value[zero] = np.where(np.isfinite(tail), np.maximum(tail, _LOWEST), _LOWEST)
    return value


def bed_loci(intervals: Sequence[Interval], source: str) -> list[Locus]:
    """Return intervals as loci, named by their label or else by their place.

    Raises:
        InputFileError: none, an empty one, or a name twice.
    """
    loci = [
        Locus(i.label or f"{i.chrom}:{i.start + 1}-{i.end}", i.chrom, i.start, i.end)
        for i in intervals
    ]
    names = [locus.name for locus in loci]
    if not loci:
        raise InputFileError(f"{source} has no interval: want one line per locus")
    for locus in loci:
        if locus.start == locus.end or names.count(locus.name) > 1:
            fault = "is empty" if locus.start == locus.end else "is there twice"
            raise InputFileError(
                f"{source}: locus {locus.name} {fault}: name each once, with bases"
            )
    return loci


def credible_loci(credible: pd.DataFrame, window: int, source: str) -> list[Locus]:
    """Return one locus per name of a table of credible sets: their span, widened by a window.

    Raises:
        InputFileError: a locus on two chromosomes.
    """
    loci = []
    for name, rows in credible.groupby("locus", observed=True, sort=False):
        chroms = rows["chrom"].astype(str).unique()
        if len(chroms) > 1:
            raise InputFileError(
                f"{source}: locus {name} has variants on {chroms[0]} and {chroms[1]}: want one "
                "chromosome per locus"
            )
        low, high = int(rows["pos"].min()), int(rows["pos"].max())
        loci.append(Locus(str(name), chroms[0], max(0, low - 1 - window), high + window))
    return loci


def lead_loci(
    gwas: pd.DataFrame, place: np.ndarray, significance: np.ndarray, p_lead: float, window: int
) -> list[Locus]:
    """Return a window around each lead variant: the strongest further than a window from others.

    Args:
        gwas: summary statistics.
        place: number of each row's chromosome and position (`joining.positions`); rows with a
            negative one lead no locus.
        significance: −log10 p of each.
        p_lead: largest p of a lead.
        window: bp on either side.

    Raises:
        ConfigError: a threshold or window out of range.
    """
    if not 0 < p_lead <= 1 or window < 0:
        raise ConfigError(f"p_lead is {p_lead:g} and window {window}: want 0 < p <= 1, and bp")
    rows = np.flatnonzero((gwas["p"].to_numpy() <= p_lead) & (place >= 0))
    rows = rows[np.lexsort((place[rows], -significance[rows]))]
    taken: list[int] = []
    loci = []
    for row, at in zip(rows.tolist(), place[rows].tolist(), strict=True):
        i = bisect.bisect(taken, at)
        if any(abs(at - near) <= window for near in taken[max(0, i - 1) : i + 1]):
            continue
        taken.insert(i, at)
        chrom, pos = str(gwas["chrom"].iat[row]), int(gwas["pos"].iat[row])
        loci.append(Locus(f"{chrom}:{pos}", chrom, max(0, pos - 1 - window), pos + window))
    return loci


def renamed(loci: Sequence[Locus], scores: pd.DataFrame) -> list[Locus]:
    """Return loci with the names that the scored variants have for their chromosomes."""
    names = {plain_chromosome(c): str(c) for c in scores["chrom"].cat.categories}
    return [replace(x, chrom=by_chromosome(names, x.chrom, x.chrom)) for x in loci]


def rows_in(locus: Locus, place: np.ndarray, order: np.ndarray, scores: pd.DataFrame) -> np.ndarray:
    """Return the rows of a table that lie in a locus, by position: int64 [rows].

    Args:
        locus: where.
        place: number of each row's chromosome and position.
        order: that sorts them.
        scores: the variants by whose chromosomes the places are numbered.
    """
    first = pd.DataFrame({"chrom": [locus.chrom], "pos": [locus.start + 1]})
    low = positions(scores.iloc[:0], first)[1][0]
    if low < 0:
        return np.zeros(0, np.int64)
    ends = (low, low + locus.end - locus.start)
    first, last = np.searchsorted(place, ends, sorter=order)
    return order[first:last]
