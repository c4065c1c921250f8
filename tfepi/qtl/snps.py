"""Where the SNPs of a table's rows lie, and what tells two of them apart.

A SNP is its place and its alleles. Both come from columns, or from an identifier that holds them:
"10:60515_C_T", "chr1_13550_G_A_b38", "chr1:1000:A:G"; or the place from a second table by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfepi.qtl.layouts import Layout, lacking
from tfepi.qtl.place_files import PlaceFile
from tfepi.qtl.table_lines import at_row
from tfrecords_tools.errors import InputFileError

_PLACED = r"^(?P<chrom>[^\s:]+?)[:_](?P<pos>[0-9]+)(?:[:_](?P<rest>.*))?$"
_SIMPLE = _PLACED.replace(r"[^\s:]+?", r"[^\s:_]+")  # of chromosomes without "_"
ASSEMBLY_ENDS = {"b37": "GRCh37", "b38": "GRCh38"}


@dataclass(frozen=True)
class Labels:
    """Values of rows that are few: what they are, and which each row has.

    Attributes:
        names: the distinct values; None where codes mean the same in every block of rows.
        codes: index into them of each row, int32; -1 is missing.
    """

    names: list[str] | None
    codes: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> "Labels":
        """Return the labels of an Arrow column of text."""
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
            if isinstance(column, pa.ChunkedArray):  # of several dictionaries
                column = pa.concat_arrays(column.unify_dictionaries().chunks)
        if not pa.types.is_dictionary(column.type):
            column = pc.dictionary_encode(column)
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return cls(column.dictionary.to_pylist(), codes.astype(np.int32, copy=False))

    def __getitem__(self, kept: np.ndarray) -> "Labels":
        """Return the labels of some of the rows."""
        return Labels(self.names, self.codes[kept])

    @classmethod
    def same(cls, name: str, rows: int) -> "Labels":
        """Return labels of which every row has the same one."""
        return cls([name], np.zeros(rows, np.int32))


@dataclass(frozen=True)
class Snps:
    """The SNPs of some rows.

    Attributes:
        chrom: chromosomes as the table names them; -1 where the SNP is missing.
        pos: position as the table counts it, int64 [rows]; 0 where missing.
        alleles: what tells SNPs of one place apart.
        missing: rows without SNP or position, bool [rows].
    """

    chrom: Labels
    pos: np.ndarray
    alleles: Labels
    missing: np.ndarray

    def __getitem__(self, kept: np.ndarray) -> "Snps":
        """Return the SNPs of some of the rows."""
        return Snps(self.chrom[kept], self.pos[kept], self.alleles[kept], self.missing[kept])


class SnpColumns:
    """How the SNPs of a table are read.

    Args:
        path: of the table, for messages.
        header: names of its columns.
        layout: what they are.
        places: a second table, of SNPs by name, or None.

    Raises:
        InputFileError: no column says where a SNP lies.
    """

    def __init__(
        self,
        path: str | Path,
        header: Sequence[str],
        layout: Layout,
        places: PlaceFile | None = None,
    ):
        self._path, self._layout, self._places = path, layout, places
        self._by_columns = places is None and layout.has("chrom", "pos")
        if not self._by_columns and not layout.has("snp"):
            raise lacking(path, header, "SNP and its position", "snp", "chrom,pos")
        self._alleles = ("ref", "alt") if layout.has("ref", "alt") else ()
        if not self._alleles and layout.has("snp"):
            self._alleles = ("snp",)

    @property
    def roles(self) -> dict[str, str]:
        """Role → kind (as of `read_blocks`) of each column that is read."""
        if not self._by_columns:
            return {"snp": "text"}
        return {"chrom": "label", "pos": "number"} | dict.fromkeys(self._alleles, "text")

    @property
    def words(self) -> str:
        """Where SNPs lie, in words."""
        if self._places:
            return f"by name in {self._places.path}"
        c = self._layout.columns
        used = [c[role] for role in self.roles]
        return f"{'columns' if len(used) > 1 else 'column'} {', '.join(used)}"

    def read(self, rows: pa.Table, numbers: np.ndarray) -> Snps:
        """Return the SNPs of rows.

        Args:
            rows: columns named by role.
            numbers: of the rows in the table, for messages.

        Raises:
            InputFileError: an identifier that holds no place, or a position that is not whole.
        """
        if self._places:
            return self._by_name(rows["snp"], numbers)
        if not self._by_columns:
            return self._by_identifier(rows["snp"], numbers)
        value = rows["pos"].to_numpy()
        missing = np.isnan(value)
        chrom = Labels.of(rows["chrom"])
        missing |= chrom.codes < 0
        pos = whole(value, self._path, self._layout.columns["pos"], numbers)
        return Snps(chrom, pos, self._alleles_of(rows), missing)

    def _alleles_of(self, rows: pa.Table) -> Labels:
        """Return the alleles of SNPs whose place is in columns; of an rs number there are none."""
        if not self._alleles:
            return Labels.same("", rows.num_rows)
        if self._alleles == ("snp",):
            return Labels.of(pc.struct_field(pc.extract_regex(rows["snp"], _PLACED), "rest"))
        both = (rows["ref"], rows["alt"], "_")
        joined = pc.binary_join_element_wise(*both, null_handling="replace", null_replacement="")
        return Labels.of(joined)

    def _by_identifier(self, column: pa.ChunkedArray, numbers: np.ndarray) -> Snps:
        missing = np.asarray(pc.is_null(column))
        for pattern in (_SIMPLE, _PLACED):  # the first takes half the time
            parts = pc.extract_regex(column, pattern).combine_chunks()
            bad = np.flatnonzero(np.asarray(pc.is_null(parts)) & ~missing)
            if not len(bad):
                break
        if len(bad):
            example = column[int(bad[0])].as_py()
            raise InputFileError(
                f"{at_row(self._path, numbers[bad[0]])} has the SNP {example!r}, which "
                "holds no place: want chr:pos_ref_alt, chr_pos_ref_alt, or columns of chromosome "
                "and position, or give a table of places with --snps"
            )
        chrom, pos, rest = parts.flatten()
        try:
            pos = pos.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise InputFileError(
                f"{at_row(self._path, numbers[0])} or one below it has a SNP with no position "
                f"({error})"
            ) from None
        return Snps(Labels.of(chrom), pos, Labels.of(rest), missing)

    def _by_name(self, column: pa.ChunkedArray, numbers: np.ndarray) -> Snps:
        names = Labels.of(column)
        at = self._places.find(names.names)
        missing = names.codes < 0
        found = at[names.codes]
        bad = np.flatnonzero((found < 0) & ~missing)
        if len(bad):
            raise InputFileError(
                f"{at_row(self._path, numbers[bad[0]])} has the SNP "
                f"{names.names[names.codes[bad[0]]]!r}, which {self._places.path} does not have"
            )
        places = self._places
        chrom, which = np.unique(places.chrom[found], return_inverse=True)
        named = [places.chroms[c] for c in chrom]
        alleles = Labels(None, found.astype(np.int32))  # a SNP's line tells it from its neighbours
        return Snps(Labels(named, which.astype(np.int32)), places.start[found], alleles, missing)


def whole(value: np.ndarray, path: object, column: str, numbers: np.ndarray) -> np.ndarray:
    """Return numbers as int64, with 0 for NaN.

    Raises:
        InputFileError: one is not whole.
    """
    filled = np.nan_to_num(value)
    bad = np.flatnonzero((filled % 1 != 0) | (np.abs(filled) >= 1 << 53))
    if len(bad):
        raise InputFileError(
            f"{at_row(path, numbers[bad[0]])} has {column} {value[bad[0]]:.12g}: want a whole "
            "number"
        )
    return filled.astype(np.int64)


def assembly_of_names(names: Sequence[str]) -> str | None:
    """Return the assembly that what follows a SNP's place says ("G_A_b38"), or None."""
    return ASSEMBLY_ENDS.get(names[0].rsplit("_", 1)[-1]) if names else None
