"""Where messages say that a row is."""

import gzip

import pandas as pd
import pytest

from tfepi.qtl.table_lines import at_row, is_vcf, line_of_row


def test_texts_have_lines_and_parquet_has_rows(tmp_path):
    (tmp_path / "t.tsv").write_text("a\n1\n")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.tsv.parquet")
    assert at_row(tmp_path / "t.tsv", 2) == f"QTL table {tmp_path / 't.tsv'} line 2"
    assert at_row(tmp_path / "t.tsv.parquet", 1, "scores").endswith("t.tsv.parquet row 1")
    assert at_row("none", 1, "scores") == "scores none line 1"


@pytest.mark.parametrize("packed", [True, False])
def test_blank_lines_are_no_rows(tmp_path, packed):
    path = tmp_path / "t"
    text = b"##x\n\na\tb\n1\t2\n\n  \r\n3\t4\n\t\n"
    path.write_bytes(gzip.compress(text) if packed else text)
    assert [line_of_row(path, row, 3) for row in (1, 2, 3)] == [4, 7, 8]


def test_columns_of_a_vcf():
    names = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    assert is_vcf(names)
    assert is_vcf([*names, "FORMAT", "sample"])
    assert not is_vcf(names[:5])
    assert not is_vcf(["chrom", "pos", "ref", "alt", "pip"])
