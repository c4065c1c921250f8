"""Places of SNPs or targets by name, from a file of their own."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.analysis.gene_files import read_genes
from tfepi.analysis.tss import unversioned
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

_GENES = (".gtf", ".gff", ".gff3")
_NAMES = {
    "name": "phenotype_id molecular_trait_id gene_id geneid target_id name snp snpid snp_id "
    "variant_id probe peak id",
    "chrom": "chromosome chrom chr snp_chr gene_chr phenotype_chr",
    "start": "start pos position s1 left gene_start phenotype_pos tss bp",
    "end": "end s2 right gene_end",
}
_SHOWN = 3


@dataclass(frozen=True)
class PlaceFile:
    """Places by name.

    Attributes:
        path: of the file.
        names: of the places, each once.
        chroms: names of chromosomes.
        chrom: index into them [places].
        start: as the file counts it [places].
        end: likewise; equal to start where the file gives a position.
        base: the file's own base, 0 (BED, gene annotation) or None, which is the table's.
        genes: whether names are of genes, whose versions ("ENSG….5") do not count.
    """

    path: Path
    names: pd.Index
    chroms: list[str]
    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    base: int | None = None
    genes: bool = False

    def find(self, names: list[str]) -> np.ndarray:
        """Return which place each name is, -1 for none: int64 [names]."""
        if self.genes:
            names = [unversioned(n) for n in names]
        return self.names.get_indexer(pd.Index(names, dtype=object))


def read_places(path: str | Path, what: str) -> PlaceFile:
    """Read places by name.

    Args:
        path: a BED with names in column 4 (0-based); a GTF or GFF3, of whose genes the start site
            is the place; or a table with a header and columns for name, chromosome, start and
            perhaps end, which counts as the QTL table does.
        what: the file, for messages ("table of targets").

    Raises:
        InputFileError: no such columns, no rows, a position that is none, or a name with two
            places.
    """
    path = existing(path, what)
    if {s.lower() for s in path.suffixes} & set(_GENES):
        return _of_genes(path)
    frame = _frame(path, what)
    base = None
    bed = frame.shape[1] >= 4 and str(frame.iloc[0, 1]).isdecimal()
    if bed and str(frame.iloc[0, 2]).isdecimal():
        base = 0
        columns = dict(zip(("chrom", "start", "end", "name"), frame.columns[:4], strict=True))
    else:
        header = [str(c).strip() for c in frame.iloc[0]]
        lower = [c.lower() for c in header]
        columns = {
            role: frame.columns[lower.index(alias)]
            for role, names in reversed(_NAMES.items())
            for alias in reversed(names.split())
            if alias in lower
        }
        lacking = [role for role in ("name", "chrom", "start") if role not in columns]
        if lacking:
            raise InputFileError(
                f"{what} {path} has no column for {', '.join(lacking)}: it has "
                f"{', '.join(header)}; want a BED with names, or a header with one of "
                f"{', '.join(_NAMES[lacking[0]].split())}"
            )
        frame = frame.iloc[1:]
    if frame.empty:
        raise InputFileError(f"{what} {path} has no rows below its header")
    start = _whole(frame[columns["start"]], path, what)
    end = _whole(frame[columns["end"]], path, what) if "end" in columns else start
    names, chroms = frame[columns["name"]].astype(str), frame[columns["chrom"]].astype(str)
    return _placed(path, what, names, chroms, start, end, base)


def _frame(path: Path, what: str) -> pd.DataFrame:
    with open(path, "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8") as handle:
            separator = "\t" if "\t" in handle.readline() else r"\s+"
            handle.seek(0)
            how = {"header": None, "dtype": str, "na_filter": False, "skip_blank_lines": False}
            frame = pd.read_csv(handle, sep=separator, **how).fillna("")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, EOFError) as error:
        raise InputFileError(f"{what} {path} is no table ({error}): want tabs or spaces") from None
    frame = frame[frame.ne("").any(axis=1)]  # indexed by line, from 0
    if frame.empty:
        raise InputFileError(f"{what} {path} is no table (it is blank): want tabs or spaces")
    return frame


def _whole(column: pd.Series, path: Path, what: str) -> np.ndarray:
    value = pd.to_numeric(column, errors="coerce").to_numpy(float)
    bad = np.flatnonzero(~(value % 1 == 0))
    if len(bad):
        raise InputFileError(
            f"{what} {path} line {column.index[bad[0]] + 1} has the position "
            f"{column.iloc[bad[0]]!r}: want a whole number"
        )
    return value.astype(np.int64)


def _of_genes(path: Path) -> PlaceFile:
    genes = read_genes(path)
    first = np.array([g.end - 1 if g.strand == "-" else g.start for g in genes], np.int64)
    names, chroms = pd.Series([g.id for g in genes]), pd.Series([g.chrom for g in genes])
    names = names.map(unversioned)
    return _placed(path, "gene annotation", names, chroms, first, first + 1, 0, genes=True)


def _placed(path, what, names, chroms, start, end, base, genes=False) -> PlaceFile:
    frame = pd.DataFrame({"name": names.to_numpy(), "chrom": chroms.to_numpy()})
    frame = frame.assign(start=start, end=end).drop_duplicates()
    again = frame["name"].duplicated()
    if again.any():
        shown = ", ".join(frame["name"][again].unique()[:_SHOWN])
        raise InputFileError(
            f"{what} {path} gives {frame['name'][again].nunique()} names more than one place "
            f"({shown}): keep one of each"
        )
    codes, chromosomes = pd.factorize(frame["chrom"])
    index = pd.Index(frame["name"], dtype=object)
    index.get_indexer(index[:1])  # makes its table now, before threads use it
    return PlaceFile(
        path,
        index,
        [str(c) for c in chromosomes],
        codes,
        frame["start"].to_numpy(),
        frame["end"].to_numpy(),
        base,
        genes,
    )
