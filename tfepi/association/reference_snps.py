"""The SNPs that annotations are written for: of .bim files, or the scored variants themselves."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.columns import parse
from tfepi.association.joining import (
    by_chromosome,
    check_match,
    join_alleles,
    plain_chromosome,
)
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing

_BIM = {"chrom": 0, "snp": 1, "cm": 2, "pos": 3, "a1": 4, "a2": 5}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chromosome:
    """The SNPs of a chromosome, in the order they are written in.

    Attributes:
        name: as it is written.
        snps: columns chrom, snp, cm, pos (1-based), a1, a2.
        row: which scored variant each is, int64 [SNPs]; -1 for none.
        counts: of `join_alleles`, or none.
    """

    name: str
    snps: pd.DataFrame
    row: np.ndarray
    counts: dict[str, int]


def read_bim(path: str | Path) -> pd.DataFrame:
    """Read a PLINK .bim: columns chrom, snp, cm, pos (1-based), a1, a2, indexed by line.

    Raises:
        InputFileError: missing, or a line that is none of a .bim.
    """
    path = existing(path, ".bim file")
    frame = parse(path, _BIM, r"\s+", 0)
    bad = frame[["chrom", "pos", "a1", "a2"]].isna().any(axis=1) | (frame["pos"] % 1 > 0)
    if bad.any():
        raise InputFileError(
            f"{path} line {frame.index[bad.to_numpy()][0]} is none of a .bim: want chromosome, "
            "SNP, cM, position, A1, A2"
        )
    snp = frame["snp"].fillna(".")
    return frame.assign(snp=snp, cm=frame["cm"].fillna(0), pos=frame["pos"].astype(np.int64))


def of_bims(paths: Sequence[str | Path], scores: pd.DataFrame) -> list[Chromosome]:
    """Return the chromosomes of .bim files, each SNP with its scored variant.

    Raises:
        InputFileError: a chromosome in two files or in two places of one, or positions that are
            not among the scored variants.
    """
    found: dict[str, Chromosome] = {}
    names = {plain_chromosome(c): c for c in scores["chrom"].cat.categories}
    for path in paths:
        frame = read_bim(path)
        change = np.flatnonzero(np.diff(frame["chrom"].cat.codes)) + 1
        for snps in np.split(np.arange(len(frame)), change):
            part = frame.iloc[snps]
            name = str(part["chrom"].iat[0])
            if name in found:
                raise InputFileError(
                    f"{path} line {part.index[0]} has chromosome {name} again: give each "
                    "chromosome once, in one stretch"
                )
            of_chrom = scores[scores["chrom"] == by_chromosome(names, name, None)]
            what = f".bim file {path}"
            joined = join_alleles(of_chrom, part, what, ambiguous="keep", unique=None)
            if len(of_chrom):
                check_match(joined, of_chrom, part, what)
            row = np.full(len(part), -1)
            at = part.index.get_indexer(joined.table.index)
            row[at] = of_chrom.index[joined.table["row"]]
            found[name] = Chromosome(name, part, row, joined.counts)
    if not any(c.counts["matched"] for c in found.values()):
        raise InputFileError(
            f"no SNP of {', '.join(map(str, paths))[:200]} is among the scored variants: their "
            f"chromosomes are {', '.join(list(found)[:5])}"
        )
    return list(found.values())


def of_scores(scores: pd.DataFrame) -> list[Chromosome]:
    """Return the scored variants as SNPs by chromosome, numbered ones in order of their number.

    A variant without an id is called CHR:POS:REF:ALT. Of several with one id the one with the
    highest score is kept. Chromosomes that are no numbers are left out: the formats have none.

    Raises:
        ConfigError: no chromosome is a number.
    """
    plain = {c: plain_chromosome(c) for c in scores["chrom"].cat.categories}
    numbered = {c: int(name) for c, name in plain.items() if name.isdecimal()}
    number = scores["chrom"].map(numbered).astype(float)
    if number.notna().sum() < len(scores):
        others = ", ".join(str(c) for c in plain if c not in numbered)
        _log.warning(
            f"{number.isna().sum()} variants on {others[:100]} are left out: chromosomes have "
            "numbers in these formats; give .bim files to name them otherwise"
        )
    if not number.notna().any():
        raise ConfigError("no chromosome of the scores is a number: give .bim files")
    table = scores.assign(number=number)[number.notna()]
    table = table.sort_values(["number", "pos"], kind="stable")
    chrom = table["number"].astype(int)
    unnamed = table["id"].isna() | (table["id"] == ".")
    place = chrom.astype(str) + ":" + table["pos"].astype(str)
    place += ":" + table["ref"].astype(str) + ":" + table["alt"].astype(str)
    table = table.assign(snp=table["id"].where(~unnamed, place), cm=0, number=chrom)
    best = table.sort_values("score", ascending=False, kind="stable").drop_duplicates("snp").index
    if len(best) < len(table):
        _log.warning(
            f"{len(table) - len(best)} variants have the id of another: the one with the highest "
            "score is kept"
        )
        table = table[table.index.isin(best)]
    chromosomes = []
    for name, rows in table.groupby("number"):
        snps = rows.assign(chrom=str(name)).rename(columns={"alt": "a1", "ref": "a2"})
        snps = snps[["chrom", "snp", "cm", "pos", "a1", "a2"]]
        chromosomes.append(Chromosome(str(name), snps, rows.index.to_numpy(), {}))
    return chromosomes
