import gzip
import os

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.fasta_index import FastaIndex
from tfrecords_tools.genome import Genome, decode, encode, one_hot, reverse_complement, shortened


@given(st.text("ACGTNacgtRYn-", max_size=50))
def test_encode_decode(sequence):
    expected = "".join(c if c in "ACGT" else "N" for c in sequence.upper())
    assert decode(encode(sequence)) == expected


@given(st.text("ACGTN", max_size=50))
def test_reverse_complement(sequence):
    indices = encode(sequence)
    letters = sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    assert decode(reverse_complement(indices)) == letters
    assert (reverse_complement(reverse_complement(indices)) == indices).all()
    assert (one_hot(reverse_complement(indices)) == one_hot(indices)[::-1, ::-1]).all()


def test_one_hot_of_n_is_zero():
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert one_hot(encode("ACGTN")).tolist() == expected


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a first\nACGTAC\nGTNNRY\nac\n>b\ntttt\n")
    return path


def test_indices_are_padded_beyond_the_ends(fasta):
    with Genome(fasta) as genome:
        assert genome.chroms == {"a": 14, "b": 4}
        assert decode(genome.indices("a", -2, 17)) == "NNACGTACGTNNNNACNNN"
        assert decode(genome.indices("b", 4, 8)) == "NNNN"


def test_bgzip_gives_the_same(fasta, tmp_path):
    packed = tmp_path / "g.fa.gz"
    pysam.tabix_compress(str(fasta), str(packed))
    assert (Genome(packed).indices("a", 3, 12) == Genome(fasta).indices("a", 3, 12)).all()


def test_a_folder_without_write_permission_is_read(fasta, tmp_path, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: False if m == os.W_OK else real(p, m))
    assert Genome(fasta).chroms["b"] == 4
    assert not (tmp_path / "g.fa.fai").exists()


def other_genome(path):
    """Put another genome, of the same names, where one was read, and date its index before it."""
    Genome(path).close()
    plain = path.with_name("other.fa")
    plain.write_text(">b\nGGGGTT\n>a\n" + "TTTTTTTTTTCCCCCCCCCC\n" * 3)
    if path.suffix == ".gz":
        pysam.tabix_compress(str(plain), str(path), force=True)
    else:
        path.write_bytes(plain.read_bytes())
    for index in path.parent.glob(f"{path.name}.*i"):
        os.utime(index, ns=(0, path.stat().st_mtime_ns - 1))


@pytest.mark.parametrize("name", ["g.fa", "g.fa.gz"])
@pytest.mark.parametrize("writable", [True, False])
def test_an_older_index_is_not_trusted(fasta, tmp_path, monkeypatch, caplog, name, writable):
    path = fasta.with_name(name)
    if name.endswith(".gz"):
        pysam.tabix_compress(str(fasta), str(path))
    other_genome(path)
    before = path.with_name(f"{name}.fai").read_bytes()
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: real(p, m) and (writable or m != os.W_OK))
    caplog.set_level("INFO")
    with Genome(path) as genome:
        assert genome.chroms == {"b": 6, "a": 60}
        assert decode(genome.indices("a", 8, 12)) == "TTCC"
    assert [r.message for r in caplog.records] == [
        f"{path}.fai is older than its FASTA: indexing that again"
    ]
    assert (path.with_name(f"{name}.fai").read_bytes() != before) == writable
    caplog.clear()
    with Genome(path) as genome:
        assert genome.chroms == {"b": 6, "a": 60}
    assert bool(caplog.records) != writable


def test_an_index_as_old_as_its_fasta_is_used(fasta, monkeypatch):
    Genome(fasta).close()
    os.utime(fasta, (1e9, 1e9))
    os.utime(f"{fasta}.fai", (1e9, 1e9))
    monkeypatch.setattr(FastaIndex, "_write", lambda *_: pytest.fail("indexed again"))
    assert Genome(fasta).chroms == {"a": 14, "b": 4}


def test_a_fasta_dated_ahead_is_indexed_once(fasta, monkeypatch):
    os.utime(fasta, (4e9, 4e9))
    Genome(fasta).close()
    monkeypatch.setattr(FastaIndex, "_write", lambda *_: pytest.fail("indexed again"))
    assert Genome(fasta).chroms == {"a": 14, "b": 4}


def bad(fasta, kind):
    if kind == "missing":
        return fasta.with_name("none.fa")
    if kind == "empty":
        fasta.write_text("")
    if kind == "no FASTA":
        fasta.write_text("ACGT\n")
    if kind == "duplicate":
        fasta.write_text(">a\nAC\n>b\nAC\n>a\nGT\n")
    if kind == "unequal lines":
        fasta.write_text(">a\nACGT\nAC\nACGTACGT\n")
    if kind == "gzip":
        path = fasta.with_name("g.fa.gz")
        path.write_bytes(gzip.compress(fasta.read_bytes()))
        return path
    if kind == "truncated":
        Genome(fasta)
        fasta.write_text(fasta.read_text()[:-6])
        os.utime(fasta, (0, 0))
    if kind == "truncated bgzip":
        path = fasta.with_name("g.fa.gz")
        pysam.tabix_compress(str(fasta), str(path))
        Genome(path)
        path.write_bytes(path.read_bytes()[:-10])
        os.utime(path, (0, 0))
        return path
    if kind == "truncated bgzip without index":
        path = fasta.with_name("g.fa.gz")
        fasta.write_text(fasta.read_text() + ">c\n" + ("ACGT" * 15 + "\n") * 4000)
        pysam.tabix_compress(str(fasta), str(path))
        path.write_bytes(path.read_bytes()[:-100])
        return path
    return fasta


@pytest.fixture
def packed(tmp_path):
    """A bgzip FASTA of several blocks."""
    letters = np.random.default_rng(2).choice(list("ACGT"), 480_000)
    (tmp_path / "g.fa").write_text(">a\n" + "".join(letters) + "\n")
    pysam.tabix_compress(str(tmp_path / "g.fa"), str(tmp_path / "g.fa.gz"))
    return tmp_path / "g.fa.gz"


def damage(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)
    path.write_bytes(data)


def test_damage_after_indexing_is_named_in_one_line(packed, capfd):
    Genome(packed).close()
    damage(packed)
    for index in packed.parent.glob("*.*i"):
        os.utime(index, (4e9, 4e9))
    with Genome(packed) as genome:
        message = rf"^FASTA {packed} is damaged at a:0-480000: fetch it again$"
        assert len(genome.indices("a", 0, 1000)) == 1000
        for end in (480_000, 1000):  # the place stays the first one
            with pytest.raises(InputFileError, match=message):
                genome.indices("a", 0, end)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("cut", [28, 5000])
def test_a_truncated_bgzip_leaves_no_index(packed, cut):
    packed.write_bytes(packed.read_bytes()[:-cut])
    with pytest.raises(InputFileError, match=r"g.fa.gz is truncated: the end marker of bgzip"):
        Genome(packed)
    assert {p.name for p in packed.parent.iterdir()} == {"g.fa", "g.fa.gz"}


def test_a_damaged_bgzip_leaves_no_index(packed):
    damage(packed)
    with pytest.raises(InputFileError, match="truncated or damaged"):
        Genome(packed)
    assert {p.name for p in packed.parent.iterdir()} == {"g.fa", "g.fa.gz"}


def test_an_index_made_is_removed_when_opening_fails(packed, monkeypatch):
    def fail(*_, **__):
        raise OSError("no")

    monkeypatch.setattr(pysam, "FastaFile", fail)
    with pytest.raises(InputFileError, match="cannot open"):
        Genome(packed)
    assert {p.name for p in packed.parent.iterdir()} == {"g.fa", "g.fa.gz"}


def test_long_alleles_are_shortened():
    assert shortened("ACGT" * 5) == "ACGT" * 5
    assert shortened("ACGT" * 500) == "ACGT" * 5 + "…(2000 bp)"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("empty", "g.fa is empty"),
        ("no FASTA", "no FASTA"),
        ("duplicate", "3 sequences but only 2 different names"),
        ("unequal lines", "unequal length"),
        ("gzip", "bgzip"),
        ("truncated", "truncated"),
        ("truncated bgzip", "truncated"),
        ("truncated bgzip without index", "truncated"),
    ],
)
def test_bad_files_are_refused(fasta, kind, message):
    with pytest.raises(InputFileError, match=message):
        Genome(bad(fasta, kind))


def test_an_unknown_chromosome_explains_the_prefix(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">chr1\nACGT\n")
    with pytest.raises(InputFileError, match="'chr' prefix"):
        Genome(path).indices("1", 0, 2)
    with pytest.raises(InputFileError, match="it has chr1"):
        Genome(path).length("chrX")


def test_one_hot_keeps_leading_axes():
    assert one_hot(np.zeros((2, 3), np.uint8)).shape == (2, 3, 4)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-5, 12)), min_size=1, max_size=9))
def test_windows_are_the_single_reads(tmp_path_factory, starts):
    path = tmp_path_factory.getbasetemp() / "windows.fa"
    path.write_text(">a\nACGTACGTNNRYac\n>b\ntttt\n")
    with Genome(path) as genome:
        spans = [(chrom, start, start + 6) for chrom, start in starts]
        expected = [genome.indices(*span) for span in spans]
        np.testing.assert_array_equal(genome.windows(spans), expected)
