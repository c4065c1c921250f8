"""SNPs of rows, from columns, identifiers or a second table."""

import numpy as np
import pyarrow as pa
import pytest

from tfepi.qtl.layouts import detect
from tfepi.qtl.place_files import read_places
from tfepi.qtl.snps import Labels, SnpColumns, assembly_of_names, whole
from tfrecords_tools.errors import InputFileError


def read(columns, header=None, places=None):
    layout = detect("t", tuple(header or columns))
    reader = SnpColumns("t", tuple(columns), layout, places)
    rows = pa.table({role: columns[layout.columns[role]] for role in reader.roles})
    count = rows.num_rows
    return reader, reader.read(rows, np.arange(1, count + 1))


def texts(labels):
    return [None if c < 0 else labels.names[c] for c in labels.codes.tolist()]


@pytest.mark.parametrize(
    ("name", "chrom", "pos", "alleles"),
    [
        ("10:60515_C_T", "10", 60515, "C_T"),
        ("chr1_13550_G_A_b38", "chr1", 13550, "G_A_b38"),
        ("chr1:1000:A:G", "chr1", 1000, "A:G"),
        ("X:7", "X", 7, None),
        ("chr1_KI270706v1_random:5_A_T", "chr1_KI270706v1_random", 5, "A_T"),
        ("3:12_<CN0>_A,T", "3", 12, "<CN0>_A,T"),
    ],
)
def test_identifiers_that_hold_a_place(name, chrom, pos, alleles):
    _, found = read({"variant_id": pa.array([name, None])})
    assert texts(found.chrom) == [chrom, None]
    assert found.pos.tolist() == [pos, 0]
    assert (texts(found.alleles)[0] or None) == alleles
    assert found.missing.tolist() == [False, True]


def test_identifiers_of_both_kinds_in_one_block():
    _, found = read({"variant_id": pa.array(["1:5_A_C", "chr1_x_random:7_G_T", None])})
    assert texts(found.chrom) == ["1", "chr1_x_random", None]
    assert found.pos.tolist() == [5, 7, 0]
    assert texts(found.alleles)[:2] == ["A_C", "G_T"]


@pytest.mark.parametrize("name", ["rs12", "chr1", "1:a_A_C", ":5", "99999999999999999999999"])
def test_identifiers_that_hold_none(name):
    with pytest.raises(
        InputFileError, match=r"t line 2 has the SNP .*, which holds no place: want chr"
    ):
        read({"snp": pa.array(["1:5_A_C", name])})


def test_an_identifier_with_too_large_a_position():
    with pytest.raises(InputFileError, match="t line 1 or one below it has a SNP with no position"):
        read({"snp": pa.array(["1:99999999999999999999999_A_C"])})


def test_columns():
    columns = {
        "chromosome": pa.array(["1", "chr2", None, "1"]).dictionary_encode(),
        "position": pa.array([5.0, 6.0, 7.0, np.nan]),
        "ref": pa.array(["A", "AC", "A", None]),
        "alt": pa.array(["C", "A", "C", "C"]),
    }
    reader, found = read(columns)
    assert reader.words == "columns chromosome, position, ref, alt"
    assert texts(found.chrom)[:2] == ["1", "chr2"]
    assert found.pos.tolist() == [5, 6, 7, 0]
    assert texts(found.alleles) == ["A_C", "AC_A", "A_C", "_C"]
    assert found.missing.tolist() == [False, False, True, True]


def test_columns_without_alleles_are_places_alone():
    columns = {"chrom": pa.array(["1", "1"]), "pos": pa.array([5.0, 6.0])}
    reader, found = read(columns)
    assert list(reader.roles) == ["chrom", "pos"]
    assert texts(found.alleles) == ["", ""]
    _, found = read(columns | {"rsid": pa.array(["rs1", "rs2"])})
    assert texts(found.alleles) == [None, None]


def test_alleles_in_the_name_of_a_snp_with_columns_of_its_place():
    columns = {"chrom": pa.array(["1", "1"]), "pos": pa.array([5.0, 5.0])}
    _, found = read(columns | {"snp": pa.array(["1:5_A_C", "1:5_A_G"])})
    assert texts(found.alleles) == ["A_C", "A_G"]


def test_positions_that_are_not_whole():
    with pytest.raises(InputFileError, match=r"t line 2 has pos 6.5: want a whole number"):
        read({"chrom": pa.array(["1", "1"]), "pos": pa.array([5.0, 6.5])})
    assert whole(np.array([1e5, np.nan]), "t", "pos", np.array([1, 2])).tolist() == [100_000, 0]


def test_names_in_a_second_table(tmp_path):
    (tmp_path / "snps.txt").write_text("snp\tchr\tpos\nrs1\tchr1\t5\nrs2\t2\t9\nrs3\tchr1\t5\n")
    places = read_places(tmp_path / "snps.txt", "table of SNPs")
    _, found = read({"SNP": pa.array(["rs3", "rs1", "rs2", None])}, places=places)
    assert texts(found.chrom)[:3] == ["chr1", "chr1", "2"]
    assert found.pos.tolist()[:3] == [5, 5, 9]
    assert found.alleles.names is None
    assert len(set(found.alleles.codes.tolist()[:2])) == 2  # one place, two SNPs
    assert found.missing.tolist() == [False, False, False, True]
    with pytest.raises(InputFileError, match=r"line 1 has the SNP 'rs9', which .*snps.txt does"):
        read({"SNP": pa.array(["rs9"])}, places=places)


def test_a_table_without_snps():
    with pytest.raises(
        InputFileError, match="t has no column for the SNP and its position: it has x"
    ):
        read({"x": pa.array(["1"])})


def test_labels():
    column = pa.chunked_array(
        [pa.array(["b", None]).dictionary_encode(), pa.array(["a"]).dictionary_encode()]
    )
    labels = Labels.of(column)
    assert texts(labels) == ["b", None, "a"]
    assert texts(labels[np.array([2, 0])]) == ["a", "b"]
    assert texts(Labels.same("x", 2)) == ["x", "x"]


def test_assemblies_of_names():
    assert assembly_of_names(["G_A_b38"]) == "GRCh38"
    assert assembly_of_names(["G_A_b37"]) == "GRCh37"
    assert assembly_of_names(["G_A"]) is None
    assert assembly_of_names([]) is None
