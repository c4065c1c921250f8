import errno
from collections import defaultdict

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.prediction import bigwig
from tfepi.prediction.windows import Place, Site
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome


def plain_mean(windows, width, length=400):
    """Per-base mean over windows (start, values), base by base."""
    seen = defaultdict(list)
    for start, values in windows:
        for number, value in enumerate(values):
            for base in range(start + number * width, start + (number + 1) * width):
                if np.isfinite(value):
                    seen[base].append(float(value))
    return {base: np.mean(v) for base, v in seen.items()}


def bases(spans):
    found = {}
    for _, start, end, values in spans:
        for low, high, value in zip(start.tolist(), end.tolist(), values.tolist(), strict=True):
            for base in range(low, high):
                assert base not in found
                if np.isfinite(value):
                    found[base] = value
    return found


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.integers(-20, 200), min_size=1, max_size=12),
    width=st.integers(1, 7),
    bins=st.integers(1, 4),
    size=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_overlaps_are_averaged_base_by_base(starts, width, bins, size, seed):
    rng = np.random.default_rng(seed)
    starts = np.sort(starts)
    values = rng.normal(0, 100, (len(starts), bins)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    blocks = [
        ("chr1", starts[i : i + size], values[i : i + size]) for i in range(0, len(starts), size)
    ]
    found = bases(bigwig.averaged(blocks, width))
    wanted = plain_mean(zip(starts.tolist(), values, strict=True), width)
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(
        [found[b] for b in wanted], list(wanted.values()), rtol=1e-12, atol=1e-12
    )


def test_windows_apart_pass_unchanged():
    values = np.array([[1e30, 1e-30], [3, 4]], np.float32)
    spans = list(
        bigwig.averaged([("a", np.array([0, 20]), values), ("b", np.array([5]), values[:1])], 10)
    )
    assert [s[0] for s in spans] == ["a", "b"]
    assert spans[0][3].tolist() == values.ravel().tolist()
    assert spans[1][1].tolist() == [5, 15]


def test_tracks_are_cut_at_the_ends_and_listed_by_name(tmp_path):
    path = tmp_path / "x.bw"
    start = np.array([-8, 0, 8, 16, 24])
    values = np.array([9, 1, np.nan, 3, 4], np.float32)
    spans = [("chr10", start, start + 8, values), ("chr2", start, start + 8, values)]
    bigwig.write_track(path, {"chr2": 1000, "chr10": 27, "chr1": 5}, spans)
    with pyBigWig.open(str(path)) as file:
        assert list(file.chroms()) == ["chr1", "chr10", "chr2"]
        assert file.intervals("chr10") == ((0, 8, 1.0), (16, 24, 3.0), (24, 27, 4.0))
        assert file.intervals("chr2")[-1] == (24, 32, 4.0)
        assert file.header()["nBasesCovered"] == 19 + 24
    assert [p.name for p in tmp_path.iterdir()] == ["x.bw"]


def test_unequal_stretches(tmp_path):
    start, end = np.array([0, 5, 20, 40]), np.array([5, 6, 30, 45])
    values = np.array([1.0, 2, 3, 4])
    bigwig.write_track(tmp_path / "x.bw", {"a": 100}, [("a", start, end, values)])
    with pyBigWig.open(str(tmp_path / "x.bw")) as file:
        assert file.intervals("a") == tuple(zip(start, end, values, strict=True))


def test_nothing_to_write(tmp_path):
    spans = [("a", np.array([0]), np.array([8]), np.array([np.nan]))]
    with pytest.raises(InputFileError, match="has no finite value"):
        bigwig.write_track(tmp_path / "x.bw", {"a": 100}, spans)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_whole_is_an_error(tmp_path, monkeypatch):
    spans = [("a", np.array([0]), np.array([8]), np.array([1.0]))]
    monkeypatch.setattr(bigwig, "_add", lambda *_: None)
    with pytest.raises(OSError, match="it is not whole") as caught:
        bigwig.write_track(tmp_path / "x.bw", {"a": 100}, spans)
    assert caught.value.errno == errno.EIO
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_to_be_full(tmp_path, monkeypatch):
    class Full:
        free = 0

    def fails(*_):
        raise RuntimeError("an error while adding intervals")

    monkeypatch.setattr(bigwig, "_add", fails)
    monkeypatch.setattr(bigwig.shutil, "disk_usage", lambda _: Full)
    spans = [("a", np.array([0]), np.array([8]), np.array([1.0]))]
    with pytest.raises(OSError, match="cannot write") as caught:
        bigwig.write_track(tmp_path / "x.bw", {"a": 100}, spans)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr2 1003\nchr10\n", "line 2 is 'chr10': want a name and a length"),
        ("chr2 1004\n", "says chr2 has 1004 bp, FASTA .* has 1003"),
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
