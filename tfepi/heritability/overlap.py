"""How many SNPs each two annotations of a regression share: what shares of heritability need.

The heritability of annotation i is Σ_j o_ij·τ_j, of all SNPs Σ_j M_j·τ_j, where τ_j is the
coefficient of annotation j, M_j = o_jj the SNPs in it and o_ij those in both (Finucane et al.
2015, Nature Genetics 47:1228, Online Methods; LDSC counts common SNPs). Dividing all by the number
of SNPs changes no share.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.annot_file import read_annot
from tfepi.heritability.ldsc_commands import CHROMOSOMES
from tfepi.heritability.results_file import Results
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

_COMMON = (0.05, 0.95)  # frequencies that LDSC counts, both ends left out
_CLOSE = 1e-4  # relative difference of shares that were computed twice


def shares(overlap: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return shares of heritability, [..., annotations of interest].

    Args:
        overlap: SNPs, or shares of them, that all pairs of annotations have in common, square.
        coefficients: τ of each annotation [..., annotations].
    """
    total = coefficients @ np.diag(overlap)
    return coefficients @ overlap.T / total[..., None]


def plain_overlap(results: Results) -> np.ndarray | None:
    """Return the overlap of disjoint annotations in a base, or of nested ones, as shares of SNPs.

    It is None unless the file has coefficients and these give the file's own shares: how
    annotations overlap shows in the results.
    """
    size = results.table["prop_snps"].to_numpy()
    base = np.isclose(size, 1, rtol=0, atol=1e-9)
    nested = np.minimum.outer(size, size)
    disjoint = np.where(base[:, None] | base | np.eye(len(size), dtype=bool), nested, 0)
    return next((o for o in (disjoint, nested) if _agrees(results, o)), None)


def counted_overlap(results: Results, prefixes: Sequence[str], frequencies: str) -> np.ndarray:
    """Return the overlap counted in the .annot and .frq files that LDSC was given.

    Args:
        results: of the run.
        prefixes: of --ref-ld-chr.
        frequencies: prefix of --frqfile-chr.

    Raises:
        InputFileError: a file is missing, rows differ, or the files are not those of the results.
    """
    total, names = 0.0, []
    for chrom in CHROMOSOMES:
        paths = [_annot_path(prefix, chrom) for prefix in prefixes]
        if not any(paths):
            continue
        if None in paths:
            lacking = prefixes[paths.index(None)]
            raise InputFileError(
                f"{lacking}{chrom}.annot.gz does not exist, but another set's does"
            )
        tables = [read_annot(path) for path in paths]
        common = _common(frequencies, chrom)
        for path, table in zip(paths, tables, strict=True):
            if len(table) != len(common):
                raise InputFileError(
                    f"{path} has {len(table)} SNPs, the .frq file of chromosome {chrom} "
                    f"{len(common)}: want files of one reference"
                )
        values = np.hstack([table.to_numpy()[common] for table in tables])
        total = total + values.T @ values
        names = [
            f"{column if len(table.columns) > 1 else ''}L2_{number}"
            for number, table in enumerate(tables)
            for column in table.columns
        ]
    if not names:
        raise InputFileError(f"there is no file {prefixes[0]}1.annot.gz, …: give the prefixes")
    if names != results.table["category"].tolist():
        raise InputFileError(
            f"{results.path} has other categories than the .annot files of {','.join(prefixes)}: "
            "give the prefixes of its --ref-ld-chr, in that order"
        )
    if not _agrees(results, total):
        raise InputFileError(
            f"the shares of {results.path} do not follow from its coefficients and the .annot and "
            ".frq files given: give those of its run, which needs --print-coefficients"
        )
    return total


def _agrees(results: Results, overlap: np.ndarray) -> bool:
    """Tell whether an overlap and the coefficients give the shares that the file has."""
    coefficients = results.table["coefficient"].to_numpy()
    if np.isnan(coefficients).any():
        return False
    stated = results.table["prop_h2"].to_numpy()
    return np.allclose(shares(overlap, coefficients), stated, rtol=_CLOSE, atol=_CLOSE)


def _annot_path(prefix: str, chrom: int) -> Path | None:
    found = [Path(f"{prefix}{chrom}.annot{end}") for end in (".gz", "")]
    return next((path for path in found if path.exists()), None)


def _common(prefix: str, chrom: int) -> np.ndarray:
    """Return which SNPs of a chromosome are common: bool [SNPs]."""
    path = Path(f"{prefix}{chrom}.frq")
    path = existing(path if path.exists() else Path(f"{path}.gz"), "file of frequencies")
    try:
        table = pd.read_csv(path, sep=r"\s+", compression="infer")
        column = table["MAF"] if "MAF" in table else table["FRQ"]
        frequency = column.to_numpy(float)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise InputFileError(f"cannot read frequencies (MAF) from {path}: {error}") from None
    return (frequency > _COMMON[0]) & (frequency < _COMMON[1])
