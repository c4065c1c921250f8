import pytest

from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.errors import InputFileError


def test_tables_and_indexes(tmp_path):
    sizes = {"chr2": 1003, "chr10": 300}
    path = tmp_path / "genome.fa"
    path.write_text("chr2 1003\n\nchr10\t300\tx\nchr2 1003\n")
    assert read_sizes(path) == sizes
    path.with_name("genome.fa.fai").write_text("chr2\t1003\t6\t60\t61\nchr10\t300\t9\t60\t61\n")
    path.write_text(">chr2\nACGT\n")
    assert read_sizes(path) == sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\n", "line 1 is no chromosome and length: 'chr1'"),
        (">chr1 a\nACGT\n", "line 1 is no chromosome and length: '>chr1 a'"),
        ("chr1\t0\n", "line 1 is no chromosome"),
        ("\n", "has no chromosome"),
        ("chr1 5\nchr2 5\n\nchr1 6\n", "line 4 says chr1 has 6 bp, a line before 5: keep one"),
    ],
)
def test_lengths_that_are_none(tmp_path, text, message):
    path = tmp_path / "sizes"
    path.write_text(text)
    with pytest.raises(InputFileError, match=message):
        read_sizes(path)
