"""Tables in blocks: the same rows whatever the file, and what is wrong with damaged ones."""

import gzip
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfepi.qtl import table_blocks
from tfepi.qtl.layouts import BLUEPRINT
from tfepi.qtl.table_blocks import open_table, read_blocks
from tfrecords_tools.errors import InputFileError

ROWS = 4321


def rows(count=ROWS):
    rng = np.random.default_rng(3)
    return [
        (f"{n % 3}:{n}_A_C", ("x", "y")[n % 2], "NA" if n % 50 == 7 else f"{rng.random():.4f}")
        for n in range(count)
    ]


def text_of(separator="\t", head="snp\ttarget\tfdr\n", end="\n"):
    return head.replace("\t", separator) + "".join(separator.join(r) + end for r in rows())


def read(path, first=2):
    table = open_table(path)

    def use(block, numbers):
        return block, numbers

    found = list(read_blocks(table, ["fdr", "snp", "target"], ["number", "text", "label"], use))
    whole = pa.concat_tables([b for b, _ in found]).unify_dictionaries()
    numbers = np.concatenate([n for _, n in found])
    assert numbers.tolist() == list(range(first, first + whole.num_rows))
    return whole, len(found)


def check(whole):
    want = rows()
    assert whole["snp"].to_pylist() == [r[0] for r in want]
    assert whole["target"].to_pylist() == [r[1] for r in want]
    value = [np.nan if r[2] == "NA" else float(r[2]) for r in want]
    np.testing.assert_array_equal(whole["fdr"].to_numpy(), value)


@pytest.mark.parametrize("kind", ["tab", "comma", "space", "crlf", "gzip", "no_last_newline"])
def test_texts_in_small_blocks(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(table_blocks, "BLOCK", 1000)
    path = tmp_path / "t.txt"
    separator = {"comma": ",", "space": " "}.get(kind, "\t")
    text = text_of(separator, end="\r\n" if kind == "crlf" else "\n")
    if kind == "gzip":
        path.write_bytes(
            gzip.compress(text[:20_000].encode()) + gzip.compress(text[20_000:].encode())
        )
    else:
        path.write_bytes((text[:-1] if kind == "no_last_newline" else text).encode())
    whole, blocks = read(path)
    assert blocks > 50
    check(whole)


def test_comments_and_a_header_with_a_hash(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("##made by us\n\n" + text_of(head="#snp\ttarget\tfdr\n"))
    assert open_table(path).header == ("snp", "target", "fdr")
    check(read(path, 4)[0])


def test_lines_are_those_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(table_blocks, "BLOCK", 40)
    path = tmp_path / "t.txt"
    lines = ["##x", "snp\ttarget\tfdr", "a\tx\t0", "", "b\tx\t1", "\r", "", "c\tx\t2", "d\tx\t3"]
    path.write_bytes(("\n".join(lines) + "\n").encode() + b"e\tx\t4\n" * 9)

    def use(block, numbers):
        return list(zip(block["fdr"].to_pylist(), numbers.tolist(), strict=True))

    blocks = read_blocks(open_table(path), ["fdr"], ["number"], use)
    found = list(itertools.chain.from_iterable(blocks))
    assert found[:4] == [(0, 3), (1, 5), (2, 8), (3, 9)]
    assert found[4:] == [(4, n) for n in range(10, 19)]


def test_quoted_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"snp","target","fdr"\n"1:5_A_C","a b","0.5"\n')
    assert read(path)[0].to_pylist() == [{"fdr": 0.5, "snp": "1:5_A_C", "target": "a b"}]


@pytest.mark.parametrize("dictionary", [True, False])
def test_parquet(tmp_path, monkeypatch, dictionary):
    monkeypatch.setattr(table_blocks, "ROWS", 100)
    columns = list(zip(*rows(), strict=True))
    fdr = pa.array([None if v == "NA" else float(v) for v in columns[2]], pa.float32())
    snp = pa.array(columns[0])
    if dictionary:
        snp = snp.dictionary_encode()
    table = pa.table({"snp": snp, "target": pa.array(columns[1]), "fdr": fdr})
    pq.write_table(table, tmp_path / "t.parquet")
    opened = open_table(tmp_path / "t.parquet")
    assert (opened.kind, opened.what) == ("parquet", "Parquet")
    whole, blocks = read(tmp_path / "t.parquet", 1)
    assert blocks > 40
    assert whole["snp"].to_pylist() == list(columns[0])
    np.testing.assert_array_equal(whole["fdr"].to_numpy(), fdr.to_numpy(zero_copy_only=False))


def test_parquet_with_text_for_a_number(tmp_path):
    table = pa.table({"snp": ["a"], "target": ["b"], "fdr": ["much"]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputFileError, match="row 1 and those below have fdr of type string: "):
        read(tmp_path / "t.parquet")


def test_blueprint_has_no_header(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("10:90_C_G,T rs1 10:10:20 7e-01 0.08 1.0 6e-01 0.08 0.2\n" * 3)
    table = open_table(path)
    assert table.header == BLUEPRINT
    assert table.what == "text, spaces"
    found = list(read_blocks(table, ["FDR"], ["number"], lambda block, lines: lines.tolist()))
    assert found == [[1, 2, 3]]


def test_a_gzip_that_is_cut_off(tmp_path):
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(text_of().encode())[:-3000])
    with pytest.raises(InputFileError, match=r"t.gz is cut off \(gzip without its end\)"):
        read(path)


def test_a_gzip_with_a_broken_byte(tmp_path):
    path = tmp_path / "t.gz"
    packed = bytearray(gzip.compress(text_of().encode()))
    packed[len(packed) // 2 : len(packed) // 2 + 20] = b"\0" * 20
    path.write_bytes(packed)
    with pytest.raises(InputFileError, match=r"t.gz is damaged \("):
        read(path)


def test_rows_that_cannot_be_read(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(text_of() + "1:7_A_C\tx\n")
    message = (
        f"line {ROWS + 2} has 2 columns, the header has 3: is it cut off, or not separated by tabs"
    )
    with pytest.raises(InputFileError, match=message):
        read(path)
    path.write_text(text_of() + "1:7_A_C\tx\tsmall\n")
    with pytest.raises(
        InputFileError, match=f"line {ROWS + 2} has fdr 'small': want a number, or NA"
    ):
        read(path)


def test_rows_with_names_of_rows(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("snp target fdr\n1 1:7_A_C x 0.1\n")
    with pytest.raises(InputFileError, match="line 2 has a column more than the header: if R"):
        read(path)


def test_a_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(table_blocks, "BLOCK", 1000)
    path = tmp_path / "t.txt"
    path.write_text("snp\ttarget\tfdr\n" + "x" * 3000)
    with pytest.raises(InputFileError, match="has no line end in 2000 bytes: is it a text"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: want a header and rows"),
        (b"##only\n\n", "is empty: want a header and rows"),
        (b"\xff\xfe\x00a\tb\n", "is no text, gzip or Parquet"),
        (b"PAR1 not really", "is damaged"),
        (b"\x1f\x8bnot really", "is damaged"),
    ],
)
def test_files_that_are_no_tables(tmp_path, content, message):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputFileError, match=message):
        open_table(tmp_path / "t")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputFileError, match=r"QTL table .* does not exist"):
        open_table(tmp_path / "t")
