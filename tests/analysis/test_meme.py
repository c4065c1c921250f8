"""MEME files: what is read, what is written, and what is refused."""

import numpy as np
import pytest

from tfepi.analysis.meme import CountedMotif, KnownMotif, read_meme, write_meme
from tfrecords_tools.errors import InputFileError

MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF M1 first one
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 1e-5
 0.7 0.1 0.1 0.1
 0.0 1.0 0.0 0.0
 0.25 0.25 0.25 0.25
URL http://example.org

MOTIF M2
letter-probability matrix: alength= 4

0.1 0.2 0.3 0.4
-----------------
"""


def test_a_meme_file(tmp_path):
    path = tmp_path / "m.meme"
    path.write_text(MEME)
    one, other = read_meme(path)
    assert (one.name, one.also, one.sites) == ("M1", "first one", 17)
    np.testing.assert_allclose(one.shares, [[0.7, 0.1, 0.1, 0.1], [0, 1, 0, 0], [0.25] * 4])
    np.testing.assert_allclose(one.information[1:], [2, 0], atol=1e-12)
    assert (other.name, other.also, other.sites) == ("M2", "", 20)
    np.testing.assert_allclose(other.shares, [[0.1, 0.2, 0.3, 0.4]])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MEME version 4", ">c1", "is no MEME file"),
        ("ALPHABET= ACGT", "ALPHABET= ACDEFGHIKLMNPQRSTVWY", "line 3 has the alphabet 'ACDEF"),
        ("MOTIF M2", "MOTIF M1", "line 17 has the motif 'M1' again"),
        ("MOTIF M2", "MOTIF", "line 17: the motif has no name"),
        ("w= 3", "w= 4", "the matrix of 'M1' has 3 rows, want 4"),
        ("0.1 0.2 0.3 0.4\n", "", "the matrix of 'M2' has 0 rows, want at least one"),
        ("nsites= 17", "nsites= many", "nsites is 'many', want a number"),
        ("0.7 0.1 0.1 0.1", "0.7 0.1 0.1", "line 12 is '0.7 0.1 0.1': want four shares"),
        ("0.7 0.1 0.1 0.1", "0.7 0.1 0.1 0.3", "line 12 is '0.7 0.1 0.1 0.3': want four"),
        ("0.7 0.1 0.1 0.1", "0.7 0.1 0.1 x", "line 12 is '0.7 0.1 0.1 x': want four"),
        ("0.7 0.1 0.1 0.1", "0.7 -.1 0.1 0.3", "line 12 is '0.7 -.1 0.1 0.3': want four"),
        (
            "MOTIF M2\nletter-probability matrix: alength= 4\n\n0.1 0.2 0.3 0.4\n",
            "MOTIF M2\n",
            "line 17: the motif 'M2' has no letter-probability matrix",
        ),
        (
            "letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 1e-5",
            "log-odds matrix:",
            "line 10: the motif 'M1' has no letter-probability matrix",
        ),
    ],
)
def test_bad_meme_files(tmp_path, old, new, message):
    path = tmp_path / "m.meme"
    assert old in MEME
    path.write_text(MEME.replace(old, new))
    with pytest.raises(InputFileError) as error:
        read_meme(path)
    assert message in str(error.value)


def test_no_motifs_and_no_file(tmp_path):
    path = tmp_path / "m.meme"
    path.write_text("MEME version 4\n")
    with pytest.raises(InputFileError, match="has no motifs"):
        read_meme(path)
    with pytest.raises(InputFileError, match="does not exist"):
        read_meme(tmp_path / "none")


def test_written_meme(tmp_path):
    motif = CountedMotif("m1", "second", np.array([[3, 1, 0, 0], [0, 0, 0, 4]]))
    write_meme(tmp_path / "x.meme", [motif], np.array([0.3, 0.2, 0.2, 0.3]))
    assert (tmp_path / "x.meme").read_text() == (
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: +\n\n"
        "Background letter frequencies\nA 0.300000 C 0.200000 G 0.200000 T 0.300000\n\n"
        "MOTIF m1 second\n"
        "letter-probability matrix: alength= 4 w= 2 nsites= 4 E= 0\n"
        " 0.750000  0.250000  0.000000  0.000000\n"
        " 0.000000  0.000000  0.000000  1.000000\n"
    )
    assert motif.consensus == "AT"
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert motif.information.tolist() == pytest.approx([2 - entropy, 2])


def test_what_was_written_is_read(tmp_path):
    counts = np.random.default_rng(0).multinomial(12, [0.4, 0.3, 0.2, 0.1], 7)
    written = [CountedMotif("m1", "second one", counts), CountedMotif("m2", "", counts[:1])]
    write_meme(tmp_path / "x.meme", written, np.array([0.3, 0.2, 0.2, 0.3]))
    for one, other in zip(read_meme(tmp_path / "x.meme"), written, strict=True):
        assert isinstance(one, KnownMotif)
        assert (one.name, one.also, one.sites) == (other.name, other.also, 12)
        np.testing.assert_allclose(one.shares, other.frequencies, atol=1e-6)
        np.testing.assert_allclose(one.information, other.information, atol=1e-4)
