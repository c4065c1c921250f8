"""Places by name from BED, annotation and tables."""

import gzip

import pytest

from tfepi.qtl.place_files import read_places
from tfrecords_tools.errors import InputFileError


def found(path, *names):
    places = read_places(path, "table of targets")
    at = places.find(list(names))
    return [
        None
        if a < 0
        else (places.chroms[places.chrom[a]], int(places.start[a]), int(places.end[a]))
        for a in at
    ], places


def test_a_bed(tmp_path):
    (tmp_path / "t.bed").write_text("chr1\t5\t9\tp1\t0\t+\nchr2\t0\t4\tp2\t0\t-\n")
    where, places = found(tmp_path / "t.bed", "p2", "p3", "p1")
    assert where == [("chr2", 0, 4), None, ("chr1", 5, 9)]
    assert places.base == 0


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("geneid\tchr\ts1\ts2\ng1\tchr1\t5\t9\n", 9),
        ("phenotype_id\tgroup\tchromosome\tphenotype_pos\ng1\tx\tchr1\t5\n", 5),
        ("snp chr pos\ng1 chr1 5\n", 5),
    ],
)
def test_tables(tmp_path, text, end):
    (tmp_path / "t.gz").write_bytes(gzip.compress(text.encode()))
    where, places = found(tmp_path / "t.gz", "g1")
    assert where == [("chr1", 5, end)]
    assert places.base is None


def test_genes_are_at_their_start_sites(tmp_path):
    lines = [
        'chr1\tx\tgene\t11\t20\t.\t+\t.\tgene_id "ENSG01.4";\n',
        'chr1\tx\tgene\t31\t40\t.\t-\t.\tgene_id "ENSG02.1";\n',
    ]
    (tmp_path / "t.gtf").write_text("".join(lines))
    where, places = found(tmp_path / "t.gtf", "ENSG02.7", "ENSG01")
    assert where == [("chr1", 39, 40), ("chr1", 10, 11)]
    assert places.base == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tchr\na\tb\n", "has no column for start: it has name, chr; want a BED"),
        ("name\tchr\tstart\n", "has no rows below its header"),
        ("\n\n", "is no table .*: want tabs or spaces"),
        ("\t\n\t\n", "is no table .*: want tabs or spaces"),
        ("name\tchr\tstart\na\tchr1\tx\n", "line 2 has the position 'x': want a whole number"),
        ("name\tchr\tstart\na\tchr1\t5\n\n\nb\tchr1\tx\n", "line 5 has the position 'x'"),
        ("chr1\t1\t2\ta\nchr1\t1\t3\ta\n", r"gives 1 names more than one place \(a\)"),
        ("", "is no table"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(InputFileError, match=message):
        read_places(tmp_path / "t.txt", "table of targets")


def test_a_file_that_is_cut_off(tmp_path):
    packed = gzip.compress(b"name\tchr\tstart\n" + b"a\tchr1\t5\n" * 1000)
    (tmp_path / "t.gz").write_bytes(packed[:-9])
    with pytest.raises(InputFileError, match="is no table"):
        read_places(tmp_path / "t.gz", "table of targets")


def test_the_same_place_twice_is_one(tmp_path):
    (tmp_path / "t.txt").write_text("chr1\t1\t2\ta\nchr1\t1\t2\ta\n")
    assert len(read_places(tmp_path / "t.txt", "table of targets").names) == 1
