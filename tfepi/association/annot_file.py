"""LDSC's .annot.gz files: a line for each SNP of a chromosome's .bim, in its order.

The layout is that of LDSC's wiki, "LD File Formats": CHR BP SNP CM, then annotations; a thin file
has the annotations alone.
"""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, existing

PLACE = ("CHR", "BP", "SNP", "CM")


def write_annot(
    path: Path, snps: pd.DataFrame, columns: Mapping[str, np.ndarray], thin: bool = False
) -> None:
    """Write the annotations of a chromosome's SNPs.

    Args:
        path: to end in .annot.gz.
        snps: columns chrom, pos (1-based), snp and cm, as `read_bim` gives them.
        columns: name → value of each SNP.
        thin: without the SNPs' places.
    """
    place = dict(zip(PLACE, (snps[c].array for c in ("chrom", "pos", "snp", "cm")), strict=True))
    with packed(path) as handle:
        write_table(handle, pd.DataFrame(({} if thin else place) | dict(columns)))


def read_annot(path: str | Path) -> pd.DataFrame:
    """Read the annotations of a chromosome, without the SNPs' places: float64 [SNPs, columns].

    Raises:
        InputFileError: missing, or no such file.
    """
    path = existing(path, "annotation file")
    try:
        table = pd.read_csv(path, sep=r"\s+", compression="infer")
        return table.drop(columns=[c for c in PLACE if c in table]).astype(float)
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise InputFileError(f"cannot read annotations from {path}: {reason}") from None


def write_table(handle: BinaryIO, table: pd.DataFrame, header: bool = True) -> None:
    """Write rows as tab-separated text, numbers in as few digits as tell them apart."""
    if header:  # which pyarrow would quote
        handle.write(("\t".join(table) + "\n").encode())
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    pa_csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), handle, options)


@contextmanager
def packed(path: Path) -> Iterator[BinaryIO]:
    """Open a gzip file without name and time, so the same text gives the same bytes."""
    with (
        atomic_path(path) as part,
        open(part, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, mtime=0, fileobj=raw) as handle,
    ):
        yield handle
