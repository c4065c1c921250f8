"""Weights and annotations of SNPs in the layouts of PolyPred and SBayesRC.

- `.betas`: what PolyPred's `--betas` reads and `--combine-betas` writes: SNP CHR BP A1 A2 BETA, the
  effect per copy of A1, by chromosome and position (github.com/omerwe/polyfun, polypred.py).
- `.ma`: GCTA-COJO's summary statistics, which SBayesRC reads: SNP A1 A2 freq b se p N.
- `.annot.txt`: SBayesRC's annotations: SNP, Intercept (all 1), and one column for each
  (github.com/zhilizheng/SBayesRC, README).
"""

import logging
from pathlib import Path

import numpy as np
import pandas

from tfepi.methylation.prs_prior import ScoreBins
from tfrecords_tools.files import atomic_path

_CODES = {"X": 23, "Y": 24, "XY": 25, "M": 26, "MT": 26}  # as PLINK's
_log = logging.getLogger(__name__)


def write_betas(path: Path, table: pandas.DataFrame, weights: np.ndarray) -> int:
    """Write the weights that are not 0 as PolyPred's .betas; return how many there are.

    CHR is a number: chr1 is 1, and X, Y, XY and MT have PLINK's codes. Other names stay, and a
    warning says so, since PolyPred takes none.

    Args:
        path: of the file.
        table: chrom, snp, pos (1-based), a1, a2 of each SNP.
        weights: per copy of A1.
    """
    used = np.flatnonzero(weights != 0)
    rows = table.iloc[used]
    codes = {c: chromosome_code(c) for c in rows["chrom"].unique()}
    others = sorted(c for c in codes.values() if isinstance(c, str))
    if others:
        _log.warning(
            "%s: chromosomes %s have no number, which PolyPred asks for", path, ", ".join(others)
        )
    ranks = sorted(codes, key=lambda c: (isinstance(codes[c], str), codes[c]))
    order = np.lexsort((rows["pos"], rows["chrom"].map({c: i for i, c in enumerate(ranks)})))
    text = pandas.DataFrame(
        {
            "SNP": rows["snp"],
            "CHR": rows["chrom"].map(codes),
            "BP": rows["pos"],
            "A1": rows["a1"],
            "A2": rows["a2"],
            "BETA": weights[used],
        }
    )
    _write(path, text.iloc[order], "%.6e")
    return len(used)


def chromosome_code(name: str) -> int | str:
    """Return a chromosome's number for PLINK, or its name without "chr" where it has none."""
    plain = str(name).removeprefix("chr")
    return int(plain) if plain.isdecimal() else _CODES.get(plain.upper(), plain)


def write_ma(path: Path, table: pandas.DataFrame) -> None:
    """Write summary statistics as GCTA-COJO's .ma.

    Args:
        path: of the file.
        table: snp, a1, a2, frq (of a1), beta, se, p, n.
    """
    text = table[["snp", "a1", "a2", "frq", "beta", "se", "p", "n"]].copy()
    text.columns = ["SNP", "A1", "A2", "freq", "b", "se", "p", "N"]
    _write(path, text, "%.8g")


def write_annotations(
    path: Path, table: pandas.DataFrame, bins: ScoreBins, scores: np.ndarray
) -> None:
    """Write the annotations of SNPs for SBayesRC.

    Columns: SNP, Intercept, mrv_scored (a CpG is in reach), mrv_score (0 where there is none), and
    mrv_bin2 …, 1 in that bin of scores. Bin 1 is what mrv_scored leaves.

    Args:
        path: of the file.
        table: snp.
        bins: of the SNPs.
        scores: NaN where there is none.
    """
    scored = ~np.isnan(scores)
    columns = {"SNP": table["snp"], "Intercept": 1, "mrv_scored": scored.astype(int)}
    columns["mrv_score"] = np.where(scored, scores, 0)
    columns |= {f"mrv_bin{b}": (bins.of == b).astype(int) for b in range(2, len(bins.names))}
    _write(path, pandas.DataFrame(columns), "%.6g")


def _write(path: Path, table: pandas.DataFrame, number: str | None = None) -> None:
    with atomic_path(path) as part:
        table.to_csv(part, sep="\t", index=False, float_format=number, na_rep="NA")
