import errno

import numpy as np
import pyBigWig
import pytest

from tfepi.prediction import bigwig
from tfepi.prediction.windows import Place, Site
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome


def test_tracks_are_cut_at_the_ends_and_listed_by_name(tmp_path):
    path = tmp_path / "x.bw"
    start = np.array([-8, 0, 8, 16, 24])
    values = np.array([9, 1, np.nan, 3, 4], np.float32)
    spans = [("chr10", start, start + 8, values), ("chr2", start, start + 8, values)]
    bigwig.write_track(path, {"chr2": 1000, "chr10": 27, "chr1": 5}, spans, 8)
    with pyBigWig.open(str(path)) as file:
        assert list(file.chroms()) == ["chr1", "chr10", "chr2"]
        assert file.intervals("chr10") == ((0, 8, 1.0), (16, 24, 3.0), (24, 27, 4.0))
        assert file.intervals("chr2")[-1] == (24, 32, 4.0)
        assert file.header()["nBasesCovered"] == 19 + 24
    assert [p.name for p in tmp_path.iterdir()] == ["x.bw"]


def test_unequal_stretches(tmp_path):
    start, end = np.array([0, 5, 20, 40]), np.array([5, 6, 30, 45])
    values = np.array([1.0, 2, 3, 4])
    bigwig.write_track(tmp_path / "x.bw", {"a": 100}, [("a", start, end, values)], 5)
    with pyBigWig.open(str(tmp_path / "x.bw")) as file:
        assert file.intervals("a") == tuple(zip(start, end, values, strict=True))


def test_nothing_to_write(tmp_path):
    spans = [("a", np.array([0]), np.array([8]), np.array([np.inf]))]
    with pytest.raises(InputFileError, match="has no finite value"):
        bigwig.write_track(tmp_path / "x.bw", {"a": 100}, spans, 8)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("after", [0, 1])
def test_a_full_disk_is_said_to_be_full(tmp_path, monkeypatch, after):
    """While bins are written, and when the file is finished."""

    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tfrecords_tools.bigwig." + ("zlib.compress", "write_index")[after], fails)
    spans = [("a", np.array([0]), np.array([8]), np.array([1.0]))]
    with pytest.raises(OSError, match="No space left on device") as caught:
        bigwig.write_track(tmp_path / "x.bw", {"a": 100}, spans, 8)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "x.bw")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr2 1003\nchr10\n", "line 2 is no chromosome and length: 'chr10'"),
        ("chr2 1004\n", "say chr2 has 1004 bp, FASTA .* has 1003"),
        ("chr10 300\n\n", "lack chr2, which has windows"),
    ],
)
def test_bad_chromosome_sizes(fasta, tmp_path, toy, text, message):
    path = tmp_path / "sizes"
    path.write_text(text)
    with Genome(fasta) as genome:
        windows = Place(chroms=("chr10", "chr2")).windows(genome, Site.of(toy.spec()))
        with pytest.raises(InputFileError, match=message):
            bigwig.track_chroms(genome, windows, path)
        path.write_text("chr10 300 x\nchrUn 5\nchr2 1003\n")
        found = {"chr10": 300, "chrUn": 5, "chr2": 1003}
        assert bigwig.track_chroms(genome, windows, path) == found
        assert bigwig.track_chroms(genome, windows) == toy.chroms
