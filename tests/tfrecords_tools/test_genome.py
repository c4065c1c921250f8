import gzip
import os

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome, decode, encode, one_hot, reverse_complement


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
    if kind == "truncated bgzip":
        path = fasta.with_name("g.fa.gz")
        pysam.tabix_compress(str(fasta), str(path))
        Genome(path)
        path.write_bytes(path.read_bytes()[:-10])
        return path
    return fasta


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("empty", "no FASTA"),
        ("no FASTA", "no FASTA"),
        ("duplicate", "3 sequences but only 2 different names"),
        ("unequal lines", "unequal length"),
        ("gzip", "bgzip"),
        ("truncated", "truncated"),
        ("truncated bgzip", "truncated"),
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
