"""Tables of association as others write them: GWAS, credible sets, mQTLs; and variant scores.

Every reader gives a pandas frame with the same names of columns whatever the header of the
file; `pos` is 1-based. Chromosomes and alleles are categories: ten million lines of a GWAS take
about 0.8 GB.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.association.columns import check_values, complete, header, parse, read_columns
from tfepi.association.joining import Joined, check_match, join_alleles
from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.files import existing

__all__ = [
    "Joined",
    "check_match",
    "join_alleles",
    "read_credible_sets",
    "read_gwas",
    "read_mqtls",
    "read_scores",
    "score_tasks",
    "scores_file",
]

_log = logging.getLogger(__name__)

GWAS = ("snp", "chrom", "pos", "a1", "a2", "frq", "beta", "se", "p", "n")
CREDIBLE = ("locus", "snp", "chrom", "pos", "a1", "a2", "pip")
MQTL = ("snp", "chrom", "pos", "a1", "a2", "cpg_pos", "beta", "p", "fdr", "tissue")
SCORES = ("chrom", "pos", "id", "ref", "alt", "cpgs", "score", "score_task", "score_cpg")
SCORES += ("score_diff",)
_KEY = ["chrom", "pos", "ref", "alt"]


def read_gwas(
    path: str | Path, needed: Sequence[str] = ("chrom", "pos", "a1", "a2", "p")
) -> pd.DataFrame:
    """Read GWAS summary statistics: tab-, comma- or space-separated, plain or gzip.

    Odds ratios become beta = ln(OR), and −log10 p becomes p. Lines that lack a needed value are
    left out, and a warning counts them.

    Args:
        path: the file.
        needed: columns that must be there; others are NaN where the file has none.

    Returns:
        Columns snp, chrom, pos (1-based), a1 (the effect allele), a2, frq (of a1), beta, se, p,
        n, indexed by line.

    Raises:
        InputFileError: missing, damaged, a needed column absent, a value that is no number or
            out of range (with its line).
    """
    frame = read_columns(path, "GWAS table", GWAS, needed)
    if frame["snp"].isna().all():
        frame["snp"] = frame["chrom"].astype(str) + ":" + frame["pos"].astype(str)
    return frame


def read_credible_sets(path: str | Path) -> pd.DataFrame:
    """Read a table of fine-mapped variants, several loci in one.

    Returns:
        Columns locus, snp, chrom, pos (1-based), a1, a2 (NaN in a table without alleles), pip,
        indexed by line.

    Raises:
        InputFileError: as `read_gwas`.
    """
    needed = ("locus", "chrom", "pos", "pip")
    return read_columns(path, "table of credible sets", CREDIBLE, needed)


def read_mqtls(path: str | Path) -> pd.DataFrame:
    """Read methylation quantitative trait loci, a line per variant and CpG.

    Returns:
        Columns snp, chrom, pos (1-based), a1 (the effect allele), a2, cpg_pos (1-based), beta,
        p, fdr, tissue, indexed by line; NaN where the file has none.

    Raises:
        InputFileError: as `read_gwas`.
    """
    return read_columns(path, "mQTL table", MQTL, ("chrom", "pos"))


def scores_file(path: str | Path) -> Path:
    """Return the table in a folder that `tfepi_methylation.py variants` filled, or the file.

    Raises:
        InputFileError: a folder without one, or no such file.
    """
    path = Path(path)
    if not path.is_dir():
        return existing(path, "table of variant scores")
    for name in ("variants.parquet", "variants.tsv.gz"):
        if (path / name).exists():
            return path / name
    raise InputFileError(
        f"{path} has neither variants.parquet nor variants.tsv.gz: name the folder of a finished "
        "`tfepi_methylation.py variants`, or its table"
    )


def score_tasks(path: str | Path) -> tuple[str, ...]:
    """Return the tasks of which a table of variant scores has a column T_score."""
    return tuple(c.removesuffix("_score") for c in _columns(path) if c.endswith("_score"))


def read_scores(path: str | Path, tasks: Sequence[str] = ()) -> pd.DataFrame:
    """Read the variant scores of a run; a variant listed twice is kept once, with a warning.

    Args:
        path: folder of the run, its variants.parquet, or the same as text, plain or gzip.
        tasks: tasks whose own scores are read too.

    Returns:
        Columns chrom, pos, id, ref, alt, cpgs, score, score_task, score_cpg, score_diff (NaN
        where the file has none; positions 1-based) and T_score of each task, indexed from 0.
        score is NaN where a variant has no CpG in reach.

    Raises:
        InputFileError: as `read_gwas`.
        ConfigError: no such task.
    """
    path, what = scores_file(path), "table of variant scores"
    there, own = _columns(path), [f"{task}_score" for task in tasks]
    for task, column in zip(tasks, own, strict=True):
        if column not in there:
            raise unknown("task", task, score_tasks(path), f"of {path}")
    if missing := [c for c in (*_KEY, "score") if c not in there]:
        raise InputFileError(
            f"{what} {path} has no column {', '.join(missing)}: want what "
            "`tfepi_methylation.py variants` wrote"
        )
    wanted = [c for c in (*SCORES, *own) if c in there]
    if path.suffix == ".parquet":
        dictionaries = [c for c in ("chrom", "ref", "alt", "score_task") if c in there]
        frame = pq.read_table(path, columns=wanted, read_dictionary=dictionaries).to_pandas()
        frame.index += 1
    else:
        _, separator, line = header(path)
        frame = parse(path, {c: there.index(c) for c in wanted}, separator, line)
    check_values(frame, path, what)
    frame = complete(frame, path, what, _KEY).reindex(columns=[*SCORES, *own])
    for column in own:
        if (frame[column].isna() != frame["score"].isna()).any():
            raise InputFileError(
                f"{what} {path}: {column} is missing for variants with a score, or the other way "
                "round: score the variants again"
            )
    halved = dict.fromkeys(("score", "score_diff", *own), np.float32)
    again = frame.duplicated(_KEY)
    if again.any():
        _log.warning(f"{path} lists {again.sum()} variants more than once: each is kept once")
    return frame[~again].astype(halved).reset_index(drop=True)


def _columns(path: str | Path) -> list[str]:
    path = scores_file(path)
    if path.suffix != ".parquet":
        return header(path)[0]
    try:
        return pq.read_schema(path).names
    except pa.ArrowException as error:
        raise InputFileError(f"{path} is no Parquet file ({error}): write it again") from None
