import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.intervals import (
    Interval,
    complement,
    covered_bases,
    intersect_array,
    merge_array,
    merged,
    read_bed,
)

LENGTH = 60
spans = st.lists(
    st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH))
    .map(sorted)
    .filter(lambda s: s[0] < s[1]),
    max_size=8,
).map(lambda s: np.array(s, np.int64).reshape(-1, 2))


def bases(array) -> set[int]:
    return {b for start, end in np.asarray(array).tolist() for b in range(start, end)}


@given(spans)
def test_merge_is_the_union_and_disjoint(a):
    m = merge_array(a)
    assert bases(m) == bases(a)
    assert all(m[1:, 0] > m[:-1, 1])


@given(spans, spans)
def test_intersect_and_covered_bases_count_positions(a, b):
    m = merge_array(b)
    assert bases(intersect_array(a, m)) == bases(a) & bases(b)
    expected = [len(set(range(*s)) & bases(b)) for s in a.tolist()]
    assert covered_bases(a, m).tolist() == expected


@given(spans)
def test_complement_is_the_rest(a):
    assert bases(complement(merge_array(a), LENGTH)) == set(range(LENGTH)) - bases(a)


def test_merge_joins_across_a_gap():
    found = merged([Interval("c", 0, 5), Interval("c", 8, 9)], gap=3)
    assert found["c"].tolist() == [[0, 9]]


@pytest.mark.parametrize("line", ["chr1\t5", "chr1\tx\t9", "chr1\t9\t5"])
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "a.bed"
    path.write_text(f"# comment\nchr1\t1\t2\tlabel\n{line}\n")
    with pytest.raises(InputFileError, match="line 3"):
        read_bed(path)


def test_read_bed_keeps_labels_and_reads_gzip(tmp_path):
    import gzip

    path = tmp_path / "a.bed.gz"
    with gzip.open(path, "wt") as handle:
        handle.write("track x\nchr1\t1\t2\ttrain\n")
    assert read_bed(path) == [Interval("chr1", 1, 2, "train")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.bed.gz", b"chr1\t1\t2\n", "a.bed.gz is not gzip-compressed: compress it"),
        (
            "a.bed.gz",
            gzip.compress(b"chr1\t1\t2\n" * 99, mtime=0)[:-9],
            "a.bed.gz is damaged gzip .*again",
        ),
        (
            "a.bed.gz",
            gzip.compress(b"chr1\t1\t2\n", mtime=0)[:9] + b"\7" * 30,
            "a.bed.gz is damaged gzip",
        ),
        ("a.bed", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a.bed is no text .*want a BED"),
    ],
)
def test_files_that_are_no_text_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputFileError, match=message):
        read_bed(tmp_path / name)


def test_gzip_is_read_whatever_its_name(tmp_path):
    for name in ("a.bed", "a.bed.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"chr1\t1\t2\tx\n", mtime=0))
        assert read_bed(tmp_path / name) == [Interval("chr1", 1, 2, "x")]
    (tmp_path / "none.bed.gz").write_bytes(b"")
    assert read_bed(tmp_path / "none.bed.gz") == []
